"""A target as the rational functions of its forms see it: goals, starts and expansions, remembered.

Everything runs at the current `flint.ctx.prec`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb, arb_series

from evo.classical.frames import Frame
from evo.classical.remez import (
    FitError,
    Goal,
    Rational,
    horner,
    interpolate,
    least_squares,
    pade,
    substituted,
    widened,
)
from evo.classical.shapes import Builder
from evo.classical.traits import traits
from evo.numbers.reals import ball
from evo.targets.axis import is_logarithmic
from evo.targets.target import Target

_STRIP = 60
_POINTS = 256
_CENTRES = 9
_NEAR_ZERO = 1e-6


class Variable:
    """The target over u in [-1, 1], where x, x^2 or s^2 is `centre` + `half` u; values are remembered."""

    def __init__(self, target: Target, even: bool, ratio: Any = None) -> None:
        self.target, self.even, self.ratio = target, even, ratio
        lo, hi = (ball(end) for end in target.ends)
        if ratio is not None:
            hi = (hi - ratio) / (hi + ratio)
            lo = -hi
        strip = (hi - lo) / 2**_STRIP
        ends = [lo, hi]
        inside = [lo + strip, hi - strip]
        if even:
            if lo < 0 < hi:
                far = max(-lo, hi)
                ends, inside = [arb(0), far], [strip, far - strip]
            ends, inside = (sorted(end * end for end in pair) for pair in (ends, inside))
        self.mirrored = even and (hi <= 0 or -lo > hi)
        self.centre, self.half = ((ends[0] + ends[1]) / 2).mid(), ((ends[1] - ends[0]) / 2).mid()
        self.decades = is_logarithmic(target) and ratio is None
        if self.decades:
            sign = 1 if self.centre > 0 else -1
            self._middle, self._stretch = sign * (ends[0] * ends[1]).sqrt(), (ends[1] / ends[0]).sqrt()
        places = (-np.cos(np.arange(1, _POINTS) * np.pi / _POINTS)).tolist()
        first, last = (((end - self.centre) / self.half).mid() for end in inside)
        self.points = (first, *(self.place(arb(s)) for s in places), last)
        self._known: dict[Any, tuple[Any, Any, Any]] = {}

    def place(self, s: Any) -> Any:
        """u at a place in [-1, 1] on the axis' own scale: the logarithm of x over many decades."""
        if not self.decades:
            return s
        t = self._middle * self._stretch**s
        return ((t - self.centre) / self.half).mid()

    def x(self, u: Any) -> Any:
        """x at u, a number or series."""
        t = self.centre + self.half * u
        root = t.sqrt() if self.even else t
        s = -root if self.mirrored else root
        return s if self.ratio is None else self.ratio * (1 + s) / (1 - s)

    def at(self, u: Any) -> tuple[Any, Any, Any]:
        """x, the target's value and the unit of its error."""
        if u not in self._known:
            x = self.x(u).mid()
            exact = self.target.ball(x).mid()
            unit = self.target.measure.unit
            self._known[u] = x, exact, unit(exact) if unit else arb(1)
        return self._known[u]


