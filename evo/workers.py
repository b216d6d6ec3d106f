"""Workers: where the islands' epochs run. Ray actors, or one after another in this process.

An epoch is a pure function of its task and the island's state, so it may run anywhere, and again after
a worker died, with the same result. States stay where they are made (in Ray's object store) unless they
are fetched.
"""

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evo.cache import Entries
from evo.pool import Pool
from evo.searcher import Problem, State, admit, emigrate, init, step

RESTARTS = 10
"""Times that an island's process may die before the search gives up."""
_FETCH_S = 60.0  # a state that does not come within this time is lost


class WorkersError(RuntimeError):
    """No workers, or one that failed for good; one line says why."""


@dataclass(frozen=True)
class Task:
    """An epoch to run.

    Attributes:
        island: whose.
        epoch: its number, from 0.
        generations: how many, at most.
        immigrants: another island's best, of an earlier epoch.
        known: other islands' new functions, of an earlier epoch.
        seconds: stop at the end of the generation in which this time is over [s]; None: no limit.
    """

    island: int
    epoch: int
    generations: int
    immigrants: Pool
    known: Sequence[Entries]
    seconds: float | None


@dataclass(frozen=True)
class Outcome:
    """What an epoch did.

    Attributes:
        island: whose.
        epoch: its number.
        generation: generations done in all.
        emigrants: the island's best for others.
        found: functions new to its cache.
        counts: totals since the island's start.
        used: entries used in its cache of functions.
        spent: time in each part of a generation, this epoch [s].
    """

    island: int
    epoch: int
    generation: int
    emigrants: Pool
    found: Entries
    counts: dict[str, int]
    used: int
    spent: dict[str, float]


def run_epoch(problem: Problem, task: Task, state: State | None) -> tuple[Outcome, State]:
    """Runs a task; `state` (None before the first epoch) is left as it is."""
    started = time.monotonic()
    if state is None:
        state = init(problem)
    state = replace(state, texts=state.texts.copy(), functions=state.functions.copy())
    state = admit(problem, state, task.immigrants, task.known)
    found: list[Entries] = []
    spent: dict[str, float] = {}
    for _ in range(task.generations):
        state, info = step(problem, task.island, state)
        found.append(info.found)
        spent = {name: spent.get(name, 0.0) + s for name, s in info.seconds.items()}
        if task.seconds is not None and time.monotonic() - started >= task.seconds:
            break
    entries = Entries(
        *(np.concatenate([getattr(e, n) for e in found]) for n in ("key", "check", "ops", "score"))
    )
    news, state = emigrate(problem, state)
    outcome = Outcome(
        task.island,
        task.epoch,
        state.generation,
        news,
        entries,
        state.counts,
        state.functions.used,
        spent,
    )
    return outcome, state


class Workers(Protocol):
    """Runs epochs of several islands at a time. A handle stands for a state that may be elsewhere."""

    def submit(self, task: Task, state: Any) -> None:
        """Start a task on a handle, or on None at the island's start."""
        ...

    def collect(self, timeout: float) -> tuple[Outcome, Any] | None:
        """One finished outcome and the handle of its state; None if none finishes within `timeout` [s].

        Raises:
            WorkersError: an island failed for good.
        """
        ...

    def fetch(self, handle: Any) -> State:
        """The state of a handle."""
        ...

    def put(self, state: State) -> Any:
        """A handle for a state that comes from a checkpoint."""
        ...

    def waiting(self) -> Sequence[int]:
        """The islands that have no process yet: what they were given has not begun."""
        ...

    def close(self) -> None:
        """Ends all workers."""
        ...


class SerialWorkers:
    """The islands one after another in this process."""

    def __init__(self, problem: Problem) -> None:
        self._island = Island(problem)
        self._tasks: deque[tuple[Task, State | None]] = deque()

    def submit(self, task: Task, state: State | None) -> None:
        """See `Workers.submit`."""
        self._tasks.append((task, state))

    def collect(self, timeout: float) -> tuple[Outcome, State] | None:
        """See `Workers.collect`; runs the oldest task, however long it takes."""
        return self._island.run(*self._tasks.popleft()) if self._tasks else None

    def fetch(self, handle: State) -> State:
        """See `Workers.fetch`."""
        return handle

    def put(self, state: State) -> State:
        """See `Workers.put`."""
        return state

    def waiting(self) -> Sequence[int]:
        """See `Workers.waiting`."""
        return ()

    def close(self) -> None:
        """See `Workers.close`."""
        self._tasks.clear()


