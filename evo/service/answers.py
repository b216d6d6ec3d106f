"""Answers that many ask for: made and serialised once for each version of what they tell of."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from evo.service.store import Store

ROOM = 1 << 25
"""Of the answers that are kept [bytes]."""


@dataclass
class Answers:
    """JSON of answers, the ones last made; for one thread, which reads the store."""

    store: Store
    _kept: dict[Hashable, tuple[Hashable, bytes]] = field(default_factory=dict)
    _size: int = 0

    def of(self, key: Hashable, make: Callable[[], Any], mark: Hashable = None) -> bytes:
        """An answer as it is now.

        Args:
            key: what is asked for.
            make: the answer, from what the store has; what it raises is not kept.
            mark: changes where the answer does for another reason than the store.
        """
        version = self.store.version(), mark
        kept = self._kept.get(key)
        if kept is None or kept[0] != version:
            made = to_json(make(), inf_nan_mode="null")
            self._drop(key)
            self._kept[key] = kept = version, made
            self._size += len(made)
            while self._size > ROOM:
                self._drop(next(iter(self._kept)))
        return kept[1]

    def _drop(self, key: Hashable) -> None:
        _, dropped = self._kept.pop(key, (None, b""))
        self._size -= len(dropped)
