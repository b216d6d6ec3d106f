"""What a search in float arithmetic wants: points, their weighted errors, and the error of a candidate there.

The error's unit is the metric's. For "ulp" and a format of 16 bits it is a rounding interval of the result:
the distance from its middle before the last rounding. Where it is at most 1/2 everywhere, every result is
correctly rounded.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from evo.errors import EvonumError
from evo.floats.inputs import between
from evo.floats.wanted import Wanted, wanted_of_core
from evo.kernels.strict import Judgement, judge
from evo.numbers.arithmetic import Arithmetic, find_arithmetic
from evo.numbers.formats import ulp
from evo.programs.batch import Batch
from evo.reductions.reduction import Reduction, find_reduction
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

    Raises:
        GoalError: such a combination has no meaning.
        FloatError: no such dtype.
        ReductionError: no reduction for the target.
    """

    target: Target
    dtype: str
    metric: str = ULP
    full: bool = False

    def __post_init__(self) -> None:
        _ = self.arithmetic, self.reduction
        if self.metric == ULP and self.arithmetic.gives.digits == _DIGITS:
            raise GoalError(
                "float64 takes --metric relative or absolute: exact values are known to float64 here"
            )
        if self.full and not self.counts:
            raise GoalError("--full takes --dtype bfloat16 or float16 and --metric ulp")

    @property
    def arithmetic(self) -> Arithmetic:
        """What it is computed in."""
        return find_arithmetic(self.dtype)

    @cached_property
    def core(self) -> Target:
        """What a program approximates: the target, or what its reduction makes of it."""
        if self.reduction is None:
            return self.target
        return Target(self.reduction.core, *self.target.interval, self.target.metric)

    @cached_property
    def reduction(self) -> Reduction | None:
        """What comes before and after the core."""
        return find_reduction(self.target) if self.full else None

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
        if not self.counts:
            return every.take(np.linspace(0, len(every.x) - 1, _FITTED).astype(int))
        parts = np.searchsorted(every.x, np.linspace(every.x[0], every.x[-1], _BINS + 1))
        tight = [a + np.argsort(self._slack[a:b])[: _FITTED // _BINS] for a, b in pairwise(parts)]
        closest = np.argsort(self._slack)[:_FITTED]
        return every.take(np.unique(np.concatenate([*tight, closest, [0, len(every.x) - 1]])))

    @cached_property
    def select_points(self) -> Points:
        """By which candidates are compared."""
        every = self.members_points
        return every if self.counts else self._sampled(_SELECTED)

    @cached_property
    def members_points(self) -> Points:
        """By which members are measured; all inputs of 16 bits."""
        if not self.counts:
            return self._sampled(_TRIED)
        wanted = self._wanted
        return Points(
            wanted.x,
            (wanted.low + wanted.high) / 2,
            1 / np.maximum(wanted.high - wanted.low, _LEAST_ROOM * np.abs(wanted.high)),
        )

    @cached_property
    def _slack(self) -> np.ndarray:
        """How far the exact value is from the nearer end of its interval, as a part of the interval."""
        w = self._wanted
        exact = self.core.exact(w.x)
        room = np.maximum(w.high - w.low, _LEAST_ROOM * np.abs(w.high))
        return np.minimum(exact - w.low, w.high - exact) / room

    @cached_property
    def _wanted(self) -> Wanted:
        lo, hi = self.target.span
        if self.reduction is not None:
            lo, hi = self.reduction.reach(self.arithmetic.gives)
        x = between(lo, hi, self.arithmetic.gives, 0)
        return wanted_of_core(self.target, self.core, self.arithmetic, self.reduction, x)

    def _sampled(self, most: int) -> Points:
        x = between(*self.target.span, self.arithmetic.computes, most)
        if divides(self.metric):  # results below the normal numbers have fewer digits, whatever the program
            x = x[np.abs(self.target.exact(x)) >= max(2.0**self.arithmetic.gives.emin, _LEAST_DIVISOR)]
        points = sample(self.target, x)
        if self.metric != ULP:
            return points
        return Points(points.x, points.exact, 1 / ulp(points.exact, self.arithmetic.gives))

    def rounded(self, batch: Batch) -> Batch:
        """The programs with constants of the format."""
        with np.errstate(over="ignore"):
            constants = batch.constants.astype(self.arithmetic.computes.type).astype(float)
        return Batch(batch.op, batch.arg, batch.n, batch.k, constants)

    def judge(self, batch: Batch, points: Points) -> Judgement:
        """The errors of programs whose constants the format holds."""
        return judge(batch, points, self.arithmetic.computes, RIGHT)


def usual_metric(target: Target, dtype: str) -> str:
    """The metric of a search in this arithmetic where nobody names one."""
    return target.metric if find_arithmetic(dtype).gives.digits == _DIGITS else ULP
