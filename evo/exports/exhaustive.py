"""The largest error of a float32 function over every float32 of an interval.

Compiled C runs the exported function on all inputs (up to 2^32 of them), beside piecewise polynomials that
give the exact values to 1e-12 of their size. The polynomials interpolate values by balls, on binary octaves
that are halved until check points agree. Where halving does not help, next to a zero, inputs are few and are
kept. The C code screens: it finds every input whose error may be the largest. Balls then decide, on the
interpreter's results, among what was found and what was kept.

Check points make the 1e-12 likely, not proved: the figure is a measured error, no bound.
"""

import ctypes
import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from evo.exports.c import render
from evo.exports.formula import Formula
from evo.kernels.build import BuildError, find_compiler
from evo.targets.metric import METRICS

_NODES = 9
"""Of an interpolant. Its monomial coefficients lose 3 of float64's 16 digits."""
_AGREES = 1e-12
"""Relative deviation of interpolant and function at check points."""
REFERENCE_AGREES = 1e-11
"""As much for a function in float64 that takes the place of polynomials."""
_FEW = 64
"""Inputs of a piece that is not halved any more: balls decide them all."""
_MOST_TRIES = 200_000
"""Pieces that are tried, ten a millisecond: of sin up to 1e30 every few floats would be one."""
_SLACK = 1e-4
"""Relative distance from the largest screened error within which inputs are decided.

The largest error is at least about half an ulp, 2^-25 of the value, of which 1e-12 is less than 1e-4."""
_CHUNK = 1 << 23
"""Inputs of a call of C, some milliseconds: an interrupt waits no longer."""
_MOST = 2000
"""Inputs near the largest error that are decided.

There are fewer, but for functions such as c x, whose errors repeat in every octave."""
_PRECISION = 256
"""Bits of balls: e^x of the largest floats, as in log(1 + e^x), takes 128 for the exponent alone."""
_OCTAVE = 1 << 23
_INFINITY = 0x7F800000


class CurvedError(ArithmeticError):
    """The function bends too often for all its inputs to be tried."""


class Piece(NamedTuple):
    """Floats of consecutive bits, and a polynomial of u = (x - middle) scale.

    Attributes:
        first: bits of the float next to zero.
        number: how many.
        middle: of u.
        scale: of u.
        coefficients: from the lowest.
    """

    first: int
    number: int
    middle: float
    scale: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Backwards:
    """Neighbouring inputs between which results go the other way than the right ones.

    Attributes:
        count: how many.
        most: the largest such step [ulp of the result].
        x: the input before it; None where there is none.
    """

    count: int
    most: float
    x: float | None


@dataclass(frozen=True)
class Screened:
    """What the largest errors are among.

    Attributes:
        inputs: for each measure, the metric's and ulp, float32 inputs as float64.
        count: how many inputs were tried.
    """

    inputs: tuple[np.ndarray, np.ndarray]
    count: int


def screened(
    formula: Formula, exact: Callable[[Any], Any], lo: Any, hi: Any, reference: Formula | None = None
) -> Screened:
    """The inputs strictly between two numbers at which a float32 function may have its largest errors.

    Args:
        formula: in float32.
        exact: the function on balls.
        lo: an exact number, or infinity.
        hi: likewise.
        reference: the function in float64, which takes the place of polynomials.

    Raises:
        BuildError: no C compiler, or it refused.
        CurvedError: it would take hours.
    """
    with tempfile.TemporaryDirectory() as folder, flint.ctx.workprec(_PRECISION):
        screen = compiled(formula, Path(folder), reference)
        pieces, kept = _whole(_ranges(lo, hi)) if reference else _pieces(exact, lo, hi)
        in_metric, in_ulp = (np.concatenate([near, kept]) for near in _near(screen, pieces))
        count = sum(piece.number for piece in pieces) + len(kept)
        return Screened((in_metric, in_ulp), count)


def backwards(
    formula: Formula, exact: Callable[[Any], Any], lo: Any, hi: Any, reference: Formula | None = None
) -> Backwards:
    """How often a float32 function steps the wrong way, as `screened`.

    Steps of the exact function that are smaller than what polynomial or reference may be off count as none:
    where it is so flat, nobody asks.
    """
    with tempfile.TemporaryDirectory() as folder, flint.ctx.workprec(_PRECISION):
        screen = compiled(formula, Path(folder), reference)
        pieces, _ = _whole(_ranges(lo, hi)) if reference else _pieces(exact, lo, hi)
        sure = 4 * (REFERENCE_AGREES if reference else _AGREES)

        def counted(chunk: _Chunk) -> tuple[int, float, int]:
            first, count, p, middle, scale = chunk
            most, where = np.zeros(1), np.zeros(1, np.uint32)
            found = screen.evonum_backwards(
                first, count, p.ctypes.data, middle, scale, sure, most.ctypes.data, where.ctypes.data
            )
            return found, float(most[0]), int(where[0])

        found = _on_all_cores(counted, _chunks(pieces))
    count = sum(row[0] for row in found)
    most, where = max((row[1:] for row in found), default=(0.0, 0))
    return Backwards(count, most, _value(where) if count else None)


