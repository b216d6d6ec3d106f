"""The pipeline in one function: islands evolve, the front grows, everything is kept.

The driver hands epochs to workers and takes their members into the front; what an island is given depends
on numbers alone (evo/runs/archipelago.py), not on who was faster: the same seed, islands and generations give
the same front on any number of CPUs, and after any number of restarts.

A search directory holds spec.json, checkpoint.npz, front.json, certificates/ and records.jsonl.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evo.files import clear_scratch, write_atomically
from evo.fronts.front import Front, FrontError, Member, curve
from evo.fronts.verify import save_certificates, verified_front, verify
from evo.islands.epoch import Finished
from evo.islands.generation import Problem
from evo.kernels.vary import Variation
from evo.programs.ops import parse_ops
from evo.runs import checkpoint
from evo.runs.archipelago import Archipelago
from evo.runs.directory import DirectoryError, cannot_keep
from evo.runs.journal import Journal, Progress, Sink
from evo.runs.saver import Saver
from evo.runs.spec import SearchSpec, make_spec, of_older, read_spec
from evo.runs.workers import LostError, RayWorkers, SerialWorkers, Workers, WorkersError
from evo.targets.target import make_target

PATIENCE = 20.0
"""Time without any process for the islands after which the search says so [s]."""
TRIES = 5
"""Times that a search goes back to one checkpoint before it gives up. A node's death may take two: Ray tells
that processes are lost before it knows that their node is."""

Families = Mapping[str, Sequence[tuple[int, float]]]


def make_problem(spec: SearchSpec) -> Problem:
    """What the specification's islands search for.

    Raises:
        TargetError, OpError: the target or the ops are no good.
    """
    target = make_target(spec.target, spec.interval, spec.metric)
    spec = spec.settled()
    variation = Variation(parse_ops(spec.ops), spec.max_ops, spec.mutations, spec.tiers)
    return Problem(
        target, variation, spec.seed, spec.offspring or 0, spec.parents or 0, spec.niche or 0,
        spec.cache_entries or 0, backend=spec.backend, stretch=spec.stretch,
    )  # fmt: skip


def make_workers(problem: Problem, islands: int, kind: str, address: str | None) -> Workers:
    """Workers of a kind: "ray" or "serial".

    Raises:
        WorkersError: no cluster answers.
    """
    return SerialWorkers(problem) if kind == "serial" else RayWorkers(problem, islands, address)


class Search:
    """One search in one directory; new, or made by `resume`; advanced by `run`.

    Raises:
        TargetError, OpError: the target or the ops are no good.
    """

    def __init__(self, spec: SearchSpec, directory: Path) -> None:
        self.spec = spec.settled()
        self.directory = directory
        self.problem = make_problem(self.spec)
        self.front = Front(())
        self._islands = self._archipelago(self.spec.islands or 1)
        self._seconds = 0.0
        self._is_older = False
        self._whole = True
        self._saved = False
        self._undone = 0
        self._went_back = -1, 0
        self._curves: dict[Member, dict[str, list[float]]] = {}

    @property
    def islands(self) -> int:
        """How many islands evolve."""
        return len(self._islands)

    def _archipelago(self, islands: int) -> Archipelago:
        spec = self.spec
        return Archipelago(islands, spec.epoch, spec.generations, max(spec.max_ops, 2), len(spec.stretch))

    def refuse_if_taken(self) -> None:
        """Checks that a new search may use the directory; the caller holds its lock.

        Raises:
            DirectoryError: it holds a search already.
        """
        if any((self.directory / name).exists() for name in ("spec.json", "checkpoint.npz", "front.json")):
            raise DirectoryError(
                f"{self.directory} holds a search already: go on with --resume {self.directory} (which "
                "starts over if that search died before its first checkpoint), or use another --out."
            )

    def make_directory(self) -> Path:
        """Makes the directory, with the specification in it.

        Raises:
            DirectoryError: it cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            text = self.spec.model_dump_json(indent=1) + "\n"
            write_atomically(self.directory / "spec.json", text.encode())
        except OSError as error:
            raise cannot_keep(self.directory, error) from None
        return self.directory

    @classmethod
    def resume(cls, directory: Path, budget: Mapping[str, Any]) -> "Search":
        """The search of a directory as its last checkpoint has it; the caller holds the directory's lock.

        A search that died before its first checkpoint starts over, from its spec.json. Formulas in front.json
        that were found after the checkpoint are kept.

        Args:
            budget: `time` or `generations`, in place of the first session's.

        Raises:
            CheckpointError: no checkpoint, or a damaged one.
        """
        path, fresh = directory / "checkpoint.npz", directory / "spec.json"
        meta, arrays = (None, {}) if fresh.exists() and not path.exists() else checkpoint.load(path)
        try:
            known = read_spec(fresh) if meta is None else meta["spec"]
            read = of_older(known)
            kept = {k: v for k, v in read.items() if not budget or k not in ("time", "generations")}
            search = cls(make_spec({**kept, **budget}), directory)
            search._is_older = read != known
            if meta is not None:
                search._restore(meta, arrays)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise checkpoint.CheckpointError(
                f"{fresh if meta is None else path} cannot be resumed: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}."
            ) from None
        search._take_front()
        clear_scratch(path)
        return search

    def run(
        self,
        workers: Workers,
        sink: Sink | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
        families: Callable[[], Families] = dict,
        warn: Callable[[str], None] = lambda text: None,
    ) -> tuple[Front, str]:
        """Evolves until the budget is spent or `should_stop`; at least one generation.

        `families` gives the lines of the classical forms for the pictures, once they are known; `warn` is
        told in one line what the search waits for, and when it goes back to its last checkpoint because a
        node of the cluster died: what that held is lost. With a budget of generations the end is the same as
        if it had not.

        The caller holds the directory's lock and closes the workers. The front is written whenever it
        changes, and whatever ends the search, its last states are saved first.

        Returns:
            The front, and "FINISHED" or "KILLED" (stopped).

        Raises:
            WorkersError: an island failed for good, values were lost again and again, or no process came
                for any island within the time budget.
            OSError: the directory cannot be written (the disk is full); what was saved before stays.
        """
        started, before = time.monotonic(), self._seconds
        fitted_before = self._islands.counts["fitted"]
        budget = self.spec.budget

        def progress() -> Progress:
            spent = time.monotonic() - started
            self._seconds = before + spent
            fitted = self._islands.counts["fitted"] + self._undone - fitted_before
            left = None if budget is None else budget - spent
            return self._progress(left, fitted / max(spent, 1e-9), families())

        def advance() -> None:
            on_progress(now := progress())
            journal.advance(now)

        journal = Journal(sink, self.spec, self.problem.target, self.directory)
        journal.start(resumed=bool(before))
        saver = Saver(self.spec.save_every)
        if self._is_older:
            warn(
                "An older version of evonum began this search: what it found is kept, but it does not go on "
                "exactly as it would have there."
            )
        try:
            self._islands.hand(workers.put)
            stopped = self._evolve(workers, saver, started, advance, should_stop, warn)
            self.front = self._proved()
        except BaseException as error:
            saver.close()
            self._rescue(workers)
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            journal.end(progress(), status, f"{type(error).__name__}: {error}")
            raise
        saver.close()
        status = "KILLED" if stopped else "FINISHED"
        journal.end(progress(), status, "stopped" if stopped else "budget spent")
        return self.front, status

    def _evolve(
        self,
        workers: Workers,
        saver: Saver,
        started: float,
        advance: Callable[[], None],
        should_stop: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> bool:
        """Runs epochs until the budget is spent, and saves; whether it was stopped before.

        Where values are lost it goes on from the last checkpoint.
        """
        before = self._seconds
        while True:
            try:
                stopped = self._run_epochs(workers, saver, started, advance, should_stop, warn)
                self._seconds = before + time.monotonic() - started
                saver.wait()
                self.save(workers)
                return stopped
            except LostError as error:
                self._go_back(workers, error, warn)

    def _run_epochs(
        self,
        workers: Workers,
        saver: Saver,
        started: float,
        advance: Callable[[], None],
        should_stop: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> bool:
        """Runs epochs until the budget is spent; whether it was stopped before."""
        stopping, begun, told, since = False, self._saved, False, time.monotonic()
        while True:
            now = time.monotonic()
            left = None if self.spec.budget is None else self.spec.budget - (now - started)
            stopping = stopping or should_stop()
            over = begun and left is not None and left <= 0
            if not stopping and not over:
                for island in self._islands.ready():
                    if workers.has_room(island):
                        workers.submit(*self._islands.start(island, left))
                begun = True
            late = workers.waiting()
            shortage = (
                f"The cluster has no free CPUs for the processes of {len(late)} of this search's "
                f"{self.islands} islands"
            )
            if stopping or (over and now - since > PATIENCE):  # what has not begun need not be waited for
                for island in late:
                    self._islands.withdraw(island)
            if not self._islands.running:
                if over and not self._saved and not stopping:
                    raise WorkersError(f"{shortage}, and its time is over.")
                return stopping
            if finished := workers.collect(timeout=0.2):
                self._apply(finished)
                advance()
                if not self._saved:
                    self.save(workers)
                    self._saved = True
                elif saver.due():
                    saver.begin(self._unless_lost(self._writer(workers)))
            elif late and now - since > PATIENCE and not told:
                warn(f"{shortage}. Waiting; Ctrl-C ends it.")
                told = True

    def _go_back(self, workers: Workers, error: LostError, warn: Callable[[str], None]) -> None:
        """Goes back to the last checkpoint, or to the start; the front keeps what was found since.

        Raises:
            WorkersError: there was no other checkpoint since the last times.
        """
        path = self.directory / "checkpoint.npz"
        islands = self._archipelago(self.islands)
        if path.exists():
            try:
                meta, arrays = checkpoint.load(path)
                islands.restore(meta["islands"], arrays)
            except (LookupError, TypeError, ValueError) as damaged:  # CheckpointError among them
                warn(f"{path} cannot be read ({type(damaged).__name__}); the islands start over.")
                islands = self._archipelago(self.islands)
        done, had = islands.generations, self._islands.generations
        self._went_back = done, self._went_back[1] + 1 if self._went_back[0] == done else 1
        if self._went_back[1] > TRIES:
            raise WorkersError(
                f"{error} The search went back {TRIES} times to one checkpoint, of {done} generations, and "
                f"got to no other; go on with: evonum search --resume {self.directory}"
            ) from error
        warn(f"{error} Going back from {had} generations to the {done} of the last checkpoint.")
        self._undone += self._islands.counts["fitted"] - islands.counts["fitted"]
        self._islands = islands
        workers.restart()
        islands.hand(workers.put)

    def save(self, workers: Workers) -> None:
        """Writes front.json and checkpoint.npz, each whole or not at all.

        Raises:
            OSError: no space, or the directory is gone; the front is written even where the larger
                checkpoint cannot be.
            LostError: a state is lost; an older checkpoint stays.
        """
        self.front.save(self.directory / "front.json")
        self._writer(workers)()

    def _writer(self, workers: Workers) -> Callable[[], None]:
        """What writes a checkpoint of the search as it is now, whenever it is called."""
        islands, values = self._islands.kept()
        meta = {
            "spec": self.spec.model_dump(mode="json"),
            "seconds": self._seconds,
            "islands": islands,
            "front": json.loads(self.front.to_json()),
        }

        def write() -> None:
            arrays = (
                pair
                for name, value in values
                for pair in checkpoint.to_arrays(name, workers.fetch(value)).items()
            )
            checkpoint.save(self.directory / "checkpoint.npz", meta, arrays)

        return write

    def _unless_lost(self, write: Callable[[], None]) -> Callable[[], bool]:
        """What writes, and says whether it did: not where values are lost or come too slowly.

        A later checkpoint may have them; if not, the search itself misses them.
        """

        def write_unless_lost() -> bool:
            with contextlib.suppress(LostError):
                write()
                return True
            return False

        return write_unless_lost

    def _rescue(self, workers: Workers) -> None:
        """Saves what there is when something else went wrong already."""
        with contextlib.suppress(Exception):
            self.front.save(self.directory / "front.json")
        if self._whole:
            with contextlib.suppress(Exception):
                self.save(workers)

    def _proved(self) -> Front:
        """The front with its bounds; they go to front.json and certificates/."""
        found = [verify(member) for member in self.front]
        front = verified_front(found)
        save_certificates(self.directory, found)
        front.save(self.directory / "front.json")
        return front

    def _take_front(self) -> None:
        """Takes from front.json what was found after the last checkpoint.

        A proved front is of a session's end, and the checkpoint's but for rounding.
        """
        target = self.problem.target

        def is_news(m: Member) -> bool:
            known = min((own.sampled_error for own in self.front if own.ops <= m.ops), default=math.inf)
            ours = (m.target, m.interval, m.metric) == (target.name, target.interval, target.metric)
            return ours and (m.proved_bound is None or m.sampled_error < 0.999 * known)

        with contextlib.suppress(FrontError):
            news = filter(is_news, Front.load(self.directory / "front.json"))
            self.front = Front.of([*self.front, *news]).found_first(self.front)

    def _restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        self._seconds = float(meta["seconds"])
        self.front = Front.from_objects(meta["front"])
        self._islands = self._archipelago(len(meta["islands"]))
        self._islands.restore(meta["islands"], arrays)

    def _apply(self, finished: Sequence[Finished]) -> None:
        """Takes outcomes of epochs; the front is written if it is another now."""
        before = self.front
        members = [member for one in finished for member in one.outcome.members]
        found = Front.of([*before, *members]).found_first(before) if members else before
        self._whole = False  # a second Ctrl-C amid these lines must not reach the checkpoint
        self.front = found
        for one in finished:
            self._islands.finish(one)
        self._whole = True
        if self.front != before:
            self.front.save(self.directory / "front.json")

    def _progress(self, left: float | None, rate: float, families: Families) -> Progress:
        islands, total = self._islands.islands, self.spec.generations
        done = self._islands.generations
        points = self.problem.select_points
        self._curves = {m: self._curves.get(m) or curve(m, points) for m in self.front}
        return Progress(
            front=self.front,
            curves={str(m.ops): self._curves[m] for m in self.front},
            families=families,
            seconds=self._seconds,
            left=left,
            generations=done,
            generations_left=None if total is None else total * len(islands) - done,
            counts=self._islands.counts,
            cache_used=sum(i.used for i in islands),
            per_second=rate,
        )
