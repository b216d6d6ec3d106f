"""C99 (and C++) headers: hexadecimal constants, explicit fma, vectorisable loops, a self-test.

Bit for bit the interpreter's results, given the flags that the header names; it refuses to compile where
the arithmetic is not IEEE's (-ffast-math, x87).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from evo.exports.formula import Formula, comment
from evo.exports.samples import samples
from evo.reductions.primitives import PRIMITIVES, Step

BLOCK = 64
"""Elements of an array that are tried at once for being near."""
FLAGS = "-std=c99 -O3 -ffp-contract=off"


def needs(formulas: Sequence[Formula]) -> str:
    """What to compile with."""
    fast = " -march=native (or -mfma: fma is slow without)" if any(f.fused for f in formulas) else ""
    return f"a compiler with {FLAGS}{fast or ' (-march=native for speed)'}, and -lm after the file"


def render(formulas: Sequence[Formula]) -> str:
    """One header with these functions."""
    first = formulas[0]
    guard = f"{first.name.upper()}_H" if len(formulas) == 1 else f"{first.name.upper()}_FAMILY_H"
    test = f"{first.name.upper()}_SELFTEST"
    command = f"cc {FLAGS} -D{test} -x c FILE -lm && ./a.out"
    negating = {f.fmt.bits: f for f in formulas if any(i.op == "neg" for i in f.program.instructions)}
    negations = [line for _, f in sorted(negating.items()) for line in _negation(f)]
    head = comment_block(formulas, needs(formulas), usage=[("self-test", command)])
    lines = [*head, f"#ifndef {guard}", f"#define {guard}", *_PRELUDE, *negations, ""]
    for formula in formulas:
        lines += [*_function(formula), ""]
    lines += [f"#ifdef {test}", *_selftest(formulas), f"#endif /* {test} */", f"#endif /* {guard} */", ""]
    return "\n".join(lines)


_PRELUDE = """#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __FAST_MATH__
#error "The results hold for IEEE arithmetic: compile without -ffast-math."
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "The results hold where every operation rounds to its own type: on x86, use -mfpmath=sse."
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__cplusplus) || !defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L
#define EVONUM_RESTRICT __restrict
#else
#define EVONUM_RESTRICT restrict
#endif""".splitlines()


def _negation(formula: Formula) -> list[str]:
    """Negation by the sign bit: gcc 12 turns -fma(a, b, c) into an instruction that gives the other zero."""
    t, f, n = formula.scalar, formula.suffix, formula.fmt.bits
    return [
        f"#ifndef EVONUM_NEG{n}",
        f"#define EVONUM_NEG{n}",
        f"static inline {t} evonum_neg{f}({t} a) {{",
        f"    uint{n}_t b;",
        "    memcpy(&b, &a, sizeof b);",
        f"    b ^= (uint{n}_t)1 << {n - 1};",
        "    memcpy(&a, &b, sizeof a);",
        "    return a;",
        "}",
        "#endif",
    ]


