"""Piecewise polynomials with a function's values at every float32 of an interval, to 1e-12 of their size.

They interpolate values by balls, on binary octaves that are halved until check points agree. Where halving
does not help, next to a zero, inputs are few and are kept for balls. Check points make the 1e-12 likely, not
proved.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from flint import arb

from evo.exports.bits import SIGN, ranges, value_of

NODES = 9
"""Of an interpolant. Its monomial coefficients lose 3 of float64's 16 digits."""
AGREES = 1e-12
"""Relative deviation of interpolant and function at check points."""
REFERENCE_AGREES = 1e-11
"""As much for a function in float64 that takes the place of polynomials."""
_FEW = 64
"""Inputs of a piece that is not halved any more: balls decide them all."""
_MOST_TRIES = 200_000
"""Pieces that are tried, ten a millisecond: of sin up to 1e30 every few floats would be one."""
_CHUNK = 1 << 23
"""Inputs of a call of C, some milliseconds: an interrupt waits no longer."""
PRECISION = 256
"""Bits of balls: e^x of the largest floats, as in log(1 + e^x), takes 128 for the exponent alone."""


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
        direction: 1 where the function rises with the bits, -1 where it falls, 0 where nobody knows.
    """

    first: int
    number: int
    middle: float
    scale: float
    coefficients: tuple[float, ...]
    direction: int = 0


_U = np.cos((2 * np.arange(NODES) + 1) * np.pi / (2 * NODES))
_TO_COEFFICIENTS = np.linalg.inv(np.vander(_U, increasing=True))
_CHECKS = np.array([-1.0, -0.55, 0.1, 0.7, 1.0])
_IN_ORDER = np.argsort([*_U, *_CHECKS])


@lru_cache(maxsize=4)
def pieces_of(exact: Callable[[Any], Any], lo: Any, hi: Any) -> tuple[list[Piece], np.ndarray]:
    """Pieces with polynomials that agree, and the inputs that have none; kept for the next of the function's.

    Raises:
        CurvedError: more than `_MOST_TRIES` pieces.
    """
    pieces, kept, waiting, tried = [], [], list(ranges(lo, hi)), 0
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
            kept += [value_of(first + k) for k in range(count)]
    return pieces, np.array(kept)


def without_polynomials(lo: Any, hi: Any) -> tuple[list[Piece], np.ndarray]:
    """Pieces beside a function in float64, which takes the place of polynomials; no input is kept."""
    return [Piece(first, count, 0.0, 0.0, (0.0,) * NODES) for first, count in ranges(lo, hi)], np.array([])


def _interpolated(exact: Callable[[Any], Any], first: int, count: int) -> Piece | None:
    ends = value_of(first), value_of(first + count - 1)
    middle, half = (ends[0] + ends[1]) / 2, abs(ends[1] - ends[0]) / 2
    balls = [exact(arb(middle) + arb(half) * float(u)) for u in (*_U, *_CHECKS)]
    values = [float(ball) for ball in balls]
    wanted, checks = np.array(values[:NODES]), np.array(values[NODES:])
    if not np.isfinite(values).all():
        return None
    coefficients = _TO_COEFFICIENTS @ wanted
    got = np.polynomial.polynomial.polyval(_CHECKS, coefficients)
    if not (np.abs(got - checks) <= AGREES * np.abs(values).min()).all():
        return None
    rises = _direction([balls[k] for k in _IN_ORDER]) * (1 if first < SIGN else -1)
    return Piece(first, count, middle, 1 / half, tuple(coefficients.tolist()), rises)


def _direction(balls: Sequence[arb]) -> int:
    """1 where each is surely above the one before it, -1 where below."""
    steps = list(pairwise(balls))
    return all(a < b for a, b in steps) - all(a > b for a, b in steps)


Chunk = tuple[int, int, np.ndarray, float, float, int]
"""First bits, how many inputs, coefficients, middle, scale and direction."""


def chunks_of(pieces: Sequence[Piece]) -> list[Chunk]:
    """Parts that a call of C takes."""
    return [
        (p.first + k, min(_CHUNK, p.number - k), np.array(p.coefficients), p.middle, p.scale, p.direction)
        for p in pieces
        for k in range(0, p.number, _CHUNK)
    ]


_Part = TypeVar("_Part")


def on_all_cores(work: Callable[[_Part], Any], chunks: Sequence[_Part]) -> list[Any]:
    """What each chunk gives, in their order."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        return list(pool.map(work, chunks))
    finally:
        pool.shutdown(cancel_futures=True)
