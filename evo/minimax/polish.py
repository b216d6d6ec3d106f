"""Multi-precision minimax of one program's constants: the last word on how good a formula can be.

Each step solves the linear Chebyshev problem at the error curve (evo/minimax/curve.py,
evo/minimax/linear.py): Remez' step where the errors alternate, and where they do not still a direction in
which the maximum falls. Then

1. the step is taken, if it is no longer than the trust radius;
2. or Newton's method levels the errors at the step's reference. Good families have narrow curved valleys:
   a straight step of useful length leaves the floor, and this comes back to it;
3. or the step is taken although the maximum rises, and 1 and 2 descend again from there, with the weakest
   constants fixed until the errors are small enough for them to matter;
4. or the problem is solved within a smaller and smaller trust radius, which always lowers the maximum, if
   slowly: this is what brings poor starts near;
5. while only that works, Newton's method interpolates the target at Chebyshev nodes now and then.

It ends where the maximum is the linear problem's level, which no change of the constants lowers to first
order. If it does not end so, it starts again from a float64 fit (some signs changed: constants on their way
to infinity want to come back from the other side).

Source: M. R. Osborne and G. A. Watson, An algorithm for minimax approximation in the nonlinear case,
Comput. J. 12 (1969), for the linearised descent; E. Ya. Remez (1934) for the exchange.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import flint
import numpy as np
from flint import arb, arb_mat

from evo.minimax.curve import NONE, Curve, Curves, Samples
from evo.minimax.linear import SMALL, ChebyshevStep, LinearisedProblem
from evo.minimax.pins import pinned
from evo.numbers.duals import floats
from evo.programs.program import Program
from evo.targets.expression import Expression
from evo.targets.target import Target

LEVELLED = "equioscillates"
"""The status that means the optimum."""
STATUS = ("equioscillates", "settled", "improved", "unchanged", "not finite")
"""How a polish ended.

- equioscillates: no first-order change lowers the maximum, and all extrema that hold it agree.
- settled: no first-order change lowers it by more than the tolerance, though not all of them agree; such is
  the floor of a curved valley, where fewer extrema hold a minimum.
- improved: better than the start, but neither of these.
- unchanged: the start itself.
- not finite: the error is infinite at the start (a pole, the root of a negative number) and stayed so.
"""

_STEPS = 60
_PATIENCE = (
    8  # steps in which the maximum must have fallen, by a tenth of its way to the level or a hundredth
)
_ENOUGH = 0.1  # share of the promised fall of the maximum that makes a step good
_FIRST_RADIUS = 0.5  # in the logarithms of the constants, as all lengths
_SHRINKS = 14
_RETURN = 6  # steps of an excursion
_RARELY = 4  # every so many steps what failed before is tried again
_NEWTON_STEPS, _DAMPED, _CLOSE = 12, 0.2, 1e-7
_FAR = 0.02  # relative change of a constant of the start that meets a zero of the target
_DIGITS = 1e-6  # relative change of the error by the constants' rounding


@dataclass(frozen=True)
class Polished:
    """What became of the constants.

    Attributes:
        status: one of `STATUS`.
        constants: decimal strings, c1 first.
        error: max error of exactly these constants in real arithmetic, refined between grid points; `inf`
            if not finite. A sampled error, no bound.
        worst_x: where, a float64 inside the interval.
        extrema: where |error| is levelled, ascending: one more than there are independent constants.
        leveling: largest over smallest |error| there; inf without extrema.
        iterations: steps taken.
    """

    status: str
    constants: tuple[str, ...]
    error: float
    worst_x: float
    extrema: tuple[float, ...]
    leveling: float
    iterations: int


@np.errstate(all="ignore")  # hopeless starts overflow; what comes out says so
def polish(
    program: Program,
    constants: Sequence[str | float],
    target: Target,
    *,
    weight: Expression | None = None,
    tolerance: float = 1e-4,
) -> Polished:
    """The constants of least max error near the given ones; never worse than those.

    Args:
        program: what to polish.
        constants: where to start, c1 first; a float stands for its shortest decimal string.
        target: function, interval, metric.
        weight: a positive function of x that multiplies the metric's error.
        tolerance: how well the extrema must agree, and the maximum with the level.

    Raises:
        ProgramError: fewer constants than the program uses.
        ConstantError: a constant that is no exact number.
    """
    texts = tuple(c.strip() if isinstance(c, str) else repr(float(c)) for c in constants)
    if any(text.lower().lstrip("+-") in ("nan", "inf") for text in texts):
        return Polished("not finite", texts, math.inf, target.span[0], (), math.inf, 0)
    used, unused = texts[: program.n_constants], texts[program.n_constants :]
    curves = Curves(program, target, weight)
    start = _held(curves, curves.measured(used), used)
    best, steps = _best(curves, _first(curves, used), tolerance)
    if best.error == math.inf:
        return Polished("not finite", texts, math.inf, start.worst_x, (), math.inf, steps)
    final = start
    if best.error < start.error:
        rounded = _decimals(curves, best)
        rounded = pinned(program, rounded, target) or rounded
        curve = _held(curves, curves.measured(rounded), rounded)
        if curve.error < start.error:
            used, final = rounded, curve
    if final.error == math.inf:
        return Polished("not finite", texts, math.inf, final.worst_x, (), math.inf, steps)
    status, extrema, leveling = _judged(curves, final, tolerance)
    status = status or ("unchanged" if final is start else "improved")
    return Polished(status, used + unused, final.error, final.worst_x, extrema, leveling, steps)


def _first(curves: Curves, constants: Sequence[str]) -> Curve:
    """Where to start: at the constants, or at those moved to where the target's zeros are met."""
    plain = curves.measured(constants)
    moved = pinned(curves.program, constants, curves.target, _FAR)
    if moved is None or moved == tuple(constants):
        return plain
    return min(plain, curves.measured(moved), key=lambda curve: curve.error)


