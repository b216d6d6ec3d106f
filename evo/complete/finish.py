"""From a survey to a front: the best of each size polished and proved."""

import numpy as np

from evo.complete.enumeration import Families
from evo.complete.survey import Survey
from evo.fronts.front import Front, Member
from evo.fronts.reading import make_member
from evo.fronts.verify import Verified, verify
from evo.minimax.polish import polish
from evo.targets.target import Target

_CLOSE = 1.05
"""How many times the least error of its size a candidate's may be: fits end within 2 % of the optimum."""
_MOST = 16
"""Candidates of a size that are polished: many families share an optimum."""


def finished(
    survey: Survey, families: Families, target: Target, seconds: float
) -> tuple[Front, list[Verified]]:
    """The front of the polished candidates with its bounds, and its proofs.

    Args:
        seconds: what the survey took [s].
    """
    sizes = families.n[survey.rows]
    members = []
    for size in range(1, families.max_ops + 1):
        if survey.best[size - 1] < min(survey.best[: size - 1], default=np.inf):
            at = np.flatnonzero(sizes == size)
            members += _members(survey, at, families, target, seconds)
    proofs = [verify(member) for member in Front.of(members)]
    return Front.of(one.member for one in proofs), proofs


def _members(
    survey: Survey, at: np.ndarray, families: Families, target: Target, seconds: float
) -> list[Member]:
    """The best of these places of a survey, which are of one size."""
    error = np.nanmin(survey.error[at], axis=1)
    close = np.flatnonzero(error <= _CLOSE * error.min())
    chosen = at[close[np.argsort(error[close], kind="stable")][:_MOST]]
    batch = families.batch(survey.rows[chosen])
    made = []
    for row, constants in enumerate(survey.constants[chosen]):
        program = batch.program(row)
        polished = polish(program, constants[: batch.k[row]].tolist(), target)
        member = make_member(program, polished.constants, target, {"seconds_to_find": round(seconds, 2)})
        made.append(member)
    return made
