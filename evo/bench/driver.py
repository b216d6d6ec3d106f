"""How many islands one driver keeps busy: a real search on a real Ray cluster whose epochs are stand-ins.

A stand-in sleeps, then answers as an epoch of a real search does: the emigrants and members that a short
search really sent, as many new functions as full generations find, a state of the size asked for. Everything
else is the search's own: exchange, front, records, checkpoints.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evo.bench.kernels import machine
from evo.islands.epoch import Finished, IslandHost, Outcome, Task
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.islands.state import State, init
from evo.kernels.cache import Cache, Entries
from evo.runs.evolution import evolve
from evo.runs.search import Search
from evo.runs.spec import SearchSpec, SpecError, make_spec
from evo.runs.workers import RayWorkers

EPOCHS = 5
"""Epochs of the search whose outcomes are played."""
FOUND = 8 * 4096
"""New functions of an epoch: 8 generations of 4096 offspring."""
OpenSink = Callable[[Path], Any]


@dataclass(frozen=True)
class Script:
    """What the stand-ins play.

    Attributes:
        outcomes: of the epochs of a real search, by kind of island, then epoch.
        every: time of an epoch [s].
    """

    outcomes: Sequence[Sequence[Outcome]]
    every: float


def script(every: float) -> Script:
    """Outcomes of a short search for 2^x, an island at home and a stretched one."""
    spec = make_spec({"target": "exp2", "islands": 2, "offspring": 512, "cache_entries": 1 << 16})
    with tempfile.TemporaryDirectory() as folder:
        host = IslandHost(Search(spec, Path(folder)).problem)
    nobody = Pool.empty(spec.max_ops)
    played: list[list[Outcome]] = []
    for island in range(2):
        state: State | None = None
        played.append([])
        for epoch in range(EPOCHS):
            outcome, state, _ = host.run(Task(island, epoch, 8 if epoch else 1, nobody, None), state)
            played[island].append(outcome)
    return Script(played, every)


class StandIn:
    """A process whose epochs take a given time and no work.

    Args:
        problem: gives the states their size.
        played: what epochs answer.
    """

    def __init__(self, problem: Problem, played: Script) -> None:
        self._script = played
        self._state = init(problem)
        rng = np.random.default_rng(os.getpid())
        self._found = Entries(
            rng.integers(1, 1 << 63, FOUND, np.uint64),
            rng.integers(0, 1 << 32, FOUND, np.uint32),
            np.full(FOUND, 10, np.uint8),
            rng.random(FOUND, np.float32),
        )
        self._end = 0.0

    def run(self, task: Task, state: State | None, *known: Entries) -> tuple[Outcome, State, Entries]:
        """See `IslandHost.run`. One epoch ends every `Script.every` seconds, late ones are caught up."""
        self._end = max(self._end, time.monotonic() - 1.0) + self._script.every
        acts = self._script.outcomes[task.island % len(self._script.outcomes)]
        late = len(acts) // 2
        act = acts[task.epoch if task.epoch < len(acts) else late + task.epoch % (len(acts) - late)]
        # Slightly different errors: no two islands' members are the same, and the front moves now and then.
        worse = 1.0 + 1e-3 * ((7919 * task.island + 104729 * task.epoch) % 1009) / 1009
        members = [replace(m, sampled_error=m.sampled_error * worse) for m in act.members]
        before = 0 if state is None else state.generation
        own = Cache(*(a.copy() for a in vars(self._state.functions).values()))
        after = replace(self._state, generation=before + task.generations, functions=own)
        time.sleep(max(0.0, self._end - time.monotonic()))
        spent = {"ended": time.time()}
        outcome = replace(act, island=task.island, epoch=task.epoch, generation=after.generation, spent=spent,
                          members=members)  # fmt: skip
        return outcome, after, self._found


class Watched(RayWorkers):
    """Workers that note when outcomes came and how long they had been waiting.

    Attributes:
        seen: (when it was collected, how long after its epoch's end) of every outcome [s].
    """

    def __init__(self, *words: Any, **options: Any) -> None:
        self.seen: list[tuple[float, float]] = []
        super().__init__(*words, **options)

    def collect(self, timeout: float) -> Sequence[Finished]:
        """See `Workers.collect`."""
        finished = super().collect(timeout)
        now = time.time()
        self.seen += [(now, now - one.outcome.spent["ended"]) for one in finished]
        return finished


def bench_driver(
    islands: Sequence[int] = (16, 64, 256),
    rate: float = 50.0,
    seconds: float = 60.0,
    processes: int = 8,
    cache_entries: int = 1 << 14,
    open_sink: OpenSink | None = None,
) -> dict[str, Any]:
    """What a driver reaches, and what it takes.

    Args:
        islands: numbers of islands, a search for each.
        rate: epochs a second that all islands together do [1/s].
        seconds: time of each search.
        processes: that hold the islands.
        cache_entries: of a state; 2^20 as by default in a search is 21 MB a state.
        open_sink: takes the records, such as MLflow's.

    Returns:
        `{"machine", "results"}`, a row for each number of islands: the rate reached, the driver's processor
        time per epoch (all its threads), how long outcomes wait until they are taken (median, 99 %, most),
        checkpoints written, and the least rate of a tenth of the time.

    Raises:
        SpecError: a number out of its range, or a process that ends hardly an epoch.
    """
    entries = {"target": "exp2", "time": seconds, "cache_entries": cache_entries}
    specs = [make_spec({**entries, "islands": count}) for count in islands]
    longest = min(processes, max(islands)) / rate
    if seconds < 4 * longest:
        raise SpecError(
            f"seconds: {seconds:g} are too few; at {rate:g} epochs a second an epoch takes {longest:g} s, "
            f"and each process needs four"
        )
    played = script(longest)
    results = []
    for spec, count in zip(specs, islands, strict=True):
        holders = min(processes, count)
        own = replace(played, every=holders / rate)
        results.append(_row(spec, count, rate, seconds, holders, own, open_sink))
    return {"machine": machine(), "results": results}


def _row(
    spec: SearchSpec,
    islands: int,
    rate: float,
    seconds: float,
    processes: int,
    played: Script,
    sink: OpenSink | None,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="evonum-bench-") as folder:
        search = Search(spec, Path(folder))
        workers = Watched(search.problem, islands, None, StandIn, processes, (played,))
        with closing(workers):
            while workers.waiting():
                time.sleep(0.1)
            began = time.perf_counter()
            used = time.process_time()
            records = sink(Path(folder)) if sink else None
            evolve(search, workers, records)
            used = time.process_time() - used
            spent = time.perf_counter() - began
            if records:
                records.close(timeout_s=60.0)
        size = (Path(folder) / "checkpoint.npz").stat().st_size
    # While the budget lasted: the last epochs end after it, and no new ones follow them.
    first = workers.seen[0][0]
    taken = [(at - first, lag) for at, lag in workers.seen if at - first < seconds - processes / rate]
    last = taken[-1][0]
    tenths = np.histogram([at for at, _ in taken], bins=10, range=(0.0, last))[0] / (last / 10)
    lags = sorted(lag for _, lag in taken)
    return {
        "islands": islands,
        "processes": processes,
        "asked_per_s": rate,
        "reached_per_s": (len(taken) - 1) / last,
        "least_tenth_per_s": float(tenths.min()),
        "lag_median_ms": 1e3 * statistics.median(lags),
        "lag_99_ms": 1e3 * lags[int(0.99 * len(lags))],
        "lag_most_ms": 1e3 * lags[-1],
        "driver_ms_per_epoch": 1e3 * used / len(workers.seen),
        "driver_busy": used / spent,
        "checkpoint_mb": size / 1e6,
    }
