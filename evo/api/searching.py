"""Searches: begun and taken up again; their specifications checked before that."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evo.api.functions import entries_of_function
from evo.api.sources import remembered
from evo.api.starts import begun
from evo.fronts.front import Front
from evo.runs.directory import DirectoryError, default_directory, locked, refuse_if_taken
from evo.runs.journal import Sink
from evo.runs.search import CHANGES, Search, make_problem
from evo.runs.session import QUIET, Crew, Opener, Watcher, run_search
from evo.runs.spec import SearchSpec, SpecError, load_spec, make_spec
from evo.runs.workers import WORKERS, WorkersError, check_address, knock
from evo.runs.yaml_file import read_mapping
from evo.targets.catalogue import CATALOGUE
from evo.targets.target import Target


def search(
    target: str | None = None,
    *,
    spec: str | Path | None = None,
    out: str | Path | None = None,
    core: str | None = None,
    start: str | None = None,
    workers: str = "ray",
    address: str | None = None,
    processes: int | None = None,
    record: bool = True,
    tracking_uri: str | None = None,
    sink: Sink | None = None,
    watcher: Watcher = QUIET,
    **entries: Any,
) -> Front:
    """Evolves formulas for `target` and returns the front.

    Args:
        target: a catalogue name, or an expression of x, or a file of functions such as SUITE.fpcore.
        core: name or number of the function in that file; may be left out where there is one.
        start: "complete:N" begins with the best programs of a complete survey to N ops, which is made first.
        spec: a YAML file of entries; those given here take precedence.
        out: directory of the search; a new one under `runs` by default.
        workers: "ray", or "serial" for all islands in this process: one for each length of `stretch`.
        address: a running Ray cluster; a local one by default.
        processes: of Ray, at most; one per CPU of the cluster by default.
        record: deliver the records to MLflow; without it they stay in the directory (see `deliver`).
        tracking_uri: of MLflow; $MLFLOW_TRACKING_URI, else mlflow.db in the current folder, by default.
        sink: takes the records instead.
        watcher: is told of progress, and may stop the search.
        entries: of `evo.runs.spec.SearchSpec`: interval, ops, metric, max_ops, time, generations, seed, ...

    Raises:
        SpecError, TargetError, OpError: the search makes no sense.
        DirectoryError: the directory holds a search already, or cannot be written.
        WorkersError, BackendError, BuildError: this machine or cluster cannot run it.
    """
    crew = _crew(workers, address, processes)
    if target is None and spec is None and "target" not in entries:
        names = ", ".join(CATALOGUE)
        raise SpecError(f"Name a target ({names}) or a --spec file")
    given = (
        entries if target is None else {**entries_of_function(target, core, "interval" in entries), **entries}
    )
    full = load_spec(Path(spec), given) if spec is not None else make_spec(given)
    directory = Path(out) if out is not None else default_directory(full.target, full.seed)
    if start is not None:
        refuse_if_taken(directory)  # before the minutes that a survey takes; under the lock again
        full = begun(full, start, watcher)
    if workers == "serial" and full.islands is None:  # as many as the machine has processors share one
        full = full.model_copy(update={"islands": len(full.stretch)})
    made = Search(full, directory)
    with locked(directory):
        made.refuse_if_taken()
        opener = _opener(record, tracking_uri, sink, watcher)
        return remembered(run_search(made, crew, opener, watcher), directory)


def resume(
    directory: str | Path,
    *,
    workers: str = "ray",
    address: str | None = None,
    processes: int | None = None,
    record: bool = True,
    tracking_uri: str | None = None,
    sink: Sink | None = None,
    watcher: Watcher = QUIET,
    **changes: Any,
) -> Front:
    """Goes on with the search of a directory; its front never gets worse.

    Args:
        directory: of the search.
        workers, address, processes, record, tracking_uri, sink, watcher: as for `search`.
        changes: `time`, `generations` or `error`, in place of all three of the first session's; more
            `max_ops`.

    Raises:
        DirectoryError: no such directory, or another process runs its search.
        CheckpointError: a damaged checkpoint, or none.
        SpecError, WorkersError, BackendError, BuildError: as `search`.
    """
    crew = _crew(workers, address, processes)
    if other := set(changes) - set(CHANGES):
        raise SpecError(f"A search goes on as it was: leave out {', '.join(sorted(other))}")
    checked = make_spec({"target": "x", **changes}).model_dump(include=set(changes))
    here = Path(directory)
    if not os.path.isdir(here):
        raise DirectoryError(f"No search directory {here}.")
    with locked(here):
        opener = _opener(record, tracking_uri, sink, watcher)
        return remembered(run_search(Search.resume(here, checked), crew, opener, watcher), here)


def check_entries(entries: Mapping[str, Any]) -> SearchSpec:
    """The specification that entries make; its target is looked at by `check_target`.

    Raises:
        SpecError: names the first wrong entry, what was expected and what came.
        OpError: an unknown op.
    """
    return make_spec(entries)


def read_entries(path: str | Path) -> dict[str, Any]:
    """The entries of a specification's file, unchecked, as JSON can hold them.

    Raises:
        SpecError: no such file, not YAML, not a mapping.
    """
    return {name: _as_json(value) for name, value in read_mapping(Path(path)).items()}


def _as_json(value: Any) -> Any:
    """Numbers with a point as they are written, dates and the like as texts."""
    if isinstance(value, dict):
        return {str(name): _as_json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_as_json(entry) for entry in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def check_search(entries: Mapping[str, Any]) -> Target:
    """The target of a search that is not begun; behind a range reduction, that of its core.

    Raises:
        SpecError, TargetError, OpError, BackendError: as `search`.
    """
    return make_problem(make_spec(entries).settled()).target


def cluster_trouble(address: str) -> str | None:
    """Why no search can begin on a Ray cluster now; None if something listens there. Takes at most 3 s.

    Args:
        address: HOST:PORT.

    Raises:
        AddressError: it is none of a cluster.
    """
    check_address(address)
    try:
        knock(address)
    except WorkersError as error:
        return str(error)
    return None


def _crew(kind: str, address: str | None, processes: int | None) -> Crew:
    if kind not in WORKERS:
        raise SpecError(f"--workers is {' or '.join(WORKERS)}, not {kind!r}")
    if address is not None and kind == "serial":
        raise SpecError("--workers serial is this process alone: leave out --address, or --workers serial")
    if address is not None:
        check_address(address)
    if processes is not None and processes < 1:
        raise SpecError(f"--processes: at least 1, got {processes}")
    return Crew(kind, address, processes)


def _opener(record: bool, tracking_uri: str | None, sink: Sink | None, watcher: Watcher) -> Opener:
    """What opens the sink of a directory, once there is something to keep."""
    from tracking.mlflow_sink import check_address, open_sink, resolve_tracking_uri
    from tracking.sink import JsonLinesSink

    if sink is not None:
        return lambda directory: _Lent(sink)
    if not record:
        return lambda directory: JsonLinesSink(directory / "records.jsonl", watcher.says)
    try:
        check_address(resolve_tracking_uri(tracking_uri))
    except ValueError as error:
        raise SpecError(str(error)) from None
    return partial(open_sink, tracking_uri=tracking_uri, warn=watcher.says)


@dataclass(frozen=True)
class _Lent:
    """A caller's sink, which the caller closes."""

    sink: Sink

    def write(self, record: Mapping[str, Any]) -> None:
        self.sink.write(record)

    def close(self, timeout_s: float) -> None:
        pass


def local_sink(directory: Path) -> Any:
    """A sink whose store is a database in the directory itself."""
    from tracking.mlflow_sink import open_sink

    return open_sink(directory, f"sqlite:///{directory}/mlflow.db")
