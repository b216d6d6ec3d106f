"""Commands over a service: serve one, submit to it, look after jobs, ask for the best formula."""

import re
import sys
import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from evo import api
from evo.cli.commands import Json
from evo.cli.display import Terminal
from evo.cli.options import (
    FLOAT_METRIC,
    METRIC,
    Data,
    Dtype,
    Full,
    Generations,
    Interval,
    Islands,
    MaxError,
    MaxOps,
    Ops,
    Output,
    Part,
    Require,
    Seed,
    Server,
    Time,
    Way,
)
from evo.cli.plain import print_json
from evo.cli.tables import printable, visible
from evo.errors import EvonumError
from evo.files import write_atomically
from evo.service.settings import HERE, PORT, Settings
from evo.service.states import ENDED, STATES

if TYPE_CHECKING:
    from evo.service.client import Client

FOLDER = Path("evonum-service")
"""Of a service, by default."""


def _job(text: str) -> str:
    """A job's name, which becomes a part of an address.

    Raises:
        BadParameter: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", text):
        raise typer.BadParameter(f"no job has the name {text[:64]!r}; evonum jobs shows them.")
    return text


def _key(text: str) -> str:
    """What a header can hold.

    Raises:
        BadParameter: it cannot.
    """
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise typer.BadParameter(f"expected letters, digits and signs of ASCII, got {text[:60]!r}.")
    return text


Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show its log until it ends.")]
Id = Annotated[str, typer.Argument(metavar="JOB", help="As evonum jobs shows it.", parser=_job)]
_LOOK = 0.5
"""Between two looks at a job that is followed [s]."""


class NothingError(EvonumError):
    """No job has found what is asked for; later one may."""

    kind = "machine"


def _client(server: str) -> "Client":
    from evo.service.client import Client  # HTTP takes 0.2 s, which commands without a service can do without

    return Client(server)


def serve_command(
    data: Data = FOLDER,
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but this machine's own needs tokens.")
    ] = (Settings.host),
    port: Annotated[int, typer.Option(min=0, max=65535)] = PORT,
    cores: Annotated[
        int,
        typer.Option(
            help="That jobs share. [default: all of this machine]", show_default=False, min=1, max=4096
        ),
    ] = Settings.cores,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="A Ray cluster on which jobs run; --cores are those they share."
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Another name of the service: that of a proxy.")
    ] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Every request needs a token.")] = False,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            envvar="MLFLOW_TRACKING_URI", help="MLflow's store for what jobs record. [default: none]"
        ),
    ] = None,
    max_time: Annotated[float, typer.Option(help="Largest --time of a search, in hours.", min=0.001)] = 24.0,
) -> None:
    """Serve searches to users, browsers and programs; Ctrl-C ends it, and jobs go on until it is back."""
    from evo.service.serve import serve  # as for `_client`

    if ray is not None:
        api.cluster_trouble(ray)  # what is no address is refused at once
    settings = Settings(
        data=data.absolute(), host=host, port=port, cores=cores, names=tuple(name or ()), tokens=tokens,
        max_time=3600 * max_time, tracking_uri=tracking_uri, cluster=ray,
    )  # fmt: skip
    serve(settings, lambda url: print(f"evonum serves at {url}", flush=True))


def submit_command(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(help="A catalogue name, or an expression of x.")] = None,
    interval: Interval = None,
    ops: Ops = None,
    metric: Annotated[str | None, typer.Option(help=FLOAT_METRIC)] = None,
    dtype: Dtype = None,
    full: Full = None,
    way: Way = None,
    part: Part = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="JOB:OPS", help="A core that a job found, with those given for it."),
    ] = None,
    require: Require = None,
    max_ops: MaxOps = None,
    time: Time = None,
    generations: Generations = None,
    error: MaxError = None,
    seed: Seed = None,
    islands: Islands = None,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Specification; options take precedence.")
    ] = None,
    cores: Annotated[int, typer.Option(help="That the search runs on.", min=1)] = 1,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The same key again submits nothing new: for scripts that try twice.",
            parser=_key,
        ),
    ] = None,
    follow: Follow = False,
    server: Server = HERE,
    as_json: Json = False,
) -> None:
    """Submit a search to a service; prints the job's name."""
    own = {"spec", "cores", "key", "follow", "server", "as_json"}
    typed = {n: v for n, v in context.params.items() if v is not None and n not in own}
    entries = {**(api.read_entries(spec) if spec is not None else {}), **typed}
    client = _client(server)
    headers = {"Idempotency-Key": key} if key is not None else {}
    asked = {"spec": entries, "cores": cores}
    job = client.ask("POST", "/jobs", json=asked, headers=headers).json()
    if as_json:
        print_json(job)
    else:
        print(job["id"], flush=True)
    if follow:
        raise typer.Exit(_follow(client, job["id"]))


