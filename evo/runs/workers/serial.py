"""The islands one after another in this process, without Ray."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from evo.islands.epoch import Finished, IslandHost, Task
from evo.islands.problem import Problem


class SerialWorkers:
    """The islands one after another in this process."""

    ahead = 1

    def __init__(self, problem: Problem) -> None:
        self._host = IslandHost(problem)
        _ = self._host.operators(0).engine  # what it needs and has not is told before the search begins
        self._tasks: deque[tuple[Task, Any, Sequence[Any]]] = deque()

    def reserved(self, timeout: float) -> bool:
        """See `Workers.reserved`."""
        return True

    def submit(self, task: Task, state: Any, known: Sequence[Any]) -> None:
        """See `Workers.submit`."""
        self._tasks.append((task, state, known))

    def collect(self, timeout: float) -> Sequence[Finished]:
        """See `Workers.collect`; runs the oldest task, however long it takes."""
        if not self._tasks:
            return ()
        task, state, known = self._tasks.popleft()
        return (Finished(*self._host.run(task, state, *known)),)

    def fetch(self, handle: Any) -> Any:
        """See `Workers.fetch`."""
        return handle

    def put(self, value: Any) -> Any:
        """See `Workers.put`."""
        return value

    def queued(self, island: int) -> int:
        """See `Workers.queued`."""
        return len(self._tasks)

    def waiting(self) -> Sequence[int]:
        """See `Workers.waiting`."""
        return ()

    def processors(self) -> Mapping[str, int]:
        """See `Workers.processors`."""
        return {}

    def restart(self) -> None:
        """See `Workers.restart`."""
        self._tasks.clear()

    def close(self) -> None:
        """See `Workers.close`."""
        self._tasks.clear()