_SOURCE = """
enum {{ NODES = {nodes}, SOME = 512 }};
typedef struct {{ const double *p; double middle, scale; }} Piece;

static void inputs(uint32_t first, uint32_t n, float *x)
{{
    for (uint32_t i = 0; i < SOME; i++) {{
        uint32_t bits = first + (i < n ? i : n - 1);
        memcpy(x + i, &bits, sizeof bits);
    }}
}}

static void exact_values(const float *x, double *f, Piece at)
{{
    {exact}
}}

/* Infinity counts as the first power beyond: that is what rounds to it. */
static inline double bounded(double v)
{{
    v = v > 0x1p128 ? 0x1p128 : v;
    return v < -0x1p128 ? -0x1p128 : v;
}}

static void errors(uint32_t first, uint32_t n, Piece at, int64_t (*e)[SOME])
{{
    float x[SOME], y[SOME];
    double f[SOME];
    inputs(first, n, x);
    {name}_array(SOME, x, y);
    exact_values(x, f, at);
    for (int i = 0; i < SOME; i++) {{
        const double value = bounded(f[i]), size = fabs(value), miss = fabs(bounded(y[i]) - value);
        double power = size * (1 - 0x1p-38); /* next to a power of two, the smaller ulp: balls decide */
        int64_t b;
        memcpy(&b, &power, sizeof b);
        b &= 0x7ff0000000000000;
        memcpy(&power, &b, sizeof power);
        power = power < 0x1p-126 ? 0x1p-126 : power;{tail}
        power = power > 0x1p127 ? 0x1p127 : power;
        const double by_ulp = miss / power * 0x1p23, by_metric = {metric};
        memcpy(&e[0][i], &by_metric, sizeof b);
        memcpy(&e[1][i], &by_ulp, sizeof b);
        e[0][i] &= INT64_MAX; /* of |e|: NaN is above infinity */
        e[1][i] &= INT64_MAX;
    }}
}}

void evonum_largest(uint32_t first, uint32_t n, const double *p, double middle, double scale, int64_t *most)
{{
    int64_t a = 0, b = 0, e[2][SOME];
    for (uint32_t k = 0; k < n; k += SOME) {{
        errors(first + k, n - k, (Piece){{p, middle, scale}}, e);
        for (int i = 0; i < SOME; i++) {{
            a = e[0][i] > a ? e[0][i] : a;
            b = e[1][i] > b ? e[1][i] : b;
        }}
    }}
    most[0] = a;
    most[1] = b;
}}

uint32_t evonum_near(uint32_t first, uint32_t n, const double *p, double middle, double scale, int which,
                     int64_t least, uint32_t *found, uint32_t room)
{{
    uint32_t used = 0;
    int64_t e[2][SOME];
    for (uint32_t k = 0; k < n && used < room; k += SOME) {{
        errors(first + k, n - k, (Piece){{p, middle, scale}}, e);
        for (uint32_t i = 0; i < SOME && i < n - k && used < room; i++)
            if (e[which][i] >= least) found[used++] = first + k + i;
    }}
    return used;
}}

/* Neighbours between which results go the other way than the function; the largest such step, and where. */
uint32_t evonum_backwards(uint32_t first, uint32_t n, const double *p, double middle, double scale,
                          double sure, double *most, uint32_t *where)
{{
    uint32_t count = 0;
    float x[SOME], y[SOME];
    double f[SOME];
    for (uint32_t k = 0; k < n; k += SOME - 1) {{
        inputs(first + k, n + 1 - k, x);
        {name}_array(SOME, x, y);
        exact_values(x, f, (Piece){{p, middle, scale}});
        for (uint32_t i = 0; i < SOME - 1 && i < n - k; i++) {{
            const double wanted = f[i + 1] - f[i], step = bounded(y[i + 1]) - bounded(y[i]);
            if (!(fabs(wanted) > sure * fabs(f[i])) || !(wanted > 0 ? step < 0 : step > 0)) continue;
            count++;
            double power = fabs(bounded(y[i]));
            int64_t b;
            memcpy(&b, &power, sizeof b);
            b &= 0x7ff0000000000000;
            memcpy(&power, &b, sizeof power);
            power = power < 0x1p-126 ? 0x1p-126 : power;
            const double size = fabs(step) / power * 0x1p23;
            if (size > *most) {{
                *most = size;
                *where = first + k + i;
            }}
        }}
    }}
    return count;
}}

/* How many results differ from one value, NaN from none; the first input where. */
uint32_t evonum_other(uint32_t first, uint32_t n, uint32_t value, uint32_t *where)
{{
    uint32_t differing = 0;
    float wanted;
    memcpy(&wanted, &value, sizeof value);
    for (uint32_t k = 0; k < n; k += SOME) {{
        float x[SOME], y[SOME];
        inputs(first + k, n - k, x);
        {name}_array(SOME, x, y);
        for (uint32_t i = 0; i < SOME && i < n - k; i++) {{
            uint32_t got;
            memcpy(&got, y + i, sizeof got);
            const int same = got == value || (y[i] != y[i] && wanted != wanted);
            if (!same && !differing) *where = first + k + i;
            differing += !same;
        }}
    }}
    return differing;
}}
"""
_POLYNOMIAL = """
    for (int i = 0; i < SOME; i++) {
        const double u = (x[i] - at.middle) * at.scale;
        f[i] = at.p[NODES - 1];
        for (int k = NODES - 2; k >= 0; k--) f[i] = f[i] * u + at.p[k];
    }
"""
_REFERENCE = """
    double wide[SOME];
    for (int i = 0; i < SOME; i++) wide[i] = x[i];
    {name}_array(SOME, wide, f);
    (void)at;
"""
_TAIL = """
        power = x[i] < {below!r} && power < {size!r} ? {size!r} : power;"""
