"""Options that several commands have, said once."""

from pathlib import Path
from typing import Annotated

import typer

from evo import api

INTERVAL = "Two numbers; pi/4 and the like work. [default: the catalogue's, or 0 1 for an expression]"
METRIC = f"{' or '.join(api.METRICS)}; the target's own by default."
FLOAT_METRIC = f"{METRIC} Ulp for floats."
DTYPE = "real, or the arithmetic of floats that it runs in: float32, bfloat16, float16, float64."
Interval = Annotated[tuple[str, str] | None, typer.Option(metavar="LO HI", help=INTERVAL)]


def folder(text: str) -> Path:
    """A directory's name.

    Raises:
        BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("The name of a directory is empty.")
    return Path(text)
