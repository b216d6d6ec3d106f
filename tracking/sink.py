"""Where a search writes its records: small JSON objects, one a line.

The file is the truth: it is always written, at once, and everything else (MLflow) is delivered from
it. A record is a mapping with "kind" ("start", "metrics", "front", "end") and "time" [unix s].
"""

import fcntl
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Warn = Callable[[str], None]
LOG = logging.getLogger("evonum.tracking")


class Sink(Protocol):
    """Takes the records of one search. Neither method raises: a search never dies of its records."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record; returns at once."""

    def close(self, timeout_s: float) -> None:
        """Finish what is under way, within `timeout_s` seconds."""


class NullSink:
    """Keeps nothing."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Drop the record."""

    def close(self, timeout_s: float) -> None:
        """Nothing to finish."""


class Tee:
    """Writes to several sinks, in the given order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def write(self, record: Mapping[str, Any]) -> None:
        """Pass the record to each sink."""
        for sink in self._sinks:
            sink.write(record)

    def close(self, timeout_s: float) -> None:
        """Close each sink; all of them share the time."""
        deadline = time.monotonic() + timeout_s
        for sink in self._sinks:
            sink.close(max(0.0, deadline - time.monotonic()))


class JsonLinesSink:
    """Appends records to a file.

    Every line is handed to the operating system before `write` returns: killing the process loses
    nothing. Numbers that JSON lacks (nan, inf) are written as null.

    Args:
        path: made with its folders if missing; a line torn by a crash is cut off.
        warn: called once, if the file cannot be written later (a full disk); the search goes on.

    Raises:
        OSError: the file cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str], warn: Warn = LOG.warning) -> None:
        """Open the file and repair its end."""
        self.path = Path(path)
        self._warn = warn
        self._warned = False
        self._lost = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115
            with suppress(OSError):  # only tells `is_being_written`; some file systems have no locks
                fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _cut_torn_line(self._file.fileno())
        except OSError as error:
            raise OSError(
                error.errno, f"Cannot write the search's records: {error.strerror}", str(self.path)
            ) from error

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; "time" is added if it is missing."""
        line = _to_json({"time": time.time(), **record}).encode() + b"\n"
        try:
            size = os.fstat(self._file.fileno()).st_size
            try:
                _write_all(self._file.fileno(), line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), size)
                raise
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            self._lost += 1
            if not self._warned:
                self._warned = True
                self._warn(f"Records of the search are being lost: cannot write {self.path}: {error}")

    def close(self, timeout_s: float) -> None:
        """Force the file to the disk and close it."""
        if self._file.closed:
            return
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()
        if self._lost:
            self._warn(f"{self._lost} records of the search were lost: {self.path} could not be written.")


def is_being_written(path: str | os.PathLike[str]) -> bool:
    """Whether a `JsonLinesSink` has the file open, in any process."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Line(NamedTuple):
    """One record and the bytes of the file that hold it."""

    record: dict[str, Any]
    start: int
    end: int


def iter_lines(path: str | os.PathLike[str], offset: int = 0) -> Iterator[Line]:
    """Records from byte `offset` on, as they are read; none if the file is missing.

    An incomplete last line is not read. A complete line that is no JSON object (written by a full
    disk) is skipped.
    """
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            start, offset = offset, offset + len(raw)
            try:
                record = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield Line(record, start, offset)


def read_records(path: str | os.PathLike[str], offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """All complete records from byte `offset` on, and the offset to go on from."""
    records = []
    for line in iter_lines(path, offset):
        records.append(line.record)
        offset = line.end
    return records, offset


def _cut_torn_line(descriptor: int) -> None:
    """Cut the file back to its last complete line."""
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - 65536)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if end < size:
        os.ftruncate(descriptor, end)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _to_json(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, allow_nan=False)
    except (TypeError, ValueError):  # NumPy numbers, nan, inf: rare, so not searched for every time
        return json.dumps(_plain(record), allow_nan=False)


def _plain(value: Any) -> Any:
    """`value` out of JSON's types; what JSON has no number for is None, anything else unknown its text."""
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