def _held(curves: Curves, curve: Curve, constants: Sequence[str]) -> Curve:
    """The curve; its error is infinite where the program misses an exact zero of the target.

    Beside that zero the error of constants that nearly hit it is small, at any distance that is looked at.
    """
    held = pinned(curves.program, constants, curves.target) == tuple(constants)
    return curve if held else curve._replace(error=math.inf)


def _best(curves: Curves, start: Curve, tolerance: float) -> tuple[Curve, int]:
    """The best curve found, and the steps taken."""
    best, steps, settled = _descend(curves, start, tolerance)
    if settled:
        return best, steps
    other, more, _ = _descend(curves, curves.of(curves.refitted(start.constants)), tolerance)
    return min(best, other, key=lambda curve: curve.error), steps + more


def _judged(curves: Curves, curve: Curve, tolerance: float) -> tuple[str, tuple[float, ...], float]:
    """Status (empty if neither of the first two), extrema and their leveling."""
    model = LinearisedProblem(curves, curve)
    step = model.step()
    status = "equioscillates" if curve.error <= NONE * curves.size else ""
    if step is None:
        return status, (), math.inf
    if not status and step.settled(curve.error, tolerance):
        status = "equioscillates" if step.leveling <= 1 + tolerance else "settled"
    extrema = np.clip(floats(model.points.x[step.reference[step.bearing]]), *curves.target.span)
    return status, tuple(extrema.tolist()), step.leveling


def _descend(curves: Curves, curve: Curve, tolerance: float) -> tuple[Curve, int, bool]:
    """Steps until levelled or little lowers the maximum: (last curve, steps, whether settled)."""
    radius, mark, eager = _FIRST_RADIUS, math.inf, True
    for count in range(_STEPS):
        if curve.vague:
            curve = curves.measured(curve.constants)
        if curve.error <= NONE * curves.size or curve.error == math.inf:
            return curve, count, curve.error < math.inf
        model = LinearisedProblem(curves, curve)
        step = model.step()
        if step is None:
            return curve, count, False
        if step.settled(curve.error, (0.1 if step.leveling <= 1 + 0.1 * tolerance else 0.001) * tolerance):
            return curve, count, True
        if count % _PATIENCE == 0:
            if mark - curve.error < min(0.1 * (mark - step.level), 0.01 * mark):
                return curve, count, step.settled(curve.error, tolerance)
            mark = curve.error
        lower = _straight(curves, model, step, radius)
        if lower is None and eager:
            lower = _excursion(curves, model, step)
        eager = lower is not None or count % _RARELY == _RARELY - 1
        if lower is None:
            lower, radius = _shortened(curves, model, radius)
            if count % _RARELY == 1:
                leapt = _newton(curves, model, step.pivots, curves.chebyshev(len(step.pivots)), None)
                lower = min((c for c in (lower, leapt) if c), key=lambda c: c.error, default=None)
        if lower is None or not lower.error < curve.error:
            return curve, count, False
        curve = lower
    return curve, _STEPS, False


