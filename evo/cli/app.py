"""The command line.

Exit code 0 on success, 2 on bad input, 1 if something else is in the way (a full disk), 128 + n after
signal n; anything but 0 comes with one line that says why.
"""

import contextlib
import json
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evo.backends.backend import BackendError
from evo.cli.bench import bench
from evo.cli.commands import export_command, verify_command
from evo.cli.display import Terminal, abandon, front_table, printable
from evo.cli.session import StoppedError, recorded, run_search, teller
from evo.cli.sources import load_front
from evo.exports.export import ExportError
from evo.fronts.front import Front, FrontError
from evo.fronts.verify import VerifyError
from evo.kernels.build import BuildError
from evo.numbers.formats import FloatError
from evo.programs.ops import OpError
from evo.programs.program import ProgramError
from evo.proofs.certificate import CertificateError
from evo.reductions.reduction import ReductionError
from evo.runs.checkpoint import CheckpointError
from evo.runs.directory import DirectoryError, default_directory, locked
from evo.runs.search import Search
from evo.runs.spec import SpecError, load_spec, make_spec
from evo.runs.workers import WorkersError
from evo.targets.catalogue import CATALOGUE
from evo.targets.expression import ExpressionError
from evo.targets.target import TargetError, make_target

BAD_INPUT = (
    BackendError,
    CertificateError,
    CheckpointError,
    DirectoryError,
    ExportError,
    ExpressionError,
    FloatError,
    FrontError,
    BuildError,
    OpError,
    ProgramError,
    ReductionError,
    SpecError,
    TargetError,
    WorkersError,
)

UsageError: Any = typer.BadParameter.__mro__[1]  # click's own, or the copy inside typer: versions differ

app = typer.Typer(
    help="Evolves fast, provably accurate approximations of mathematical functions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")

INTERVAL = "Two numbers; pi/4 and the like work. [default: the catalogue's, or 0 1 for an expression]"
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def main() -> None:
    """The command `evonum`."""
    with contextlib.suppress(AttributeError):  # closed, or no stream of text
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _invoke(sys.argv[1:] or ["--help"])
        if sys.stdout is not None:
            sys.stdout.flush()
    except UsageError as error:
        code = _fail(error.format_message())
    except StoppedError as stopped:
        code = stopped.code
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except BAD_INPUT as error:
        code = _fail(str(error))
    except VerifyError as error:
        code = _fail(str(error), 1)
    except OSError as error:
        code = _fail(_reason(error), 1)
        abandon(sys.stdout)
    sys.exit(code)


def _invoke(words: list[str]) -> int:
    """Runs a command as typer does, apart from its silence after a broken pipe; the exit code."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("evonum", words) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        code = done.exit_code
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int = 2) -> int:
    try:
        print(f"evonum: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)
    return code


def _reason(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    where = "the output cannot be written" if error.filename is None else error.filename
    return f"{where}: {error.strerror}"


def _folder(text: str) -> Path:
    if not text:
        raise DirectoryError("The name of a directory is empty.")
    return Path(text)


@app.command()
def search(
    target: Annotated[str | None, typer.Argument(help="A catalogue name, or an expression of x.")] = None,
    interval: Annotated[tuple[str, str] | None, typer.Option(metavar="LO HI", help=INTERVAL)] = None,
    ops: Annotated[str | None, typer.Option(help='Operations, such as "+ - * / sqrt".')] = None,
    metric: Annotated[
        str | None, typer.Option(help="relative or absolute; the target's own by default.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="real: fewest operations over the reals.")] = None,
    max_ops: Annotated[int | None, typer.Option(help="Largest program. [default: 10]")] = None,
    time_budget: Annotated[
        str | None, typer.Option("--time", help="Budget: 60s, 10m, 1h. [default: 60s]")
    ] = None,
    generations: Annotated[
        int | None, typer.Option(help="Budget of each island, for runs that repeat exactly.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of all random streams. [default: 0]")] = None,
    islands: Annotated[
        int | None, typer.Option(help="Populations. [default: one per CPU; two on a GPU]")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="native, jax or cuda. [default: native]")] = None,
    workers: Annotated[str, typer.Option(help="ray, or serial: all islands in this process.")] = "ray",
    address: Annotated[
        str | None, typer.Option(metavar="RAY", help="A running cluster: HOST:PORT or auto.")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Specification; options take precedence.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Search directory. [default: runs/...]", parser=_folder),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Continue the search of DIR.", parser=_folder)
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow. [default: $MLFLOW_TRACKING_URI, else mlflow.db here]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evolve formulas for TARGET and keep the front in a directory and in MLflow."""
    if workers not in ("ray", "serial"):
        raise SpecError(f"--workers is ray or serial, not {workers!r}")
    budget = {k: v for k, v in (("time", time_budget), ("generations", generations)) if v is not None}
    given = {
        "target": target, "interval": interval, "ops": ops, "metric": metric, "dtype": dtype,
        "max_ops": max_ops, "seed": seed, "islands": islands, "backend": backend,
    }  # fmt: skip
    entries = {name: value for name, value in given.items() if value is not None}
    tell = teller(to_stderr=as_json)
    if resume is not None:
        if entries or spec or out:
            extra = ", ".join([*entries, *(["spec"] if spec else []), *(["out"] if out else [])])
            raise SpecError(f"--resume continues the search as it was: leave out {extra}")
        if not os.path.isdir(resume):
            raise DirectoryError(f"No search directory {resume}.")
        checked = make_spec({"target": "x", **budget}).model_dump(include=set(budget))
        with locked(resume):
            front, code = run_search(Search.resume(resume, checked), workers, address, tracking_uri, tell)
    else:
        if target is None and spec is None:
            names = ", ".join(row.name for row in CATALOGUE)
            raise SpecError(f"Name a target ({names}) or a --spec file")
        full = load_spec(spec, {**entries, **budget}) if spec else make_spec({**entries, **budget})
        made = Search(full, out or default_directory(full.target, full.seed))
        with locked(made.directory):
            made.refuse_if_taken()
            front, code = run_search(made, workers, address, tracking_uri, tell)
    if as_json:
        print(front.to_json(), end="", flush=True)
    raise typer.Exit(code)


