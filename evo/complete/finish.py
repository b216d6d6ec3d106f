"""From a survey to a front, the best of each size polished and proved; and what a search may begin with."""

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
_BEGINNERS = 16
"""Programs of a size that a search begins with; it polishes each first, some 50 ms."""
_ONE_OPTIMUM = 1e-4
"""Relative difference of two errors below which they are of one optimum."""


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


def beginners(survey: Survey, families: Families, target: Target) -> Front:
    """The best programs of each size, of different optima, most of them on no front: as they were fitted."""
    sizes, least = families.n[survey.rows], survey.error.min(axis=1)
    made = list[Member]()
    for size in range(1, families.max_ops + 1):
        at = np.flatnonzero((sizes == size) & np.isfinite(least))
        order = at[np.argsort(least[at], kind="stable")]
        other = np.diff(least[order], prepend=0) > _ONE_OPTIMUM * least[order]
        for row in order[other][:_BEGINNERS]:
            batch = families.batch(survey.rows[[row]])
            constants = tuple(map(repr, survey.constants[row, : batch.k[0]].tolist()))
            made.append(make_member(batch.program(0), constants, target))
    return Front(tuple(one for one in made if np.isfinite(one.sampled_error)))


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
