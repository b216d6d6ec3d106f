"""What Python and the kernels both know of memory: numbers, enumerations, structures, exported functions.

Each is a row here. `layout_header` and `functions_header` make C of the rows, with assertions of the sizes
and offsets that ctypes computed; evo/kernels/binding.py makes ctypes' types. So a field, a status or an
argument is changed in one place, and the compiler finds what does not follow.
"""

import ctypes
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

import numpy as np

from evo.kernels.effort import MAX_STARTS, NUMBERS, Effort
from evo.programs.batch import CONSTANT, MAX_CONSTANTS, MAX_OPS, VALUE

WAYS = 4
WARP = 32
MOST_STRIDE = 8
"""Of the powers of x in a rational function's polynomials, as far as anybody asks."""
MOST_POWER = 63
MOST_DEGREES = 24
"""Of both polynomials of a rational function together: a type with more has no bound that fits in float64
could meet."""
TYPE_SHAPE = 2 * MOST_POWER + 2, 2 * MOST_STRIDE, 32, 32
"""Of an array with a place for the power, the stride and the degrees of each type of rational functions."""
MOST_PROBES = 1 << 12
"""Places where a key may be before a table counts as full."""
FITTED, NOT_FINITE, POLE = range(3)
SETTLED = 3
"""Of a program that was not fitted: its error is known to be too large."""
COUNTERS = (
    "made",  # mutants, those on the way of a walk too
    "invalid",  # do not depend on x, or outgrow the kernels' tables
    "too_large",  # more constants than a batch holds (mutants of too many ops are cut back)
    "seen_text",  # tier 1: skipped
    "undefined",  # divide by what is always zero
    "redundant",  # tier 2: skipped, an equivalent program with fewer constants exists
    "seen_function",  # tier 2: skipped, known
    "collisions",  # equal fingerprint, different check: kept
    "audited",  # known, but fitted all the same to check the cache
)
TIERS = {"text": 1, "function": 2, "redundant": 4, "behaviour": 8}
"""Tiers that can be switched off for an ablation, by their bit; the islands see to the last."""
KINDS_OF_WORDS = {
    "constant": 1,  # has one
    "shift": 2,  # v + c, v - c, c - v
    "scale": 4,  # v * c, v / c
    "over": 8,  # c / v
    "double": 16,  # v + v
    "square": 32,  # v * v
    "plus": 64,  # any sum
    "minus": 128,  # any difference, where there are sums
    "times": 256,  # any product
    "divided": 512,  # any quotient, where there are products
}
"""What instructions of an enumeration do, by bits, as far as constants can be moved through them."""

SIZES = {
    "BATCH_OPS": MAX_OPS,
    "BATCH_CONSTANTS": MAX_CONSTANTS,
    "CONSTANT": CONSTANT,
    "BATCH_VALUE": VALUE,
    "MAX_STARTS": MAX_STARTS,
    "WAYS": WAYS,
    "WARP": WARP,
    "MOST_PROBES": MOST_PROBES,
    "MOST_STRIDE": MOST_STRIDE,
    "MOST_POWER": MOST_POWER,
    "MOST_DEGREES": MOST_DEGREES,
    "TYPE_STRIDES": TYPE_SHAPE[1],
    "TYPE_DEGREES": TYPE_SHAPE[2],
}
ENUMS = {
    "what became of a fit": {"FITTED": FITTED, "NOT_FINITE": NOT_FINITE, "POLE": POLE},
    "what became of a mutant": {name.upper(): code for code, name in enumerate((*COUNTERS, "counters"))},
    "tiers, by their bits": {f"TIER_{name.upper()}": bit for name, bit in TIERS.items()},
    "what a word does, by bits": {f"KIND_{name.upper()}": bit for name, bit in KINDS_OF_WORDS.items()},
}


class Kind(NamedTuple):
    """A C type as ctypes and NumPy have it."""

    ctype: type[ctypes._SimpleCData]
    dtype: np.dtype[Any]


