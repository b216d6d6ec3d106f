"""Descent to the minimax of one program's constants.

Each step solves the linear Chebyshev problem at the error curve (evo/minimax/curve.py,
evo/minimax/linear.py): Remez' step where the errors alternate, and where they do not still a direction in
which the maximum falls. Then

1. the step is taken, if it is no longer than the trust radius;
2. or Newton's method levels the errors at the step's reference. Good families have narrow curved valleys:
   a straight step of useful length leaves the floor, and Newton's method comes back to it;
3. or the step is taken although the maximum rises, and 1 and 2 descend again from there, with the weakest
   constants fixed until the errors are small enough for them to matter;
4. or the problem is solved within a smaller and smaller trust radius, which always lowers the maximum, if
   slowly: poor starts come near by this;
5. while only 4 works, Newton's method interpolates the target at Chebyshev nodes now and then.

A descent ends where the maximum is the linear problem's level, which no change of the constants lowers to
first order. Lengths are changes of the constants' logarithms.

Source: M. R. Osborne and G. A. Watson, An algorithm for minimax approximation in the nonlinear case,
Comput. J. 12 (1969), for the linearised descent; E. Ya. Remez (1934) for the exchange.
"""

import math
from collections.abc import Sequence

import flint
import numpy as np
from flint import arb, arb_mat

from evo.minimax.curve import NONE, Curve, Curves, Samples
from evo.minimax.linear import SMALL, ChebyshevStep, LinearisedProblem
from evo.numbers.duals import floats

_STEPS = 60
"""Most steps of a descent.

Of 162 that ended at the level, from constants changed by up to 3 times their size, the median took 3 steps,
the longest 57. Counts below are of the same descents."""

_LEVEL_SHARE, _UNLEVEL_SHARE = 0.1, 0.001
"""Shares of the tolerance within which the maximum must be the level: where extrema agree, and else.

Both are below 1, so that rounded constants pass the test with the whole tolerance. Where extrema disagree,
the curve may be on the slope of a curved valley: the level is near the maximum there before its floor is."""

_PATIENCE = 8
"""Steps in which the maximum must have fallen by one of the two shares below."""
_WAY_SHARE, _MAXIMUM_SHARE = 0.1, 0.01
"""Of the way to the level, and of the maximum itself."""

_ENOUGH = 0.1
"""Share of the promised fall of the maximum that makes a step good."""
_FAITHFUL = 0.7
"""Share of the promised fall from which on the linear problem is trusted further away."""
_FIRST_RADIUS = 0.5
"""Trust radius at the start: a change of a constant by a factor of 1.6."""
_SCALE = 4
"""The radius grows and shrinks by this."""
_SHRINKS = 14
"""Most shrinkings in a step: of 551 steps that lowered the maximum, none took more than 7."""

_RETURN = 6
"""Most steps of an excursion: of 72 that paid, 95 % returned in 2, the longest in 4."""
_WEAKEST = 2
"""An excursion's steps are tried with all constants, and with all but the weakest."""

_CYCLE, _LEAP, _RETRY = 4, 1, 3
"""In every 4 steps, the second may leap to the interpolant, and after the fourth excursions are tried again.

What failed in the step before would fail again: both wait until the curve has changed."""

_NEWTON_STEPS = 12
"""Of 204 times that Newton's method converged, 95 % took 10, damped steps included."""
_DAMPED = 0.2
"""Largest change of a logarithm in a step of Newton's method: beyond, the logarithm's curvature tells."""
_CLOSE = 1e-7
"""Deviation from the level, as a share of the maximum, where Newton's method stops."""
_NOTHING = 1e-300
"""Least promised fall: a divisor must not be 0."""


def descend(curves: Curves, start: Curve, tolerance: float) -> tuple[Curve, int, bool]:
    """Steps until the maximum is the level or little lowers it.

    Args:
        curves: of the program and target.
        start: where to begin.
        tolerance: how well the extrema must agree, and the maximum with the level.

    Returns:
        (last curve, steps taken, whether the maximum is the level).
    """
    descent = _Descent(curves, start, tolerance)
    for count in range(_STEPS):
        end = descent.looked(count)
        if end is not None:
            return descent.curve, count, end
        if not descent.lowered(count):
            return descent.curve, count, False
    return descent.curve, _STEPS, False


