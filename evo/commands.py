"""Commands over finished fronts: verify. The search's own commands are in evo/cli.py."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from evo.certificate import Certificate
from evo.front import Front, FrontError
from evo.prove import check
from evo.verification import Verified, save_certificates, verified_front, verify


def verify_command(
    source: Annotated[
        str, typer.Argument(metavar="DIR|RUN|FILE", help="A search, a front.json, or a certificate.")
    ],
    ops: Annotated[int | None, typer.Option(help="Only the member of this many operations.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's address, for a run id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Polish and prove a front, or prove a certificate again from its file alone.

    A search directory keeps the certificates and the bounds.
    """
    path = Path(source)
    if path.is_file() and (certificate := _certificate(path)):
        check(certificate)
        ends = ", ".join(certificate.interval)
        claim = f"max {certificate.metric} error at most {certificate.bound} on ({ends})"
        print(json.dumps({"holds": True, "claim": claim}) if as_json else f"The certificate holds: {claim}.")
        return
    members = [m for m in load_front(source, tracking_uri) if ops in (None, m.ops)]
    if not members:
        raise FrontError(f"{source} has no member of {ops} ops.")
    found = [verify(m) for m in members]
    if path.is_dir():
        save_certificates(path, found)
        kept = [m for m in Front.load(path / "front.json") if m.ops not in {v.member.ops for v in found}]
        Front.of([*kept, *verified_front(found)]).save(path / "front.json")
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=1))
        return
    _print(found)


def load_front(source: str, tracking_uri: str | None) -> Front:
    """The front of a directory, a front.json file, or an MLflow run.

    Raises:
        FrontError: none of these.
    """
    path = Path(source)
    if path.is_dir():
        return Front.load(path / "front.json")
    if path.is_file():
        return Front.load(path)
    from tracking.mlflow_sink import run_front

    try:
        return Front.from_objects(run_front(source, tracking_uri))
    except LookupError as error:
        raise FrontError(f"{source!r} is no search directory, and no MLflow run either: {error}") from None


def _certificate(path: Path) -> Certificate | None:
    """The certificate of a file; None if it holds something else."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FrontError(f"{path} cannot be read: {error}") from None
    return Certificate.from_json(text) if '"format"' in text[:200] else None


def _plain(one: Verified) -> dict[str, Any]:
    proved = isinstance(one.proof, Certificate)
    member: dict[str, Any] = json.loads(Front((one.member,)).to_json())[0]
    bound = getattr(one.float64_bound, "bound", None)
    return {
        **member,
        "status": one.status,
        "refusal": None if proved else getattr(one.proof, "reason", None),
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
            one.status if isinstance(one.proof, Certificate) else f"{one.status}; {one.proof.reason}",
        )  # fmt: skip
    Console().print(table)