class Goals:
    """Goals for one target.

    Attributes:
        target: what to approximate.
        traits: its symmetries.
        trivial: the error of the constant 0.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.traits = traits(target)
        self._variables: dict[tuple[bool, Any], Variable] = {}
        plain = self.variable(Frame())
        values = [plain.at(u) for u in plain.points]
        self.trivial = max(abs(float(exact / unit)) for _, exact, unit in values)
        self._goals: dict[Frame, Goal] = {}
        self._starts: dict[tuple[Frame, int, int], Rational | None] = {}

    def variable(self, frame: Frame) -> Variable:
        """What r is a function of."""
        key = frame.core.even, frame.core.ratio
        if key not in self._variables:
            self._variables[key] = Variable(self.target, *key)
        return self._variables[key]

    def goal(self, frame: Frame) -> Goal:
        """What r has to be."""
        if frame not in self._goals:
            self._goals[frame] = _goal(frame, self.variable(frame))
        return self._goals[frame]

    def positive(self, frame: Frame) -> bool:
        """Whether roots of what the frame holds are smooth: it is positive, also at the ends."""
        variable = self.variable(frame)
        held = [float(frame.wanted(*variable.at(u)[:2])) for u in variable.points[:: _POINTS // 16]]
        return min(held) > _NEAR_ZERO * max(held)

    def start(self, frame: Frame, m: int, n: int) -> Rational:
        """The interpolant at Chebyshev's points, or a least-squares fit where it has a pole.

        Raises:
            FitError: neither is without a pole.
        """
        key = frame, m, n
        if key not in self._starts:
            self._starts[key] = self._started(frame, m, n)
        if (start := self._starts[key]) is None:
            raise FitError("no interpolant or least-squares fit without a pole")
        return start

    def _started(self, frame: Frame, m: int, n: int) -> Rational | None:
        goal = self.goal(frame)
        many = (widened,) if self.variable(frame).decades else ()
        for method in (*many, interpolate, least_squares):
            try:
                return method(goal, m, n)
            except FitError:
                continue
        return None

    def local(self, frame: Frame, m: int, n: int) -> tuple[Rational, float]:
        """Taylor's polynomial (n = 0) or Padé's approximant, about the point x of least max error; and x.

        Raises:
            FitError: no point gives a finite error.
        """
        places = np.linspace(-1, 1, _CENTRES + 2)[1:-1].tolist()
        best = min((self._about(frame, m, n, s) for s in places), key=lambda found: found[0])
        step = places[1] - places[0]
        while step > 2e-3:
            step /= 2
            tried = [self._about(frame, m, n, best[1] + side * step) for side in (-1, 1)]
            best = min([best, *tried], key=lambda found: found[0])
        error, s, p, q = best
        if error == math.inf:
            raise FitError("no expansion with a finite error")
        u0 = self.variable(frame).place(arb(s))
        p, q = (substituted(c, -u0, arb(1)) for c in (p, q))
        r = Rational(tuple(c / q[0] for c in p), tuple(c / q[0] for c in q), error)
        return r, float(self.variable(frame).x(u0))

    def _about(
        self, frame: Frame, m: int, n: int, s: float
    ) -> tuple[float, float, Sequence[Any], Sequence[Any]]:
        """(max error, s, p, q) in powers of u - u0, where u0 is at the place s."""
        variable, goal = self.variable(frame), self.goal(frame)
        terms, u0 = m + n + 1, variable.place(arb(s))
        x = variable.x(arb_series([u0, 1], terms))
        series = frame.wanted(x, self.target.ball(x))
        try:
            p, q = pade([series[k] for k in range(terms)], m, n)
            points = variable.points[:: _POINTS // 16]
            below = [horner(q, u - u0) for u in points]
            if not (all(v > 0 for v in below) or all(v < 0 for v in below)):
                raise FitError("a pole inside")
            sizes = [
                abs(float(goal.error(u, horner(p, u - u0) / v))) for u, v in zip(points, below, strict=True)
            ]
        except FitError:
            return math.inf, s, (), ()
        error = max(sizes)
        return error if error < math.inf else math.inf, s, p, q

    def code(self, frame: Frame, r: Rational) -> Builder:
        """The program of a fit."""
        variable = self.variable(frame)
        p, q = (substituted(c, -variable.centre / variable.half, 1 / variable.half) for c in (r.p, r.q))
        return frame.write(p, q, self.traits.pole)


def _goal(frame: Frame, variable: Variable) -> Goal:
    def wanted(u: Any, e: Any) -> Any:
        x, exact, unit = variable.at(u)
        return frame.wanted(x, exact + e * unit)

    def error(u: Any, r: Any) -> Any:
        x, exact, unit = variable.at(u)
        return (frame.value(x, r) - exact) / unit

    return Goal(wanted, error, variable.points, variable.place)
