"""One session of a search: the clock, what it is told and asked, and the loop over epochs.

The driver hands epochs to workers and takes their members into the front, until the budget is spent or
somebody asks for a stop. Where a node of the cluster dies, what it held is lost, and the session goes back to
the last checkpoint in the same run. Whatever ends it, the last states are saved first.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evo.fronts.front import Front, Member, curve
from evo.islands.epoch import Finished
from evo.islands.pool import Pool
from evo.runs.archipelago import Archipelago
from evo.runs.asking import SHARE
from evo.runs.attached import attached
from evo.runs.clock import Clock
from evo.runs.goal import Goal
from evo.runs.journal import Journal, Progress, Sink
from evo.runs.retreat import Retreat
from evo.runs.saver import Saver
from evo.runs.search import Search
from evo.runs.workers import LostError, Workers, WorkersError
from evo.targets.points import select_points

PATIENCE = 20.0
"""Time without cores, or then without any process for the islands, after which the search says so [s]."""

Families = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class Hooks:
    """What a session is told and asked by whoever runs it; see `evolve`."""

    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    families: Callable[[], Families]
    warn: Callable[[str], None]


def evolve(
    search: Search,
    workers: Workers,
    sink: Sink | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    families: Callable[[], Families] = dict,
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[Front, str]:
    """Evolves until the budget is spent or a stop is asked for; at least one generation.

    The caller holds the directory's lock and closes the workers. The front is written whenever it changes.
    With a budget of generations the end is the same as if no node had died.

    Args:
        search: what is evolved.
        workers: where epochs run.
        sink: takes the records.
        on_progress: told whenever epochs ended.
        should_stop: asked several times a second.
        families: the lines of the classical forms for the pictures, once they are known.
        warn: told in one line what the search waits for, and when it goes back.

    Returns:
        The front, and "FINISHED" or "KILLED" (stopped).

    Raises:
        WorkersError: an island failed for good, values were lost again and again, or no process came
            for any island within the time budget.
        OSError: the directory cannot be written (the disk is full); what was saved before stays.
    """
    return _Session(search, workers, sink, Hooks(on_progress, should_stop, families, warn)).run()


class _Session:
    """The clock of one session, and what happened in it."""

    def __init__(self, search: Search, workers: Workers, sink: Sink | None, hooks: Hooks) -> None:
        self._search, self._workers, self._hooks = search, workers, hooks
        self._clock, self._before = Clock(self._evolving, workers.ahead), search.seconds
        self._retreat = Retreat(search, workers, hooks.warn)
        self._goal, self._done = Goal(search.spec.error, search.islands), search.archipelago.generations
        self._fitted_before = search.archipelago.counts["fitted"]
        self._journal = Journal(sink, search.spec, search.problem.target, search.directory)
        self._saver = Saver(search.spec.save_every)
        self._saved = self._compared = False
        self._points = select_points(search.problem.target)
        self._curves: dict[Member, dict[str, list[float]]] = {}

    def run(self) -> tuple[Front, str]:
        """The session from its first record to its last."""
        search = self._search
        with contextlib.suppress(LostError):  # which is told again where there is a checkpoint to go back to
            self._wait_for_cores()
        self._journal.start(resumed=bool(self._before))
        for remark in search.remarks:
            self._hooks.warn(remark)
        try:
            search.archipelago.hand(self._workers.put)
            stopped = self._evolve()
            search.prove(self._hooks.warn, self._archives, 0.0 if stopped else self._mending)
        except BaseException as error:
            self._saver.close()
            search.rescue(self._workers.fetch)
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            self._journal.end(self._progress(), status, f"{type(error).__name__}: {error}")
            raise
        self._saver.close()
        status = "KILLED" if stopped else "FINISHED"
        reason = "stopped" if stopped else "error reached" if self._has_goal() else "budget spent"
        files = partial(attached, search.directory, search.spec, search.front)
        self._journal.end(self._progress(), status, reason, files)
        return search.front, status

    @property
    def _mending(self) -> float:
        """Time for what does not satisfy what is required [s]; all of it, where nothing else ends it."""
        if not self._search.mends:
            return 0.0
        budget = self._search.spec.budget
        return math.inf if budget is None else SHARE * budget

    @property
    def _evolving(self) -> float | None:
        """Time for epochs [s]; None: generations end them."""
        budget = self._search.spec.budget
        return None if budget is None else budget - self._mending

    def _archives(self) -> list[Pool]:
        with contextlib.suppress(LostError):
            return self._search.archives(self._workers.fetch)
        return []

    def _evolve(self) -> bool:
        """Runs epochs until the budget is spent, and saves; whether it was stopped before.

        Where values are lost it goes on from the last checkpoint.
        """
        while True:
            try:
                stopped = self._run_epochs()
                self._clock.stop()
                self._search.seconds = self._before + self._clock.spent
                self._saver.wait()
                self._search.save(self._workers.fetch)
                return stopped
            except LostError as error:
                self._retreat.go_back(error)

    def _run_epochs(self) -> bool:
        """Runs epochs until the budget is spent; whether it was stopped before."""
        search, workers = self._search, self._workers
        self._wait_for_cores()
        stopping, begun, told, since = False, self._saved, False, time.monotonic()
        while True:
            stopping = stopping or self._hooks.should_stop()
            over = begun and (self._clock.is_over or self._has_goal())
            if not stopping and not over:
                self._submit(anyway=not begun)
                begun = True
            late, waited = workers.waiting(), time.monotonic() - since
            if not late:
                self._compare_processors()
            if len(late) < search.islands or waited > PATIENCE:
                self._clock.start()
            shortage = (
                f"The processes of {len(late)} of this search's {search.islands} islands have not begun"
            )
            if stopping or (over and waited > PATIENCE):  # what has not begun need not be waited for
                for island in late:
                    search.archipelago.withdraw(island)
            if not search.archipelago.running:
                if over and not self._saved and not stopping:
                    raise WorkersError(f"{shortage}, and its time is over.")
                return stopping
            if finished := workers.collect(timeout=0.2):
                self._take(finished)
            elif late and waited > PATIENCE and not told:
                self._hooks.warn(f"{shortage}. Waiting; Ctrl-C ends it.")
                told = True

    def _wait_for_cores(self) -> None:
        """Returns once the workers have their cores, a stop is asked for, or there is no time left for them.

        What waits for cores has no time to spend: the clock stands.
        """
        since, told = time.monotonic(), False
        while not (self._clock.is_over and self._saved) and not self._workers.reserved(timeout=0.2):
            self._clock.stop()
            if self._hooks.should_stop():
                return
            if time.monotonic() - since > PATIENCE and not told:
                self._hooks.warn(
                    "The cluster has fewer free CPUs than this search's processes need together. Waiting; its"
                    " time does not run meanwhile, and Ctrl-C ends it."
                )
                told = True

    def _has_goal(self) -> bool:
        search = self._search
        return self._goal.is_reached(search.front, search.archipelago.generations - self._done)

    def _compare_processors(self) -> None:
        """Says, once, that the processes of the islands do not add up alike."""
        kinds = self._workers.processors()
        if len(kinds) > 1 and not self._compared:
            self._compared = True
            listed = "; ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items()))
            self._hooks.warn(
                f"The processors of the islands' processes differ ({listed}): this search may not repeat "
                "exactly, as the order of sums follows a processor's vectors."
            )

    def _submit(self, anyway: bool) -> None:
        """Hands out the epochs that may run now, and end in time or are to be run anyway."""
        islands, workers = self._search.archipelago, self._workers
        for i in islands.ready():
            queued, least = workers.queued(i), islands.islands[i].least
            if queued < workers.ahead and (anyway or self._clock.allows(least, queued)):
                workers.submit(*islands.start(i, self._clock.limit()))

    def _take(self, finished: Sequence[Finished]) -> None:
        """Takes outcomes, tells of them, and saves when it is time."""
        self._search.apply(finished)
        self._hooks.on_progress(now := self._progress())
        self._journal.advance(now)
        if not self._saved:
            self._search.save(self._workers.fetch)
            self._saved = True
        elif self._saver.due():
            self._saver.begin(_unless_lost(self._search.writer(self._workers.fetch)))

    def _progress(self) -> Progress:
        search, spent = self._search, self._clock.spent
        islands: Archipelago = search.archipelago
        search.seconds = self._before + spent
        fitted = islands.counts["fitted"] + self._retreat.undone - self._fitted_before
        total = search.spec.generations
        self._curves = {m: self._curves.get(m) or curve(m, self._points) for m in search.front}
        return Progress(
            front=search.front,
            curves={str(m.ops): self._curves[m] for m in search.front.of_each_size()},
            families=self._hooks.families(),
            seconds=search.seconds,
            left=self._clock.left,
            generations=islands.generations,
            generations_left=None if total is None else total * len(islands) - islands.generations,
            counts=islands.counts,
            cache_used=sum(island.used for island in islands.islands),
            per_second=fitted / max(spent, 1e-9),
        )


def _unless_lost(write: Callable[[], None]) -> Callable[[], bool]:
    """What writes, and says whether it did: not where values are lost or come too slowly.

    A later checkpoint may have them; if not, the search itself misses them.
    """

    def write_unless_lost() -> bool:
        with contextlib.suppress(LostError):
            write()
            return True
        return False

    return write_unless_lost