KINDS = {
    "double": Kind(ctypes.c_double, np.dtype(np.float64)),
    "float": Kind(ctypes.c_float, np.dtype(np.float32)),
    "int32_t": Kind(ctypes.c_int32, np.dtype(np.int32)),
    "int64_t": Kind(ctypes.c_int64, np.dtype(np.int64)),
    "uint8_t": Kind(ctypes.c_uint8, np.dtype(np.uint8)),
    "int16_t": Kind(ctypes.c_int16, np.dtype(np.int16)),
    "uint16_t": Kind(ctypes.c_uint16, np.dtype(np.uint16)),
    "uint32_t": Kind(ctypes.c_uint32, np.dtype(np.uint32)),
    "uint64_t": Kind(ctypes.c_uint64, np.dtype(np.uint64)),
    "unsigned long long": Kind(ctypes.c_uint64, np.dtype(np.uint64)),  # what CUDA's atomic additions take
    "int": Kind(ctypes.c_int, np.dtype(np.int32)),
}


class Row(NamedTuple):
    """A field or an argument.

    Attributes:
        kind: its type, without `const` and `*`.
        name: its name.
        pointer: whether it is an array, or a structure by address.
        const: whether the kernels only read it.
        meaning: shape and meaning, for the reader of the header.
    """

    kind: str
    name: str
    pointer: bool = False
    const: bool = False
    meaning: str = ""

    @classmethod
    def of(cls, declaration: str, meaning: str = "") -> "Row":
        """From C, such as `const double *x`."""
        before, pointer, after = declaration.partition("*")
        kind, _, name = before.strip().rpartition(" ") if not pointer else (before.strip(), "", after.strip())
        return cls(kind.removeprefix("const "), name, bool(pointer), kind.startswith("const "), meaning)

    def __str__(self) -> str:
        return f"{'const ' * self.const}{self.kind} {'*' * self.pointer}{self.name}"


def _rows(text: str) -> tuple[Row, ...]:
    """A line each: a declaration and, behind a colon, what it means."""
    parts = (line.partition(":") for line in text.strip().splitlines())
    return tuple(Row.of(declaration.strip(), meaning.strip()) for declaration, _, meaning in parts)


