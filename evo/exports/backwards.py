"""Neighbouring inputs between which a function's results go the other way than the right ones.

Of 16 bits NumPy counts them among all results; of float32 compiled C (`screen`) does, on every input.
"""

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.exports.bits import INFINITY, SIGN, value_of
from evo.exports.formula import Formula
from evo.exports.pieces import (
    AGREES,
    PRECISION,
    REFERENCE_AGREES,
    Chunk,
    chunks_of,
    on_all_cores,
    pieces_of,
    without_polynomials,
)
from evo.exports.samples import results
from evo.exports.screen import BESIDE, RANGE, Question, compiled
from evo.numbers.formats import FloatFormat, ulp

_BACKWARDS = Question(
    "evonum_backwards",
    """
/* Neighbours between which results go the other way than the function; the largest such step, and where;
   `room` of them, by chance. The function rises (1) or falls (-1) with the bits; 0: where its own step is
   large enough to be sure. */
uint32_t evonum_backwards(uint32_t first, uint32_t n, const double *p, double middle, double scale,
                          int rises, double sure, double *most, uint32_t *where, uint32_t *some,
                          uint32_t room)
{
    uint32_t count = 0;
    float x[SOME], y[SOME];
    double f[SOME];
    for (uint32_t k = 0; k < n; k += SOME - 1) {
        inputs(first + k, n + 1 - k, x);
        results(x, y);
        exact_values(x, f, (Piece){p, middle, scale});
        for (uint32_t i = 0; i < SOME - 1 && i < n - k; i++) {
            const double wanted = f[i + 1] - f[i], step = bounded(y[i + 1]) - bounded(y[i]);
            const int way = rises || !(fabs(wanted) > sure * fabs(f[i])) ? rises : wanted > 0 ? 1 : -1;
            if (!(way * step < 0)) continue;
            const uint32_t chance = (first + k + i) * 2654435761u >> 8;
            const uint32_t slot = count < room ? count : chance % (count + 1);
            if (slot < room) some[slot] = first + k + i;
            count++;
            const double size = fabs(step) / power_within(fabs(bounded(y[i]))) * 0x1p23;
            if (size > *most) {
                *most = size;
                *where = first + k + i;
            }
        }
    }
    return count;
}
""",
    (*RANGE, *BESIDE, ctypes.c_int, ctypes.c_double, *3 * (ctypes.c_void_p,), ctypes.c_uint32),
    ctypes.c_uint32,
)


_SOME = 64
"""Inputs of a chunk that are kept."""


@dataclass(frozen=True)
class Backwards:
    """Neighbouring inputs between which results go the other way than the right ones.

    Attributes:
        count: how many.
        most: the largest such step [ulp of the result].
        x: the input before it; None where there is none.
        some: the lower inputs of some of all these steps, from everywhere where there are any.
    """

    count: int
    most: float
    x: float | None
    some: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False)


_Found = tuple[int, float, int, np.ndarray]
"""How many steps, the largest, the bits of the input before it and before some of them."""


def backwards(
    formula: Formula, exact: Callable[[Any], Any], lo: Any, hi: Any, reference: Formula | None = None
) -> Backwards:
    """How often a float32 function steps the wrong way between two numbers.

    Where it turns, and where it bends too often for polynomials, steps of the exact function that are smaller
    than what polynomial or reference may be off count as none: where it is so flat, nobody asks.
    """
    with tempfile.TemporaryDirectory() as folder, flint.ctx.workprec(PRECISION):
        screen = compiled(formula, Path(folder), (_BACKWARDS,), reference)
        pieces, kept = without_polynomials(lo, hi) if reference else pieces_of(exact, lo, hi)
        sure = 4 * (REFERENCE_AGREES if reference else AGREES)

        def counted(chunk: Chunk) -> _Found:
            first, count, p, middle, scale, rises = chunk
            count -= (
                first + count
            ) % SIGN == INFINITY  # no step to infinity: what is beyond is asked elsewhere
            most, where, some = np.zeros(1), np.zeros(1, np.uint32), np.zeros(_SOME, np.uint32)
            found = screen.evonum_backwards(
                first, count, p.ctypes.data, middle, scale, rises, sure,
                most.ctypes.data, where.ctypes.data, some.ctypes.data, _SOME,
            )  # fmt: skip
            return found, float(most[0]), int(where[0]), some[: min(found, _SOME)]

        found = on_all_cores(counted, chunks_of(pieces))
        found += _beside(formula, exact, kept, lo, hi)
    count = sum(row[0] for row in found)
    most, where = max((row[1:3] for row in found), default=(0.0, 0))
    some = np.concatenate([np.zeros(0, np.uint32), *(row[3] for row in found)])
    some += some >= SIGN  # of two numbers below zero the one with the larger bits is the lower
    return Backwards(count, most, value_of(where) if count else None, some.view(np.float32).astype(float))


def _beside(
    formula: Formula, exact: Callable[[Any], Any], kept: np.ndarray, lo: Any, hi: Any
) -> list[_Found]:
    """Steps the wrong way from inputs without polynomials, and from -0: by balls."""
    bits = kept.astype(np.float32).view(np.uint32)
    if lo < 0 < hi:
        bits = np.append(bits, np.uint32(SIGN))
    before, after = (b.view(np.float32).astype(float) for b in (bits, bits + np.uint32(1)))
    y, z = (results(formula, x).astype(float) for x in (before, after))
    found = []
    for k in np.flatnonzero((y != z) & (after > float(lo)) & (after < float(hi))):
        wanted = exact(arb(after[k])) - exact(arb(before[k]))
        if (wanted > 0 and z[k] < y[k]) or (wanted < 0 and z[k] > y[k]):
            size = float(np.abs(z[k] - y[k]) / ulp(np.abs(y[k : k + 1]), formula.fmt)[0])
            found.append((1, size, int(bits[k]), bits[k : k + 1]))
    return found


def backwards_among(x: np.ndarray, got: np.ndarray, exact: np.ndarray, fmt: FloatFormat) -> Backwards:
    """Among results at all inputs of a format of 16 bits, as `backwards`."""
    inside = np.flatnonzero(np.isfinite(x))
    order = inside[np.argsort(x[inside], kind="stable")]
    with np.errstate(all="ignore"):
        step, wanted = np.diff(got[order]), np.diff(exact[order])
    wrong = ((wanted >= 0) & (step < 0)) | ((wanted <= 0) & (step > 0))
    if not wrong.any():
        return Backwards(0, 0.0, None)
    before = got[order][:-1]
    size = np.where(wrong, np.abs(step) / ulp(np.where(np.isfinite(before), before, 0.0), fmt), 0.0)
    worst = int(np.argmax(size))
    return Backwards(int(np.count_nonzero(wrong)), float(size[worst]), float(x[order[worst]]))
