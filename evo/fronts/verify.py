"""Gives a front its true errors: every member proved and measured as it stands, then polished.

The order of trust: `sampled_error` is found at points, `polished_error` is that of the best constants,
`proved_bound` holds on the whole interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from evo.errors import EvonumError
from evo.files import write_atomically
from evo.fronts.figures import ROUNDING, Figures
from evo.fronts.front import Front, FrontError, Member
from evo.minimax.polish import LEVELLED, polish
from evo.numbers.arithmetic import REAL
from evo.proofs.certificate import Certificate
from evo.proofs.enclosure import make_candidate
from evo.proofs.prove import Refusal
from evo.targets.making import read_target
from evo.targets.target import Target


@dataclass(frozen=True)
class Verified:
    """A member with what is proved of it: as it stands, and with better constants.

    Attributes:
        member: polished constants, sampled and polished error, proved bound.
        status: of the polishing (evo/minimax/polish.py).
        given: figures of the constants as they were given.
        best: those of the member's constants; the same where polishing gave nothing better.
        faults: what the member said of itself, with the constants as given, that is not so; one line each.
    """

    member: Member
    status: str
    given: Figures
    best: Figures
    faults: tuple[str, ...] = ()

    @property
    def proof(self) -> Certificate | Refusal:
        """The certificate of the best constants, or why there is none."""
        return self.best.proof

    @property
    def complaints(self) -> tuple[str, ...]:
        """The faults, and what is not proved."""
        given, best = self.given.proof, self.best.proof
        if isinstance(best, Refusal):
            return *self.faults, f"nothing is proved: {best.reason}"
        if isinstance(given, Refusal) and not self.given.refuted:
            return *self.faults, f"as given nothing is proved: {given.reason}"
        return self.faults


def verify(member: Member) -> Verified:
    """Tests, polishes, proves and measures one member; never worse than it was.

    Raises:
        FrontError: constants that are no finite decimal numbers, or other ops than the program has.
        TargetError: no such target.
    """
    target, program = _checked(member), member.code
    given = best = Figures(program, member.constants, target)
    faults = _faults(member, given)
    polished = polish(program, member.constants, target)
    if polished.constants != member.constants:
        better = Figures(program, polished.constants, target)
        if better.bound is not None or given.bound is None:
            best = better
    error, worst_x = best.worst
    optimal = polished.status == LEVELLED and best.constants == polished.constants
    found = replace(
        member,
        constants=best.constants,
        sampled_error=error,
        worst_x=worst_x,
        polished_error=polished.error if optimal else None,
        proved_bound=best.bound,
    )
    return Verified(found, polished.status, given, best, faults)


def remeasured(member: Member) -> Member:
    """The member with the sampled error of its constants, whatever it says, and without a bound.

    Raises:
        FrontError, TargetError: as `verify`.
    """
    error, x = Figures(member.code, member.constants, _checked(member)).sampled
    return replace(member, sampled_error=error, worst_x=x, proved_bound=None)


def false_claims(member: Member) -> tuple[str, ...]:
    """What a member says of its errors that is not so, or cannot be proved; one line each.

    Raises:
        FrontError, TargetError: as `verify`.
    """
    given = Figures(member.code, member.constants, _checked(member))
    faults = _faults(member, given)
    if isinstance(given.proof, Refusal) and member.proved_bound is not None and not faults:
        return (f"proved_bound is given as {member.proved_bound:.6g}, but not proved: {given.proof.reason}",)
    return faults


def _checked(member: Member) -> Target:
    """Its target, if there is one, and if constants are what they should be."""
    if member.dtype != REAL:
        raise FrontError(f"The member of {member.ops} ops is of {member.dtype} arithmetic: see evonum check.")
    target = read_target({"target": member.target, "interval": member.interval, "metric": member.metric})
    program = member.code
    try:
        make_candidate(program, member.constants, target)
    except ValueError as wrong:
        raise FrontError(f"The member of {member.ops} ops: {wrong}.") from None
    return target


def _faults(member: Member, given: Figures) -> tuple[str, ...]:
    """What the member says of its errors that these very constants do not keep."""
    (error, x), proof = given.worst, given.proof
    if isinstance(proof, Refusal) and given.refuted:
        return (f"as given it has no finite error: {proof.reason}",)
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
            write_atomically(folder / f"{one.member.label}.json", one.proof.to_json().encode())
