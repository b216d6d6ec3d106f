"""A job's events as they happen, for browsers and `evonum logs -f`: server-sent events that resume.

An event's id is `BYTES.SEQ`: how much of the job's records and of its changes of state were told. A client
that comes back with its last id gets all after it and nothing twice. What many clients follow is read once.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evo.service.job import Event
from evo.service.settings import Settings
from evo.service.store import Store, StoreError

LOOK = 0.25
"""Between two looks [s]."""
ALIVE = 15.0
"""Without an event for so long, a comment tells that the connection lives [s]."""
MEMBER = (
    "ops", "formula", "sampled_error", "polished_error", "proved_bound", "worst_x", "seconds_to_find", "dtype"
)  # fmt: skip
"""What events tell of a member; front.json has the rest."""
_CHUNK = 1 << 22
_KEPT = 256
"""Readings of files that are kept for other clients."""


@dataclass
class _Feed:
    """A job whose events are followed, as last looked at.

    Attributes:
        version: of the store.
        over: whether nothing more happens by itself.
        last: the number of the last thing that happened.
        size: of the records [bytes].
        changed: set, and replaced, when it did.
        told: by the position of a stream, what it is told next, and where it is then.
        streams: that follow.
    """

    version: int | None = None
    over: bool = False
    last: int = 0
    size: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    told: dict[tuple[int, int], tuple[bytes, tuple[int, int]]] = field(default_factory=dict)
    streams: int = 0


class Streams:
    """The events of all jobs: one task looks at what is followed, and wakes the streams of what changed."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._read: dict[tuple[str, int, int], tuple[list[tuple[int, str]], int]] = {}
        self._feeds: dict[str, _Feed] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """How many streams there are."""
        return sum(feed.streams for feed in list(self._feeds.values()))

    async def of(self, id: str, last: str = "") -> AsyncIterator[bytes]:
        """The events of a job after an id, as text; ends after the job did."""
        position = _position(last)
        feed = self._feeds.setdefault(id, _Feed())
        feed.streams += 1
        try:
            yield b"retry: 2000\n\n"
            self._look_at(id, feed)
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            while True:
                over, changed = feed.over, feed.changed
                if position not in feed.told:
                    feed.told[position] = self._next(id, position)
                told, position = feed.told[position]
                if told:
                    yield told
                elif over:
                    job = self._store.find(id)
                    state = {"state": job.state if job else "deleted"}
                    yield _text("end", f"{position[0]}.{position[1]}", state).encode()
                    return
                else:
                    try:
                        async with asyncio.timeout(ALIVE):
                            await changed.wait()
                    except TimeoutError:
                        yield b": alive\n\n"
        finally:
            feed.streams -= 1
            if not feed.streams:
                self._feeds.pop(id, None)

    async def _look(self) -> None:
        """Looks at every job that is followed, until none is."""
        while self._feeds:
            await asyncio.sleep(LOOK)
            for id, feed in list(self._feeds.items()):
                with suppress(StoreError):  # the next look comes
                    self._look_at(id, feed)

    def _look_at(self, id: str, feed: _Feed) -> None:
        before = feed.over, feed.last, feed.size
        if (version := self._store.version()) != feed.version:
            job = self._store.find(id)
            feed.over, feed.last = job is None or job.is_over, self._store.last_event(id)
            feed.version = version
        try:
            feed.size = os.stat(self._records(id)).st_size
        except OSError:
            feed.size = 0
        if (feed.over, feed.last, feed.size) != before:
            feed.told.clear()
            feed.changed.set()
            feed.changed = asyncio.Event()

    def _next(self, id: str, position: tuple[int, int]) -> tuple[bytes, tuple[int, int]]:
        """What a stream is told after a position, and its position then."""
        offset, seq = position
        told = ""
        for event in self._store.events(id, seq):
            seq = event.seq
            told += _text("state", f"{offset}.{seq}", _state(event))
        found, offset = self._after(self._records(id), offset)
        for end, event_text in found:
            told += f"id: {end}.{seq}\n{event_text}"
        return told.encode(), (offset, seq)

    def _records(self, id: str) -> Path:
        return self._settings.search(id) / "records.jsonl"

    def _after(self, path: Path, offset: int) -> tuple[list[tuple[int, str]], int]:
        """The events of a file's whole lines after a byte, each with its end, and where to go on."""
        try:
            size = path.stat().st_size
        except OSError:
            return [], offset
        if offset >= size:
            return [], min(offset, size)
        key = str(path), offset, size
        if key not in self._read:
            while len(self._read) >= _KEPT:
                self._read.pop(next(iter(self._read)))
            try:
                self._read[key] = _read(path, offset)
            except OSError:  # gone since, or no file
                return [], offset
        return self._read[key]


def _read(path: Path, offset: int) -> tuple[list[tuple[int, str]], int]:
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(_CHUNK)
        if b"\n" not in data:
            data += file.readline()
    found = []
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        offset += len(line)
        try:
            record = json.loads(line)
            found += [(offset, text) for text in _of_record(record)]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue  # torn by a full disk
    return found, offset


def _of_record(record: Mapping[str, Any]) -> list[str]:
    """The events that a record of a search becomes."""
    told, kind = {"time": record["time"], "generations": record.get("step", 0)}, record["kind"]
    if kind == "metrics":
        values = record["values"]
        named = {name: values.get(f"search/{name}") for name in ("evaluations", "evaluations_per_s")}
        return [_event("progress", {**told, **named, "skipped": values.get("search/duplicates_skipped")})]
    if kind in ("front", "end"):
        members = [{name: m[name] for name in MEMBER if name in m} for m in record["members"]]
        return [_event("front", {**told, "members": members, "families": record["families"]})]
    return []


def _state(event: Event) -> dict[str, Any]:
    return {"seq": event.seq, "time": event.time, "state": event.state, "cause": event.cause}


def _text(kind: str, id: str, data: Mapping[str, Any]) -> str:
    return f"id: {id}\n{_event(kind, data)}"


def _event(kind: str, data: Mapping[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _position(text: str) -> tuple[int, int]:
    """Of an id; the beginning where it is none."""
    bytes_told, _, seq = text.partition(".")
    whole = all(part.isascii() and part.isdigit() and len(part) < 16 for part in (bytes_told, seq))
    return (int(bytes_told), int(seq)) if whole else (0, 0)
