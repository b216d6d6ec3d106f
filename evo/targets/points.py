"""Where to sample a target: points to fit on, to select by, and to hold out.

Chebyshev points of the first kind, the zeros of T_n moved to (lo, hi), crowd towards both ends as the
extrema of minimax errors do and never touch them. Selection adds points that approach both ends
geometrically, where a candidate with a pole at an open end shows itself. Hold-out points fill the interval
uniformly by Weyl's sequence (multiples of the golden ratio modulo 1), so no two runs differ.

All points are float64, distinct, sorted and strictly inside (lo, hi).
"""

from dataclasses import dataclass

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.targets.axis import is_logarithmic, spread
from evo.targets.checks import anchors
from evo.targets.target import Target, TargetError

_COARSE = 20
"""Exponent down to which points approach a zero of the target that is not at 0: 2^-20 of the width, where
float64 has some nine digits of the difference left."""
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Points:
    """Sampled target: arrays float64[n] to be read only.

    Attributes:
        x: the points.
        exact: the target's values there, correctly rounded.
        weight: 1/|exact| (relative) or 1 (absolute); `weight * (got - exact)` is the error.
    """

    x: np.ndarray
    exact: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> "Points":
        """These points, in this order."""
        return Points(self.x[rows], self.exact[rows], self.weight[rows])


def sample(target: Target, x: np.ndarray) -> Points:
    """The target's values and weights at `x`, float64[n].

    Raises:
        TargetError: a point outside the interval, or without a finite value or weight.
    """
    x = np.array(x, float)
    first, last = target.span
    outside = ~((x >= first) & (x <= last))
    if outside.any():
        k = int(np.argmax(outside))
        raise TargetError(
            f"x[{k}] = {x[k]!s} (of {len(x)} points) is not inside the open interval"
            f" ({target.lo}, {target.hi}); the error is defined inside only."
        )
    exact = target.exact(x)
    weight = target.weights(x, exact)
    for array in (x, exact, weight):
        array.flags.writeable = False
    return Points(x, exact, weight)


def fit_points(target: Target, n: int = 48) -> Points:
    """The `n` Chebyshev points of the interval, and some next to zeros of the target elsewhere than at 0.

    There an approximation has to vanish, too, and a fit that does not look would leave it to chance.
    """
    return sample(target, _inside(target, np.concatenate([_chebyshev(target, n), _beside_zeros(target)])))


def _beside_zeros(target: Target) -> np.ndarray:
    width = _frame(target)[1]
    sides = [
        (float(a.at), side)
        for a in anchors(target)
        if a.at != 0
        for side in ((1, -1) if a.inner else (a.side,))
    ]
    return np.array([x + side * width * 2.0**-k for x, side in sides for k in (_COARSE // 2, _COARSE)])


def select_points(target: Target, n: int = 192) -> Points:
    """`n` Chebyshev points and up to 20 more, at (hi - lo) 2^-k, k = 4, 8, ... 40, from both ends."""
    return sample(target, _select(target, n))


def holdout_points(target: Target, n: int = 1000) -> Points:
    """Up to `n` points for the final say, none of them in the default fit and select sets.

    Uniform over the reals of the interval, and up to 20 at (hi - lo) 2^-(k + 1/2) from both ends.
    """
    lo, width = _frame(target)
    ends = _near_ends(target, 0.5)
    part = (0.5 + _GOLDEN * np.arange(max(n - len(ends), 0))) % 1.0
    uniform = spread(lo, float(target.ends[1]), part) if is_logarithmic(target) else lo + width * part
    used = np.concatenate([_chebyshev(target, 48), _select(target, 192)])
    x = _inside(target, np.concatenate([uniform, ends]))
    return sample(target, np.setdiff1d(x, used))


def holdout_floats(target: Target, fmt: FloatFormat) -> np.ndarray:
    """The hold-out points rounded to `fmt`, as float64: distinct, strictly inside; perhaps none."""
    with np.errstate(over="ignore"):
        return _inside(target, holdout_points(target).x.astype(fmt.type).astype(float))


def _frame(target: Target) -> tuple[float, float]:
    lo, hi = target.ends
    return float(lo), float(hi - lo)


def _chebyshev(target: Target, n: int) -> np.ndarray:
    """Measured from the nearer end, so that points next to an end at 0 keep all their digits."""
    lo, width = _frame(target)
    if is_logarithmic(target):
        return spread(lo, float(target.ends[1]), np.sin(np.arange(1, 2 * n, 2) * (np.pi / (4 * n))) ** 2)
    part = width * np.sin(np.arange(1, 2 * n, 2) * (np.pi / (4 * n))) ** 2
    half = (n + 1) // 2
    return np.concatenate([lo + part[:half], float(target.ends[1]) - part[: n - half]])


def _near_ends(target: Target, shift: float, furthest: int = 40) -> np.ndarray:
    """Points that approach the ends, and what is exact inside, geometrically.

    Next to a zero at another place than 0, floats are coarse: their own rounding would count as an error.
    """
    lo, width = _frame(target)
    exponents = np.arange(4, furthest + 1, 4)
    distance = width * 2.0 ** -(exponents + shift)
    places = [(lo, 1), (float(target.ends[1]), -1)]
    places += [(float(a.at), side) for a in anchors(target) if a.inner for side in (1, -1)]
    coarse = {float(a.at) for a in anchors(target) if a.at != 0}
    return np.concatenate(
        [
            x + side * distance[: np.count_nonzero(exponents <= _COARSE) if x in coarse else None]
            for x, side in places
        ]
    )


def _select(target: Target, n: int) -> np.ndarray:
    return _inside(target, np.concatenate([_chebyshev(target, n), _near_ends(target, 0.0)]))


def _inside(target: Target, x: np.ndarray) -> np.ndarray:
    """Sorted, distinct, strictly inside, and not where the target is exactly 0 or has no value."""
    first, last = target.span
    x = np.unique(x[(x >= first) & (x <= last)])
    return x[~np.isin(x, [float(anchor.at) for anchor in anchors(target) if anchor.inner])]
