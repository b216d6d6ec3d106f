"""The time of one session, and what of it an epoch may take."""

import time


class Clock:
    """Runs from the first process that is there to the last epoch, and stands while cores are waited for.

    Neither starts nor proofs are search time.

    Args:
        budget: of this session [s]; None without one.
        ahead: epochs that a process is given at a time.
    """

    def __init__(self, budget: float | None, ahead: int) -> None:
        self._budget, self._ahead = budget, ahead
        self._before = 0.0  # until it stood last [s]
        self._since: float | None = None

    def start(self) -> None:
        """The search begins, or goes on."""
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        """The search ends, or waits for cores."""
        self._before, self._since = self.spent, None

    @property
    def spent(self) -> float:
        """So far [s]."""
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    @property
    def left(self) -> float | None:
        """Of the budget [s]; None without one."""
        return None if self._budget is None else self._budget - self.spent

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self.left is not None and self.left <= 0

    def limit(self) -> float | None:
        """What an epoch that is handed out now may take [s]; None without a budget.

        One of two that a process is given waits for the other. Let the other still take r of what is left and
        this one get f of it; the next one then finds f / (1 - r) taken. With f = 1/4 that stays below 1/2, so
        all end in time.
        """
        return None if self.left is None else max(self.left, 0.0) / self._ahead**2

    def allows(self, least: float, queued: int) -> bool:
        """Whether an epoch would end nearer to the budget's end than the search does without it.

        Args:
            least: time that the epoch takes at least [s].
            queued: epochs that its process ends first.
        """
        return self.left is None or self.left >= (queued + 0.5) * least
