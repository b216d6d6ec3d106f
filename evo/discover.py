"""The pipeline in one function: islands evolve, the front grows, everything is kept.

The driver hands epochs to workers. Island i may run epoch e once all others have finished epoch e - 2:
it then takes its neighbour's emigrants and everybody's new functions of that epoch. So islands rarely
wait, and what one is given depends on numbers alone, not on who was faster: the same seed, islands and
generations give the same front on any number of CPUs, and after any number of restarts.

A search directory holds spec.json, checkpoint.npz, front.json, certificates/ and records.jsonl.
"""

import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evo import checkpoint
from evo.cache import Entries
from evo.directory import DirectoryError, cannot_keep
from evo.files import write_atomically
from evo.front import Front, FrontError, Member
from evo.journal import Journal, Progress, Sink
from evo.members import Members
from evo.ops import parse_ops
from evo.pool import Pool
from evo.searcher import Problem, State
from evo.spec import SearchSpec, make_spec, read_spec
from evo.target import make_target
from evo.vary import Variation
from evo.verification import save_certificates, verified_front, verify
from evo.workers import Outcome, RayWorkers, SerialWorkers, Task, Workers, WorkersError

PATIENCE = 20.0
"""Time without any process for the islands after which the search says so [s]."""

Families = Mapping[str, Sequence[tuple[int, float]]]


