"""Checks of every input: 65,536 of 16 bits by the interpreter and balls, 2^32 of float32 in compiled C."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from evo.errors import EvonumError
from evo.exports.backwards import Backwards, backwards_among
from evo.exports.export import prepare, reduction_of
from evo.exports.formula import Formula, make_formula
from evo.exports.pieces import CurvedError
from evo.exports.special import special_faults
from evo.exports.unmet import unmet
from evo.exports.whole import whole, wrong_ways
from evo.floats.goal import RIGHT, FloatGoal
from evo.floats.inputs import FEW, between, every
from evo.floats.wanted import correct
from evo.fronts.front import Member
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.numbers.formats import round_decimal, ulp
from evo.programs.floats import evaluate
from evo.targets.metric import ULP


class CheckError(EvonumError, ValueError):
    """What has no check; one line."""


class UnmetError(EvonumError, ValueError):
    """A function that does not satisfy what is required; one line."""

    kind = "refuted"


@dataclass(frozen=True)
class Checked:
    """What every input gave.

    Attributes:
        member: the function, with the error found.
        inputs: how many were asked, and `of` what.
        of: "every input" or what sample.
        error: the largest, in `unit`, after the last rounding.
        unit: "ulp", or the member's metric.
        worst_x: an input where.
        misrounded: results that are not correctly rounded; None where nobody counted.
        backwards: neighbouring inputs whose results go the other way than the right ones; None likewise.
        faults: special inputs with wrong results, one line each.
        unmet: what is required of it and not so, one line each.
        broken: some inputs of float32 where it is not so.
    """

    member: Member
    inputs: int
    of: str
    error: float
    unit: str
    worst_x: float
    misrounded: int | None
    backwards: Backwards | None
    faults: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    broken: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False)

    @property
    def measured(self) -> Member:
        """The member with the error of every input, where its unit is the search's."""
        if self.unit == ULP and find_arithmetic(self.member.dtype).gives.bits == FEW:
            return self.member
        return replace(self.member, sampled_error=self.error, worst_x=self.worst_x)


def check(member: Member, ways: bool = True) -> Checked:
    """Asks a member's function every input of its format, or many where it is float64.

    Args:
        ways: whether float32 functions of all floats are asked for steps that go the wrong way, too.

    Raises:
        CheckError: a member over the reals, of which proofs speak.
        GoalError, FloatError, ReductionError, BuildError: it cannot be asked here.
    """
    if member.dtype == REAL:
        raise CheckError(
            f"The member of {member.ops} ops is over the reals; evonum verify proves it, check is of a dtype."
        )
    goal = _goal_of(member)
    return _of_16_bits(member, goal) if goal.arithmetic.gives.bits == FEW else _of_more(member, goal, ways)


def right_results(member: Member) -> np.ndarray:
    """Correctly rounded results at every input of a 16-bit format, in the order of its bits, as float64."""
    goal = _goal_of(member)
    return correct(goal.exact_at(every(goal.arithmetic.gives)), goal.arithmetic.gives)


def _goal_of(member: Member) -> FloatGoal:
    """What the search wanted of it.

    Raises:
        CheckError: cores that nobody gave.
    """
    goal = FloatGoal(
        member.function, member.dtype, member.metric, member.full, member.way, member.core, member.given,
        member.require,
    )  # fmt: skip
    if goal.missing:
        raise CheckError(f"{member.target} takes further cores: {', '.join(goal.missing)}.")
    return goal


def _of_16_bits(member: Member, goal: FloatGoal) -> Checked:
    gives, target = goal.arithmetic.gives, goal.target
    x = every(gives) if goal.full else between(*target.span, gives, 0)
    exact = goal.exact_at(x)
    got, finite = _results(member, goal, x), np.where(np.isfinite(exact), exact, 0.0)
    right = correct(exact, gives)
    same = (got == right) & (np.signbit(got) == np.signbit(right)) | (np.isnan(got) & np.isnan(right))
    with np.errstate(all="ignore"):
        size = np.where(same, RIGHT, np.abs(got - exact) / ulp(finite, gives))
    size = np.where(np.isnan(size), np.inf, size)
    worst = int(np.argmax(size))
    special = ~np.isfinite(x) | (x == 0)
    faults = tuple(f"{x[k]} gives {got[k]}, not {right[k]}" for k in np.flatnonzero(special & ~same))
    return Checked(
        member, len(x), "every input", float(size[worst]), ULP, float(x[worst]),
        int(np.count_nonzero(~same)), backwards_among(x, got, exact, gives), faults, *unmet(member, goal),
    )  # fmt: skip


def _results(member: Member, goal: FloatGoal, x: np.ndarray) -> np.ndarray:
    """The function as it is computed, rounded to its result's format, as float64."""
    computes, gives = goal.arithmetic.computes, goal.arithmetic.gives
    numbers = [round_decimal(text, computes) for text in member.constants]
    if goal.reduction is None:
        found = evaluate(member.code, numbers, x, computes)
    else:
        found = goal.reduction.evaluate(member.code, numbers, x, computes)
    with np.errstate(all="ignore"):
        return found.astype(gives.type).astype(float)


def _of_more(member: Member, goal: FloatGoal, ways: bool) -> Checked:
    """Float32 in compiled C, every input; float64 a sample, and where nothing exact is fast enough."""
    faults: tuple[str, ...] = ()
    if member.full:
        with suppress(CurvedError):
            return _of_all_floats(member, goal, ways)
        faults = special_faults(_full(member))
    formula = prepare(member, member.dtype, member.full)
    figure = next(f for f in formula.float_errors if f.unit == member.metric)
    of = "every input" if formula.float_every else "a sample"
    place = figure.x if figure.x is not None else float("nan")
    missed = 0 if figure.unit == ULP and figure.value <= RIGHT else None
    return Checked(
        member, formula.float_inputs, of, figure.value, figure.unit, place, missed, None, faults,
        *unmet(member, goal),
    )  # fmt: skip


def _full(member: Member) -> Formula:
    return replace(make_formula(member, member.dtype), reduction=reduction_of(member))


def _of_all_floats(member: Member, goal: FloatGoal, ways: bool) -> Checked:
    """A float32 function of all floats, every input of which compiled C is asked."""
    formula = _full(member)
    found = whole(formula)
    place = float("nan") if found.figure.x is None else found.figure.x
    error = found.figure.value
    missed = 0 if error <= RIGHT else None
    back = wrong_ways(formula) if ways else None
    return Checked(
        member, found.inputs, "every input", error, ULP, place, missed, back, found.faults,
        *unmet(member, goal, back),
    )  # fmt: skip
