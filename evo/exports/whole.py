"""Every float32 there is, asked of a function on all floats: errors in its span, and what it gives beyond.

In the span errors are screened beside polynomials. Where the function bends too often for those, as sine up
to 2^17, they are screened beside the same reduction in float64 with an interpolant as its core, which is
compared with balls at many inputs. Balls decide the largest. `special` asks the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

import flint
import numpy as np
from flint import arb

from evo.exports.backwards import Backwards, backwards
from evo.exports.exhaustive import screened
from evo.exports.formula import Figure, Formula, Origin, make_formula
from evo.exports.measure import finite_span, largest
from evo.exports.pieces import REFERENCE_AGREES, CurvedError
from evo.exports.samples import results
from evo.exports.special import special_faults
from evo.floats.wanted import core_values
from evo.programs.program import parse
from evo.reductions.rules import length
from evo.targets.target import Target

_DEGREE = 24
"""Of the interpolant that stands for a core in float64."""
_COMPARED = 4000
"""Inputs at which function and reference are compared."""
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Whole:
    """What all inputs gave.

    Attributes:
        figure: the largest error in the span [ulp].
        inputs: how many were asked.
        faults: what `special_faults` says.
        worst: inputs near the largest error.
    """

    figure: Figure
    inputs: int
    faults: tuple[str, ...]
    worst: np.ndarray


def whole(formula: Formula) -> Whole:
    """Asks a float32 function of all floats every input.

    Raises:
        BuildError: no C compiler.
        CurvedError: nothing exact is fast enough.
    """
    reduction, fmt = formula.reduction, formula.fmt
    assert reduction is not None
    plain = replace(formula, name="exported", origin=Origin(), to="")
    found = _beside_exact(screened, plain, *reduction.span(fmt))
    x = np.unique(found.inputs[1])
    figure = largest(results(formula, x), x, reduction.ball, fmt, "ulp", reduction.tail)
    return Whole(figure, 1 << fmt.bits, special_faults(plain), x)


def wrong_ways(formula: Formula) -> Backwards:
    """Where a float32 function of all floats, or of its interval, steps the wrong way.

    Raises:
        BuildError, CurvedError: as `whole`.
    """
    plain = replace(formula, name="exported", origin=Origin(), to="")
    if plain.reduction is None:
        target = plain.member.function
        return backwards(plain, target.expression.ball, *target.ends)
    return _beside_exact(backwards, plain, *plain.reduction.span(plain.fmt))


def _beside_exact(ask: Callable[..., _Found], formula: Formula, lo: float, hi: float) -> _Found:
    """What is asked beside polynomials, or beside a reference where the function bends too often."""
    assert formula.reduction is not None
    exact = Target(formula.member.target, "0", "1", "absolute").expression.ball
    if not formula.reduction.bends:
        try:
            return ask(formula, exact, lo, hi)
        except CurvedError:
            pass
    return ask(formula, exact, lo, hi, reference(formula))


def reference(formula: Formula) -> Formula:
    """The function in float64, its core interpolated.

    Raises:
        CurvedError: it is not exact enough.
    """
    reduction = formula.reduction
    assert reduction is not None
    core = reduction.core
    target = Target(core.function, core.lo, core.hi, "absolute")
    lo, hi = length(core.lo), length(core.hi)
    nodes = np.cos((2 * np.arange(_DEGREE + 1) + 1) * np.pi / (2 * _DEGREE + 2))
    x = (lo + hi) / 2 + (hi - lo) / 2 * nodes
    fitted = np.polynomial.Chebyshev.fit(x, core_values(target, x), _DEGREE, domain=[lo, hi])
    coefficients = fitted.convert(kind=np.polynomial.Polynomial).coef[::-1]
    lines = ["v1 = fma(x, c1, c2)", *(f"v{i} = fma(v{i - 1}, x, c{i + 1})" for i in range(2, _DEGREE + 1))]
    member = replace(
        formula.member, program="\n".join(lines), ops=_DEGREE,
        constants=tuple(str(Decimal(float(c))) for c in coefficients),
    )  # fmt: skip
    parse(member.program)
    made = replace(make_formula(member, "float64", "reference"), reduction=reduction)
    _compare(made, formula)
    return made


def _compare(made: Formula, formula: Formula) -> None:
    """Holds a reference against balls, at float32 inputs of all sizes and near the function's zeros."""
    assert formula.reduction is not None
    first, last = finite_span(formula.reduction, formula.fmt)
    rng = np.random.default_rng(11)
    sizes = np.exp2(rng.uniform(-40, np.log2(last), _COMPARED)) * rng.choice([-1, 1], _COMPARED)
    turns = np.rint(rng.uniform(first, last, _COMPARED) / (np.pi / 2)) * (np.pi / 2)
    x = np.concatenate([sizes, turns]).astype(np.float32).astype(float)
    x = x[(x > first) & (x < last)]
    got = results(made, x)
    with flint.ctx.workprec(128):
        exact = np.array([float(formula.reduction.ball(arb(v))) for v in x.tolist()])
    off = np.abs(got - exact) / np.abs(exact)
    if not off.max() <= REFERENCE_AGREES:
        raise CurvedError(f"{formula.member.target} in float64 is off by {off.max():.2g}, relatively.")
