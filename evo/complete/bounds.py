"""Errors that no rational function of a type goes below, proved.

Where a function r of a type leaves errors of alternating sign at m + n + 2 points, none of them less than E,
no function of that type without a pole in the interval has an error less than E (de la Vallee-Poussin): it
would differ from r by x^power P(y)/Q(y) with a sign that alternates as often, and P, of degree m + n at most,
has too few zeros for that. Of r nothing is asked but a denominator of one sign at the points: it need not be
the best one, and its degrees may be less.

Such an r is found in float64, by Remez exchange among Chebyshev points: errors levelled at m + n + 2 of them
are an eigenvalue problem of n + 1 rows, whose solution with a denominator of one sign is taken. Balls then
say what its errors are, with the very coefficients that were found. Where no r is found the bound is weaker.
There are thousands of types: evo/classical/remez.py, in multi-precision, is for the few that are printed.

Source: E. W. Cheney, Introduction to Approximation Theory (1966), chapter 5.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb
from numpy.polynomial import chebyshev

from evo.complete.degrees import Type
from evo.targets.anchors import local
from evo.targets.points import Points, fit_points
from evo.targets.target import Target

_PRECISION = 192
"""Bits of the balls: errors down to 1e-13 of values that a power of x may scale by as much."""
_POINTS = 192
"""Chebyshev's: of an optimum with six extrema the best error at them is a thousandth less."""
_ROUNDS = 20
_LEVELLED = 1.001
"""Ratio of the largest error to the levelled one at which the exchange ends: a bound needs no more."""


class Bounds:
    """Of a target.

    Args:
        target: what is approximated.

    Raises:
        TargetError: it has no value somewhere.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._points = target, fit_points(target, _POINTS)
        self._one_sided = bool(self._points.x[0] > 0 or self._points.x[-1] < 0)
        self._proved = cache(self._prove)

    def above(self, error: float) -> Callable[[Type], float | None]:
        """What says of a type that its functions all have more than this error: their bound, else None.

        No exchange is made for a type that contains one of which that is not known.
        """

        @cache
        def bound(kind: Type) -> float | None:
            smaller = (kind._replace(m=kind.m - 1), kind._replace(n=kind.n - 1))
            if any(bound(other) is None for other in smaller if min(other.m, other.n) >= 0):
                return None
            found = self.least_error(kind)
            return found if found > error else None

        return bound

    def least_error(self, kind: Type) -> float:
        """What no function of the type goes below, or of one that contains it; 0 where nothing is known."""
        larger = (kind._replace(m=kind.m + 1), kind._replace(n=kind.n + 1))
        return self._proved(kind) or max(map(self._proved, larger))

    def _possible(self, kind: Type) -> Type | None:
        """The functions of a type that are 0 or have a finite error; None if that is 0 alone.

        If 0 is inside the interval, where powers of x are not monotonic, they are those of a type of x that
        contains them. If 0 is an end, they are as small or large next to it as the target.
        """
        power, stride, m, n = kind
        if not self._one_sided:
            return Type(0, 1, stride * m + max(power, 0), stride * n + max(-power, 0))
        if self._order is None:
            return kind
        if self._target.measure.divides:
            more = (self._order - power) / stride  # the power of y that p has in excess of q
            if more.denominator > 1:
                return None
        else:
            more = Fraction(max(math.ceil((self._order - power) / stride), 0))
        m, n = m - max(int(more), 0), n - max(-int(more), 0)
        return Type(power + stride * int(more), stride, m, n) if min(m, n) >= 0 else None

    @cached_property
    def _order(self) -> Fraction | None:
        """How the target, or in the absolute metric any function that is bounded, begins at an end at 0."""
        lo, hi = self._target.ends
        if 0 not in (lo, hi):
            return None
        if not self._target.measure.divides:
            return Fraction(0)
        near = local(self._target.expression, Fraction(0), 1 if lo == 0 else -1, hi - lo)
        return near and near.order

    @cached_property
    def _exact(self) -> list[Any]:
        """The target at the points."""
        with flint.ctx.workprec(_PRECISION):
            return [self._target.ball(arb(x)) for x in self._points.x.tolist()]

    def _prove(self, kind: Type) -> float:
        possible = self._possible(kind)
        if possible is None:
            return self._of_zero
        if possible != kind:
            return self._proved(possible)
        axis = _Axis.of(self._points, kind)
        found = _best(axis)
        return 0.0 if found is None else self._held(axis, found)

    @cached_property
    def _of_zero(self) -> float:
        """The error of 0."""
        with flint.ctx.workprec(_PRECISION):
            sizes = [abs(self._target.measure.scaled(f, f)).lower() for f in self._exact]
        return max((_float_below(size) for size in sizes if size.is_finite()), default=0.0)

    def _held(self, axis: "_Axis", found: "_Levelled") -> float:
        """The least of the errors at these points, rounded down; 0 if they do not alternate for sure."""
        least, before, below = math.inf, 0, 0
        unit = self._target.measure.scaled
        with flint.ctx.workprec(_PRECISION):
            for place in found.at.tolist():
                x, exact = arb(float(self._points.x[place])), self._exact[place]
                y = (x**axis.kind.stride - arb(axis.centre)) / arb(axis.half)
                denominator = _series(found.q, y)
                difference = x**axis.kind.power * _series(found.p, y) / denominator - exact
                side, sign = _sign(denominator), _sign(difference)
                size = abs(unit(difference, exact)).lower()
                if not side * sign or side == -below or sign == before or not size.is_finite():
                    return 0.0
                before, below, least = sign, side, min(least, _float_below(size))
        return least


def _sign(value: Any) -> int:
    """1 or -1 for sure, else 0."""
    return int(value > 0) - int(value < 0)


def _float_below(value: Any) -> float:
    near = float(value)
    return near if arb(near) <= value else math.nextafter(near, 0.0)


def _series(coefficients: np.ndarray, y: Any) -> Any:
    """A sum of Chebyshev polynomials, on a ball, by Clenshaw's recurrence."""
    first, second = arb(0), arb(0)
    for c in coefficients[:0:-1].tolist():
        first, second = 2 * y * first - second + arb(c), first
    return y * first - second + arb(float(coefficients[0]))


