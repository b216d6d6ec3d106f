"""Options that several commands have, said once."""

from pathlib import Path
from typing import Annotated

import typer

from evo import api

INTERVAL = "Two numbers; pi/4 and the like work. [default: the catalogue's, or 0 1 for an expression]"
TARGET = "A catalogue name, or an expression of x, or a file of FPCores with the function."
METRIC = f"{' or '.join(api.METRICS)}; the target's own by default."
FLOAT_METRIC = f"{METRIC} Ulp for floats."
DTYPE = "real, or the arithmetic of floats that it runs in: float32, bfloat16, float16, float64."
Interval = Annotated[tuple[str, str] | None, typer.Option(metavar="LO HI", help=INTERVAL)]

Ops = Annotated[str | None, typer.Option(help='Operations, such as "+ - * / sqrt".')]
Dtype = Annotated[str | None, typer.Option(help=DTYPE)]
Full = Annotated[
    bool | None, typer.Option("--full", help="On all floats, by a range reduction: for a dtype.")
]
Way = Annotated[str | None, typer.Option(help="Which reduction, where the function has several.")]
Part = Annotated[str | None, typer.Option(help="Which of its cores, where it has several.")]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="|".join(api.REQUIREMENTS),
        help="What the function of a dtype has to satisfy at every input; several with --require each.",
    ),
]
MaxOps = Annotated[int | None, typer.Option(help="Largest program. [default: 10]")]
Time = Annotated[str | None, typer.Option(help="Budget: 60s, 10m, 1h. [default: 60s]")]
Generations = Annotated[int | None, typer.Option(help="Budget of each island, for runs that repeat exactly.")]
MaxError = Annotated[
    float | None,
    typer.Option("--error", "--max-error", help="Stop once the max error is so small, with few operations."),
]
Cost = Annotated[
    str | None,
    typer.Option(
        metavar="ops|FILE", help="Fronts of ops, or of time by a model of evonum bench ops. [default: ops]"
    ),
]
CostGoal = Annotated[
    str | None, typer.Option(help="With a model: throughput, or latency. [default: throughput]")
]
Seed = Annotated[int | None, typer.Option(help="Of all random streams. [default: 0]")]
Islands = Annotated[
    int | None, typer.Option(help="Populations. [default: one per CPU; two on a GPU or in one process]")
]
Data = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the service: its store and all jobs.")]
Server = Annotated[
    str, typer.Option(metavar="URL", envvar="EVONUM_SERVER", help="A service; its token in $EVONUM_TOKEN.")
]


def _output(text: str) -> Path | None:
    """The name of a file; None for a dash alone, the standard output.

    Raises:
        BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("A file without a name cannot be written.")
    return None if text == "-" else Path(text)


Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="[default: -, standard output]", parser=_output)
]


def folder(text: str) -> Path:
    """A directory's name.

    Raises:
        BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("The name of a directory is empty.")
    return Path(text)
