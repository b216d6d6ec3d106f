"""Gives a front its true errors: every member polished, proved, and measured in float64.

The order of trust: `sampled_error` is found at points, `polished_error` is that of the best constants,
`proved_bound` holds on the whole interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from evo.certificate import Certificate
from evo.errors import sampled_error
from evo.files import write_atomically
from evo.front import Front, Member
from evo.members import LEVELLED, evaluator
from evo.points import holdout_points, select_points
from evo.polish import polish
from evo.prove import Refusal, prove
from evo.rounding import RoundingBound, bound_float64_error, sampled_float64_error
from evo.target import Target


@dataclass(frozen=True)
class Verified:
    """A member with what is proved of it.

    Attributes:
        member: polished constants, sampled and polished error, proved bound.
        status: of the polishing (evo/polish.py).
        proof: the certificate, or why there is none.
        float64_error: largest error found in float64 arithmetic, and `float64_worst_x` where.
        float64_bound: a rigorous bound of it, or why there is none.
    """

    member: Member
    status: str
    proof: Certificate | Refusal
    float64_error: float
    float64_worst_x: float
    float64_bound: RoundingBound | Refusal


def verify(member: Member) -> Verified:
    """Polishes, proves and measures one member; never worse than it was."""
    target = Target.from_json({"target": member.target, "interval": member.interval, "metric": member.metric})
    program = member.code
    polished = polish(program, member.constants, target)
    x = holdout_points(target).x
    error, worst_x = sampled_error(evaluator(program, polished.constants), target, x)
    proof = prove(program, polished.constants, target)
    proved = proof if isinstance(proof, Certificate) else None
    points = select_points(target).x
    rounded, rounded_x = sampled_float64_error(program, polished.constants, target, points)
    bound: RoundingBound | Refusal = (
        bound_float64_error(program, polished.constants, target, proof)
        if isinstance(proof, Certificate)
        else proof
    )
    better = replace(
        member,
        constants=polished.constants,
        sampled_error=error,
        worst_x=worst_x,
        polished_error=polished.error if polished.status == LEVELLED else None,
        proved_bound=float(proved.bound) if proved else None,
    )
    return Verified(better, polished.status, proof, rounded, rounded_x, bound)


def verified_front(found: Iterable[Verified]) -> Front:
    """The front of the verified members."""
    return Front.of(one.member for one in found)


def save_certificates(directory: Path, found: Iterable[Verified]) -> None:
    """Writes DIR/certificates/ops-05.json and so on.

    Raises:
        OSError: the directory cannot be written.
    """
    folder = directory / "certificates"
    folder.mkdir(exist_ok=True)
    for one in found:
        if isinstance(one.proof, Certificate):
            write_atomically(folder / f"ops-{one.member.ops:02d}.json", one.proof.to_json().encode())