class _Descent:
    """Where a descent is.

    Attributes:
        curve: the errors at the constants reached.
        problem: linearised there.
        step: solution of `problem`.
        radius: trust radius of short steps.
        mark: the maximum when patience was last asked for.
        eager: whether excursions are tried.
    """

    curve: Curve
    problem: LinearisedProblem
    step: ChebyshevStep

    def __init__(self, curves: Curves, start: Curve, tolerance: float) -> None:
        self.curves, self.curve, self.tolerance = curves, start, tolerance
        self.radius, self.mark, self.eager = _FIRST_RADIUS, math.inf, True

    def looked(self, count: int) -> bool | None:
        """Solves the linear problem here: None to go on, else whether the maximum is the level."""
        if self.curve.vague:
            self.curve = self.curves.measured(self.curve.constants)
        error = self.curve.error
        if error <= NONE * self.curves.size or error == math.inf:
            return error < math.inf
        self.problem = LinearisedProblem(self.curves, self.curve)
        step = self.problem.step()
        if step is None:
            return False
        self.step = step
        if self._levelled():
            return True
        if count % _PATIENCE == 0 and self._stalled():
            return step.settled(error, self.tolerance)
        return None

    def _levelled(self) -> bool:
        agree = self.step.leveling <= 1 + _LEVEL_SHARE * self.tolerance
        share = _LEVEL_SHARE if agree else _UNLEVEL_SHARE
        return self.step.settled(self.curve.error, share * self.tolerance)

    def _stalled(self) -> bool:
        """Whether the maximum has hardly fallen since it was last marked; marks it if it has."""
        before, self.mark = self.mark, self.curve.error
        wanted = min(_WAY_SHARE * (before - self.step.level), _MAXIMUM_SHARE * before)
        return before - self.curve.error < wanted

    def lowered(self, count: int) -> bool:
        """Goes to a lower curve by the first way that finds one; whether there is one."""
        lower = _straight(self.curves, self.problem, self.step, self.radius)
        if lower is None and self.eager:
            lower = _excursion(self.curves, self.problem, self.step)
        self.eager = lower is not None or count % _CYCLE == _RETRY
        if lower is None:
            lower, self.radius = _shortened(self.curves, self.problem, self.radius)
            if count % _CYCLE == _LEAP:
                lower = self._leapt(lower)
        if lower is None or not lower.error < self.curve.error:
            return False
        self.curve = lower
        return True

    def _leapt(self, other: Curve | None) -> Curve | None:
        """The better of a curve and the interpolant at Chebyshev's nodes, as far as there are any."""
        pivots = self.step.pivots
        leap = _newton(self.curves, self.problem, pivots, self.curves.chebyshev(len(pivots)), None)
        return min((c for c in (other, leap) if c), key=lambda c: c.error, default=None)


def _straight(curves: Curves, problem: LinearisedProblem, step: ChebyshevStep, radius: float) -> Curve | None:
    """The curve after the step, or levelled at the step's reference, if its maximum falls enough."""
    tried = curves.of(step.constants) if step.length <= radius else None
    if tried is None or _gain(problem, step, tried) <= _ENOUGH:
        tried = _newton(curves, problem, step.pivots, problem.points.take(step.reference), step.signs)
    return tried if tried and _gain(problem, step, tried) > _ENOUGH else None


def _excursion(curves: Curves, problem: LinearisedProblem, step: ChebyshevStep) -> Curve | None:
    """The curve after the step, which raises the maximum, and a descent from there, if that pays."""
    first = step if step.length <= _FIRST_RADIUS else problem.step(_FIRST_RADIUS)
    curve = curves.of(first.constants) if first else None
    for _ in range(_RETURN):
        if curve is None or curve.error == math.inf:
            return None
        here = LinearisedProblem(curves, curve)
        tries = (here.step(weakest=n) for n in range(_WEAKEST))
        found = (_straight(curves, here, back, _FIRST_RADIUS) for back in tries if back)
        curve = next((c for c in found if c), None)
        if curve and _gain(problem, step, curve) > _ENOUGH:
            return curve
    return None


def _shortened(curves: Curves, problem: LinearisedProblem, radius: float) -> tuple[Curve | None, float]:
    """The curve after a step within the radius, which shrinks until the maximum falls; the next radius."""
    for _ in range(_SHRINKS):
        step = problem.step(radius)
        if step is None:
            break
        tried = curves.of(step.constants)
        gain = _gain(problem, step, tried)
        if gain > _ENOUGH:
            return tried, _SCALE * radius if gain > _FAITHFUL else radius
        radius = min(radius, step.length) / _SCALE
    return None, radius


def _gain(problem: LinearisedProblem, step: ChebyshevStep, tried: Curve) -> float:
    """What part of the promised fall of the maximum came true."""
    return (problem.curve.error - tried.error) / max(problem.curve.error - step.level, _NOTHING)


def _newton(
    curves: Curves,
    problem: LinearisedProblem,
    pivots: Sequence[int],
    points: Samples,
    signs: np.ndarray | None,
) -> Curve | None:
    """Newton's method on the errors at the points: all zero, or `signs` times one unknown level.

    Args:
        pivots: the constants to change, by at most `_DAMPED` a step.
        points: as many as there are unknowns.

    Returns:
        The curve it arrives at, converged or not; None if the equations are singular.
    """
    n, numbers = len(points.x), list(problem.curve.constants)
    with flint.ctx.workprec(problem.precision):
        levels = [] if signs is None else [np.array([arb(-s) for s in signs.tolist()], object)]
        for _ in range(_NEWTON_STEPS if pivots else 0):
            units = {k: max(abs(numbers[k]), SMALL) for k in pivots}
            errors, columns = curves.derivatives(points, numbers, units)
            matrix = np.array([*(columns[k] for k in pivots), *levels]).T
            try:
                solved = arb_mat(n, n, matrix.ravel().tolist()).solve(arb_mat(n, 1, (-errors).tolist()))
            except ZeroDivisionError:
                return None
            changes = [solved[i, 0].mid() for i in range(len(units))]
            length = max(abs(float(change)) for change in changes)
            if not length < math.inf:
                return None
            part = arb(min(1.0, _DAMPED / max(length, _DAMPED)))
            for (k, unit), change in zip(units.items(), changes, strict=True):
                numbers[k] = (numbers[k] + part * change * unit).mid()
            wanted = 0.0 if signs is None else signs * float(solved[n - 1, 0])
            if np.abs(floats(errors) - wanted).max() < _CLOSE * problem.curve.error:
                break
    return curves.of(numbers)
