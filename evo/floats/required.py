"""Requirements asked at given inputs, by NumPy: how many pairs a program breaks, and which.

`Required` is made once for a goal: inputs, exact values, the reduction's steps as far as no core is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evo.floats.requirements import Requirement, Results
from evo.kernels.strict import values
from evo.numbers.arithmetic import Arithmetic
from evo.programs.batch import Batch
from evo.reductions.reduction import Prepared, Reduction

_AT_ONCE = 1 << 20
"""Results that are made at a time."""


@dataclass(frozen=True, eq=False)
class Required:
    """Requirements and the pairs of inputs that they look at.

    Attributes:
        requirements: what is required.
        arithmetic: of the function.
        x: inputs, told apart by their bits, float64 [inputs].
        exact: exact values there.
        asked: what a program is asked for there: x, or the core's arguments.
        prepared: what a reduction makes of x; None: the program is the function.
        which: the requirement of each pair, as an index, [pairs].
        first: its inputs, as indices.
        second: likewise.
    """

    requirements: tuple[Requirement, ...]
    arithmetic: Arithmetic
    x: np.ndarray
    exact: np.ndarray
    asked: np.ndarray
    prepared: Prepared | None
    which: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(
        cls,
        requirements: Sequence[Requirement],
        arithmetic: Arithmetic,
        reduction: Reduction | None,
        exact: Callable[[np.ndarray], np.ndarray],
        x: np.ndarray,
        ends: tuple[float, float],
    ) -> "Required":
        """These requirements at these inputs, and at those that they name.

        Args:
            exact: values at inputs, rounded to float64; infinite and NaN ones are taken.
            x: inputs of the format, sorted.
            ends: of the function's interval, of which inputs may be named.

        Raises:
            RequirementError: an input that is required is none.
        """
        gives, none = arithmetic.gives, np.zeros(0)
        pairs = [(none.astype(int), none, none)]
        for k, one in enumerate(requirements):
            first = one.inputs(x, *ends, gives)
            second = first if one.kind.beside is None else one.kind.beside(first, gives)
            inside = second == first if one.kind.beside is None else (second >= x[0]) & (second <= x[-1])
            pairs.append((np.full(int(inside.sum()), k), first[inside], second[inside]))
        which, first, second = (np.concatenate(column) for column in zip(*pairs, strict=True))
        bits, at = np.unique(np.concatenate([first, second]).view(np.int64), return_inverse=True)
        inputs = bits.view(np.float64)
        prepared = None if reduction is None else reduction.prepared(inputs, arithmetic.computes)
        asked = inputs if prepared is None else prepared.r.astype(float)
        half = len(first)
        return cls(
            tuple(requirements),
            arithmetic,
            inputs,
            exact(inputs),
            asked,
            prepared,
            which,
            at[:half],
            at[half:],
        )

    def take(self, pairs: np.ndarray) -> "Required":
        """These pairs alone."""
        used, at = np.unique(np.concatenate([self.first[pairs], self.second[pairs]]), return_inverse=True)
        return replace(
            self, x=self.x[used], exact=self.exact[used], asked=self.asked[used],
            prepared=None if self.prepared is None else self.prepared.take(used),
            which=self.which[pairs], first=at[: len(pairs)], second=at[len(pairs) :],
        )  # fmt: skip

    def open(self) -> "Required":
        """The pairs that depend on a program, and those that are broken with any."""
        if self.prepared is None:
            return self
        y = self._results(np.full((1, len(self.x)), np.nan))
        depends = np.isnan(y[0, self.first]) | np.isnan(y[0, self.second])
        return self.take(np.flatnonzero(depends | self.broken_by(y)[0]))

    def broken(self, batch: Batch) -> np.ndarray:
        """Which pairs each program breaks, bool [rows, pairs]; constants are numbers of the format."""
        if not len(self.which):
            return np.zeros((len(batch), 0), bool)
        rows = max(1, _AT_ONCE // len(self.x))
        return np.concatenate(
            [self._broken(batch.take(slice(k, k + rows))) for k in range(0, len(batch), rows)]
        )

    def _broken(self, batch: Batch) -> np.ndarray:
        return self.broken_by(self._results(values(batch, self.asked, self.arithmetic.computes)))

    @property
    def pairs(self) -> list[np.ndarray]:
        """The pairs of each requirement, as indices."""
        return [np.flatnonzero(self.which == k) for k in range(len(self.requirements))]

    def broken_by(self, y: np.ndarray) -> np.ndarray:
        """Which pairs are broken by results at `x`, [rows, inputs]: bool [rows, pairs]."""
        found = np.zeros((len(y), len(self.which)), bool)
        for one, pairs in zip(self.requirements, self.pairs, strict=True):
            i, j = self.first[pairs], self.second[pairs]
            results = Results(y[:, i], y[:, j], self.exact[i], self.exact[j])
            found[:, pairs] = one.kind.broken(results, one.numbers, self.arithmetic.gives)
        return found

    def _results(self, y: np.ndarray) -> np.ndarray:
        """What programs that give y make of the function, rounded to its format, as float64."""
        found: Any = y if self.prepared is None else self.prepared.result(y)
        with np.errstate(all="ignore"):
            return np.asarray(found).astype(self.arithmetic.gives.type).astype(float)

    def complaints(self, broken: np.ndarray) -> tuple[str, ...]:
        """What one row of `broken` says, a line for each requirement that is broken."""
        lines = []
        for requirement, pairs in zip(self.requirements, self.pairs, strict=True):
            if len(wrong := pairs[broken[0, pairs]]):
                lines.append(complaint(requirement, len(wrong), float(self.x[self.first[wrong[0]]])))
        return tuple(lines)


def complaint(requirement: Requirement, count: int, x: float) -> str:
    """That a requirement is broken, how often, and an input where."""
    return f"{requirement.text}: {count:,} {requirement.kind.says}, such as x = {x:.9g}"
