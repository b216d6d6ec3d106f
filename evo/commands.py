"""Commands over finished fronts: verify. The search's own commands are in evo/cli.py."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evo.certificate import Certificate
from evo.display import Terminal, printable
from evo.front import Front, FrontError
from evo.prove import check
from evo.verification import Verified, VerifyError, save_certificates, verify


def verify_command(
    source: Annotated[
        str, typer.Argument(metavar="DIR|RUN|FILE", help="A search, a front.json, or a certificate.")
    ],
    ops: Annotated[int | None, typer.Option(help="Only the member of this many operations.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's address, for a run id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Polish and prove a front, or prove a certificate again from its file alone.

    A search directory keeps the certificates and the bounds, if the front is what it says.
    """
    path = Path(source)
    if _is_file(path) and (certificate := _certificate(path)):
        check(certificate)
        ends = ", ".join(certificate.interval)
        claim = f"max {certificate.metric} error at most {certificate.bound} on ({ends})"
        print(json.dumps({"holds": True, "claim": claim}) if as_json else f"The certificate holds: {claim}.")
        return
    front = load_front(source, tracking_uri)
    members = [m for m in front if ops in (None, m.ops)]
    if not members:
        raise FrontError(
            f"{source} has no member of {ops} ops." if len(front) else f"{source} has no members."
        )
    found = [verify(m) for m in members]
    if path.is_dir() and not any(one.faults for one in found):
        save_certificates(path, found)
        new = {m: one.member for m, one in zip(members, found, strict=True)}
        Front(tuple(new.get(m, m) for m in front)).save(path / "front.json")
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=1))
    else:
        _print(found)
    if wrong := [f"{one.member.ops} ops: {text}" for one in found for text in one.complaints]:
        raise VerifyError("; ".join(wrong))


def load_front(source: str, tracking_uri: str | None) -> Front:
    """The front of a directory, a front.json file, or an MLflow run.

    Raises:
        FrontError: none of these.
    """
    path = Path(source)
    if os.path.isdir(path):
        return Front.load(path / "front.json")
    if _is_file(path):
        return Front.load(path)
    from tracking.mlflow_sink import run_front

    try:
        return Front.from_objects(run_front(source, tracking_uri))
    except LookupError as error:
        raise FrontError(f"{source!r} is no search directory, and no MLflow run either: {error}") from None


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # unlike Path.is_file, with a name that is too long, too


def _certificate(path: Path) -> Certificate | None:
    """The certificate of a file; None if it holds something else."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FrontError(f"{path} cannot be read: {error}") from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Certificate.from_json(text) if isinstance(found, dict) and "format" in found else None


def _plain(one: Verified) -> dict[str, Any]:
    member: dict[str, Any] = json.loads(Front((one.member,)).to_json())[0]
    bound = getattr(one.float64_bound, "bound", None)
    return {
        **member,
        "status": one.status,
        "faults": list(one.faults),
        "refusal": getattr(one.proof, "reason", None),
        "float64_error": one.float64_error,
        "float64_worst_x": one.float64_worst_x,
        "float64_bound": bound,
        "float64_bound_from_x": getattr(one.float64_bound, "from_x", None),
        "certificate": json.loads(one.proof.to_json()) if isinstance(one.proof, Certificate) else None,
    }


def _print(found: list[Verified]) -> None:
    table = Table(header_style="bold", pad_edge=False)
    for name in ("ops", "polished", "proved bound", "in float64", "float64 bound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("constants")
    for one in found:
        plain = _plain(one)
        proved = f"{plain['proved_bound']:.4e}" if plain["proved_bound"] is not None else "none"
        rounded = f"{plain['float64_bound']:.4e}" if plain["float64_bound"] is not None else "none"
        table.add_row(
            str(one.member.ops), f"{one.member.sampled_error:.4e}", proved,
            f"{one.float64_error:.4e}", rounded,
            printable("; ".join((one.status, *one.complaints))),
        )  # fmt: skip
    Terminal().print(table)