def comment_block(
    formulas: Sequence[Formula], needs: str, mark: str = "//", usage: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """All that is known of a formula, or the table of a family and what is known of each."""
    first = formulas[0]
    if len(formulas) == 1:
        return comment([*first.notes(needs), *usage], mark)
    every = [f.notes(needs) for f in formulas]
    notes = [note for note in every[0] if all(note in others for others in every)]
    rows = [f"{mark} {'function':24} ops  {'sampled error':>13}  {'proved bound':>13}  float error"]
    for f in formulas:
        m, errors = f.member, "; ".join(map(str, f.float_errors))
        proved = f"{m.proved_bound:.4e}" if m.proved_bound else "none"
        rows.append(f"{mark} {f.name:24} {m.ops:3}  {m.sampled_error:13.4e}  {proved:>13}  {errors}")
    for f in formulas:
        own = [note for note in f.notes(needs) if note not in notes]
        rows += [mark, f"{mark} {f.name}:", *comment(own, mark)]
    return [*comment([*notes, *usage], mark), mark, *rows]


def _function(formula: Formula) -> list[str]:
    t = formula.scalar
    return [
        f"static inline {t} {formula.core_name}({t} x) {{",
        *(
            f"    const {t} {c} = {n.hex()}{formula.suffix}; /* {text} */"
            for c, n, text in formula.used_constants()
        ),
        *(f"    const {t} {v} = {text};" for v, text in formula.lines("c")),
        f"    return v{len(formula.program.instructions)};",
        "}",
        *full_lines(formula, "c"),
        "",
        *_loop(formula),
    ]


def full_lines(formula: Formula, language: str) -> list[str]:
    """The function on all floats, in C or CUDA; nothing without a reduction."""
    if formula.reduction is None:
        return []
    t, name, u = formula.scalar, formula.name, _unsigned(formula, language)
    if language == "c":
        to_bits, to_float = (f"{{ {b} b; memcpy(&b, &a, sizeof b); return b; }}" for b in (u, t))
    else:
        pair = (
            ("double_as_longlong", "longlong_as_double")
            if t == "double"
            else ("float_as_uint", "uint_as_float")
        )
        to_bits, to_float = (f"{{ return __{cast}(a); }}" for cast in pair)
    start = STARTS[language]
    casts = [f"{start} {u} {name}_bits({t} a) {to_bits}", f"{start} {t} {name}_float({u} a) {to_float}"]
    return ["", *casts, "", *_stepwise(formula, language, name, formula.reduction.steps())]


STARTS = {"c": "static inline", "cuda": "static __device__ __forceinline__"}


def _unsigned(formula: Formula, language: str) -> str:
    if language == "c":
        return f"uint{formula.fmt.bits}_t"
    return "unsigned long long" if formula.fmt.bits == 64 else "unsigned int"


def _stepwise(formula: Formula, language: str, function: str, steps: Iterable[Step]) -> list[str]:
    """A function of x by steps of evo/reductions/reduction.py, with the constants that they use."""
    assert formula.reduction is not None
    t, u, bits = formula.scalar, _unsigned(formula, language), formula.fmt.bits
    letters = {"name": formula.name, "f": formula.suffix, "n": bits, "s": formula.fmt.digits - 1}
    letters["d"] = "d" if bits == 64 else "f"
    steps, lines = list(steps), []
    for value, primitive, args in steps:
        row = PRIMITIVES[primitive]
        text = row.printed[language].format(**dict(zip("ab", args, strict=False)), **letters)
        lines.append(f"    const {t if row.kind == 'float' else u} {value} = {text};")
    head = [f"{STARTS[language]} {t} {function}({t} x) {{"]
    for constant, number in formula.reduction.used_constants(formula.fmt, steps).items():
        if constant == "OFFSET":
            head.append(f"    const {u} {constant} = {number:#x}u{'ll' if bits == 64 else ''};")
        else:
            head.append(f"    const {t} {constant} = {float(number).hex()}{formula.suffix};")
    return [*head, *lines, "    return result;", "}"]


def _loop(formula: Formula) -> list[str]:
    """The function over an array; blocks without far or special inputs go by a shorter way."""
    t, name, reduction = formula.scalar, formula.name, formula.reduction
    u, n, f = _unsigned(formula, "c"), formula.fmt.bits, formula.suffix
    start = (
        f"static inline void {name}_array(size_t n, const {t} *EVONUM_RESTRICT x, {t} *EVONUM_RESTRICT y) {{"
    )
    about = f"/* y[i] = {name}(x[i]); x and y do not overlap. */"
    if reduction is None or not reduction.keeps_exponent(formula.program, formula.numbers, formula.fmt):
        return [about, start, f"    for (size_t i = 0; i < n; i++) y[i] = {name}(x[i]);", "}"]
    known = reduction.constants(formula.fmt)
    centre, radius = float(known["CENTRE"]), float(known["RADIUS"])
    whole = int(formula.fmt.type(radius).view(formula.fmt.unsigned))
    return [
        f"/* {name}(x) for |x - {centre!r}| <= {radius!r}: the same bits in fewer steps. */",
        *_stepwise(formula, "c", f"{name}_near", reduction.plain_steps()),
        "",
        about,
        start,
        "    size_t i = 0;",
        f"    for (; i + {BLOCK} <= n; i += {BLOCK}) {{",
        f"        {u} far = 0;",
        f"        for (size_t j = 0; j < {BLOCK}; j++) {{",
        f"            {u} size = {name}_bits(x[i + j] - {centre.hex()}{f}) & ({u})-1 >> 1;",
        "            far = size > far ? size : far;",
        "        }",
        f"        if (far <= {whole:#x}u{'ll' if n == 64 else ''}) {{ /* {radius!r}; NaN is above */",
        f"            for (size_t j = 0; j < {BLOCK}; j++) y[i + j] = {name}_near(x[i + j]);",
        "        } else {",
        f"            for (size_t j = 0; j < {BLOCK}; j++) y[i + j] = {name}(x[i + j]);",
        "        }",
        "    }",
        f"    for (; i < n; i++) y[i] = {name}(x[i]);",
        "}",
    ]


def _selftest(formulas: Sequence[Formula]) -> list[str]:
    """A main that compares bits with the interpreter's and says which differ."""
    lines = ["#include <stdio.h>", "int main(void) {", "    int wrong = 0;"]
    for f in formulas:
        x, y = samples(f)
        u = f"uint{f.fmt.bits}_t"
        rows = ", ".join(f"{{{a:#x}, {b:#x}}}" for a, b in zip(_bits(x, f), _bits(y, f), strict=True))
        lines += [
            f"    static const {u} {f.name}_samples[][2] = {{{rows}}};",
            f"    for (size_t i = 0; i < sizeof {f.name}_samples / sizeof *{f.name}_samples; i++) {{",
            f"        {f.scalar} x, y, got;",
            f"        {u} bits;",
            f"        memcpy(&x, &{f.name}_samples[i][0], sizeof x);",
            f"        memcpy(&y, &{f.name}_samples[i][1], sizeof y);",
            f"        {f.name}_array(1, &x, &got);",
            "        memcpy(&bits, &got, sizeof bits);",
            f"        if (bits != {f.name}_samples[i][1] && !(got != got && y != y)) {{",
            f'            printf("{f.name}(%a) = %a, expected %a\\n", (double)x, (double)got, (double)y);',
            "            wrong++;",
            "        }",
            "    }",
        ]
    return [*lines, '    puts(wrong ? "FAILED" : "passed");', "    return wrong != 0;", "}"]


def _bits(values: np.ndarray, formula: Formula) -> list[int]:
    found: list[int] = np.asarray(values, formula.fmt.type).view(formula.fmt.unsigned).tolist()
    return found
