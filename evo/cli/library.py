"""The command over shipped functions: what there is, all of it in one file, and its check."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from evo import api
from evo.api import Point, Shipped
from evo.cli.commands import Json, write_text
from evo.cli.display import Terminal
from evo.cli.options import Output
from evo.cli.plain import print_json

CHECK = "check"


def library_command(
    task: Annotated[str | None, typer.Argument(metavar="[check]", help="Ask every input again.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT", help="One file with all of them: c, cuda, triton, rust, numpy, jax-fast."
        ),
    ] = None,
    output: Output = None,
    function: Annotated[
        str | None, typer.Option(help="Only this one, such as exp2; with --to c also softmax.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the functions that are shipped, write them as one file, or check all of them again.

    In Python: from evo.library import numpy as fast; fast.exp2(x).
    """
    if task not in (None, CHECK):
        raise typer.BadParameter(f"expected check or nothing, got {task!r}.")
    if task == CHECK and to is not None:
        raise typer.BadParameter("check writes no file: leave out --to.")
    if output is not None and to is None:
        raise typer.BadParameter("--output goes with --to FORMAT.")
    if to is not None:
        write_text(api.export_library(to, function), output)
        return
    rows = api.library(function)
    if task == CHECK:
        _check(function, as_json)
    elif as_json:
        print_json([_object(row, point) for row in rows for point in row.points])
    else:
        table = _table("ops", "max ulp", "misrounded", "asked")
        for row in rows:
            for point in row.points:
                table.add_row(row.function, row.dtype, row.platform, *_cells(point))
        Terminal().print(table)


def _check(function: str | None, as_json: bool) -> None:
    """One row after the other, as it is known.

    Raises:
        ShelfError: one is not what its file says.
    """
    found, terminal = [], Terminal()
    for one in api.check_library(function):
        found.append(one)
        if not as_json:
            words = "as its file says" if one.holds else "NOT as its file says"
            numbers = f"{one.found.error:.4f} ulp, {one.found.misrounded} of {one.found.inputs:,} misrounded"
            terminal.print(f"{one.row.words} {one.point.member.ops} ops: {numbers}: {words}")
    if as_json:
        print_json([{**_object(r.row, r.point), "found_ulp": r.found.error, "holds": r.holds} for r in found])
    api.refuse_changed(found)


def _table(*names: str) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for name in ("function", "dtype", "only for"):
        table.add_column(name)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _cells(point: Point) -> tuple[str, ...]:
    counted = "" if point.misrounded is None else f"{point.misrounded:,}"
    return str(point.member.ops), f"{point.ulp:.4f}", counted, f"{point.inputs:,} ({point.of})"


def _object(row: Shipped, point: Point) -> dict[str, Any]:
    plain = asdict(point) | {"member": point.member.to_object()}
    of = {"function": row.function, "dtype": row.dtype, "platform": row.platform}
    return {**of, "ops": point.member.ops, **plain}
