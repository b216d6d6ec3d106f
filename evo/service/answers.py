"""Answers that many ask for: made and serialised once for each version of what they tell of.

A request in the words of one before, by somebody who may do the same, means the same: it is answered from
what was asked for then, and is not taken apart again.
"""

from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import to_json

from evo.service.store import Store

ROOM = 1 << 25
"""Of the answers that are kept [bytes]."""
EACH = 1 << 10
"""What an answer takes besides its text and the words of its request, about [bytes]."""


def nothing() -> None:
    """The mark of what only the store changes."""


class Kept(NamedTuple):
    """An answer that was made.

    Attributes:
        text: JSON.
        version: of the store and of what else it tells of, as it was then.
        make: its content, anew.
        mark: changes where the answer does for another reason than the store.
        size: what it takes [bytes].
    """

    text: bytes
    version: Hashable
    make: Callable[[], Any]
    mark: Callable[[], Hashable]
    size: int


class Asked(NamedTuple):
    """The words of a request, and what its sender may do."""

    path: str
    query: bytes
    access: Hashable

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> "Asked":
        """Of a request that passed the guard."""
        return cls(scope["path"], scope["query_string"], scope["state"]["access"])


@dataclass
class Answers:
    """JSON of answers, the ones last made; for one thread, which reads the store."""

    store: Store
    _kept: dict[Asked, Kept] = field(default_factory=dict)
    _size: int = 0

    def of(self, asked: Asked, make: Callable[[], Any], mark: Callable[[], Hashable] = nothing) -> bytes:
        """An answer as it is now.

        Args:
            asked: by whom, in which words.
            make: the answer, from what the store has; what it raises is not kept.
            mark: changes where the answer does for another reason than the store.
        """
        version = self.store.version(), mark()
        kept = self._kept.get(asked)
        if kept is None or kept.version != version:
            self._drop(asked)
            text = to_json(make(), inf_nan_mode="null")
            size = len(text) + len(asked.path) + len(asked.query) + EACH
            self._kept[asked] = kept = Kept(text, version, make, mark, size)
            self._size += size
            while self._size > ROOM:
                self._drop(next(iter(self._kept)))
        return kept.text

    def again(self, asked: Asked) -> bytes | None:
        """An answer as it is now to what was asked before; None if it was not, or is refused by now."""
        kept = self._kept.get(asked)
        if kept is not None:
            with suppress(Exception):  # who asks in full is told
                return self.of(asked, kept.make, kept.mark)
        return None

    def before(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """An ASGI application that answers what was asked before, and leaves the rest to another."""

        async def answered(scope: Any, receive: Any, send: Any) -> None:
            text = self.again(Asked.of(scope)) if scope.get("method") == "GET" else None
            if text is None:
                await app(scope, receive, send)
                return
            length = (b"content-length", str(len(text)).encode())
            headers = [length, (b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": text})

        return answered

    def _drop(self, asked: Asked) -> None:
        if (kept := self._kept.pop(asked, None)) is not None:
            self._size -= kept.size
