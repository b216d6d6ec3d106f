"""Random programs, inputs and the interpreter's results: what every export has to reproduce bit for bit."""

import ctypes
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
from published import PUBLISHED
from strategies import ALL, random_batch

from evo.exports.formula import Formula, make_formula, needed
from evo.exports.samples import results
from evo.floats import FORMATS
from evo.front import Member

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
    return any(a.kind == "x" for i in needed(program).instructions for a in i.args)


@cache
def formulas(count: int = PROGRAMS) -> tuple[Formula, ...]:
    """The published programs in both formats, then random ones, alternating formats."""
    rng = np.random.default_rng(20)
    known = [
        make_formula(member(program, constants), dtype, f"{name}_{dtype}")
        for name, ((program, constants), _) in PUBLISHED.items()
        for dtype in FORMATS
    ]
    batch = random_batch(rng, 2 * count, ALL, size=(1, 12), constants=4)
    varying = [p for p in map(batch.program, range(2 * count)) if depends_on_x(p)]
    found = []
    for row, program in enumerate(varying[:count]):
        texts = [f"{v:.6g}" for v in rng.standard_normal(4) * 2.0 ** rng.integers(-8, 8, 4)]
        texts = [str(rng.choice(ODD)) if rng.random() < 0.1 else t for t in texts]
        dtype = ("float64", "float32")[row % 2]
        texts = ["1.5" if dtype == "float32" and t == "1e-300" else t for t in texts]
        found.append(make_formula(member(program, texts[: program.n_constants]), dtype, f"p{row:03d}"))
    return (*known, *found)


@cache
def inputs(dtype: str) -> np.ndarray:
    """INPUTS numbers: of the interval, of all magnitudes, of all bit patterns, and special values."""
    fmt, rng = FORMATS[dtype], np.random.default_rng(21)
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
def wanted(index: int) -> np.ndarray:
    """The interpreter's results of one of `formulas()` at `inputs`."""
    formula = formulas()[index]
    return results(formula, inputs(formula.fmt.name))


def same_bits(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two arrays have equal bits, or NaN both."""
    unsigned = FORMATS[expected.dtype.name].unsigned
    assert got.dtype == expected.dtype
    return (got.view(unsigned) == expected.view(unsigned)) | (np.isnan(got) & np.isnan(expected))


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
