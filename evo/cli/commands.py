"""Commands over finished fronts: verify, export. The search's own commands are in evo/cli/app.py."""

import errno
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from evo.cli.display import Terminal, printable
from evo.cli.session import recorded
from evo.cli.sources import load_front, load_source, read_text
from evo.exports.export import EXPORT_FORMATS, ExportError, find_export, prepare, write
from evo.exports.text import JSON_FORMAT
from evo.files import write_atomically
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.verify import Verified, VerifyError, false_claims, save_certificates, verify
from evo.proofs.certificate import Certificate
from evo.proofs.prove import check


def verify_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|RUN|FILE", help="A search, a certificate, or formulas: JSON, FPCore, text."
        ),
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
    front = load_front(source, partial(recorded, tracking_uri=tracking_uri))
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
    given = [m.sampled_error for m in members]
    if as_json:
        rows = [{**_plain(one), "given_error": error} for one, error in zip(found, given, strict=True)]
        print(json.dumps(rows, indent=1))
    else:
        _print(found, given)
    if wrong := [f"{one.member.ops} ops: {text}" for one in found for text in one.complaints]:
        raise VerifyError("; ".join(wrong))


def export_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|RUN|FILE|models:/NAME@ALIAS",
            help="A search, a run, a formula, or a registered model.",
        ),
    ],
    to: Annotated[str, typer.Option(metavar="FORMAT", help=f"One of {', '.join(EXPORT_FORMATS)}.")],
    ops: Annotated[int | None, typer.Option(help="The member of this many operations.")] = None,
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    full: Annotated[
        bool, typer.Option("--full", help="The function on all floats, special values too.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every member: a family in one file.")] = False,
    name: Annotated[str | None, typer.Option(help="Of the function. [default: <target>_ops<NN>]")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="[default: standard output]")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's address.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the text and its figures as JSON.")] = False,
) -> None:
    """Write a formula as code or text for other programs; see the README for the formats."""
    row = find_export(to)
    if row.binary and (output is None or as_json):
        raise ExportError(f"{to} is bytes: give --output FILE, without --json.")
    if every and (ops is not None or name is not None):
        raise ExportError("--all takes every member: leave out --ops and --name.")
    found = load_source(source, partial(recorded, tracking_uri=tracking_uri))
    members = _chosen(found.front, ops, every, source)
    formulas = [replace(prepare(m, dtype, full, name, found.origin(m)), to=to) for m in members]
    if wrong := [f"{m.ops} ops: {text}" for m in members for text in false_claims(m)]:
        raise FrontError(f"{source} is not what it says (see evonum verify): {'; '.join(wrong)}")
    content = write(formulas, to)
    if output is not None:
        _save(output, content if row.binary else content.encode())
    if as_json:
        notes = [{"name": f.name, "ops": f.member.ops, **dict(f.notes())} for f in formulas]
        print(
            json.dumps(
                {"format": to, "dtype": dtype, "full": full, "formulas": notes, "text": content}, indent=1
            )
        )
    elif output is None:
        print(content, end="")
    else:
        print(output)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def _save(path: Path, data: bytes) -> None:
    """A regular file is replaced whole or not at all; a device or a link is written to.

    Raises:
        ExportError: no file can be there.
        OSError: the disk is full or broken.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)
        else:
            write_atomically(path, data)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise ExportError(f"{path} cannot be written: {error.strerror}.") from None


def _chosen(front: Front, ops: int | None, every: bool, source: str) -> list[Member]:
    """The members that the options name.

    Raises:
        FrontError: none, or several without `every`; lists what there is.
    """
    if not len(front):
        raise FrontError(f"{source} has no members.")
    if every or (ops is None and len(front) == 1):
        return list(front)
    there = ", ".join(str(m.ops) for m in front)
    if ops is None:
        raise FrontError(f"{source} has members of {there} operations: choose one by --ops, or take --all.")
    if not (found := [m for m in front if m.ops == ops]):
        raise FrontError(f"{source} has no member of {ops} operations; it has {there}.")
    return found


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # unlike Path.is_file, with a name that is too long, too


def _certificate(path: Path) -> Certificate | None:
    """The certificate of a file; None if it holds something else."""
    text = read_text(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    certificate = isinstance(found, dict) and found.get("format") not in (None, JSON_FORMAT)
    return Certificate.from_json(text) if certificate else None


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


def _print(found: list[Verified], given: list[float]) -> None:
    """`given`: the sampled error of each as it came, before polishing."""
    table = Table(header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), box=SIMPLE_HEAD, show_edge=False)
    for name in ("ops", "as given", "polished", "proved", "float64", "its bound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("constants", overflow="fold")
    for one, before in zip(found, given, strict=True):
        plain = _plain(one)
        proved = f"{plain['proved_bound']:.4e}" if plain["proved_bound"] is not None else "none"
        rounded = f"{plain['float64_bound']:.4e}" if plain["float64_bound"] is not None else "none"
        table.add_row(
            str(one.member.ops), f"{before:.4e}", f"{one.member.sampled_error:.4e}", proved,
            f"{one.float64_error:.4e}", rounded,
            one.status,
        )  # fmt: skip
    terminal = Terminal()
    terminal.print(table)
    for one in found:
        for complaint in one.complaints:
            terminal.print(f"{one.member.ops} ops: {printable(complaint)}", soft_wrap=True)
