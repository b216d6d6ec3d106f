"""The command line: words in, calls of evo/api, tables and exit codes out."""

import contextlib
import errno
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from evo import api
from evo.cli.bench import bench
from evo.cli.commands import (
    Core,
    Json,
    TrackingUri,
    check_command,
    export_command,
    front_command,
    time_command,
    verify_command,
)
from evo.cli.complete import complete_command
from evo.cli.display import Terminal, abandon
from evo.cli.housekeeping import clean_command, list_command
from evo.cli.library import library_command
from evo.cli.options import (
    FLOAT_METRIC,
    METRIC,
    TARGET,
    Cost,
    CostGoal,
    Dtype,
    Full,
    Generations,
    Interval,
    Islands,
    MaxError,
    MaxOps,
    Ops,
    Part,
    Require,
    Seed,
    Time,
    Way,
    folder,
)
from evo.cli.plain import print_json
from evo.cli.service import (
    best_command,
    delete_command,
    jobs_command,
    logs_command,
    resume_command,
    serve_command,
    show_command,
    stop_command,
    submit_command,
)
from evo.cli.session import Session, StoppedError, teller
from evo.cli.tables import baselines_table, brief, families_table, printable, targets_table, visible
from evo.cli.token import token
from evo.errors import EXIT_CODES, EvonumError

UsageError: Any = typer.BadParameter.__mro__[1]  # click's own, or the copy inside typer: versions differ

EXIT = (
    "Exit code 0 is success; 2 bad input; 1 something else in the way (no compiler, no cluster, a full "
    "disk, a store that is away), or a claim that is refuted; 128 + n a search that signal n stopped (129 a "
    "closed terminal, 130 Ctrl-C, 143 SIGTERM). One line on stderr says what."
)