_MISS, _QUOTIENT = "miss", "size < 0x1p-126 ? 0.0 : miss / size"
"""The error in C; a quotient at a subnormal result says nothing about the formula."""


def compiled(formula: Formula, folder: Path, reference: Formula | None = None) -> ctypes.CDLL:
    """The screen: beside polynomials, or beside a function in float64.

    Raises:
        CurvedError: of a metric that is written in no C.
    """
    source, library = folder / "screen.c", folder / "screen.so"
    metric = METRICS.get(formula.member.metric)
    if metric and metric.divides and not metric.by_target:
        raise CurvedError(f"C has no unit of the metric {metric.name}")
    error = _QUOTIENT if metric and metric.divides else _MISS
    exact = _REFERENCE.format(name=reference.name) if reference else _POLYNOMIAL
    known = formula.reduction.tail if formula.reduction else None
    tail = _TAIL.format(**known._asdict()) if known else ""
    words = {"name": formula.name, "metric": error, "nodes": _NODES, "exact": exact, "tail": tail}
    formulas = [formula, *([reference] if reference else [])]
    source.write_text(render(formulas) + _SOURCE.format(**words))
    flags = [
        "-std=gnu11",
        "-O3",
        "-march=native",
        "-ffp-contract=off",
        "-fno-trapping-math",
        "-fno-math-errno",
        "-fPIC",
        "-shared",
    ]
    command = [*find_compiler(), *flags, str(source), "-o", str(library), "-lm"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{command[0]} could not compile {formula.name}:\n{run.stderr[-2000:]}")
    loaded = ctypes.CDLL(str(library))
    word, number, place = ctypes.c_uint32, ctypes.c_double, ctypes.c_void_p
    loaded.evonum_largest.argtypes = [word, word, place, number, number, place]
    loaded.evonum_largest.restype = None
    loaded.evonum_near.argtypes = [
        word, word, place, number, number, ctypes.c_int, ctypes.c_int64, place, word
    ]  # fmt: skip
    loaded.evonum_backwards.argtypes = [word, word, place, number, number, number, place, place]
    loaded.evonum_backwards.restype = word
    loaded.evonum_near.restype = loaded.evonum_other.restype = word
    loaded.evonum_other.argtypes = [word, word, word, place]
    return loaded


def _ranges(lo: Any, hi: Any) -> Iterator[tuple[int, int]]:
    """(first bits, count) of the floats strictly inside, cut at binary octaves; no infinities."""
    for sign, nearest, furthest in ((0, lo, hi), (1 << 31, -hi, -lo)):
        first, last = _least_above(max(nearest, Fraction(0))), _greatest_below(furthest)
        if nearest < 0 and furthest > 0:
            first = 0 if not sign else 1  # zero once
        while first <= last:
            end = min(last, first | (_OCTAVE - 1))
            yield sign | first, end - first + 1
            first = end + 1


def _value(bits: int) -> float:
    return float(np.uint32(bits).view(np.float32))


def _bits_at(number: Any) -> int:
    """Bits of the largest float32 that is at most a number from 0 on."""
    low, high = 0, _INFINITY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if Fraction(_value(middle)) <= number else (low, middle)
    return low


def _least_above(number: Any) -> int:
    return _bits_at(number) + 1


def least_from(number: Any) -> int:
    """Bits of the least float32 that is at least a number from 0 on."""
    return _greatest_below(number) + 1


def _greatest_below(number: Any) -> int:
    """-1 if there is none from 0 on."""
    if number <= 0:
        return -1
    bits = _bits_at(number)
    return bits - 1 if Fraction(_value(bits)) == number else bits


_U = np.cos((2 * np.arange(_NODES) + 1) * np.pi / (2 * _NODES))
_TO_COEFFICIENTS = np.linalg.inv(np.vander(_U, increasing=True))
_CHECKS = np.array([-1.0, -0.55, 0.1, 0.7, 1.0])


@lru_cache(maxsize=4)
def _pieces(exact: Callable[[Any], Any], lo: Any, hi: Any) -> tuple[list[Piece], np.ndarray]:
    """Pieces with polynomials that agree, and the inputs that have none; kept for the next of the function's.

    Raises:
        CurvedError: more than `_MOST_TRIES` pieces.
    """
    pieces, kept, waiting, tried = [], [], list(_ranges(lo, hi)), 0
    while waiting:
        first, count = waiting.pop()
        tried += count > _FEW
        if tried > _MOST_TRIES:
            raise CurvedError(f"{tried} polynomials are not enough")
        if count > _FEW and (piece := _interpolated(exact, first, count)):
            pieces.append(piece)
        elif count > _FEW:
            half = count // 2
            waiting += [(first, half), (first + half, count - half)]
        else:
            kept += [_value(first + k) for k in range(count)]
    return pieces, np.array(kept)


def _whole(ranges: Iterator[tuple[int, int]]) -> tuple[list[Piece], np.ndarray]:
    """Pieces without polynomials; zero is left to balls."""
    pieces = [Piece(first, count, 0.0, 0.0, (0.0,) * _NODES) for first, count in ranges]
    return pieces, np.array([])


def _interpolated(exact: Callable[[Any], Any], first: int, count: int) -> Piece | None:
    ends = _value(first), _value(first + count - 1)
    middle, half = (ends[0] + ends[1]) / 2, abs(ends[1] - ends[0]) / 2
    values = [float(exact(arb(middle) + arb(half) * float(u))) for u in (*_U, *_CHECKS)]
    wanted, checks = np.array(values[:_NODES]), np.array(values[_NODES:])
    if not np.isfinite(values).all():
        return None
    coefficients = _TO_COEFFICIENTS @ wanted
    got = np.polynomial.polynomial.polyval(_CHECKS, coefficients)
    if not (np.abs(got - checks) <= _AGREES * np.abs(values).min()).all():
        return None
    return Piece(first, count, middle, 1 / half, tuple(coefficients.tolist()))


_Chunk = tuple[int, int, np.ndarray, float, float]
"""First bits, how many inputs, coefficients, middle and scale."""


def _chunks(pieces: Sequence[Piece]) -> list[_Chunk]:
    return [
        (p.first + k, min(_CHUNK, p.number - k), np.array(p.coefficients), p.middle, p.scale)
        for p in pieces
        for k in range(0, p.number, _CHUNK)
    ]


def _on_all_cores(work: Callable[[_Chunk], Any], chunks: Sequence[_Chunk]) -> list[Any]:
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        return list(pool.map(work, chunks))
    finally:
        pool.shutdown(cancel_futures=True)


def _near(screen: ctypes.CDLL, pieces: Sequence[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """For each measure the inputs whose screened error is near the largest."""
    chunks = _chunks(pieces)

    def largest(chunk: _Chunk) -> np.ndarray:
        first, count, p, middle, scale = chunk
        most = np.zeros(2, np.int64)
        screen.evonum_largest(first, count, p.ctypes.data, middle, scale, most.ctypes.data)
        return most

    most = np.array(_on_all_cores(largest, chunks)).reshape(-1, 2)
    return _collected(screen, chunks, most, 0), _collected(screen, chunks, most, 1)


def _collected(screen: ctypes.CDLL, chunks: Sequence[Any], most: np.ndarray, which: int) -> np.ndarray:
    top = float(most[:, which].max(initial=0).view(np.float64))
    least = int(np.float64(top * (1 - _SLACK) if top < math.inf else math.inf).view(np.int64))
    found: list[int] = []
    buffer = np.zeros(_MOST, np.uint32)
    for row in np.flatnonzero(most[:, which] >= least).tolist():
        first, count, p, middle, scale = chunks[row]
        room = _MOST - len(found)
        if not room:
            break
        used = screen.evonum_near(
            first, count, p.ctypes.data, middle, scale, which, least, buffer.ctypes.data, room
        )
        found += buffer[:used].tolist()
    return np.array(found, np.uint32).view(np.float32).astype(float)
