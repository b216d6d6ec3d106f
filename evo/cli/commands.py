"""Commands over finished fronts: front, verify, export. The search's own are in evo/cli/app.py."""

import errno
import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evo import api
from evo.api import EXPORT_FORMATS, Certificate, Checked, Figures, Front, Verified
from evo.cli.display import Terminal
from evo.cli.options import Output, Require
from evo.cli.plain import print_json
from evo.cli.tables import (
    checked_table,
    front_table,
    notes_on_floats,
    printable,
    timings_table,
    verified_table,
    visible,
)
from evo.files import write_atomically

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Core = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a file of FPCores: only this one, by name or number.")
]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow. [default: $MLFLOW_TRACKING_URI, else mlflow.db here]")
]


def _figure(text: str) -> Path:
    if not text or text.endswith("/") or os.path.isdir(text) or text == ".":
        raise typer.BadParameter(f"expected the name of a figure, such as front.png, got {text!r}.")
    return Path(text)


def front_command(
    source: Annotated[str, typer.Argument(metavar="DIR|RUN", help="A search directory or an MLflow run id.")],
    tracking_uri: TrackingUri = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw it, and the error curves to FILE-curves.png.", parser=_figure
        ),
    ] = None,
    with_baselines: Annotated[
        bool, typer.Option("--baselines", help="Show the classical forms in the figure, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the front of a search: ops, errors, formula."""
    if with_baselines and plot is None:
        raise typer.BadParameter(
            "--baselines goes with --plot FILE.png; for numbers: evonum baselines TARGET"
        )
    found = api.front(source, tracking_uri)
    if plot is not None:
        print(visible(", ".join(map(str, api.draw(found, plot, with_baselines)))), file=sys.stderr)
    if as_json:
        print_json(json.loads(found.to_json()))
    else:
        terminal = Terminal()
        terminal.print(front_table(found, width=terminal.width))


def verify_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|RUN|FILE", help="A search, a certificate, or formulas: JSON, FPCore, text."
        ),
    ],
    ops: Annotated[int | None, typer.Option(help="Only the member of this many operations.")] = None,
    core: Core = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Prove formulas as they stand, then polished; or prove a certificate again from its file alone.

    Errors in float64 and float32 are those of a sample of inputs; an export to C in float32 tries all.
    A search directory keeps the certificates and the bounds, if the front is what it says.
    """
    if core is None and (certificate := api.check_certificate(source)):
        ends = ", ".join(certificate.interval)
        claim = f"max {certificate.metric} error at most {certificate.bound} on ({ends})"
        if as_json:
            print_json({"holds": True, "claim": claim})
        else:
            print(f"The certificate holds: {claim}.")
        return
    pairs = api.verify_source(source, ops, tracking_uri, lambda line: print(line, file=sys.stderr), core)
    if as_json:
        print_json([_plain(one) for _, one in pairs])
    else:
        terminal = Terminal()
        found = [one for _, one in pairs]
        terminal.print(verified_table(found, terminal.width))
        terminal.print(notes_on_floats(found), soft_wrap=True)
        for given, one in pairs:
            for complaint in one.complaints:
                terminal.print(f"{given.ops} ops: {printable(complaint)}", soft_wrap=True)
    api.refuse_false(pairs)


def check_command(
    source: Annotated[str, typer.Argument(metavar="DIR|RUN|FILE", help="A search with a --dtype.")],
    ops: Annotated[int | None, typer.Option(help="Only the member of this many operations.")] = None,
    require: Require = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Ask functions of floats every input of their format: errors, roundings, order, special inputs.

    Ends with 1 if one does not satisfy what its search required, or what --require says.
    """
    found = api.check_source(source, ops, tracking_uri, require or ())
    if as_json:
        print_json([_checked(one) for one in found])
    else:
        terminal = Terminal()
        terminal.print(checked_table(found))
        for one in found:
            for fault in (*one.faults, *one.unmet):
                terminal.print(f"{one.member.ops} ops: {printable(fault)}", soft_wrap=True)
    api.refuse_unmet(found)


