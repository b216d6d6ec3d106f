"""What workers are asked, and how they fail.

An epoch (evo/islands/epoch.py) may run anywhere. States and new functions stay where they are made unless
they are fetched.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from evo.errors import EvonumError
from evo.islands.epoch import Finished, Task


class WorkersError(EvonumError, RuntimeError):
    """No workers, or one that failed for good; one line says why."""

    kind = "machine"


class LostError(WorkersError):
    """A node of the cluster is gone, or what it held: `Workers.restart`, then go on from a checkpoint."""


class Workers(Protocol):
    """Runs epochs of several islands at a time. A handle stands for a value that may be elsewhere.

    Attributes:
        ahead: epochs that a process is given at a time.
    """

    ahead: int

    def reserved(self, timeout: float) -> bool:
        """Whether all processes have their cores, and begin; waits for these, at most `timeout` [s].

        Raises:
            LostError: they cannot be waited for any longer.
        """
        ...

    def submit(self, task: Task, state: Any, known: Sequence[Any]) -> None:
        """Start a task on handles: of the island's state (None at its start), of others' functions."""
        ...

    def collect(self, timeout: float) -> Sequence[Finished]:
        """All that have finished since; waits for the first one, at most `timeout` [s].

        Raises:
            LostError: it cannot be waited for any longer.
            WorkersError: an island failed for good.
        """
        ...

    def fetch(self, handle: Any) -> Any:
        """The value of a handle; what is none is its own value.

        Raises:
            LostError: it is lost, or does not come.
        """
        ...

    def put(self, value: Any) -> Any:
        """A handle for a value that comes from a checkpoint."""
        ...

    def queued(self, island: int) -> int:
        """How many epochs this island's process has been given and has not ended."""
        ...

    def waiting(self) -> Sequence[int]:
        """The islands that have no process yet: what they were given has not begun."""
        ...

    def processors(self) -> Mapping[str, int]:
        """Of those that have begun, how many add up in which way (`evo.kernels.library.arithmetic`)."""
        ...

    def restart(self) -> None:
        """Drops what is under way, and begins again with as many processes as the cluster now holds.

        Raises:
            WorkersError: none can be started.
        """
        ...

    def close(self) -> None:
        """Ends all workers."""
        ...
