"""From a pool's candidates to a front's members: polished constants, and their error by independent code."""

from evo.fronts.front import Member
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.minimax.polish import LEVELLED, polish
from evo.proofs.enclosure import evaluator
from evo.targets.points import Points, holdout_points
from evo.targets.sampled import sampled_error

REMEMBERED = 1_000


class Members:
    """Makes members of a problem's candidates; each is finished once and remembered."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._holdout: Points = holdout_points(problem.target)
        self._made: dict[bytes, Member] = {}

    def of(self, pool: Pool) -> list[Member]:
        """The members of these candidates."""
        if len(self._made) > REMEMBERED:
            self._made.clear()
        return [self._member(pool.take([row])) for row in range(len(pool))]

    def _member(self, one: Pool) -> Member:
        constants, program = one.decimals(0), one.batch.program(0)
        identity = f"{program}{constants}".encode()
        if identity not in self._made:
            target = self._problem.target
            polished = polish(program, constants, target)
            error, worst_x = sampled_error(evaluator(program, polished.constants), target, self._holdout.x)
            self._made[identity] = Member(
                ops=int(one.ops[0]),
                target=target.name,
                interval=target.interval,
                metric=target.metric,
                formula=program.formula(),
                program=str(program),
                constants=polished.constants,
                sampled_error=error,
                polished_error=polished.error if polished.status == LEVELLED else None,
                proved_bound=None,
                worst_x=worst_x,
                seconds_to_find=round(float(one.seconds[0]), 2),
            )
        return self._made[identity]
