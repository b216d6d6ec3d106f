"""The command over all programs up to a size: its options, what it shows meanwhile, and its result."""

import json
import time
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evo import api
from evo.api import Completed, Stage
from evo.cli.commands import Json
from evo.cli.display import LINE_EVERY, Terminal
from evo.cli.options import METRIC, Interval, folder
from evo.cli.plain import print_json
from evo.cli.tables import front_table


def complete_command(
    target: Annotated[str, typer.Argument(help="A catalogue name, or an expression of x.")],
    max_ops: Annotated[
        int,
        typer.Option(
            help="Largest program; over + - * / 6 take minutes, on a GPU 7.", min=1, max=api.MOST_OPS
        ),
    ],
    interval: Interval = None,
    ops: Annotated[str, typer.Option(help='Operations, such as "+ - * / sqrt".')] = "+ - * /",
    metric: Annotated[str | None, typer.Option(help=METRIC)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where it is kept. [default: runs/complete-TARGET-Nops]", parser=folder
        ),
    ] = None,
    starts: Annotated[
        int, typer.Option(help="Points that every fit starts from; more miss fewer optima.", min=2, max=4096)
    ] = api.STARTS,
    threads: Annotated[int | None, typer.Option(help="[default: one per CPU]", min=1, max=1024)] = None,
    backend: Annotated[str, typer.Option(help="native, jax or cuda.")] = "native",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="RAY", help="A cluster whose processes fit: HOST:PORT, auto, or local to start one here."
        ),
    ] = None,
    known: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Formulas of the target: a search's directory, a file, a run. What is proved to have larger "
            "errors is not fitted.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit every program up to a size: the best there is, and how sure that is.

    The same command goes on where an earlier one ended.
    """
    with Meanwhile() as watch:
        found = api.complete(
            target, max_ops, interval=interval, metric=metric, ops=ops, starts=starts, out=out,
            threads=threads, backend=backend, address=address, known=known, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json({**found.to_object(), "front": json.loads(found.front.to_json())})
        return
    terminal = Terminal()
    terminal.print(front_table(found.front, width=terminal.width), "", sizes_table(found))
    terminal.print(f"digest {found.digest}", *found.statements, sep="\n", soft_wrap=True, highlight=False)


class Meanwhile:
    """Shows stages on stderr, a context: a line that changes on a terminal, elsewhere one now and then."""

    def __init__(self) -> None:
        self._terminal = Terminal(stderr=True)
        self._status = self._terminal.status("")
        self._shown, self._name = 0.0, ""

    def __enter__(self) -> "Meanwhile":
        self._status.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._status.__exit__(*error)
        if isinstance(error[1], KeyboardInterrupt):
            self._terminal.print("Stopped: the same command goes on from what was kept.", highlight=False)

    def __call__(self, stage: Stage) -> None:
        """Shows it."""
        if self._terminal.is_terminal:
            self._status.update(line(stage))
        elif stage.name != self._name or time.monotonic() - self._shown > LINE_EVERY:
            self._name, self._shown = stage.name, time.monotonic()
            self._terminal.print(line(stage), soft_wrap=True, highlight=False)


def line(stage: Stage) -> str:
    """A stage in words."""
    left = "" if stage.left is None else f", {stage.left:.0f} s left"
    known = [f"{n} ops {error:.2e}" for n, error in enumerate(stage.best, start=1) if isfinite(error)]
    best = f"; least error so far: {', '.join(known)}" if known else ""
    return f"{stage.name}: {stage.done:,} of {stage.whole:,}{left}{best}"


def sizes_table(found: Completed) -> Table:
    """What was fitted at each size."""
    table = Table(header_style="bold", pad_edge=False)
    for name in (
        "ops",
        "families",
        "no finite error",
        "near the front",
        "fits that succeed",
        "improved again",
    ):
        table.add_column(name, justify="right")
    for size in found.sizes:
        success = "" if size.success is None else f"{100 * size.success:.1f} %"
        table.add_row(
            str(size.ops),
            f"{size.families:,}",
            f"{size.failed:,}",
            f"{size.near:,}",
            success,
            f"{size.gained:,}",
        )
    return table
