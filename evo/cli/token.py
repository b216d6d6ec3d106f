"""Commands over a service's tokens, on its folder: who may reach it, and what they may do."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from evo.cli.display import Terminal
from evo.cli.options import Data
from evo.cli.plain import print_json
from evo.cli.service import FOLDER
from evo.cli.tables import printable
from evo.service import tokens
from evo.service.settings import make_folder
from evo.service.store import Store

token = typer.Typer(help="Make, list and revoke the tokens of a service.", no_args_is_help=True)


_MOST = 1 << 31
"""Of jobs and cores."""


@contextmanager
def _store(data: Path) -> Iterator[Store]:
    """The store of a folder, which is made if missing: tokens may be there before the service."""
    make_folder(data)
    with closing(Store(data / "service.db")) as store:
        yield store


@token.command("create")
def create(
    owner: Annotated[str, typer.Argument(help="Whose jobs it submits.")],
    scopes: Annotated[
        str, typer.Option(help=f"{', '.join(f'{n}: {t}' for n, t in tokens.SCOPES.items())}.")
    ] = "read,submit",
    max_jobs: Annotated[int, typer.Option(help="That have not ended.", min=0, max=_MOST)] = tokens.MAX_JOBS,
    max_cores: Annotated[int, typer.Option(help="At a time.", min=1, max=_MOST)] = tokens.MAX_CORES,
    days: Annotated[float | None, typer.Option(help="Until it ends. [default: never]", min=0)] = None,
    data: Data = FOLDER,
) -> None:
    """Make a token and print it: nobody can show it again."""
    with _store(data) as store:
        print(tokens.create(store, owner, scopes.split(","), max_jobs, max_cores, days))


@token.command("list")
def listed(
    data: Data = FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List tokens, without their secrets."""
    with _store(data) as store:
        found = tokens.listed(store)
    if as_json:
        print_json([vars(one) for one in found])
        return
    table = Table(
        "id", "owner", "scopes", "jobs", "cores", "made", "state", header_style="bold", pad_edge=False
    )
    for one in found:
        made = time.strftime("%F %T", time.localtime(one.created))
        over = one.ends is not None and one.ends < time.time()
        state = "revoked" if one.revoked else "over" if over else "good"
        table.add_row(
            one.id,
            printable(one.owner),
            " ".join(one.scopes),
            str(one.max_jobs),
            str(one.max_cores),
            made,
            state,
        )
    Terminal().print(table)


@token.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(help="As evonum token list shows it.")], data: Data = FOLDER
) -> None:
    """End a token at once."""
    with _store(data) as store:
        tokens.revoke(store, id)
    print(f"Token {id} is revoked.")
