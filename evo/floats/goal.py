"""What a search in float arithmetic wants: points, their weighted errors, and the error of a candidate there.

The error's unit is the metric's. For "ulp" and a format of 16 bits it is a rounding interval of the result:
the distance from its middle before the last rounding. Where it is at most 1/2 everywhere, every result is
correctly rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from evo.errors import EvonumError
from evo.floats.inputs import FEW, between, every
from evo.floats.required import Required
from evo.floats.requirements import Requirement, RequirementError, parse_requirement
from evo.floats.wanted import Wanted, core_values, correct, exact_core, wanted_of_core
from evo.floats.whole import WholePoints, fine_inputs, heaviest, points_at, sampled_inputs
from evo.kernels.strict import Judgement, judge, values
from evo.numbers.arithmetic import Arithmetic, find_arithmetic
from evo.numbers.formats import ulp
from evo.programs.batch import Batch
from evo.programs.piece import Piece
from evo.reductions.reduction import Reduction
from evo.reductions.table import find_reduction
from evo.targets.metric import ULP, divides
from evo.targets.points import Points, sample
from evo.targets.target import Target

RIGHT = 0.5
"""Error [ulp] up to which a result counts as correctly rounded."""
_FITTED, _SELECTED, _TRIED = 48, 4096, 1 << 16
"""Points that constants are fitted at, inputs that candidates are compared by, and those of members."""
_LEAST_ROOM = 2.0**-24
"""Relative width that an interval of a single float32 number counts as."""
_DIGITS = 53
"""Of the exact values that errors are measured against: of float64 results, ulp would be off by halves."""
_DELICATE, _DELICATE_INTERVALS = 100, 0.6
"""Ulp, and rounding intervals, below which the last digits of constants are of weight."""
_LEAST_DIVISOR = 1e-300
"""Size that a relative error is still divided by in float64."""
_MOST_TIMES, _FEW_PINS = 4096.0, 16
"""So much more, at most, a fit counts errors where results are required exactly, and at so many inputs."""
_REQUIRED, _FINE, _SCREENED = 1 << 14, 1 << 15, 1 << 12
"""Inputs of float32 that a search asks for requirements, those of fine steps, pairs of a candidate."""
_LEAST_EXACT = 1e-290
"""Size of values down to which balls are asked."""
_BINS = 24
"""Parts of the interval, each of which gives the fit its points."""


class GoalError(EvonumError, ValueError):
    """A goal that makes no sense; one line."""


@dataclass(frozen=True)
class FloatGoal:
    """A function of floats.

    Attributes:
        target: the function, and the interval that programs are for: the core's, if `full`.
        dtype: a row of `ARITHMETICS`.
        metric: "ulp", or that of the target.
        full: on all floats, by a range reduction.
        way: which reduction, where the function has several; the first by default.
        searched: which of its cores, likewise.
        given: further cores as they are; those that nobody gives count as exact.
        require: what the function has to satisfy at every input (evo/floats/requirements.py).

    Raises:
        GoalError: such a combination has no meaning.
        RequirementError: what is required has no meaning, or the function itself breaks it.
        FloatError: no such dtype.
        ReductionError: no reduction for the target.
    """

    target: Target
    dtype: str
    metric: str = ULP
    full: bool = False
    way: str = ""
    searched: str = ""
    given: tuple[Piece, ...] = ()
    require: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.arithmetic, self.reduction
        if (self.full or self.metric == ULP) and self.arithmetic.gives.digits == _DIGITS:
            raise GoalError(
                "float64 takes --metric relative or absolute, no --full: exact values are known to float64"
            )
        if self.full and self.metric != ULP:
            raise GoalError("--full takes --metric ulp")
        if self.require:
            refuse_senseless(self)

    def __reduce__(self) -> Any:
        """What is found on the way stays where it is."""
        return FloatGoal, (
            self.target,
            self.dtype,
            self.metric,
            self.full,
            self.way,
            self.searched,
            self.given,
            self.require,
        )

    @property
    def arithmetic(self) -> Arithmetic:
        """What it is computed in."""
        return find_arithmetic(self.dtype)

    @cached_property
    def core(self) -> Target:
        """What a program approximates: the target, or what its reduction makes of it."""
        if self.reduction is None:
            return self.target
        return Target(self.reduction.core.function, *self.target.interval, self.target.metric)

    @property
    def missing(self) -> tuple[str, ...]:
        """Cores that count as exact, for nobody gave them."""
        if self.reduction is None:
            return ()
        known = {piece.core for piece in self.given}
        return tuple(core.name for core in self.reduction.cores[1:] if core.name not in known)

    @cached_property
    def reduction(self) -> Reduction | None:
        """What comes before and after the core."""
        if not self.full:
            return None
        found = find_reduction(self.target, self.way, self.searched)
        given = {piece.core: piece.on_floats() for piece in self.given}
        return found.with_given({core.name: exact_core(core) for core in found.cores[1:]} | given)

    @property
    def enough(self) -> float:
        """Error below which less is worth nothing: every result is right."""
        return RIGHT if self.counts else 0.0

    @cached_property
    def delicate(self) -> float:
        """Error below which the last digits of constants count, and roundings."""
        if self.counts:
            return _DELICATE_INTERVALS
        points = self.select_points
        return float(_DELICATE * np.max(points.weight * ulp(points.exact, self.arithmetic.computes)))

    @property
    def counts(self) -> bool:
        """Whether results are right or wrong: the result has fewer digits than what computes it."""
        return self.metric == ULP and self.arithmetic.gives != self.arithmetic.computes

    @cached_property
    def fit_points(self) -> Points:
        """Where constants are fitted: in every part of the interval where the least error is allowed."""
        every = self.members_points
        pins = np.flatnonzero(self._is_pinned(every))
        some = np.linspace(0, len(pins) - 1, min(len(pins), _FEW_PINS)).astype(int)
        chosen = every.take(np.union1d(self._fitted(every), pins[some]))
        return self.pinned(chosen, RIGHT if self.counts else np.inf)

    def _fitted(self, every: Points) -> np.ndarray:
        """The rows of these points where constants are fitted."""
        if self.full and not self.counts:
            return heaviest(every, _FITTED)
        if not self.counts or not len(self._wanted.x):
            return np.linspace(0, len(every.x) - 1, _FITTED).astype(int)
        parts = np.searchsorted(every.x, np.linspace(every.x[0], every.x[-1], _BINS + 1))
        tight = [a + np.argsort(self._slack[a:b])[: _FITTED // _BINS] for a, b in pairwise(parts)]
        closest = np.argsort(self._slack)[:_FITTED]
        return np.unique(np.concatenate([*tight, closest, [0, len(every.x) - 1]]))

    @cached_property
    def select_points(self) -> Points:
        """By which candidates are compared."""
        if self.counts:
            return self.members_points
        return self._whole(_SELECTED) if self.full else self._sampled(_SELECTED)

    @cached_property
    def members_points(self) -> Points:
        """By which members are measured; all inputs of 16 bits."""
        if not self.counts:
            return self._whole(_TRIED) if self.full else self._sampled(_TRIED)
        wanted = self._wanted
        if not len(wanted.x):  # no input asks this core: any program will do
            return sample(self.core, between(*self.core.span, self.arithmetic.computes, _SELECTED))
        return Points(
            wanted.x,
            (wanted.low + wanted.high) / 2,
            1 / np.maximum(wanted.high - wanted.low, _LEAST_ROOM * np.abs(wanted.high)),
        )

    @cached_property
    def _slack(self) -> np.ndarray:
        """How far the exact value is from the nearer end of its interval, as a part of the interval."""
        w = self._wanted
        exact = core_values(self.core, w.x)
        room = np.maximum(w.high - w.low, _LEAST_ROOM * np.abs(w.high))
        return np.minimum(exact - w.low, w.high - exact) / room

    @cached_property
    def _wanted(self) -> Wanted:
        lo, hi = self.target.span
        if self.reduction is not None:
            lo, hi = self.reduction.span(self.arithmetic.gives)
        x = between(lo, hi, self.arithmetic.gives, 0)
        return wanted_of_core(self.target, self.core, self.arithmetic, self.reduction, x)

    def pinned(self, points: Points, error: float) -> Points:
        """Points of which those whose results are required exactly count so much more that they are within a
        quarter of an ulp where the largest error is this one: for fits."""
        rows = self._is_pinned(points)
        whole = self.counts or isinstance(points, WholePoints)  # errors are in ulp already
        ulps = 1.0 if whole else points.weight * ulp(points.exact, self.arithmetic.gives)
        with np.errstate(all="ignore"):
            times = np.clip(4 * error / ulps, 1.0, _MOST_TIMES)
        return replace(points, weight=np.where(rows, times, 1.0) * points.weight)

    def _is_pinned(self, points: Points) -> np.ndarray:
        return np.isin(points.inputs if isinstance(points, WholePoints) else points.x, self._pins)

    @property
    def pins(self) -> bool:
        """Whether some results are required exactly."""
        return bool(len(self._named))

    @cached_property
    def _pins(self) -> np.ndarray:
        """Where points lie whose results are required exactly: behind a reduction, in 16 bits, the core's."""
        if self.counts and self.reduction is not None:
            return np.unique(self.reduction.argument(self._named, self.arithmetic.computes).astype(float))
        return self._named

    @cached_property
    def _named(self) -> np.ndarray:
        """Inputs whose results are required exactly."""
        none, gives = np.zeros(0), self.arithmetic.gives
        named = [one.inputs(none, *self.ends, gives) for one in self.requirements if one.names_inputs]
        return np.unique(np.concatenate([none, *named]))

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What is required."""
        return tuple(map(parse_requirement, self.require))

    @property
    def ends(self) -> tuple[float, float]:
        """Of the function's interval, as floats."""
        if self.reduction is not None:
            return self.reduction.span(self.arithmetic.gives)
        lo, hi = self.target.ends
        return float(lo), float(hi)

    @cached_property
    def required(self) -> Required:
        """What is required, at all inputs of 16 bits, at many of float32, where a core can break it."""
        return self.required_also_at(np.zeros(0))

    def required_also_at(self, x: np.ndarray) -> Required:
        """As `required`, at these inputs, too."""
        found = self.inputs(_REQUIRED)
        if self.reduction and self._samples and any(one.kind.steps for one in self.requirements):
            x = np.concatenate([x, fine_inputs(self.reduction, self.arithmetic.gives, _FINE)])
        return self.required_at(np.union1d(found, x) if len(x) else found).open()

    @cached_property
    def screened(self) -> Required:
        """Some pairs of `required` that constants do not mend: candidates satisfy them as fits leave them."""
        steps = [k for k, one in enumerate(self.requirements) if one.kind.steps]
        pairs = np.flatnonzero(np.isin(self.required.which, steps)) if self._samples else np.zeros(0, int)
        return self.required.take(pairs[:: max(1, len(pairs) // _SCREENED)])

    @property
    def _samples(self) -> bool:
        """Whether not every input is asked in a search."""
        return self.arithmetic.gives.bits > FEW

    def required_at(self, x: np.ndarray) -> Required:
        """What is required, at these inputs, sorted ones."""
        exact, ends = self.exact_at, self.ends
        return Required.of(self.requirements, self.arithmetic, self.reduction, exact, x, ends)

    def inputs(self, most: int) -> np.ndarray:
        """Inputs of the function, sorted; all of 16 bits, infinities and both zeros included, if `full`.

        Args:
            most: about how many of float32.
        """
        fmt = self.arithmetic.gives
        if self.reduction is None:
            return between(*self.target.span, fmt, most)
        if fmt.bits == FEW:
            x = every(fmt)
            return np.sort(x[~np.isnan(x)], kind="stable")
        return sampled_inputs(self.reduction, fmt, most)

    def exact_at(self, x: np.ndarray) -> np.ndarray:
        """Exact values of the function, as float64; on all floats special ones, too: 0 and infinity where
        float64 ends."""
        if self.reduction is None:
            return self.target.exact(x)
        rough = self.reduction.float64_at(x)
        inside = np.isfinite(x) & np.isfinite(rough) & (np.abs(rough) > _LEAST_EXACT)
        rough[inside] = self.target.exact(x[inside])
        return rough

    def _whole(self, most: int) -> Points:
        assert self.reduction is not None
        x = np.union1d(sampled_inputs(self.reduction, self.arithmetic.computes, most), self._named)
        return points_at(x, self.target, self.core, self.reduction, self.arithmetic.computes)

    def _sampled(self, most: int) -> Points:
        x = between(*self.target.span, self.arithmetic.computes, most)
        if divides(self.metric):  # results below the normal numbers have fewer digits, whatever the program
            x = x[np.abs(self.target.exact(x)) >= max(2.0**self.arithmetic.gives.emin, _LEAST_DIVISOR)]
        first, last = self.target.span
        inside = (self._named >= first) & (self._named <= last)
        points = sample(self.target, np.union1d(x, self._named[inside]))
        points = _joined(points, self._at_ends(self._named[~inside])) if not inside.all() else points
        if self.metric != ULP:
            return points
        return Points(points.x, points.exact, 1 / ulp(points.exact, self.arithmetic.gives))

    def _at_ends(self, x: np.ndarray) -> Points:
        """Ends of the interval that are required exactly, as points where an error has a meaning."""
        exact, divided = self.target.exact(x), divides(self.metric)
        kept = (exact != 0) | (not divided)
        return Points(x[kept], exact[kept], 1 / np.abs(exact[kept]) if divided else np.ones(kept.sum()))

    def rounded(self, batch: Batch) -> Batch:
        """The programs with constants of the format."""
        with np.errstate(over="ignore"):
            constants = batch.constants.astype(self.arithmetic.computes.type).astype(float)
        return Batch(batch.op, batch.arg, batch.n, batch.k, constants)

    def judge(self, batch: Batch, points: Points, by: Callable[..., Judgement] = judge) -> Judgement:
        """The errors of programs whose constants the format holds.

        Args:
            by: what computes them, as `evo.kernels.strict.judge`; steps of a reduction take NumPy.
        """
        if isinstance(points, WholePoints):
            return points.judge(batch, self.arithmetic.computes, RIGHT)
        return by(batch, points, self.arithmetic.computes, RIGHT)

    def input(self, worst: int) -> float:
        """The input of a member's point: of the function, or, in 16 bits behind a reduction, of the core."""
        points = self.members_points
        return float((points.inputs if isinstance(points, WholePoints) else points.x)[worst])

    def errors(self, one: Batch, points: Points) -> np.ndarray:
        """The errors of one program at each point; inf where there is no number."""
        fmt = self.arithmetic.computes
        if isinstance(points, WholePoints):
            return points.errors(one, fmt)[0]
        found = (values(one, points.x, fmt)[0] - points.exact) * points.weight
        return np.nan_to_num(np.abs(found), nan=np.inf)


_FEW_ASKED = 64
"""Inputs at which the function itself is asked whether it satisfies what is required."""


def refuse_senseless(goal: FloatGoal) -> None:
    """Refuses requirements that no program can satisfy, or that nobody could check.

    Raises:
        GoalError: float64, of which not every input is asked.
        RequirementError: the function itself breaks one, at a few inputs; or inputs that are named are none.
    """
    if goal.arithmetic.gives.digits == _DIGITS:
        raise GoalError("require: of float64 not every input is asked; take float32, bfloat16 or float16")
    x = goal.inputs(_FEW_ASKED)
    required = goal.required_at(x[np.linspace(0, len(x) - 1, min(len(x), _FEW_ASKED)).astype(int)])
    right = correct(required.exact, goal.arithmetic.gives)
    for pairs, requirement in zip(required.pairs, goal.requirements, strict=True):
        if not len(pairs):
            raise RequirementError(f"{requirement.text}: no input of the interval is asked by it")
    if broken := required.complaints(required.broken_by(right[None])):
        raise RequirementError(f"the function itself does not satisfy {broken[0]}")


def _joined(one: Points, other: Points) -> Points:
    """Both, in order."""
    columns = zip((one.x, one.exact, one.weight), (other.x, other.exact, other.weight), strict=True)
    both = Points(*map(np.concatenate, columns))
    return both.take(np.argsort(both.x, kind="stable"))


def usual_metric(target: Target, dtype: str) -> str:
    """The metric of a search in this arithmetic where nobody names one."""
    return target.metric if find_arithmetic(dtype).gives.digits == _DIGITS else ULP