def _straight(curves: Curves, model: LinearisedProblem, step: ChebyshevStep, radius: float) -> Curve | None:
    """The curve after the step, or levelled at the step's reference, if its maximum falls enough."""
    tried = curves.of(step.constants) if step.length <= radius else None
    if tried is None or _gain(model, step, tried) <= _ENOUGH:
        tried = _newton(curves, model, step.pivots, model.points.take(step.reference), step.signs)
    return tried if tried and _gain(model, step, tried) > _ENOUGH else None


def _excursion(curves: Curves, model: LinearisedProblem, step: ChebyshevStep) -> Curve | None:
    """The curve after the step, which raises the maximum, and a descent from there, if that pays."""
    first = step if step.length <= _FIRST_RADIUS else model.step(_FIRST_RADIUS)
    curve = curves.of(first.constants) if first else None
    for _ in range(_RETURN):
        if curve is None or curve.error == math.inf:
            return None
        here = LinearisedProblem(curves, curve)
        tries = (here.step(weakest=n) for n in range(2))
        found = (_straight(curves, here, back, _FIRST_RADIUS) for back in tries if back)
        curve = next((c for c in found if c), None)
        if curve and _gain(model, step, curve) > _ENOUGH:
            return curve
    return None


def _shortened(curves: Curves, model: LinearisedProblem, radius: float) -> tuple[Curve | None, float]:
    """The curve after a step within the radius, which shrinks until the maximum falls; the next radius."""
    for _ in range(_SHRINKS):
        step = model.step(radius)
        if step is None:
            break
        tried = curves.of(step.constants)
        gain = _gain(model, step, tried)
        if gain > _ENOUGH:
            return tried, 4 * radius if gain > 0.7 else radius
        radius = min(radius, step.length) / 4
    return None, radius


def _gain(model: LinearisedProblem, step: ChebyshevStep, tried: Curve) -> float:
    """What part of the promised fall of the maximum came true."""
    return (model.curve.error - tried.error) / max(model.curve.error - step.level, 1e-300)


def _newton(
    curves: Curves, model: LinearisedProblem, pivots: Sequence[int], points: Samples, signs: np.ndarray | None
) -> Curve | None:
    """Newton's method on the errors at the points: all zero, or `signs` times one unknown level.

    Args:
        pivots: the constants to change, by at most `_DAMPED` a step.
        points: as many as there are unknowns.

    Returns:
        The curve it arrives at, converged or not; None if the equations are singular.
    """
    n, numbers = len(points.x), list(model.curve.constants)
    with flint.ctx.workprec(model.precision):
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
            if np.abs(floats(errors) - wanted).max() < _CLOSE * model.curve.error:
                break
    return curves.of(numbers)


def _decimals(curves: Curves, curve: Curve) -> tuple[str, ...]:
    """The constants with so many digits that the error keeps about six of its own."""
    model, texts = LinearisedProblem(curves, curve), []
    share = _DIGITS * max(curve.error, NONE * curves.size) / max(len(curve.constants), 1) or math.ulp(0.0)
    for k, constant in enumerate(curve.constants):
        ratio = min(max(1.0, model.needs.get(k, 0.0) / share), 1e300)  # 1 for nan: `max` keeps its first
        digits = math.ceil(math.log10(ratio)) + 1
        texts.append(constant.str(max(17, digits), radius=False))
    return tuple(texts)