@dataclass(frozen=True)
class _Axis:
    """A type's functions at the points; arrays are float64 [points].

    Attributes:
        points: the points.
        kind: the type.
        centre, half: y runs from centre - half to centre + half.
        top: what the numerator's polynomials give to the error, [points, m + 1].
        below: the denominator's polynomials, [points, n + 1].
        wanted: the target, in units of the error.
    """

    points: Points
    kind: Type
    centre: float
    half: float
    top: np.ndarray
    below: np.ndarray
    wanted: np.ndarray

    @classmethod
    def of(cls, points: Points, kind: Type) -> "_Axis":
        """Of these points."""
        y = points.x**kind.stride
        centre, half = float(y[0] + y[-1]) / 2, float(abs(y[-1] - y[0])) / 2
        u = (y - centre) / half
        top = (points.weight * points.x ** float(kind.power))[:, None] * chebyshev.chebvander(u, kind.m)
        below, wanted = chebyshev.chebvander(u, kind.n), points.weight * points.exact
        return cls(points, kind, centre, half, top, below, wanted)

    def levelled(self, at: np.ndarray) -> "_Levelled | None":
        """Errors of one size and alternating sign at m + n + 2 points; None if q has no one sign there."""
        top, below, wanted = self.top[at], self.below[at], self.wanted[at]
        signs = (-1.0) ** np.arange(len(at))
        rest = np.linalg.qr(top / np.abs(top).max(axis=0), mode="complete")[0][:, self.kind.m + 1 :].T
        levels, vectors = np.linalg.eig(np.linalg.solve(rest * signs @ below, -rest * wanted @ below))
        found = []
        for level, q in zip(levels, vectors.T, strict=True):
            values = below @ q.real
            if np.isfinite(level) and not level.imag and ((values > 0).all() or (values < 0).all()):
                found.append((abs(level.real), level.real, q.real))
        if not found:
            return None
        _, level, q = min(found, key=lambda one: one[0])
        p = np.linalg.lstsq(top, (wanted + signs * level) * (below @ q), rcond=None)[0]
        return _Levelled(at, abs(float(level)), p, q)


class _Levelled(NamedTuple):
    """Errors levelled at points, by the function with these coefficients."""

    at: np.ndarray
    level: float
    p: np.ndarray
    q: np.ndarray


@np.errstate(all="ignore")  # what is not finite ends an exchange
def _best(axis: _Axis) -> _Levelled | None:
    """The largest level that is found, None if none is: from points as Chebyshev's, then a polynomial's."""
    kind, count = axis.kind, axis.kind.m + axis.kind.n + 2
    found = _exchanged(axis, np.linspace(0, len(axis.wanted) - 1, count).round().astype(int))
    if found or not kind.n:
        return found
    polynomial = _best(_Axis.of(axis.points, kind._replace(m=kind.m + kind.n, n=0)))
    return polynomial and _exchanged(axis, polynomial.at)


def _exchanged(axis: _Axis, at: np.ndarray) -> _Levelled | None:
    """The largest level that an exchange from these points meets."""
    best = None
    for _ in range(_ROUNDS):
        try:
            found = axis.levelled(at)
        except np.linalg.LinAlgError:
            return best
        if found is None:
            return best
        if best is None or found.level > best.level:
            best = found
        denominator = axis.below @ found.q
        error = axis.top @ found.p / denominator - axis.wanted
        if not np.isfinite(error).all() or np.ptp(np.sign(denominator)):
            return best
        peaks = _peaks(error, len(at))
        if peaks is None or np.abs(error).max() <= _LEVELLED * found.level:
            return best
        at = peaks
    return best


def _peaks(error: np.ndarray, count: int) -> np.ndarray | None:
    """Places of `count` extrema of alternating sign; None if there are fewer."""
    size = np.abs(error)
    runs = np.split(np.arange(len(error)), np.flatnonzero(np.diff(np.sign(error))) + 1)
    peaks = [int(run[np.argmax(size[run])]) for run in runs]
    while len(peaks) > count:
        peaks.pop(0 if size[peaks[0]] < size[peaks[-1]] else -1)
    return np.array(peaks) if len(peaks) == count else None