def _figure(text: str) -> Path:
    if not text or text.endswith("/") or os.path.isdir(text) or text == ".":
        raise typer.BadParameter(f"expected the name of a figure, such as front.png, got {text!r}.")
    return Path(text)


@app.command()
def front(
    source: Annotated[str, typer.Argument(metavar="DIR|RUN", help="A search directory or an MLflow run id.")],
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's address, for a run id.")] = None,
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
    found = load_front(source, partial(recorded, tracking_uri=tracking_uri))
    if plot is not None:
        _plot(found, plot, with_baselines)
    elif with_baselines:
        raise FrontError("--baselines goes with --plot FILE.png; for numbers: evonum baselines TARGET")
    if as_json:
        print(found.to_json(), end="")
        return
    Terminal().print(front_table(found))


def _plot(found: Front, path: Path, with_baselines: bool) -> None:
    """Writes the figures of a front."""
    from evo.classical.baselines import baselines
    from evo.classical.pictures import curves, lines
    from tracking.figures import curves_figure, front_figure

    if not len(found):
        raise FrontError("The front has no members to draw.")
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    first = found[0]
    target = make_target(first.target, first.interval, first.metric)
    shown = lines(baselines(target, min(max(found[-1].ops, 2), 24))) if with_baselines else None
    members = json.loads(found.to_json())
    beside = path.with_name(f"{path.stem}-curves{path.suffix}")
    try:
        front_figure(members, shown).savefig(path)
        curves_figure(members, curves(found)).savefig(beside)
    except (OSError, ValueError) as error:
        raise FrontError(f"Cannot draw {path}: {error}") from None
    print(f"{path}, {beside}", file=sys.stderr)


@app.command("baselines")
def baselines_command(
    target: Annotated[str, typer.Argument(help="A catalogue name, or an expression of x.")],
    interval: Annotated[tuple[str, str] | None, typer.Option(metavar="LO HI", help=INTERVAL)] = None,
    metric: Annotated[
        str | None, typer.Option(help="relative or absolute; the target's own by default.")
    ] = None,
    max_ops: Annotated[int, typer.Option(help="Largest program.", min=2, max=24)] = 12,
    as_json: Json = False,
) -> None:
    """List the classical forms of TARGET at each op count: what a discovery has to beat."""
    from evo.classical.baselines import baselines, baselines_table, families_table

    checked = make_target(target, interval, metric)
    tried: list[str] = []
    with Terminal(stderr=True).status("") as status:

        def report(line: str) -> None:
            tried.append(line)
            status.update(printable(line))

        found = baselines(checked, max_ops, report)
    if not found:
        raise TargetError(
            f"No classical form of {checked.name} on ({', '.join(checked.interval)}) with at most {max_ops} "
            f"ops: {len(tried)} were tried; {tried[-1] if tried else 'none is so small'}."
        )
    if as_json:
        print(json.dumps([asdict(b) for b in found], indent=1))
        return
    ends = ", ".join(checked.interval)
    title = f"{checked.name} on ({ends}), max {checked.metric} error"
    Terminal().print(baselines_table(found, printable(title)), "", families_table(found))


app.command("verify")(verify_command)
app.command("export")(export_command)


@app.command()
def targets(as_json: Json = False) -> None:
    """List the catalogue."""
    rows = CATALOGUE
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    table = Table("name", "interval", "metric", "function", header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(row.name, f"({row.lo}, {row.hi})", row.metric, row.description)
    Terminal().print(table)


@app.command()
def ui(
    tracking_uri: Annotated[str | None, typer.Option(help="The store that the searches wrote to.")] = None,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 5000,
) -> None:
    """Open the MLflow dashboard; Ctrl-C ends it."""
    from tracking.ui import open_ui

    try:
        code = open_ui(tracking_uri, host, port)
    except (FileNotFoundError, OSError, ValueError) as error:
        raise FrontError(str(error)) from None
    raise typer.Exit(code)


@app.command()
def deliver(
    directory: Annotated[Path, typer.Argument(help="A search directory.")],
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's address.")] = None,
) -> None:
    """Send the records that MLflow does not have yet (it was away while the search ran)."""
    from tracking.mlflow_sink import deliver as send

    try:
        left = send(directory, tracking_uri)
    except FileNotFoundError as error:
        raise DirectoryError(str(error)) from None
    if left:
        raise WorkersError(f"{left} records are still undelivered; they stay in {directory}.")
    print("All records are delivered.")