_EFFORT = _rows("\n".join(f"{'double' if f.type is float else 'int32_t'} {f.name}" for f in fields(Effort)))
STRUCTS = {
    # Arrays of programs: evo/programs/batch.py.
    "Batch": _rows("""
        uint8_t *op: [rows, width]
        uint8_t *arg: [rows, width, 3]
        int32_t *n: [rows]
        int32_t *k: [rows]
        double *constants: [rows, width]
        int64_t rows
        int64_t width
    """),
    # evo/targets/points.py.
    "Points": _rows("""
        const double *x: [points]
        const double *exact: [points]
        const double *weight: [points]
        int64_t points
    """),
    # evo/kernels/effort.py.
    "Effort": _EFFORT,
    # evo/kernels/cache.py.
    "Cache": _rows("""
        uint64_t *key: [entries], 0: empty; entries is a power of two
        uint32_t *check: [entries], a second, independent fingerprint; tells collisions
        uint8_t *ops: [entries], fewest ops seen with this fingerprint
        float *score: [entries], best error found; NaN before the fit
        int64_t entries
    """),
    # What the kernels are told of a generation: evo/kernels/vary.py.
    "Brood": _rows("""
        uint64_t stream: of this generation
        const uint8_t *allowed: [n_allowed], opcodes of new instructions
        const double *weights: [N_MUTATIONS]
        int32_t n_allowed
        int32_t max_ops
        int32_t attempts: per wanted offspring, before giving up
        int32_t tiers: bits of those that skip mutants
        double further: chance of each further edit after the first
        double audit: share of the functions seen before that are fitted all the same
    """),
    # What programs are enumerated of: evo/kernels/words.py.
    "Words": _rows("""
        const uint16_t *word: [rows], ascending: op and operands
        const uint32_t *uses: [rows], bits of the values among the operands
        const uint16_t *kind: [rows], bits of KIND_
        int32_t rows
        int32_t ops: instructions of a program
        int32_t arity: most operands of a word
        int32_t families: whether programs whose family another one has are left out
    """),
    # What a GPU's threads enumerate, and where they put it: evo/backends/cuda_sieve.py.
    "Sieve": _rows("""
        const int32_t *beginning: [beginnings, ops], words of each by place
        const uint64_t *digit: [words], of a program's number
        const int32_t *place: [digits], of a digit's word
        uint64_t *taken: [1], beginnings
        int64_t beginnings
        int32_t depth: words of a beginning
        int32_t bits: of a digit
    """),
    "Table": _rows("""
        uint64_t *key: [places]; 0 where there is none
        uint64_t *least: [places], number of the first program of each
        uint64_t *lost: [1], keys that found no place
        int64_t places: at most 2^32
        int64_t shards: of the keys, one of which is kept
        int64_t shard
    """),
    # What a GPU's warps are told: evo/backends/cuda.py.
    "Job": (
        *_rows("""
        const uint8_t *op: [rows, width]
        const uint8_t *arg: [rows, width, 3]
        const int32_t *n: [rows]
        const int32_t *k: [rows]
        double *constants: [rows, width], in place
        const uint64_t *stream: [rows]
        const double *worth: [rows]
        double *rms: [rows]
        double *error: [rows]
        uint8_t *status: [rows]
        const int32_t *chosen: [todo], rows to work on
        const double *x: [points]
        const double *exact: [points]
        const double *weight: [points]
        unsigned long long *iterations: [1]
        int32_t *counter: [1], what was begun
        int32_t todo
        int32_t width
        int32_t points
        int32_t most_n
        int32_t most_k
        """),
        *_EFFORT,
    ),
}


class Function(NamedTuple):
    """A function that the library exports; arguments named `..._or_null` may be left out."""

    result: str
    arguments: tuple[Row, ...]


def _function(result: str, arguments: str) -> Function:
    return Function(result, tuple(Row.of(a) for a in " ".join(arguments.split()).split(", ") if a))


FUNCTIONS = {
    "evaluate": _function(
        "int",
        "const Batch *batch, const double *x, int64_t points, double *values, double *jacobian_or_null",
    ),
    "fit": _function(
        "int64_t",
        """const Batch *batch, const Points *points, const Effort *effort, const uint64_t *stream,
        const double *worth, double *rms, double *error, uint8_t *status""",
    ),
    "measure": _function(
        "int",
        """const Batch *batch, const Points *points, int64_t probes, double *error, double *worst,
        uint64_t *behaviour, uint8_t *status""",
    ),
    "clearing": _function(
        "int",
        """const Batch *batch, const Points *points, int32_t *root, double *multiplicity, double *goal,
        double *power""",
    ),
    "behaviours": _function(
        "void", "const double *curve, const double *error, int64_t rows, int64_t probes, uint64_t *behaviour"
    ),
    "canonical_forms": _function("void", "const Batch *batch, uint8_t *ok, uint64_t *text"),
    "fingerprints": _function(
        "void", "const Batch *batch, uint64_t *function, uint32_t *check, int32_t *rank"
    ),
    "families": _function("void", "const Batch *batch, uint64_t *key"),
    "beginnings": _function("int64_t", "const Words *words, int32_t depth, int64_t room, int32_t *at"),
    "enumerate": _function(
        "int64_t",
        "const Words *words, int32_t *at, int32_t fixed, int64_t room, uint16_t *word, uint64_t *key",
    ),
    "degrees": _function("void", "const uint16_t *word, int64_t rows, int32_t ops, uint32_t *code"),
    "batch_degrees": _function("void", "const Batch *batch, uint32_t *code"),
    "offspring": _function(
        "int64_t",
        """const Brood *brood, const Batch *parents, const Cache *texts, const Cache *functions,
        const Batch *out, uint64_t *function, uint32_t *check, uint8_t *audited, int64_t *count""",
    ),
    "cache_merge": _function(
        "void",
        """const Cache *cache, const uint64_t *function, const uint32_t *check, const uint8_t *ops,
        const float *score, int64_t n""",
    ),
    "cache_scores": _function(
        "void", "const Cache *cache, const uint64_t *function, float *score, int64_t n"
    ),
    "strict_errors": _function(
        "void",
        """const Batch *batch, const Points *points, int digits, double limit, double *error, int64_t *worst,
        int64_t *over""",
    ),
    "strict_values": _function(
        "void", "const Batch *batch, const double *x, int64_t points, int digits, double *out"
    ),
    "mutation_count": _function("int", ""),
    "mutation_name": _function("const char *", "int i"),
    "mutation_weight": _function("double", "int i"),
}


