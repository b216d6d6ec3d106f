"""What is known before a survey: formulas whose errors are proved, and what cannot be better than these.

A type of rational functions (evo/complete/degrees.py) whose least error is proved to be larger than what is
known at the most ops is settled: programs of that type need not be fitted. A backend that makes programs
on a device leaves them out before it tells them apart, which takes the most time and memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evo.complete.bounds import Bounds
from evo.complete.degrees import Type
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.verify import verify
from evo.numbers.arithmetic import REAL
from evo.programs.ops import BY_TEXT
from evo.targets.target import Target


class Screened(NamedTuple):
    """What was left out of a set of families.

    Attributes:
        programs: how many, of the most ops, in the order in which they are made.
        error: that was known; inf if none was.
        floor: the least error that is proved of any of them, which is more; inf without any.
    """

    programs: int
    error: float
    floor: float


NOTHING = Screened(0, math.inf, math.inf)

RANKED = 1e-13
"""Error below which fits in float64 tell no two families apart, a thousand roundings: evo/islands/deep.py."""


class Screen:
    """Says which types are settled.

    Args:
        bounds: of the target.
        error: what is known.

    Attributes:
        floor: the least bound of those that were.
    """

    def __init__(self, bounds: Bounds, error: float) -> None:
        self.error, self.floor = error, math.inf
        self._bound = bounds.above(error)

    def settled(self, codes: np.ndarray) -> np.ndarray:
        """Of types, by number: whether their functions all have a larger error, bool [codes]."""
        found = [self._bound(Type.of(code)) if code else None for code in codes.tolist()]
        self.floor = min([self.floor, *(bound for bound in found if bound is not None)])
        return np.array([bound is not None for bound in found], bool)


@dataclass(frozen=True)
class Known:
    """What formulas from elsewhere reach.

    Attributes:
        source: where they are from, as its user named it.
        error: what those of at most 1, 2, ... ops are proved here to have, float64 [max_ops]; inf if none.
    """

    source: str
    error: np.ndarray

    @classmethod
    def of(cls, source: str, front: Front, target: Target, names: Sequence[str], max_ops: int) -> "Known":
        """Of those of a target's formulas that have these ops alone, at most so many.

        Raises:
            FrontError: they are of another target, or in float arithmetic, or nothing is proved of any.
        """
        least = np.full(max_ops, math.inf)
        for member in front:
            _refuse_other(member, target)
            steps = member.code.instructions
            if len(steps) <= max_ops and all(step.op in names for step in steps):
                bound = verify(member).member.proved_bound
                least[len(steps) - 1] = min(least[len(steps) - 1], math.inf if bound is None else bound)
        if not np.isfinite(least).any():
            symbols = " ".join(BY_TEXT[name].symbol for name in names)
            raise FrontError(
                f"{source} has no formula of at most {max_ops} ops over {symbols} whose error is proved."
            )
        return cls(source, np.minimum.accumulate(least))

    @property
    def least(self) -> float:
        """What is known at the most ops, as far as fits tell errors apart."""
        return max(float(self.error[-1]), RANKED)

    def to_object(self) -> list[float | None]:
        """Plain JSON."""
        return [error if math.isfinite(error) else None for error in self.error.tolist()]


def _refuse_other(member: Member, target: Target) -> None:
    if member.dtype != REAL:
        raise FrontError(f"A formula in {member.dtype} says nothing of real arithmetic.")
    if (member.target, member.interval, member.metric) != (target.name, target.interval, target.metric):
        here, there = ", ".join(target.interval), ", ".join(member.interval)
        raise FrontError(
            f"A formula of {member.target} on ({there}), {member.metric}, says nothing of {target.name} on "
            f"({here}), {target.metric}."
        )
