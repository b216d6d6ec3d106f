"""On which scale a target's interval is looked at: linear, or logarithmic where the function asks for it.

Chebyshev points of (1e-5, 1e5) have the first at 27: six decades of sqrt(x) lie between it and the end. Where
one gap between the points holds much of the function's variation (of log |f| in the relative metric), and the
interval has one sign, points are spread over the logarithm of x.
"""

from functools import lru_cache

import numpy as np

from evo.targets.target import Target

MANY = 1e3
"""Ratio of the ends from which on an interval may have decades to tell apart."""
_POINTS = 48
_SHARE = 0.2  # of the whole variation in one gap between Chebyshev points: too much


@lru_cache(maxsize=256)
def is_logarithmic(target: Target) -> bool:
    """Whether the interval's points are spread over log |x|."""
    lo, hi = (float(end) for end in target.ends)
    if not (lo > 0 or hi < 0) or max(abs(lo), abs(hi)) < MANY * min(abs(lo), abs(hi)):
        return False
    part = np.sin(np.arange(0, _POINTS + 1) * np.pi / (2 * _POINTS)) ** 2
    return _largest_gap(target, lo + (hi - lo) * part) > max(
        _SHARE, _largest_gap(target, spread(lo, hi, part))
    )


def spread(lo: float, hi: float, part: np.ndarray) -> np.ndarray:
    """The points at these parts of the way from lo to hi on the logarithmic scale."""
    points: np.ndarray = lo * (hi / lo) ** part
    return points


def _largest_gap(target: Target, x: np.ndarray) -> float:
    """The largest share of the function's variation between neighbours."""
    values = target.exact(np.clip(x, *target.span))
    if target.measure.divides:
        values = np.log(np.maximum(np.abs(values), 1e-300))
    steps = np.abs(np.diff(values))
    return float(steps.max() / max(steps.sum(), 1e-300))
