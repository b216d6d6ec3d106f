"""What the driver knows of its islands: which may run its next epoch, and what they tell each other.

Island i hears from the islands i - 1, i - 2, i - 4, ... (its sources): news reaches every island within about
log2(n) exchanges, and what is told grows like n log2(n). An island on a stretched interval does not pass on
what it is told; so with several lengths, it hears from the islands of all other lengths just before it, and
from those of its own 1, 2, 4, ... turns of the lengths before. It may run epoch e once its sources have
finished epoch e - 2, and takes their emigrants and new functions of just that epoch. So islands rarely wait,
and what one is given depends on numbers alone, not on who was faster.

The driver holds references: states and new functions stay with the workers until a checkpoint needs them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from evo.islands.epoch import Finished, Task
from evo.islands.pool import Pool
from evo.islands.state import State, widened
from evo.kernels.cache import Entries
from evo.runs import checkpoint

SLACK = 2
"""Epochs between telling and hearing."""


class News(NamedTuple):
    """What an island told of one epoch: its emigrants, and the handle of its new functions."""

    emigrants: Pool
    found: Any


@dataclass
class Island:
    """An island as the driver knows it.

    Attributes:
        epochs: how many are done.
        handle: of its state; None before the first epoch.
        running: whether its next epoch is under way.
        generation: generations done.
        counts: totals since its start.
        used: entries used in its cache of functions.
        least: what an epoch of one generation would have taken last time [s]; 0 before the first.
        history: news of the epochs that others may still have to hear, by epoch.
    """

    epochs: int = 0
    handle: Any = None
    running: bool = False
    generation: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    used: int = 0
    least: float = 0.0
    history: dict[int, News] = field(default_factory=dict)


def steps(islands: int, lengths: int) -> tuple[int, ...]:
    """How far behind an island its sources are, for so many lengths of intervals in turns; ascending."""
    turns = (lengths << power for power in range(islands.bit_length()))
    return tuple(step for step in (*range(1, lengths), *turns) if step < islands)


class Archipelago:
    """The islands of a search.

    Args:
        islands: how many.
        epoch: generations of an epoch.
        generations: budget of each island, or None.
        max_ops: most of a program.
        lengths: of the islands' intervals, how many in turns.
        seeds: candidates that every island begins with.
        most: largest cost of a program; `max_ops` where ops are what counts.
    """

    def __init__(
        self,
        islands: int,
        epoch: int,
        generations: int | None,
        max_ops: int,
        lengths: int = 2,
        seeds: Pool | None = None,
        most: int | None = None,
    ) -> None:
        self.islands = [Island() for _ in range(islands)]
        self.counts: Counter[str] = Counter()
        self.running = 0
        self._steps = steps(islands, lengths)
        self._epoch = epoch
        self._generations = generations
        self._max_ops, self._most = max_ops, max_ops if most is None else most
        self._seeds = seeds
        self._nobody = Pool.empty(max(max_ops, 2))

    def __len__(self) -> int:
        return len(self.islands)

    @property
    def generations(self) -> int:
        """Generations done, of all islands together."""
        return sum(island.generation for island in self.islands)

    def sources(self, island: int) -> list[int]:
        """The islands that this one hears from."""
        return [(island - step) % len(self) for step in self._steps]

    def ready(self) -> list[int]:
        """The islands that may run their next epoch and do not; those that are behind come first."""
        may = [
            i
            for i, island in enumerate(self.islands)
            if not island.running
            and self._left(island) > 0
            and all(self._has_told(self.islands[s], island.epochs - SLACK) for s in self.sources(i))
        ]
        return sorted(may, key=lambda i: self.islands[i].epochs)

    def start(self, i: int, seconds: float | None) -> tuple[Task, Any, Sequence[Any]]:
        """Island i runs its next epoch: the task, the handle of its state and those of others' functions."""
        island = self.islands[i]
        heard = [
            self.islands[s].history[island.epochs - SLACK]
            for s in self.sources(i)
            if island.epochs - SLACK in self.islands[s].history
        ]
        told = [news.emigrants for news in heard if len(news.emigrants)]
        if self._seeds is not None and not island.epochs:
            told.append(self._seeds)
        immigrants = Pool.concatenate(told) if told else self._nobody
        island.running = True
        self.running += 1
        task = Task(i, island.epochs, self._left(island), immigrants, seconds)
        return task, island.handle, [news.found for news in heard]

    def withdraw(self, i: int) -> None:
        """The epoch that island i was to run is not waited for."""
        self.running -= self.islands[i].running
        self.islands[i].running = False

    def finish(self, finished: Finished) -> None:
        """Takes an epoch's outcome."""
        outcome = finished.outcome
        i, island = outcome.island, self.islands[outcome.island]
        self.withdraw(i)
        self.counts.update(outcome.counts)
        self.counts.subtract(island.counts)
        island.handle, island.epochs, island.generation = (
            finished.state,
            outcome.epoch + 1,
            outcome.generation,
        )
        island.counts, island.used, island.least = outcome.counts, outcome.used, outcome.least
        if self._steps:  # else nobody hears it
            island.history[outcome.epoch] = News(outcome.emigrants, finished.found)
        for source in self.sources(i):
            self._forget(source)

    def hand(self, put: Callable[[Any], Any]) -> None:
        """Gives the workers what a checkpoint held: `put` makes a handle of a value."""
        for island in self.islands:
            island.handle = put(island.handle) if island.epochs else None
            island.history = {e: News(n.emigrants, put(n.found)) for e, n in island.history.items()}

    def kept(self) -> tuple[list[dict[str, Any]], list[tuple[str, Any]]]:
        """What a checkpoint needs: JSON values, and values or their handles by name."""
        values: list[tuple[str, Any]] = []
        for i, island in enumerate(self.islands):
            if island.epochs:
                values.append((f"island{i}/state", island.handle))
            for epoch, news in island.history.items():
                values.append((f"island{i}/epoch{epoch}/pool", news.emigrants))
                values.append((f"island{i}/epoch{epoch}/entries", news.found))
        return [{"epochs": i.epochs, "history": sorted(i.history)} for i in self.islands], values

    def restore(self, known: Sequence[Mapping[str, Any]], arrays: dict[str, np.ndarray]) -> None:
        """Takes what a checkpoint held of `kept`, perhaps of fewer `max_ops`."""
        for i, (island, kept) in enumerate(zip(self.islands, known, strict=True)):
            island.epochs = int(kept["epochs"])
            for epoch in kept["history"]:
                name = f"island{i}/epoch{epoch}"
                island.history[int(epoch)] = News(
                    checkpoint.from_arrays(Pool, f"{name}/pool", arrays).widened(self._nobody.batch.width),
                    checkpoint.from_arrays(Entries, f"{name}/entries", arrays),
                )
            if island.epochs:
                state = widened(
                    checkpoint.from_arrays(State, f"island{i}/state", arrays), self._max_ops, self._most
                )
                island.handle, island.generation = state, state.generation
                island.counts, island.used = state.counts, state.functions.used
                self.counts.update(state.counts)

    def _left(self, island: Island) -> int:
        """Generations of the island's next epoch; the first is short: there is something to see."""
        todo = self._epoch if island.epochs else 1
        return todo if self._generations is None else min(todo, self._generations - island.generation)

    def _has_told(self, source: Island, epoch: int) -> bool:
        """Whether a source's news of an epoch is there, or will never be."""
        return source.epochs > epoch or (not source.running and self._left(source) <= 0)

    def _forget(self, i: int) -> None:
        """Drops the island's news that all who hear from it have heard."""
        listeners = [self.islands[(i + step) % len(self)] for step in self._steps]
        needed = min(island.epochs for island in listeners) - SLACK
        history = self.islands[i].history
        for epoch in [e for e in history if e < needed]:
            del history[epoch]
