"""What was found, read from where it is kept, and proved or measured again."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from evo.bench.functions import SIZE, Timing, race_front
from evo.costs.model import read_model
from evo.exports.check import Checked, UnmetError
from evo.exports.check import check as check_member
from evo.exports.formula import Origin
from evo.exports.text import JSON_FORMAT
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.verify import Verified, VerifyError, save_certificates
from evo.fronts.verify import verify as verify_member
from evo.proofs.certificate import Certificate
from evo.proofs.prove import check
from evo.runs.sources import REGISTERED, Source, load_source, read_text

_FOUND: dict[Member, Path] = {}
"""The directories of what this process found: what a member's export says of its origin stands there."""


def front(source: str | Path, tracking_uri: str | None = None, core: str | None = None) -> Front:
    """The formulas of a search directory, a file, an MLflow run or a registered model.

    Args:
        source: which.
        tracking_uri: of MLflow.
        core: of a file of FPCores, the name or number of the one to read; the others may be anything.

    Raises:
        FrontError: `source` is none of these.
        StoreError: MLflow does not answer.
    """
    return load(source, tracking_uri, core).front


def load(source: str | Path, tracking_uri: str | None, core: str | None = None) -> Source:
    """A source with what is known of its search; arguments and errors as for `front`."""
    return load_source(str(source), partial(_recorded, tracking_uri=tracking_uri), core)


def _recorded(source: str, tracking_uri: str | None = None) -> tuple[Any, Mapping[str, Any]]:
    """What MLflow has of a run id or a registered model (evo/runs/sources.py, `Recorded`)."""
    from tracking.mlflow_sink import model_member, run_front, run_params

    if source.startswith(REGISTERED):
        return model_member(source, tracking_uri)
    return run_front(source, tracking_uri), run_params(source, tracking_uri)


def remembered(front: Front, directory: Path) -> Front:
    """The front; this process knows from now on where its members were found."""
    _FOUND.update((member, directory.resolve()) for member in front)
    return front


def origin_of(member: Member) -> Origin | None:
    """Where a member comes from, if a search of this process found it."""
    return load(_FOUND[member], None).origin(member) if member in _FOUND else None


def verify(member: Member) -> Verified:
    """Polishes and proves one member of a front, and bounds its error in float64.

    Raises:
        FrontError, TargetError: the member has constants that are no numbers, or no such target.
    """
    return verify_member(member)


def verify_source(
    source: str | Path,
    ops: int | None = None,
    tracking_uri: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    core: str | None = None,
) -> list[tuple[Member, Verified]]:
    """Every member of a source (or that of so many ops) as given, and with what is proved of it.

    A search directory keeps the certificates and the bounds, if the front is what it says, and if it can be
    written.

    Args:
        source, tracking_uri, core: as for `front`.
        ops: of the only member that counts.
        report: told in one line that a directory cannot be written.

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
    """
    found = front(source, tracking_uri, core)
    members = of_ops(source, found, ops)
    pairs = [(m, verify_member(m)) for m in members]
    path = Path(source)
    if path.is_dir() and not any(one.faults for _, one in pairs):
        new = {m: one.member for m, one in pairs}
        try:
            save_certificates(path, (one for _, one in pairs))
            Front(tuple(new.get(m, m) for m in found)).save(path / "front.json")
        except OSError as error:
            report(f"{path} cannot be written ({error.strerror}): bounds and certificates are not kept.")
    return pairs


def of_ops(source: str | Path, found: Front, ops: int | None) -> list[Member]:
    """The members of so many ops, or all.

    Raises:
        FrontError: there is none.
    """
    members = [m for m in found if ops in (None, m.ops)]
    if not members:
        what = f"member of {ops} ops" if len(found) else "members"
        raise FrontError(f"{source} has no {what}.")
    return members


def refuse_false(pairs: Iterable[tuple[Member, Verified]]) -> None:
    """Raises where verified members are not what they say, or are not proved.

    Raises:
        VerifyError: one line with every complaint.
    """
    if wrong := [f"{one.member.ops} ops: {text}" for _, one in pairs for text in one.complaints]:
        raise VerifyError("; ".join(wrong))


def check_certificate(path: str | Path) -> Certificate | None:
    """Proves a certificate again from its file alone; None if the file holds something else.

    Raises:
        CertificateError: it does not hold, or is damaged.
        FrontError: the file cannot be read.
    """
    if not os.path.isfile(path):  # unlike Path.is_file, with a name that is too long, too
        return None
    text = read_text(Path(path))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("format") in (None, JSON_FORMAT):
        return None
    certificate = Certificate.from_json(text)
    check(certificate)
    return certificate


def check_source(
    source: str | Path,
    ops: int | None = None,
    tracking_uri: str | None = None,
    require: Sequence[str] = (),
) -> list[Checked]:
    """What every input of a format gives, of the members of a source (or that of so many ops).

    Args:
        require: what they have to satisfy, beside what their searches required (evo/floats/requirements.py).

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
        CheckError: a member is of real arithmetic.
        RequirementError: what is required makes no sense.
    """
    members = of_ops(source, front(source, tracking_uri), ops)
    return [check_member(replace(m, require=tuple(dict.fromkeys((*m.require, *require))))) for m in members]


def refuse_unmet(found: Sequence[Checked]) -> None:
    """Refuses functions that do not satisfy what is required.

    Raises:
        UnmetError: the first of them, and what it breaks.
    """
    if broken := [one for one in found if one.unmet]:
        others = f" ({len(broken) - 1} others, too)" if len(broken) > 1 else ""
        raise UnmetError(f"{broken[0].member.ops} ops{others}: {broken[0].unmet[0]}.")


def time_source(
    source: str | Path,
    ops: int | None = None,
    size: int = SIZE,
    interval: tuple[float, float] | None = None,
    tracking_uri: str | None = None,
    cost: str | Path | None = None,
) -> tuple[Front, Sequence[Timing]]:
    """Members of a source (or that of so many ops) in C, timed in one run beside what people use.

    Args:
        source, ops, tracking_uri: as for `check_source`.
        size: elements of the array.
        interval: where inputs are drawn from; a usual one by default.
        cost: file of a cost model, which predicts the members' times.

    Returns:
        The members, and every contestant, fastest first.

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
        ExportError, BuildError: a member cannot be C, or there is no compiler.
        CostError: no cost model, one of another format, or one that lacks an operation.
    """
    model = None if cost is None else read_model(Path(cost))
    members = of_ops(source, front(source, tracking_uri), ops)
    return Front(tuple(members)), race_front(members, size, interval=interval, model=model)
