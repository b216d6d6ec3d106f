"""Going back to the last checkpoint in the same run, where a node of the cluster died with what it held."""

from collections.abc import Callable

from evo.files import word
from evo.runs.search import Search
from evo.runs.workers import LostError, Workers, WorkersError

TRIES = 5
"""Times that a search goes back to one checkpoint before it gives up. A node's death may take two: Ray tells
that processes are lost before it knows that their node is."""


class Retreat:
    """Takes a search back, a few times to each checkpoint.

    Attributes:
        undone: fits of this session that are lost.
    """

    def __init__(self, search: Search, workers: Workers, warn: Callable[[str], None]) -> None:
        self._search, self._workers, self._warn = search, workers, warn
        self._generations, self._times = -1, 0
        self.undone = 0

    def go_back(self, error: LostError) -> None:
        """Goes back to the last checkpoint, or to the start; the front keeps what was found since.

        Raises:
            WorkersError: there was no other checkpoint since the last times.
        """
        search = self._search
        islands, damaged = search.last_islands()
        if damaged:
            self._warn(f"{damaged}; the islands start over.")
        done, had = islands.generations, search.archipelago.generations
        self._times = self._times + 1 if self._generations == done else 1
        self._generations = done
        if self._times > TRIES:
            raise WorkersError(
                f"{error} The search went back {TRIES} times to one checkpoint, of {done} generations, and "
                f"got to no other; go on with: evonum search --resume {word(search.directory)}"
            ) from error
        self._warn(f"{error} Going back from {had} generations to the {done} of the last checkpoint.")
        self.undone += search.archipelago.counts["fitted"] - islands.counts["fitted"]
        search.archipelago = islands
        self._workers.restart()
        islands.hand(self._workers.put)
