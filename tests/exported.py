"""Programs, inputs and the interpreter's results: what every export has to reproduce bit for bit.

`formulas` is for every day; `everything` has each of its programs in both formats, and the gallery
(experiments/fronts, experiments/exp2-core.json), on all floats too where there is a range reduction.
"""

import ctypes
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from evo.exports.export import ExportError, reduction_of
from evo.exports.formula import Formula, make_formula
from evo.exports.measure import all_points
from evo.exports.samples import results
from evo.fronts.front import Member
from evo.fronts.reading import read_members
from evo.numbers.formats import FLOAT_FORMATS
from evo.reductions.reduction import ReductionError
from published import PUBLISHED
from strategies import ALL, random_batch

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
PROGRAMS = 200
INPUTS = 100_000
ODD = ("-0.0", "1e-300", "-7.5e30", "0.1", "1e-37", "3", "-1")


def member(program, constants, target="exp2", interval=("0", "1")) -> Member:
    """A member whose figures nobody measured."""
    return Member(
        program.ops, target, interval, "relative", program.formula(), str(program), tuple(constants),
        1.0, None, None, 0.5, 0.0,
    )  # fmt: skip


def depends_on_x(program) -> bool:
    return any(a.kind == "x" for i in program.pruned().instructions for a in i.args)


@cache
def formulas(count: int = PROGRAMS) -> tuple[Formula, ...]:
    """The published programs in both formats, then random ones, alternating formats."""
    random = enumerate(random_programs(count))
    return (
        *published(),
        *(as_formula(f"p{row:03d}", m, ("float64", "float32")[row % 2]) for row, m in random),
    )


@cache
def everything() -> tuple[Formula, ...]:
    """Published, random and gallery programs in both formats; `_full`: the function on all floats."""
    cores = [(f"p{row:03d}", m) for row, m in enumerate(random_programs(PROGRAMS))] + list(gallery())
    found = [as_formula(f"{name}_{dtype}", m, dtype) for name, m in cores for dtype in FLOAT_FORMATS]
    full = [
        as_formula(f"{name}_{dtype}_full", m, dtype, True) for name, m in gallery() for dtype in FLOAT_FORMATS
    ]
    return (*published(), *found, *(f for f in full if f.reduction))


def published() -> list[Formula]:
    return [
        as_formula(f"{name}_{dtype}", member(program, constants), dtype)
        for name, ((program, constants), _) in PUBLISHED.items()
        for dtype in FLOAT_FORMATS
    ]


def random_programs(count: int) -> list[Member]:
    """Programs of every op that depend on x; a tenth of their constants are odd."""
    rng = np.random.default_rng(20)
    batch = random_batch(rng, 2 * count, ALL, size=(1, 12), constants=4)
    varying = [p for p in map(batch.program, range(2 * count)) if depends_on_x(p)]
    found = []
    for program in varying[:count]:
        texts = [f"{v:.6g}" for v in rng.standard_normal(4) * 2.0 ** rng.integers(-8, 8, 4)]
        texts = [str(rng.choice(ODD)) if rng.random() < 0.1 else t for t in texts]
        found.append(member(program, texts[: program.n_constants]))
    return found


def gallery() -> Iterator[tuple[str, Member]]:
    """Every member of the recorded fronts, named after its file."""
    for path in (*sorted((EXPERIMENTS / "fronts").glob("*.json")), EXPERIMENTS / "exp2-core.json"):
        for m in read_members(path.read_text(), path.name):
            yield f"{path.stem.replace('-', '_')}_n{m.ops:02d}", m


def as_formula(name: str, m: Member, dtype: str, full: bool = False) -> Formula:
    """Without its float errors; float32 cannot hold 1e-300 and takes 1.5 in its place."""
    if dtype == "float32":
        m = replace(m, constants=tuple("1.5" if c == "1e-300" else c for c in m.constants))
    reduction = None
    if full:
        with suppress(ReductionError, ExportError):  # none, or one that takes further cores
            reduction = reduction_of(m)
    return make_formula(m, dtype, name, reduction=reduction)


