"""Gives a front its true errors: every member tested as it is, polished, proved, and measured in float64.

The order of trust: `sampled_error` is found at points, `polished_error` is that of the best constants,
`proved_bound` holds on the whole interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from evo.errors import EvonumError
from evo.files import write_atomically
from evo.fronts.front import Front, FrontError, Member
from evo.minimax.polish import LEVELLED, polish
from evo.numbers.arithmetic import REAL
from evo.proofs.certificate import Certificate
from evo.proofs.enclosure import evaluator, make_candidate
from evo.proofs.prove import Refusal, prove
from evo.proofs.rounding import RoundingBound, bound_float64_error, sampled_float64_error
from evo.targets.points import holdout_points, select_points
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

ROUNDING = 1e-3
"""How much smaller than the error a number in front.json may be: errors are found to three digits."""


@dataclass(frozen=True)
class Verified:
    """A member with what is proved of it.

    Attributes:
        member: polished constants, sampled and polished error, proved bound.
        status: of the polishing (evo/minimax/polish.py).
        proof: the certificate, or why there is none.
        float64_error: largest error found in float64 arithmetic, and `float64_worst_x` where.
        float64_bound: a rigorous bound of it, or why there is none.
        faults: what the member said of itself, with the constants as given, that is not so; one line each.
    """

    member: Member
    status: str
    proof: Certificate | Refusal
    float64_error: float
    float64_worst_x: float
    float64_bound: RoundingBound | Refusal
    faults: tuple[str, ...] = ()

    @property
    def complaints(self) -> tuple[str, ...]:
        """The faults, and that nothing is proved."""
        if isinstance(self.proof, Certificate):
            return self.faults
        return *self.faults, f"nothing is proved: {self.proof.reason}"


def verify(member: Member) -> Verified:
    """Tests, polishes, proves and measures one member; never worse than it was.

    Raises:
        FrontError: constants that are no finite decimal numbers, or other ops than the program has.
        TargetError: no such target.
    """
    target, program = _checked(member), member.code
    given, proof = _measured(member, target)
    (error, worst_x), x = given, holdout_points(target).x
    faults = _faults(member, given, proof)
    polished = polish(program, member.constants, target)
    constants = member.constants
    if polished.constants != constants:
        better = prove(program, polished.constants, target)
        if isinstance(better, Certificate) or not isinstance(proof, Certificate):
            constants, proof = polished.constants, better
            error, worst_x = sampled_error(evaluator(program, constants), target, x)
    proved = proof if isinstance(proof, Certificate) else None
    points = select_points(target).x
    rounded, rounded_x = sampled_float64_error(program, constants, target, points)
    bound: RoundingBound | Refusal = (
        bound_float64_error(program, constants, target, proof) if isinstance(proof, Certificate) else proof
    )
    optimal = polished.status == LEVELLED and constants == polished.constants
    best = replace(
        member,
        constants=constants,
        sampled_error=error,
        worst_x=worst_x,
        polished_error=polished.error if optimal else None,
        proved_bound=float(proved.bound) if proved else None,
    )
    return Verified(best, polished.status, proof, rounded, rounded_x, bound, faults)


def remeasured(member: Member) -> Member:
    """The member with the sampled error of its constants, whatever it says, and without a bound.

    Raises:
        FrontError, TargetError: as `verify`.
    """
    target = _checked(member)
    error, x = sampled_error(evaluator(member.code, member.constants), target, holdout_points(target).x)
    return replace(member, sampled_error=error, worst_x=x, proved_bound=None)


def false_claims(member: Member) -> tuple[str, ...]:
    """What a member says of its errors that is not so, or cannot be proved; one line each.

    Raises:
        FrontError, TargetError: as `verify`.
    """
    given, proof = _measured(member, _checked(member))
    faults = _faults(member, given, proof)
    if isinstance(proof, Refusal) and member.proved_bound is not None and not faults:
        return (f"proved_bound is given as {member.proved_bound:.6g}, but not proved: {proof.reason}",)
    return faults


def _checked(member: Member) -> Target:
    """Its target, if there is one, and if constants are what they should be."""
    if member.dtype != REAL:
        raise FrontError(f"The member of {member.ops} ops is of {member.dtype} arithmetic: see evonum check.")
    target = Target.from_json({"target": member.target, "interval": member.interval, "metric": member.metric})
    program = member.code
    try:
        make_candidate(program, member.constants, target)
    except ValueError as wrong:
        raise FrontError(f"The member of {member.ops} ops: {wrong}.") from None
    return target


def _measured(member: Member, target: Target) -> tuple[tuple[float, float], Certificate | Refusal]:
    """The error of these very constants with its place, and the proof of its bound."""
    program, constants = member.code, member.constants
    given = sampled_error(evaluator(program, constants), target, holdout_points(target).x)
    return given, prove(program, constants, target)


def _faults(member: Member, given: tuple[float, float], proof: Certificate | Refusal) -> tuple[str, ...]:
    """What the member says of its errors that these very constants do not keep."""
    error, x = given
    if isinstance(proof, Refusal) and proof.status in ("pole", "undefined"):
        return (f"as given it has no finite error: {proof.reason}",)
    if isinstance(proof, Certificate) and float(proof.lower) > error:
        error, x = float(proof.lower), proof.lower_x
    claims = {name: getattr(member, name) for name in ("sampled_error", "polished_error", "proved_bound")}
    return tuple(
        f"{name} is given as {claim:.6g}, but the error at x = {x:.9g} is {error:.6g}"
        for name, claim in claims.items()
        if claim is not None and not claim * (1 + ROUNDING) >= error
    )


class VerifyError(EvonumError, RuntimeError):
    """A front that is not what it says; one line."""

    kind = "refuted"


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