@dataclass
class _Island:
    """An island as the driver knows it."""

    epochs: int = 0
    handle: Any = None
    running: bool = False
    generation: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    used: int = 0
    history: dict[int, tuple[Pool, Entries]] = field(default_factory=dict)


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
        spec.cache_entries, backend=spec.backend, stretch=spec.stretch,
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
        self._members = Members(self.problem)
        self._islands = [_Island() for _ in range(self.spec.islands or 1)]
        self._seconds = 0.0
        self._saved: list[State | None] = []
        self._whole = True

    @property
    def islands(self) -> int:
        """How many islands evolve."""
        return len(self._islands)

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
            raise cannot_keep(self.directory, error.strerror or str(error)) from None
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
            kept = {k: v for k, v in known.items() if not budget or k not in ("time", "generations")}
            search = cls(make_spec({**kept, **budget}), directory)
            if meta is not None:
                search._restore(meta, arrays)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise checkpoint.CheckpointError(
                f"{fresh if meta is None else path} cannot be resumed: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}."
            ) from None
        search._take_front()
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
        told in one line what the search waits for.

        The caller holds the directory's lock and closes the workers. The front is written whenever it
        changes, and whatever ends the search, its last states are saved first.

        Returns:
            The front, and "FINISHED" or "KILLED" (stopped).

        Raises:
            WorkersError: an island failed for good, or no process came for any within the time budget.
            OSError: the directory cannot be written (the disk is full); what was saved before stays.
        """
        started, before = time.monotonic(), self._seconds
        fitted_before = self._counts()["fitted"]
        budget = self.spec.budget

        def progress() -> Progress:
            spent = time.monotonic() - started
            self._seconds = before + spent
            fitted = self._counts()["fitted"] - fitted_before
            left = None if budget is None else budget - spent
            return self._progress(left, fitted / max(spent, 1e-9), families())

        def advance() -> None:
            on_progress(now := progress())
            journal.advance(now)

        journal = Journal(sink, self.spec, self.problem.target, self.directory)
        journal.start(resumed=bool(before))
        try:
            for island, state in zip(self._islands, self._saved, strict=False):
                island.handle = workers.put(state) if state else None
            self._saved = []
            stopped = self._evolve(workers, started, advance, should_stop, warn)
            self._seconds = before + time.monotonic() - started
            self.save(workers)
            self.front = self._proved()
        except BaseException as error:
            self._rescue(workers)
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            journal.end(progress(), status, f"{type(error).__name__}: {error}")
            raise
        status = "KILLED" if stopped else "FINISHED"
        journal.end(progress(), status, "stopped" if stopped else "budget spent")
        return self.front, status

    def _evolve(
        self,
        workers: Workers,
        started: float,
        advance: Callable[[], None],
        should_stop: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> bool:
        """Runs epochs until the budget is spent; whether it was stopped before."""
        saved_at, stopping, begun, told = -math.inf, False, False, False
        while True:
            spent = time.monotonic() - started
            left = None if self.spec.budget is None else self.spec.budget - spent
            stopping = stopping or should_stop()
            if not stopping and not (begun and left is not None and left <= 0):
                self._submit(workers, left)
                begun = True
            if stopping:  # what has not begun need not be waited for
                for i in workers.waiting():
                    self._islands[i].running = False
            if not any(island.running for island in self._islands):
                return stopping
            collected = workers.collect(timeout=0.2)
            if collected:
                self._apply(*collected)
                advance()
                if time.monotonic() - saved_at > self.spec.save_every:
                    self.save(workers)
                    saved_at = time.monotonic()
            elif saved_at < 0 and spent > PATIENCE and len(workers.waiting()) == self.islands:
                reason = (
                    f"The cluster has no free CPUs for this search's islands (one each for {self.islands})"
                )
                if left is not None and left <= 0:
                    raise WorkersError(f"{reason}, and its time is over.")
                if not told:
                    warn(f"{reason}. Waiting; Ctrl-C ends it.")
                told = True

    def save(self, workers: Workers) -> None:
        """Writes front.json and checkpoint.npz, each whole or not at all.

        Raises:
            OSError: no space, or the directory is gone; the front is written even where the larger
                checkpoint cannot be.
            WorkersError: a state is lost; an older checkpoint stays.
        """
        self.front.save(self.directory / "front.json")
        arrays: dict[str, np.ndarray] = {}
        islands = []
        for i, island in enumerate(self._islands):
            if island.epochs:
                arrays |= checkpoint.to_arrays(f"island{i}/state", self._state(i, workers))
            for epoch, (pool, entries) in island.history.items():
                arrays |= checkpoint.to_arrays(f"island{i}/epoch{epoch}/pool", pool)
                arrays |= checkpoint.to_arrays(f"island{i}/epoch{epoch}/entries", entries)
            islands.append({"epochs": island.epochs, "history": sorted(island.history)})
        meta = {
            "spec": self.spec.model_dump(mode="json"),
            "seconds": self._seconds,
            "islands": islands,
            "front": json.loads(self.front.to_json()),
        }
        checkpoint.save(self.directory / "checkpoint.npz", meta, arrays)

    def _state(self, island: int, workers: Workers) -> State:
        """An island's last state: its workers', or the resumed checkpoint's before they have it."""
        handle = self._islands[island].handle
        state = workers.fetch(handle) if handle is not None else self._saved[island]
        if state is None:
            raise WorkersError(f"The state of island {island} is lost.")
        return state

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
        self._islands = [_Island() for _ in meta["islands"]]
        self._saved = []
        for i, (island, known) in enumerate(zip(self._islands, meta["islands"], strict=True)):
            island.epochs = int(known["epochs"])
            for epoch in known["history"]:
                name = f"island{i}/epoch{epoch}"
                island.history[int(epoch)] = (
                    checkpoint.from_arrays(Pool, f"{name}/pool", arrays),
                    checkpoint.from_arrays(Entries, f"{name}/entries", arrays),
                )
            state = checkpoint.from_arrays(State, f"island{i}/state", arrays) if island.epochs else None
            self._saved.append(state)
            if state:
                island.generation, island.counts, island.used = (
                    state.generation,
                    state.counts,
                    state.functions.used,
                )

    def _submit(self, workers: Workers, left: float | None) -> None:
        """Starts every island that may run its next epoch."""
        for i, island in enumerate(self._islands):
            total, epoch = self.spec.generations, island.epochs
            todo = self.spec.epoch if epoch else 1  # the first is short: there is something to see
            todo = todo if total is None else min(todo, total - island.generation)
            others = [other for j, other in enumerate(self._islands) if j != i]
            if island.running or todo <= 0 or any(other.epochs < epoch - 1 for other in others):
                continue
            neighbour = self._islands[i - 1].history.get(epoch - 2) if others else None
            immigrants = neighbour[0] if neighbour else Pool.empty(max(self.spec.max_ops, 2))
            known = [other.history[epoch - 2][1] for other in others if epoch - 2 in other.history]
            workers.submit(Task(i, epoch, todo, immigrants, known, left), island.handle)
            island.running = True

    def _apply(self, outcome: Outcome, handle: Any) -> None:
        """Takes an epoch's outcome; the front is written if it is another now."""
        before, found = self.front, Front.of([*self.front, *self._members.of(outcome.emigrants)])
        island = self._islands[outcome.island]
        self._whole = False  # a second Ctrl-C amid these lines must not reach the checkpoint
        self.front = found.found_first(before)
        island.running, island.handle = False, handle
        island.epochs, island.generation = outcome.epoch + 1, outcome.generation
        island.counts, island.used = outcome.counts, outcome.used
        island.history[outcome.epoch] = (outcome.emigrants, outcome.found)
        needed = min(other.epochs for other in self._islands) - 2
        for other in self._islands:
            other.history = {e: v for e, v in other.history.items() if e >= needed}
        self._whole = True
        if self.front != before:
            self.front.save(self.directory / "front.json")

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for island in self._islands:
            total.update(island.counts)
        return total

    def _progress(self, left: float | None, rate: float, families: Families) -> Progress:
        done, total = sum(i.generation for i in self._islands), self.spec.generations
        return Progress(
            front=self.front,
            curves={str(m.ops): self._members.curve(m) for m in self.front},
            families=families,
            seconds=self._seconds,
            left=left,
            generations=done,
            generations_left=None if total is None else total * len(self._islands) - done,
            counts=self._counts(),
            cache_used=sum(i.used for i in self._islands),
            per_second=rate,
        )