class Island:
    """An island's process: compiled code stays loaded between its epochs."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._own: dict[int, Problem] = {}

    def run(self, task: Task, state: State | None) -> tuple[Outcome, State]:
        """Runs a task on the island's state."""
        if task.island not in self._own:
            self._own[task.island] = self._problem.of_island(task.island)
        return run_epoch(self._own[task.island], task, state)


class RayWorkers:
    """One actor per island. Ray restarts a dead actor and repeats its call."""

    def __init__(self, problem: Problem, islands: int, address: str | None) -> None:
        connect(address)
        import ray

        self._ray = ray
        self._running: dict[Any, Any] = {}
        self._actors: list[Any] = []
        try:
            cpus = ray.cluster_resources().get("CPU", 1.0)
            share = min(1.0, int(1000 * cpus / islands) / 1000)
            remote = ray.remote(max_restarts=RESTARTS, max_task_retries=RESTARTS, num_cpus=share)(Island)
            self._actors = [remote.remote(problem) for _ in range(islands)]
            self._starting = {actor.__ray_ready__.remote(): i for i, actor in enumerate(self._actors)}
        except Exception as error:  # Ray raises many kinds, its own and plain ones
            self.close()
            raise WorkersError(f"Ray cannot start the islands: {_last_line(error)}") from None

    def submit(self, task: Task, state: Any) -> None:
        """See `Workers.submit`."""
        outcome, after = self._actors[task.island].run.options(num_returns=2).remote(task, state)
        self._running[outcome] = after

    def collect(self, timeout: float) -> tuple[Outcome, Any] | None:
        """See `Workers.collect`."""
        try:
            done, _ = self._ray.wait(list(self._running), timeout=timeout) if self._running else ([], [])
            return (self._ray.get(done[0]), self._running.pop(done[0])) if done else None
        except self._ray.exceptions.RayError as error:
            raise WorkersError(f"An island failed: {_last_line(error)}") from error

    def fetch(self, handle: Any) -> State:
        """See `Workers.fetch`."""
        try:
            state: State = self._ray.get(handle, timeout=_FETCH_S)
        except self._ray.exceptions.RayError as error:
            raise WorkersError(f"An island's state is lost: {_last_line(error)}") from error
        return state

    def put(self, state: State) -> Any:
        """See `Workers.put`."""
        return self._ray.put(state)

    def waiting(self) -> Sequence[int]:
        """See `Workers.waiting`."""
        if self._starting:
            ready, _ = self._ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
            self._starting = {ref: i for ref, i in self._starting.items() if ref not in ready}
        return tuple(self._starting.values())

    def close(self) -> None:
        """See `Workers.close`; a local cluster ends with it."""
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._ray.shutdown()


def connect(address: str | None) -> None:
    """Joins the cluster at `address`, or starts a local one.

    Raises:
        WorkersError: nothing answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address not in (None, "auto", "local"):
        _knock(str(address))
        # Ray itself looks for its token only where it starts or finds the cluster; read once, at its import.
        if _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    try:
        ray.init(
            address=address or "local", include_dashboard=False if address in (None, "local") else None,
            log_to_driver=False, logging_level="error", ignore_reinit_error=True,
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds, a plain Exception when its processes are slow
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise WorkersError(
            f"No Ray cluster at {address or 'this machine'}: {_last_line(error)} "
            "Start one with `ray start --head`, or leave out --address."
        ) from None


def _has_token() -> bool:
    """Whether this user has a token of a Ray cluster."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or Path("~/.ray/auth_token").expanduser().exists()


def _knock(address: str) -> None:
    """A quick answer where Ray itself would wait for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkersError(
            f"No Ray cluster answers at {address!r} ({reason}). Expected HOST:PORT of `ray start --head`."
        ) from None


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
