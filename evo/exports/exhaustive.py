"""The largest error of a float32 function over every float32 of an interval.

Compiled C (`screen`) runs the exported function on all inputs (up to 2^32 of them), beside piecewise
polynomials (`pieces`) that give the exact values to 1e-12 of their size. The C code screens: it finds every
input whose error may be the largest. Balls then decide, on the interpreter's results, among what was found
and inputs that no polynomial fits. The figure is a measured error, no bound.
"""

import ctypes
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flint
import numpy as np

from evo.exports.formula import Formula
from evo.exports.pieces import (
    PRECISION,
    Chunk,
    Piece,
    chunks_of,
    on_all_cores,
    pieces_of,
    without_polynomials,
)
from evo.exports.screen import BESIDE, RANGE, Question, compiled

_SLACK = 1e-4
"""Relative distance from the largest screened error within which inputs are decided.

The largest error is at least about half an ulp, 2^-25 of the value, of which 1e-12 is less than 1e-4."""
_MOST = 2000
"""Inputs near the largest error that are decided.

There are fewer, but for functions such as c x, whose errors repeat in every octave."""
_LARGEST = Question(
    "evonum_largest",
    """
void evonum_largest(uint32_t first, uint32_t n, const double *p, double middle, double scale, int64_t *most)
{
    int64_t a = 0, b = 0, e[2][SOME];
    for (uint32_t k = 0; k < n; k += SOME) {
        errors(first + k, n - k, (Piece){p, middle, scale}, e);
        for (int i = 0; i < SOME; i++) {
            a = e[0][i] > a ? e[0][i] : a;
            b = e[1][i] > b ? e[1][i] : b;
        }
    }
    most[0] = a;
    most[1] = b;
}
""",
    (*RANGE, *BESIDE, ctypes.c_void_p),
    None,
)
_NEAR = Question(
    "evonum_near",
    """
uint32_t evonum_near(uint32_t first, uint32_t n, const double *p, double middle, double scale, int which,
                     int64_t least, uint32_t *found, uint32_t room)
{
    uint32_t used = 0;
    int64_t e[2][SOME];
    for (uint32_t k = 0; k < n && used < room; k += SOME) {
        errors(first + k, n - k, (Piece){p, middle, scale}, e);
        for (uint32_t i = 0; i < SOME && i < n - k && used < room; i++)
            if (e[which][i] >= least) found[used++] = first + k + i;
    }
    return used;
}
""",
    (*RANGE, *BESIDE, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint32),
    ctypes.c_uint32,
)


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
    with tempfile.TemporaryDirectory() as folder, flint.ctx.workprec(PRECISION):
        screen = compiled(formula, Path(folder), (_LARGEST, _NEAR), reference)
        pieces, kept = without_polynomials(lo, hi) if reference else pieces_of(exact, lo, hi)
        in_metric, in_ulp = (np.concatenate([near, kept]) for near in _near(screen, pieces))
        count = sum(piece.number for piece in pieces) + len(kept)
        return Screened((in_metric, in_ulp), count)


def _near(screen: ctypes.CDLL, pieces: Sequence[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """For each measure the inputs whose screened error is near the largest."""
    chunks = chunks_of(pieces)

    def largest(chunk: Chunk) -> np.ndarray:
        first, count, p, middle, scale, _ = chunk
        most = np.zeros(2, np.int64)
        screen.evonum_largest(first, count, p.ctypes.data, middle, scale, most.ctypes.data)
        return most

    most = np.array(on_all_cores(largest, chunks)).reshape(-1, 2)
    return _collected(screen, chunks, most, 0), _collected(screen, chunks, most, 1)


def _collected(screen: ctypes.CDLL, chunks: Sequence[Chunk], most: np.ndarray, which: int) -> np.ndarray:
    top = float(most[:, which].max(initial=0).view(np.float64))
    least = int(np.float64(top * (1 - _SLACK) if top < math.inf else math.inf).view(np.int64))
    found: list[int] = []
    buffer = np.zeros(_MOST, np.uint32)
    for row in np.flatnonzero(most[:, which] >= least).tolist():
        first, count, p, middle, scale, _ = chunks[row]
        room = _MOST - len(found)
        if not room:
            break
        used = screen.evonum_near(
            first, count, p.ctypes.data, middle, scale, which, least, buffer.ctypes.data, room
        )
        found += buffer[:used].tolist()
    return np.array(found, np.uint32).view(np.float32).astype(float)
