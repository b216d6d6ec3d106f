"""One search in its directory, from the lock to the last record, as a watcher sees it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo.backends.backend import BACKENDS
from evo.errors import EvonumError
from evo.files import word
from evo.fronts.front import Front
from evo.runs.directory import UnwritableError, cannot_keep
from evo.runs.evolution import evolve
from evo.runs.journal import Progress
from evo.runs.search import Search
from evo.runs.workers import make_workers
from evo.targets.checks import anchors
from evo.targets.target import Target

MLFLOW_S = 300.0
"""How long a search's end may wait for MLflow [s]: where many searches end at once on few cores, their models
take minutes. A store that does not answer is given up after seconds."""

Opener = Callable[[Path], Any]
"""Opens the sink of a directory, once there is something to keep."""


class NothingFoundError(EvonumError):
    """A search spent its budget, and no formula has a finite error; its directory is kept."""

    kind = "machine"


@dataclass(frozen=True)
class End:
    """How a search ended.

    Attributes:
        directory: where everything is.
        front: proved.
        stopped: by its watcher, before the budget was spent.
        sought: error that was to be reached, if any.
    """

    directory: Path
    front: Front
    stopped: bool
    sought: float | None = None


class Watcher:
    """What a search tells and asks, in its own thread; this one says nothing and never stops it.

    The calls come in this order: `opens`, `begins`, `advances` and `stops` again and again, `ends` (not after
    an error); `says` at any time.
    """

    def says(self, text: str) -> None:
        """One line: what the search waits for, what went wrong and how it goes on."""

    def opens(self, directory: Path, target: Target) -> None:
        """The specification is right and the directory is the search's; workers are started next."""

    def begins(self) -> None:
        """The workers are there; from now on everything is kept. An exception ends the search before that."""

    def advances(self, progress: Progress) -> None:
        """Epochs ended."""

    def stops(self) -> bool:
        """Whether the search is to end at the next safe point."""
        return False

    def ends(self, end: End) -> None:
        """All is kept, and the workers are gone."""


QUIET = Watcher()


@dataclass(frozen=True)
class Crew:
    """Where a search runs.

    Attributes:
        workers: a kind of `WORKERS`.
        address: of a running cluster; None: this machine.
        processes: at most so many; None: one per CPU of this machine, or what is due of a cluster's.
    """

    workers: str
    address: str | None = None
    processes: int | None = None


def run_search(search: Search, crew: Crew, open_sink: Opener, watcher: Watcher) -> Front:
    """Runs a search whose directory is locked; its front.

    Raises:
        WorkersError: no workers, or they failed for good.
        UnwritableError: the directory cannot be written.
        NothingFoundError: the front is empty at the end.
    """
    try:
        front, status = _evolve(search, crew, open_sink, watcher)
    except EvonumError:
        raise
    except OSError as error:
        raise UnwritableError(
            f"{cannot_keep(search.directory, error)} What was saved before stays; "
            f"go on with: evonum search --resume {word(search.directory)}"
        ) from error
    watcher.ends(End(search.directory, front, status == "KILLED", search.spec.error))
    if not len(front) and status != "KILLED":
        raise NothingFoundError(_tried(search))
    return front


def _tried(search: Search) -> str:
    """What was tried where nothing was found, and what to do."""
    target, spec = search.problem.target, search.spec
    places = (
        []
        if search.problem.goal is not None
        else [f"x = {anchor.at}" for anchor in anchors(target) if anchor.order]
    )
    exact = (
        f": beside all else a formula has to match the zeros and poles of {target.name} exactly, at"
        f" {', '.join(places)}"
        if places
        else ""
    )
    required = f" and satisfies {', '.join(spec.require)} at every input" if spec.require else ""
    programs = f"{search.archipelago.counts['fitted']:,} programs of up to {spec.max_ops} ops over {spec.ops}"
    return (
        f"Nothing is found: of {programs} none has a finite {target.metric} error on"
        f" ({target.lo}, {target.hi}){required}{exact}. Go on with evonum search"
        f" --resume {word(search.directory)} and more --time or --max-ops, or begin one with other --ops or"
        " --metric absolute."
    )


def _evolve(search: Search, crew: Crew, open_sink: Opener, watcher: Watcher) -> tuple[Front, str]:
    """The front and the status, with everything that was opened for them closed again."""
    from evo.classical.pictures import BackgroundLines, NoLines

    target = search.problem.target
    watcher.opens(search.directory, target)
    if crew.workers == "ray":
        watcher.says("starting workers ...")
    made = make_workers(search.problem, search.islands, crew.workers, crew.address, crew.processes)
    with contextlib.closing(made) as workers:
        if first := BACKENDS[search.spec.backend].first:
            watcher.says(first)
        watcher.begins()
        search.make_directory()
        sink = open_sink(search.directory)
        classical = NoLines() if search.spec.full else BackgroundLines(target, search.spec.max_ops)
        try:
            return evolve(search, workers, sink, watcher.advances, watcher.stops, classical, watcher.says)
        finally:
            classical.close()
            sink.close(timeout_s=MLFLOW_S)
