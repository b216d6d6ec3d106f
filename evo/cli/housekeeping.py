"""Commands over what searches leave on the disk: list and clean."""

from pathlib import Path
from typing import Annotated

import typer

from evo import api
from evo.cli.display import Terminal
from evo.cli.plain import print_json
from evo.cli.tables import bytes_text, printable, searches_table


def list_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to look, folders below too.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the searches in a folder: what for, how good, how large, whether they can go on."""
    found = api.searches(folder)
    if as_json:
        print_json([one.to_object() for one in found])
    elif found:
        terminal = Terminal()
        terminal.print(searches_table(found, terminal.width))
    else:
        print(f"There are no searches in {folder}.")


def clean_command(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Search directories.")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; else it is only said.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Front, certificates and records, too: all that the search wrote.")
    ] = False,
) -> None:
    """Say what of searches can go, and delete it with --yes.

    That is the checkpoint: without it a resumed search starts over, with the front that it has. Files that
    are not the search's own stay.
    """
    found = api.clean(directories, everything, yes)
    terminal, total = Terminal(), 0
    for directory, files in found.items():
        total += (size := sum(one.size for one in files))
        names = ", ".join(str(one.path.relative_to(directory)) for one in files) or "nothing"
        terminal.print(
            printable(f"{directory}: {bytes_text(size)}: {names}"), soft_wrap=True, highlight=False
        )
    if yes:
        print(f"Deleted: {bytes_text(total)}.")
    elif total:
        print(f"{bytes_text(total)} can go; nothing is deleted without --yes.")
