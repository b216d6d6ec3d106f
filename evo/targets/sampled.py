"""The sampled error of a candidate in real arithmetic, independent of every fast kernel.

Program and target are both evaluated on balls, exact constants included, with the precision raised until
the rounding no longer matters to the maximum; what is reported is the error of the formula, not of
float64. It is a lower estimate of the supremum over the interval: a *sampled* error, never a bound.
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.numbers.reals import Number, Real, ball
from evo.targets.checks import anchors
from evo.targets.target import Target

ZERO = 1e-300
"""Errors up to this are reported as 0: no float64 could tell, and proofs end there, too."""

_PRECISIONS = (128, 256, 512, 1024)
_TOLERANCE = 1e-3
_PEAKS = 6  # climbed whatever their heights
_LEVEL = 0.99  # of the largest: those of a levelled curve, any of which may be the largest between the points
_MOST = 64
_STEPS = 24
_BESIDE = 2.0**-52  # the float64 next to a number, relatively
_GOLDEN = 0.6180339887498949

Eval = Callable[[Any], Any]


def sampled_error(program_eval: Eval, target: Target, x: np.ndarray) -> tuple[float, float]:
    """Largest error found in the target's metric, and where.

    Evaluates at `x` and next to both ends of the open interval ((hi - lo) 2^-60 inside, or the nearest
    float64), then searches by golden section around the largest local maxima of |error|.

    Args:
        program_eval: the candidate on an arb, at the current `flint.ctx.prec`; its constants must be
            exact (arb from a float, fmpq) or re-made at that precision. Also on a `Real`, if it can.
        target: the function, interval and metric.
        x: points inside the interval, float64[n]; enough to separate the extrema of the error.

    Returns:
        (error, worst_x): the error at the float64 `worst_x`, three digits of it for sure; where the points
        separate the extrema and 128 bits suffice, it is the supremum to ten digits or so. `inf` where the
        program has no finite value (never nan).
    """
    if (pole := _unmatched(program_eval, target)) is not None:
        return math.inf, pole
    points = np.unique(np.concatenate([np.asarray(x, float), _ends(target)])).tolist()
    sizes, precision = _decided(program_eval, target, points)
    worst = max(range(len(points)), key=sizes.__getitem__)
    if sizes[worst] == math.inf:
        return math.inf, points[worst]
    best = (sizes[worst], points[worst])
    with flint.ctx.workprec(precision):
        for k in _peaks(sizes):
            left, right = points[max(k - 1, 0)], points[min(k + 1, len(points) - 1)]
            size, at = _climb(
                lambda point: _error(program_eval, target, point, target.ball(arb(point)))[0], left, right
            )
            if size == math.inf:
                size = sampled_error_at(program_eval, target, at)
            best = max(best, (size, at))
    return best if best[0] > ZERO else (0.0, best[1])


def sampled_error_at(program_eval: Eval, target: Target, x: float) -> float:
    """|error| at one point; `inf` where the program has no finite value there."""
    return _decided(program_eval, target, [x])[0][0]


def undefined_at_zero(program_eval: Eval, target: Target) -> bool:
    """Whether x = 0 is inside and the program has no value there: it divides by x, x^2, ...

    Its limit may exist, as that of c/(c/x), and so may its values all around: points beside 0 say nothing.
    """
    lo, hi = target.ends
    if not lo < 0 < hi:
        return False
    try:
        return not program_eval(arb(0)).is_finite()
    except ZeroDivisionError:
        return True


def _unmatched(program_eval: Eval, target: Target) -> float | None:
    """A zero of the target, in the relative metric, at which the program is not 0: next to it, a float64.

    Also a place inside where the program has no finite value.
    """
    first, last = target.span
    if undefined_at_zero(program_eval, target):
        return 0.0
    for anchor in anchors(target):
        for precision in _PRECISIONS if anchor.order > 0 or anchor.inner else ():
            with flint.ctx.workprec(precision):
                try:
                    value = program_eval(ball(anchor.at))
                except ZeroDivisionError:
                    value = arb.nan()
                if anchor.inner and not value.is_finite():
                    value = _exactly(program_eval, anchor.at)
                if (anchor.order > 0 and value.is_finite() and not value.contains(0)) or (
                    anchor.inner and not value.is_finite()
                ):
                    return min(max(float(anchor.at), first), last)
    return None


def _exactly(program_eval: Eval, at: Number) -> Any:
    """The program's value at an exact number: the root of (x - 0.3)^2 is 0 there; a ball around it has none.

    It is nan where the program is known on balls alone.
    """
    try:
        value = program_eval(Real.of(at))
    except (ZeroDivisionError, TypeError):
        return arb.nan()
    return value.ball() if isinstance(value, Real) else value


def _ends(target: Target) -> list[float]:
    """The float64 next to the ends and to zeros or singularities inside, 2^-60 of the width away."""
    lo, hi = target.ends
    first, last = target.span
    strip = float(hi - lo) * 2.0**-60
    inner = [float(anchor.at) for anchor in anchors(target) if anchor.inner]
    beside = [x + s for x in inner for s in (max(strip, abs(x) * _BESIDE), -max(strip, abs(x) * _BESIDE))]
    ends = [min(max(float(lo) + strip, first), last), max(min(float(hi) - strip, last), first)]
    return [*ends, *beside]


def _decided(program_eval: Eval, target: Target, points: list[float]) -> tuple[list[float], int]:
    """|error| at every point, the largest resolved to `_TOLERANCE`, and the precision that took.

    Only points that may still hold the maximum are evaluated again at a higher precision. Where the
    radius stays large at the highest one, the upper end of the ball counts.
    """
    sizes = [0.0] * len(points)
    radii = [math.inf] * len(points)
    pending: Iterable[int] = range(len(points))
    for precision in _PRECISIONS:
        with flint.ctx.workprec(precision):
            for k in pending:
                sizes[k], radii[k] = _error(
                    program_eval, target, points[k], _ball(target, points[k], precision)
                )
        floor = max((s - r for s, r in zip(sizes, radii, strict=True) if r < math.inf), default=0.0)
        pending = [
            k
            for k, (size, radius) in enumerate(zip(sizes, radii, strict=True))
            if radius == math.inf or (radius > _TOLERANCE * size and size + radius > floor)
        ]
        if not pending:
            break
    for k in pending:
        sizes[k] += radii[k]
    return sizes, precision


@lru_cache(maxsize=1 << 13)
def _ball(target: Target, x: float, precision: int) -> Any:
    """The target's ball, remembered: every candidate is asked at the same points.

    Args:
        precision: `flint.ctx.prec` of now.
    """
    return target.ball(arb(x))


def _error(program_eval: Eval, target: Target, x: float, exact: Any) -> tuple[float, float]:
    """|error| and the radius of its ball; (inf, inf) where that is not finite."""
    try:
        error = target.measure.error(program_eval(arb(x)), exact)
    except ZeroDivisionError:
        return math.inf, math.inf
    if not error.is_finite():
        return math.inf, math.inf
    return abs(float(error.mid())), float(error.rad())


def _peaks(sizes: list[float]) -> list[int]:
    """The largest local maxima, and all that are about as large, at most `_MOST`; largest first.

    Of equal neighbours, such as those beside an end, one counts: many would take the places of all others.
    """
    beside = [-1.0, *sizes, -1.0]
    peaks = [k for k, s in enumerate(sizes) if s > beside[k] and s >= beside[k + 2]]
    peaks.sort(key=lambda k: (-sizes[k], k))
    level = sum(sizes[k] > _LEVEL * sizes[peaks[0]] for k in peaks)
    return peaks[: max(_PEAKS, min(level, _MOST))]


def _climb(size: Callable[[float], float], left: float, right: float) -> tuple[float, float]:
    """Golden-section search for the maximum of `size` in [left, right]: (maximum, where)."""
    a, b = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    at_a, at_b = size(a), size(b)
    best = max((at_a, a), (at_b, b))
    for _ in range(_STEPS):
        if not left < a < b < right or best[0] == math.inf:
            break
        if at_a >= at_b:
            right, b, at_b = b, a, at_a
            a = right - _GOLDEN * (right - left)
            at_a = size(a)
            best = max(best, (at_a, a))
        else:
            left, a, at_a = a, b, at_b
            b = left + _GOLDEN * (right - left)
            at_b = size(b)
            best = max(best, (at_b, b))
    return best