@cache
def inputs(dtype: str) -> np.ndarray:
    """INPUTS numbers: of the interval, of all magnitudes, of all bit patterns, and special values."""
    fmt, rng = FLOAT_FORMATS[dtype], np.random.default_rng(21)
    info = np.finfo(fmt.type)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 2, info.max, -info.max, info.tiny, -info.tiny]
    special += [info.smallest_subnormal, -info.smallest_subnormal, info.tiny * (1 - info.eps), info.eps]
    quarter = INPUTS // 4
    bits = rng.integers(0, np.iinfo(fmt.unsigned).max, quarter, fmt.unsigned).view(fmt.type)
    scales = np.ldexp(rng.standard_normal(quarter), rng.integers(-60, 60, quarter))
    rest = rng.uniform(-4, 4, INPUTS - 3 * quarter - len(special))
    with np.errstate(all="ignore"):
        x = np.concatenate([rng.random(quarter), scales, rest, special]).astype(fmt.type)
    return np.concatenate([x, bits])


@cache
def inputs_everywhere(dtype: str) -> np.ndarray:
    """INPUTS numbers for functions on all floats: every exponent, the edges, special values, random bits."""
    fmt, rng = FLOAT_FORMATS[dtype], np.random.default_rng(3)
    info = np.finfo(fmt.type)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, info.tiny, -info.tiny, info.smallest_subnormal]
    special += [-info.smallest_subnormal, info.max, -info.max]
    known = all_points(fmt, -1.1 * fmt.bias, 1.1 * fmt.bias)
    bits = rng.integers(0, np.iinfo(fmt.unsigned).max, INPUTS // 5, fmt.unsigned).view(fmt.type)
    near = rng.uniform(-20, 20, INPUTS // 3)
    wide = rng.uniform(-1.1, 1.1, INPUTS - len(bits) - len(near) - len(known) - len(special)) * fmt.bias
    with np.errstate(all="ignore"):
        return np.concatenate([np.concatenate([known, special, near, wide]).astype(fmt.type), bits])


def inputs_of(formula: Formula) -> np.ndarray:
    """What it is tried at."""
    return (inputs_everywhere if formula.reduction else inputs)(formula.fmt.name)


@cache
def wanted(formula: Formula) -> np.ndarray:
    """The interpreter's results at `inputs_of` the formula."""
    return results(formula, inputs_of(formula))


def same_bits(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two arrays have equal bits, or NaN both."""
    unsigned = FLOAT_FORMATS[expected.dtype.name].unsigned
    assert got.dtype == expected.dtype
    return (got.view(unsigned) == expected.view(unsigned)) | (np.isnan(got) & np.isnan(expected))


def assert_wanted(formula: Formula, got: np.ndarray) -> None:
    """`got`: an export's results at `inputs_of` the formula."""
    assert_same(formula, got, wanted(formula), inputs_of(formula))


def assert_same(formula: Formula, got: np.ndarray, expected: np.ndarray, x: np.ndarray) -> None:
    wrong = np.flatnonzero(~same_bits(np.ascontiguousarray(got), expected))
    where = [(x[i], got[i], expected[i]) for i in wrong[:3]]
    assert not len(wrong), f"{formula.name}, {len(wrong)} of {len(x)}: {where}\n{formula.program}"


def compiled(command: list[str], library: Path) -> ctypes.CDLL:
    """The shared library that a compiler's command makes."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return ctypes.CDLL(str(library))


def call(library: ctypes.CDLL, formula: Formula, x: np.ndarray) -> np.ndarray:
    """`call_NAME(n, x, y)` of the library."""
    y = np.empty_like(x)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (x, y))
    getattr(library, f"call_{formula.name}")(ctypes.c_size_t(len(x)), *pointers)
    return y