app = typer.Typer(
    help="Evolves fast, provably accurate approximations of mathematical functions.",
    epilog=EXIT,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")


def _version(asked: bool) -> None:
    if asked:
        print(f"evonum {version('evonumerics')}")
        raise typer.Exit


@app.callback()
def evonum(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Evolves fast, provably accurate approximations of mathematical functions."""


def main() -> None:
    """The command `evonum`."""
    with contextlib.suppress(AttributeError):  # closed, or no stream of text
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _invoke(sys.argv[1:] or ["--help"])
        if sys.stdout is not None:
            sys.stdout.flush()
    except UsageError as error:
        code = _fail(error.format_message(), 2)
    except StoppedError as stopped:
        code = stopped.code
    except (typer.Abort, KeyboardInterrupt):
        code = 128 + signal.SIGINT
    except EvonumError as error:
        code = _fail(str(error), error.exit_code)
    except OSError as error:
        no_name = error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
        code = _fail(_reason(error), EXIT_CODES["input" if no_name else "machine"])
        abandon(sys.stdout)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Ends the process; at once where records are still delivered: Python's own end amid C++ code aborts."""
    if api.is_delivering():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _as_argument(word: str) -> str:
    """An expression that begins with a minus, such as -x*log(x), is no option: a space says so."""
    return f" {word}" if re.fullmatch(r"-[^-].*[x(^*/].*", word) else word


def _invoke(words: list[str]) -> int:
    """Runs a command as typer does, apart from its silence after a broken pipe; the exit code."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("evonum", [_as_argument(word) for word in words]) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        code = done.exit_code
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    try:
        line = " ".join(visible(brief(word)) for word in message.split())
        print(f"evonum: {line}", file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)
    return code


def _reason(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    where = "the output cannot be written" if error.filename is None else error.filename
    return f"{where}: {error.strerror}"


HOW = ("start", "workers", "address", "processes", "record", "tracking_uri")
"""Options of `search` that say how it runs; the others, but for these and `NOT_ENTRIES`, are entries of the
specification under the specification's names."""
NOT_ENTRIES = (*HOW, "spec", "core", "out", "resume", "as_json")


@app.command()
def search(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(metavar="TARGET", help=TARGET)] = None,
    core: Core = None,
    interval: Interval = None,
    ops: Ops = None,
    metric: Annotated[str | None, typer.Option(help=FLOAT_METRIC)] = None,
    dtype: Dtype = None,
    full: Full = None,
    way: Way = None,
    part: Part = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE:OPS", help="A core that is there already, with those given for it."),
    ] = None,
    require: Require = None,
    max_ops: MaxOps = None,
    time: Time = None,
    generations: Generations = None,
    error: MaxError = None,
    cost: Cost = None,
    cost_goal: CostGoal = None,
    seed: Seed = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="FILE|DIR", help="Formulas that every island begins with.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="complete:N", help="Begin with the best of all programs of at most N ops, made first."
        ),
    ] = None,
    islands: Islands = None,
    backend: Annotated[str | None, typer.Option(help="native, jax or cuda. [default: native]")] = None,
    workers: Annotated[str, typer.Option(help="ray, or serial: all islands in this process.")] = "ray",
    address: Annotated[
        str | None, typer.Option(metavar="RAY", help="A running cluster: HOST:PORT or auto.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Of Ray, at most. [default: one per CPU of this machine; with --address half of the"
            " cluster's CPUs, fewer where fewer are free, so that a second search has the other half]",
            min=1,
        ),
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Specification; options take precedence.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Search directory. [default: runs/...]", parser=folder),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Continue the search of DIR.", parser=folder)
    ] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Deliver records to MLflow now, or keep them only.")
    ] = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Evolve formulas for TARGET and keep the front in a directory and in MLflow."""
    words = {name: value for name, value in context.params.items() if value not in (None, [], ())}
    entries = {name: value for name, value in words.items() if name not in NOT_ENTRIES}
    how = {name: words[name] for name in HOW if name in words}
    with _in_words_of_options(entries), Session(teller(to_stderr=as_json), record) as session:
        if resume is None:
            found = api.search(spec=spec, out=out, core=core, watcher=session, **how, **entries)
        else:
            extra = [*entries, *(name for name in ("spec", "core", "out") if name in words)]
            if others := [name for name in extra if name not in api.CHANGES]:
                raise typer.BadParameter(
                    f"--resume continues the search as it was: leave out {', '.join(others)}"
                )
            found = api.resume(resume, watcher=session, **how, **entries)
    if as_json:
        print_json(json.loads(found.to_json()))
    raise typer.Exit(session.code)


@contextlib.contextmanager
def _in_words_of_options(entries: Mapping[str, Any]) -> Iterator[None]:
    """An error of an entry `max_ops` says `--max-ops`, where that was given."""
    try:
        yield
    except EvonumError as error:
        name, colon, rest = str(error).partition(":")
        if colon and name in entries:
            error.args = (f"--{name.replace('_', '-')}:{rest}",)
        raise


@app.command("baselines")
def baselines_command(
    target: Annotated[str, typer.Argument(help=TARGET)],
    core: Core = None,
    interval: Interval = None,
    metric: Annotated[str | None, typer.Option(help=METRIC)] = None,
    max_ops: Annotated[int, typer.Option(help="Largest program.", min=2, max=api.MAX_CLASSICAL)] = 12,
    ops: Annotated[str | None, typer.Option(help="Only forms over these. [default: all]")] = None,
    as_json: Json = False,
) -> None:
    """List the classical forms of TARGET at each op count: what a discovery has to beat."""
    with Terminal(stderr=True).status("") as status:
        checked, found = api.baselines(
            target, interval, metric, max_ops, lambda line: status.update(printable(line)), ops, core
        )
    if as_json:
        print_json([asdict(b) for b in found])
        return
    title = f"{checked.name} on ({', '.join(checked.interval)}), max {checked.metric} error"
    terminal = Terminal()
    width = terminal.width
    terminal.print(baselines_table(found, printable(title), width), "", families_table(found, width))


app.command("complete")(complete_command)
app.command("front")(front_command)
app.command("verify")(verify_command)
app.command("check")(check_command)
app.command("time")(time_command)
app.command("export")(export_command)
app.command("library")(library_command)
app.command("list")(list_command)
app.command("clean")(clean_command)
app.command("serve")(serve_command)
app.command("submit")(submit_command)
app.command("jobs")(jobs_command)
app.command("show")(show_command)
app.command("logs")(logs_command)
app.command("stop")(stop_command)
app.command("resume")(resume_command)
app.command("delete")(delete_command)
app.command("best")(best_command)
app.add_typer(token, name="token")


@app.command()
def targets(as_json: Json = False) -> None:
    """List the catalogue."""
    if as_json:
        print_json([row._asdict() for row in api.targets()])
    else:
        Terminal().print(targets_table())


@app.command()
def ui(
    tracking_uri: TrackingUri = None,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow dashboard; Ctrl-C ends it."""
    raise typer.Exit(api.dashboard(tracking_uri, host, port))


@app.command()
def deliver(
    directory: Annotated[Path, typer.Argument(help="A search directory; with --follow a folder of such.")],
    tracking_uri: TrackingUri = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Deliver all searches there, new ones too, until Ctrl-C.")
    ] = False,
) -> None:
    """Send the records that MLflow does not have yet (it was away while the search ran)."""
    if follow:
        print(
            f"Delivers the searches in {visible(str(directory))}, new ones too, until Ctrl-C.",
            file=sys.stderr,
            flush=True,
        )
        api.deliver_all(directory, tracking_uri, lambda line: print(line, file=sys.stderr, flush=True))
    api.deliver(directory, tracking_uri)
    print("All records are delivered.")