def jobs_command(
    state: Annotated[list[str] | None, typer.Option(help=f"Only those: {', '.join(STATES)}.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=200)] = 50,
    server: Server = HERE,
    as_json: Json = False,
) -> None:
    """List a service's jobs, the newest first."""
    found = _client(server).get("/jobs", state=state, owner=owner, limit=limit)["jobs"]
    if as_json:
        print_json(found)
    elif found:
        Terminal().print(_table(found))
    else:
        print("There are no such jobs.")


def show_command(job: Id, server: Server = HERE, as_json: Json = False) -> None:
    """Show a job: its state, the reason for it, its history and its front."""
    client = _client(server)
    found = client.get(f"/jobs/{job}")
    front = client.get(f"/jobs/{job}/front")
    history = client.get(f"/jobs/{job}/history")
    if as_json:
        print_json({**found, "front": front, "history": history})
        return
    terminal = Terminal()
    terminal.print(_table([found]))
    for event in history:
        at = clock.strftime("%F %T", clock.localtime(event["time"]))
        terminal.print(
            printable(f"{at}  {event['state']:10}  {event['cause']}"), soft_wrap=True, highlight=False
        )
    if run := found["run"]:
        print(visible(f"MLflow: {run['url'] or 'run ' + run['id']}"))
    if front:
        terminal.print(_members(front))


def logs_command(
    job: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
    server: Server = HERE,
) -> None:
    """Print what a job's search says; with -f until it ends, and the exit code says how."""
    client = _client(server)
    if follow:
        raise typer.Exit(_follow(client, job))
    _print_log(client, job, 0)


def stop_command(job: Id, server: Server = HERE) -> None:
    """Stop a job at the next safe point; its front is proved and kept."""
    print(_client(server).ask("POST", f"/jobs/{job}/stop").json()["state"])


def resume_command(
    job: Id,
    max_ops: Annotated[int | None, typer.Option(help="Larger programs. [default: as before]")] = None,
    time: Annotated[
        str | None, typer.Option(help="Budget from here on: 60s, 10m, 1h. [default: the last one again]")
    ] = None,
    generations: Generations = None,
    error: MaxError = None,
    follow: Follow = False,
    server: Server = HERE,
) -> None:
    """Go on with a job that ended, from where it was; its front never gets worse."""
    asked = {"max_ops": max_ops, "time": time, "generations": generations, "error": error}
    changes = {name: value for name, value in asked.items() if value is not None}
    client = _client(server)
    print(client.ask("POST", f"/jobs/{job}/resume", json={"changes": changes}).json()["state"], flush=True)
    if follow:
        raise typer.Exit(_follow(client, job))


def delete_command(job: Id, server: Server = HERE) -> None:
    """Delete a job that ended, with its folder and all that it found."""
    _client(server).ask("DELETE", f"/jobs/{job}")
    print(f"Job {job} is deleted.")


def best_command(
    target: Annotated[str, typer.Argument(help="A catalogue name, or an expression of x.")],
    interval: Interval = None,
    metric: Annotated[str | None, typer.Option(help=METRIC)] = None,
    dtype: Dtype = None,
    ops: Annotated[
        int | None, typer.Option(help="Only the best of at most so many operations.", min=0)
    ] = None,
    error: Annotated[
        float | None, typer.Option("--error", "--max-error", help="Only the shortest of at most this error.")
    ] = None,
    to: Annotated[str | None, typer.Option(help=f"As {', '.join(api.EXPORT_FORMATS)}.")] = None,
    output: Output = None,
    server: Server = HERE,
    as_json: Json = False,
) -> None:
    """Print the best formulas of all jobs of a service for TARGET, or export the one."""
    client = _client(server)
    found = client.get(
        "/best", target=target, interval=interval, metric=metric, dtype=dtype, ops=ops, error=error
    )
    members = found["members"]
    nothing = f"No job has found such a formula of {visible(_title(found))} yet."
    if to is not None:
        if not members:
            raise NothingError(nothing)
        if len(members) != 1:
            there = ", ".join(str(m["ops"]) for m in members)
            raise typer.BadParameter(f"one formula goes to {to}: choose by --ops; there are {there}.")
        _export(client, members[0], to, output)
    elif as_json:
        print_json(found)
    elif members:
        Terminal().print(_members(members))
    else:
        print(nothing)


def _title(found: dict[str, Any]) -> str:
    """What the best formulas were asked for."""
    return f"{found['target']} on ({', '.join(found['interval'])}), {found['metric']} error,"


def _export(client: "Client", member: dict[str, Any], to: str, output: Path | None) -> None:
    path = f"/jobs/{member['job']}/export/{to}"
    content = client.ask("GET", path, params={"ops": member["ops"]}).content
    if output is not None:
        write_atomically(output, content)
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def _follow(client: "Client", id: str) -> int:
    """Prints a job's log until it ends; 0 if it succeeded, else 1."""
    offset = 0
    while True:
        job = client.get(f"/jobs/{id}")
        offset = _print_log(client, id, offset)
        if job["state"] in ENDED:
            print(visible(f"{job['state']}: {job['cause']}"), flush=True)
            return 0 if job["state"] == "succeeded" else 1
        clock.sleep(_LOOK)


def _print_log(client: "Client", id: str, offset: int) -> int:
    """Prints a log after a byte; where to go on."""
    while True:
        answer = client.ask("GET", f"/jobs/{id}/log", params={"offset": offset})
        print("\n".join(map(visible, answer.text.split("\n"))), end="", flush=True)
        end = int(answer.headers["Next-Offset"])
        if end == offset:
            return offset
        offset = end


def _table(jobs: list[dict[str, Any]]) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for column in ("job", "owner", "target", "state"):
        table.add_column(column, overflow="fold")
    table.add_column("core s", justify="right")
    table.add_column("why", overflow="fold")
    for job in jobs:
        waits = job["queue"]
        why = job["cause"] if waits is None else f"place {waits['place']}: {waits['reason']}"
        cells = (job["id"], job["owner"], job["title"], job["state"], f"{job['core_seconds']:.0f}", why)
        table.add_row(*map(printable, cells))
    return table


def _members(members: list[dict[str, Any]]) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for column in ("ops", "max error", "proved"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    for member in members:
        bound = member.get("proved_bound")
        proved = "" if bound is None else f"{bound:.4e}"
        table.add_row(
            str(member["ops"]), f"{member['sampled_error']:.4e}", proved, printable(member["formula"])
        )
    return table
