"""The command line of the project's own benchmarks: `evonum bench NAME`."""

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evo.api import BACKENDS, CostModel, local_sink
from evo.bench.platforms import DTYPES, PLATFORMS, usable
from evo.cli.commands import write_text
from evo.cli.display import Terminal
from evo.cli.plain import print_json

bench = typer.Typer(help="The project's own benchmarks.", no_args_is_help=True)

_BACKENDS = f"One of {', '.join(BACKENDS)}."
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@bench.command("fit")
def bench_fit_command(as_json: Json = False) -> None:
    """LM iterations per second of each backend."""
    from evo.bench.kernels import bench_fit

    print("Measuring the fits, for some three minutes ...", file=sys.stderr)
    _print_bench(bench_fit(), as_json)


@bench.command("vary")
def bench_vary_command(as_json: Json = False) -> None:
    """Distinct new programs per second on one core."""
    from evo.bench.kernels import bench_vary

    _print_bench(bench_vary(), as_json)


@bench.command("search")
def bench_search_command(
    backend: Annotated[str, typer.Option(help=_BACKENDS)] = "native",
    offspring: Annotated[
        int | None, typer.Option(help="Programs of a generation. [default: a search's]", min=1)
    ] = None,
    max_ops: Annotated[int, typer.Option(help="Largest program.", min=1)] = 10,
    generations: Annotated[int, typer.Option(help="Measured, after two more.", min=1)] = 12,
    processes: Annotated[str, typer.Option(help="Numbers of processes at a time.")] = "1",
    as_json: Json = False,
) -> None:
    """New programs fitted per second of a search, and where its time goes."""
    from evo.bench.search import bench_search

    counts = _numbers("--processes", processes, most=256)
    _print_bench(bench_search(backend, offspring, max_ops, generations, counts), as_json)


@bench.command("scale")
def bench_scale_command(
    backend: Annotated[str, typer.Option(help=_BACKENDS)] = "native", as_json: Json = False
) -> None:
    """Time of an LM iteration against ops, constants and points; the driver's against islands."""
    from evo.bench.driver import bench_driver
    from evo.bench.kernels import bench_scale

    scale = bench_scale(backend)  # first: a backend that is not here is refused at once
    islands = bench_driver((1, 2, 4, 8, 16), rate=20.0, seconds=15.0, processes=4)["results"]
    _print_bench({**scale, "islands": islands}, as_json)


@bench.command("cores")
def bench_cores_command(
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.", min=1)] = 7, as_json: Json = False
) -> None:
    """New programs fitted per second on one core and on several, in real generations."""
    from evo.bench.cores import bench_cores

    _print_bench(bench_cores(rounds), as_json)


@bench.command("driver")
def bench_driver_command(
    islands: Annotated[str, typer.Option(help="Numbers of islands.")] = "16 64 256",
    rate: Annotated[float, typer.Option(help="Epochs a second of all islands.", min=0.1, max=1e5)] = 50.0,
    seconds: Annotated[float, typer.Option(help="Time of each search.", min=5.0)] = 60.0,
    processes: Annotated[int, typer.Option(help="Processes that hold the islands.", min=1, max=256)] = 8,
    cache_entries: Annotated[int, typer.Option(help="Of an island's state, a power of two.")] = 1 << 14,
    as_json: Json = False,
) -> None:
    """How many islands one driver keeps busy, with fits replaced by a timed stand-in."""
    from evo.bench.driver import bench_driver

    counts = _numbers("--islands", islands)
    _print_bench(bench_driver(counts, rate, seconds, processes, cache_entries, local_sink), as_json)


@bench.command("ops")
def bench_ops_command(
    platform: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(PLATFORMS)}. [default: this machine's widest]")
    ] = None,
    dtype: Annotated[str, typer.Option(help=f"One of {', '.join(DTYPES)}.")] = DTYPES[0],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep it as a cost model, for evonum search --cost.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What every op takes here: throughput [ns an element] and latency [ns], and the pipe it occupies."""
    from evo.bench.ops import bench_ops

    usable(platform, dtype)  # before the message
    print("Measuring the ops, for ten seconds to a minute ...", file=sys.stderr)
    model = bench_ops(platform, dtype)
    if as_json:
        print_json(model.model_dump(mode="json"))
    else:
        _print_costs(model)
    if output is not None:
        write_text(model.to_json(), output)


def _print_costs(model: CostModel) -> None:
    """A row an op; the tenth percentile of the rounds, then their median."""
    terminal = Terminal()
    machine = "; ".join(f"{name} {value}" for name, value in model.machine.items())
    terminal.print(f"{model.platform}, {model.dtype}; {machine}", highlight=False, soft_wrap=True)
    table = Table("op", "pipe", header_style="bold", pad_edge=False)
    for name in ("throughput", "median", "latency", "median"):
        table.add_column(name, justify="right")
    for name, op in model.ops.items():
        figures = (op.throughput.tenth, op.throughput.median, op.latency.tenth, op.latency.median)
        table.add_row(name, op.pipe, *(f"{figure:.3g}" for figure in figures))
    terminal.print(table)


def _numbers(option: str, text: str, most: float = math.inf) -> list[int]:
    words = text.split()
    if not words or not all(word.isdecimal() and 1 <= int(word) <= most for word in words):
        bounds = "from 1 on" if most == math.inf else f"from 1 to {most}"
        raise typer.BadParameter(f"{option} takes numbers {bounds}, such as '1 4', not {text!r}.")
    return [int(word) for word in words]


def _print_bench(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    console = Terminal()
    console.print("; ".join(f"{name} {value}" for name, value in result["machine"].items()), highlight=False)
    for rows in (result["results"], result.get("islands", ())):
        if rows:
            table = Table(*rows[0], header_style="bold", pad_edge=False)
            for row in rows:
                table.add_row(*(f"{v:,.3g}" if isinstance(v, float) else str(v) for v in row.values()))
            console.print(table)
