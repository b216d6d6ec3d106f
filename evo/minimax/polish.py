"""Multi-precision minimax of one program's constants: the last word on how good a formula can be.

Constants descend (evo/minimax/descent.py) from the start until the maximum is the linear problem's level. A
descent that ends otherwise is tried again from a float64 fit with some signs changed: constants on their way
to infinity want to come back from the other side. What comes out are decimal strings, whose error is measured
as they stand.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo.minimax.curve import NONE, Curve, Curves
from evo.minimax.descent import descend
from evo.minimax.linear import LinearisedProblem
from evo.minimax.pins import FAR, pinned
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

_DIGITS = 1e-6
"""Relative change of the error by the constants' rounding: about six digits of the error stay."""
_FEWEST_DIGITS = 17
"""Of a constant: what a float64 needs to be read back."""
_MOST_RATIO = 1e300
"""Largest ratio of derivative and error that digits are given for; `log10` needs a finite number."""


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
    moved = pinned(curves.program, constants, curves.target, FAR)
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
    best, steps, settled = descend(curves, start, tolerance)
    if settled:
        return best, steps
    other, more, _ = descend(curves, curves.of(curves.refitted(start.constants)), tolerance)
    return min(best, other, key=lambda curve: curve.error), steps + more


def _judged(curves: Curves, curve: Curve, tolerance: float) -> tuple[str, tuple[float, ...], float]:
    """Status (empty if neither of the first two), extrema and their leveling."""
    problem = LinearisedProblem(curves, curve)
    step = problem.step()
    status = "equioscillates" if curve.error <= NONE * curves.size else ""
    if step is None:
        return status, (), math.inf
    if not status and step.settled(curve.error, tolerance):
        status = "equioscillates" if step.leveling <= 1 + tolerance else "settled"
    extrema = np.clip(floats(problem.points.x[step.reference[step.bearing]]), *curves.target.span)
    return status, tuple(extrema.tolist()), step.leveling


def _decimals(curves: Curves, curve: Curve) -> tuple[str, ...]:
    """The constants with so many digits that the error keeps about six of its own."""
    problem, texts = LinearisedProblem(curves, curve), []
    share = _DIGITS * max(curve.error, NONE * curves.size) / max(len(curve.constants), 1) or math.ulp(0.0)
    for k, constant in enumerate(curve.constants):
        ratio = min(max(1.0, problem.needs.get(k, 0.0) / share), _MOST_RATIO)
        digits = math.ceil(math.log10(ratio)) + 1
        texts.append(constant.str(max(_FEWEST_DIGITS, digits), radius=False))
    return tuple(texts)