S = TypeVar("S", bound=ctypes.Structure)


def structure(name: str, base: type[S]) -> type[S]:
    """A row of STRUCTS as ctypes has it; its arrays are addresses."""
    places = [(r.name, ctypes.c_void_p if r.pointer else KINDS[r.kind].ctype) for r in STRUCTS[name]]
    return type(name, (base,), {"_fields_": places})


def layout_header() -> str:
    """Numbers, enumerations and structures as C, for processors and GPUs."""
    return "\n".join(
        [
            "/* Generated from evo/kernels/layout.py and effort.py. */",
            "#ifndef EVO_LAYOUT_H",
            "#define EVO_LAYOUT_H",
            "#include <stdint.h>",
            "#ifdef __cplusplus",
            "#define HOLDS(condition) static_assert(condition, #condition)",
            "#else",
            "#define HOLDS(condition) _Static_assert(condition, #condition)",
            "#endif",
            "#define SIZE(kind, size) HOLDS(sizeof(kind) == size)",
            "#ifdef __CUDACC_RTC__ /* has no offsetof: with sizes and order the offsets are told */",
            "#define PLACE(kind, field, offset, size) HOLDS(sizeof(((kind *)0)->field) == size)",
            "#else",
            "#define PLACE(kind, field, offset, size) HOLDS(__builtin_offsetof(kind, field) == offset)",
            "#endif",
            *(f"#define {name} {value!r} /* {reason} */" for name, (value, reason) in NUMBERS.items()),
            _enum("sizes and slots", SIZES),
            *(_enum(meaning, members) for meaning, members in ENUMS.items()),
            *(line for name in STRUCTS for line in _struct_lines(name)),
            "#endif",
            "",
        ]
    )


def functions_header() -> str:
    """Prototypes of what the library exports: the compiler compares them with the functions."""
    return "\n".join(
        ["/* Generated from evo/kernels/layout.py. */"]
        + [
            f"EXPORT {result} {name}({', '.join(map(str, arguments)) or 'void'});"
            for name, (result, arguments) in FUNCTIONS.items()
        ]
        + [""]
    )


def _enum(meaning: str, members: dict[str, int]) -> str:
    return f"enum {{ {', '.join(f'{name} = {value}' for name, value in members.items())} }}; /* {meaning} */"


def _struct_lines(name: str) -> Iterable[str]:
    kind = structure(name, ctypes.Structure)
    yield "typedef struct {"
    yield from (f"    {row};{f' /* {row.meaning} */' if row.meaning else ''}" for row in STRUCTS[name])
    yield f"}} {name};"
    yield f"SIZE({name}, {ctypes.sizeof(kind)});"
    for row in STRUCTS[name]:
        field = getattr(kind, row.name)
        yield f"PLACE({name}, {row.name}, {field.offset}, {field.size});"
