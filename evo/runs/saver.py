"""Checkpoints written beside the search, one at a time, by a thread: with many islands they are gigabytes."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

REST = 4.0
"""Time between two checkpoints, at least, as a multiple of what writing one took."""


class Saver:
    """Runs one write at a time in a thread.

    Args:
        every: time before the first write and between two [s], unless one takes long.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="evonum-checkpoint")
        self._pending: Future[float] | None = None
        self._due = time.monotonic() + every

    def due(self) -> bool:
        """Whether the next write may begin.

        Raises:
            Exception: what the last write raised.
        """
        if self._pending is not None and self._pending.done():
            self.wait()
        return self._pending is None and time.monotonic() >= self._due

    def begin(self, write: Callable[[], object]) -> None:
        """Starts a write; it must be due. One that returns False wrote nothing, and no rest follows it."""
        self._pending = self._pool.submit(_timed, write)

    def wait(self) -> None:
        """Waits for the write under way.

        Raises:
            Exception: what it raised.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            self._due = time.monotonic() + max(self._every, REST * pending.result())

    def close(self) -> None:
        """Waits for the write under way, whatever becomes of it."""
        self._pool.shutdown()
        self._pending = None


def _timed(write: Callable[[], object]) -> float:
    began = time.monotonic()
    wrote = write()
    return 0.0 if wrote is False else time.monotonic() - began
