"""From a pool's candidates to a front's members: finished constants, and their error by independent code."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from evo.floats.finish import finished, rounded
from evo.floats.goal import FloatGoal
from evo.floats.required import Required
from evo.fronts.front import Member
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.minimax.polish import LEVELLED, polish
from evo.programs.program import Program
from evo.proofs.enclosure import evaluator
from evo.targets.points import Points, holdout_points
from evo.targets.sampled import sampled_error

REMEMBERED = 1_000


class Members:
    """Makes members of a problem's candidates; each is finished once and remembered."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._made: dict[bytes, Member] = {}

    @cached_property
    def _holdout(self) -> Points:
        return holdout_points(self._problem.target)

    def of(self, pool: Pool, until: float = math.inf) -> list[Member]:
        """The members of these candidates.

        Args:
            until: no constants of floats are finished after it, by `time.monotonic` [s].
        """
        if len(self._made) > REMEMBERED:
            self._made.clear()
        return [self._member(pool.take([row]), until) for row in range(len(pool))]

    def again(self, one: Pool, required: Required, until: float = math.inf) -> Member:
        """A member in floats of one candidate, finished where what is required is asked there."""
        assert self._problem.goal is not None
        return self._made_of(one, self._in_floats(self._problem.goal, one, until, required))

    def _member(self, one: Pool, until: float) -> Member:
        constants, program = one.decimals(0), one.batch.program(0)
        identity = f"{program}{constants}".encode()
        if identity not in self._made:
            goal = self._problem.goal
            found = self._proper(program, constants) if goal is None else self._in_floats(goal, one, until)
            self._made[identity] = self._made_of(one, found)
        return self._made[identity]

    def _made_of(self, one: Pool, found: dict[str, Any]) -> Member:
        program = one.batch.program(0)
        return Member(
            ops=program.ops,
            formula=program.formula(),
            program=str(program),
            proved_bound=None,
            cost=pricing.price(program) if (pricing := self._problem.pricing) else None,
            seconds_to_find=round(float(one.seconds[0]), 2),
            **found,
        )

    def _proper(self, program: Program, constants: Sequence[str]) -> dict[str, Any]:
        """Entries of a member over the reals: polished."""
        target = self._problem.target
        polished = polish(program, constants, target)
        error, worst_x = sampled_error(evaluator(program, polished.constants), target, self._holdout.x)
        return {
            "target": target.name,
            "interval": target.interval,
            "metric": target.metric,
            "constants": polished.constants,
            "sampled_error": error,
            "polished_error": polished.error if polished.status == LEVELLED else None,
            "worst_x": worst_x,
        }

    def _in_floats(
        self, goal: FloatGoal, pool: Pool, until: float, required: Required | None = None
    ) -> dict[str, Any]:
        """Entries of a member in float arithmetic: constants finished in the format, where that counts."""
        one = pool.batch
        if pool.error[0] < goal.delicate or goal.require:
            numbers, error, worst = finished(goal, one, goal.members_points, True, required, until)
        else:
            numbers, error, worst = rounded(goal, one, goal.members_points)
        return {
            "target": goal.target.name,
            "interval": goal.target.interval,
            "metric": goal.metric,
            "constants": tuple(float(c).hex() for c in numbers[: one.k[0]]),
            "sampled_error": error,
            "polished_error": None,
            "worst_x": goal.input(worst),
            "dtype": goal.dtype,
            "full": goal.full,
            "way": goal.way,
            "core": goal.searched,
            "given": goal.given,
            "require": goal.require,
        }