def time_command(
    source: Annotated[str, typer.Argument(metavar="DIR|RUN|FILE", help="A search, or formulas.")],
    ops: Annotated[int | None, typer.Option(help="Only the member of this many operations.")] = None,
    size: Annotated[
        int, typer.Option(min=64, max=1 << 26, help="Elements: 8192 stay in the cache, 4194304 do not.")
    ] = 8192,
    interval: Annotated[
        tuple[float, float] | None, typer.Option(metavar="LO HI", help="Where inputs are drawn from.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option(metavar="FILE", help="Show what a model of evonum bench ops predicts.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw errors against time.", parser=_figure)
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Time functions in C beside libm, its vectors, SLEEF (where it is), NumPy and x + 1, in one run."""
    if interval is not None and not (interval[0] < interval[1] and interval[1] - interval[0] < math.inf):
        raise typer.BadParameter(
            "--interval takes two numbers, the lower one first, less than 1.8e308 apart, got"
            f" {interval[0]:g} {interval[1]:g}."
        )
    members, timings = api.time_source(source, ops, size, interval, tracking_uri, cost)
    if plot is not None:
        api.draw_timings(members, timings, plot)
        print(visible(str(plot)), file=sys.stderr)
    if as_json:
        print_json([{"dtype": members[0].dtype, **row._asdict()} for row in timings])
        return
    Terminal().print(timings_table(members, timings))


def _checked(one: Checked) -> dict[str, Any]:
    said = {name: value for name, value in vars(one).items() if name not in ("member", "backwards", "broken")}
    found = one.backwards
    count, most, x = (found.count, found.most, found.x) if found else (None, None, None)
    ways = {"backwards": count, "backwards_ulp": most, "backwards_x": x}
    member = {name: getattr(one.member, name) for name in ("ops", "dtype", "full", "require")}
    return {**member, **said, **ways}


def _plain(one: Verified) -> dict[str, Any]:
    """The member as polished, as it stands (given_...), and what there is beside."""
    member: dict[str, Any] = json.loads(Front((one.member,)).to_json())[0]
    return {
        **member,
        "status": one.status,
        "faults": list(one.faults),
        **_figures(one.best),
        **{f"given_{name}": value for name, value in _figures(one.given).items()},
        "given_error": one.given.error,
        "given_proved_bound": one.given.bound,
        "given_constants": list(one.given.constants),
        "certificate": json.loads(one.proof.to_json()) if isinstance(one.proof, Certificate) else None,
    }


def _figures(found: Figures) -> dict[str, Any]:
    said: dict[str, Any] = {"refusal": getattr(found.proof, "reason", None)}
    for name, sample in (("float64", found.float64), ("float32", found.float32)):
        said[f"{name}_error"] = getattr(sample, "error", None)
        said[f"{name}_worst_x"] = getattr(sample, "worst_x", None)
        said[f"{name}_inputs"] = getattr(sample, "inputs", 0)
    return {
        **said,
        "float64_bound": getattr(found.float64_bound, "bound", None),
        "float64_bound_from_x": getattr(found.float64_bound, "from_x", None),
        "float64_bound_to_x": getattr(found.float64_bound, "to_x", None),
    }


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
    dtype: Annotated[
        str | None, typer.Option(help="float64 or float32. [default: what it is computed in, or float64]")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The function on all floats, special values too.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every member: a family in one file.")] = False,
    name: Annotated[str | None, typer.Option(help="Of the function. [default: <target>_ops<NN>]")] = None,
    output: Output = None,
    core: Core = None,
    tracking_uri: TrackingUri = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the text and its figures as JSON.")] = False,
) -> None:
    """Write a formula as code or text for other programs; see the README for the formats."""
    if to in EXPORT_FORMATS and EXPORT_FORMATS[to].binary and (output is None or as_json):
        raise typer.BadParameter(f"{to} is bytes: give --output FILE, without --json.")
    made = api.export_source(
        source, to, ops=ops, every=every, dtype=dtype, full=full, name=name,
        tracking_uri=tracking_uri, core=core,
    )  # fmt: skip
    if output is not None:
        _save(output, made.content if isinstance(made.content, bytes) else made.content.encode())
    if as_json:
        notes = [{"name": f.name, "ops": f.member.ops, **dict(f.notes())} for f in made.formulas]
        said = {"format": to, "dtype": dtype, "full": full, "formulas": notes, "text": made.content}
        print_json(said)
    elif output is None:
        print(made.content, end="")
    else:
        print(visible(str(output)))


def write_text(content: str | bytes, output: Path | None) -> None:
    """To a file, whose name is printed, or to standard output.

    Raises:
        BadParameter, OSError: no file can be there.
    """
    data = content if isinstance(content, bytes) else content.encode()
    if output is not None:
        _save(output, data)
        print(visible(str(output)))
    elif isinstance(content, bytes):
        raise typer.BadParameter("this format is bytes: give --output FILE.")
    else:
        print(content, end="")


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def _save(path: Path, data: bytes) -> None:
    """A regular file is replaced whole or not at all; a device or a link is written to.

    Raises:
        BadParameter: no file can be there.
        OSError: the disk is full, broken or read-only.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            # A pipe that nobody reads would be waited for without end.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o666)
            os.set_blocking(handle, True)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        else:
            write_atomically(path, data)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror, str(path)) from None
        why = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise typer.BadParameter(f"{path} cannot be written: {why}.") from None
