"""A job's events as they happen, for browsers and `evonum logs -f`: server-sent events that resume.

An event's id is `BYTES.SEQ`: how much of the job's records and of its changes of state were told. A client
that comes back with its last id gets all after it and nothing twice. What many clients follow is read once.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from evo.service.job import Event
from evo.service.settings import Settings
from evo.service.store import Store

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


class Streams:
    """The events of all jobs."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._read: dict[tuple[str, int, int], tuple[list[tuple[int, str]], int]] = {}
        self.open = 0

    async def of(self, id: str, last: str = "") -> AsyncIterator[str]:
        """The events of a job after an id, as text; ends after the job did."""
        offset, seq = _position(last)
        records = self._settings.search(id) / "records.jsonl"
        quiet = 0.0
        self.open += 1
        try:
            yield "retry: 2000\n\n"
            while True:
                over = (job := self._store.find(id)) is None or job.is_over
                told = ""
                for event in self._store.events(id, seq):
                    seq = event.seq
                    told += _text("state", f"{offset}.{seq}", _state(event))
                found, offset_after = self._after(records, offset)
                for end, event_text in found:
                    told += f"id: {end}.{seq}\n{event_text}"
                offset = offset_after
                if told:
                    quiet = 0.0
                    yield told
                elif over:
                    yield _text("end", f"{offset}.{seq}", {"state": job.state if job else "deleted"})
                    return
                elif (quiet := quiet + LOOK) >= ALIVE:
                    quiet = 0.0
                    yield ": alive\n\n"
                await asyncio.sleep(LOOK)
        finally:
            self.open -= 1

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
            self._read[key] = _read(path, offset)
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
