"""Delivers the records of a search directory to a receiver, surely and in order, however often killed.

DIR/records.jsonl is read from the byte offset that DIR/mlflow.json keeps; the offset moves on only
after the receiver has taken what lies before it. So nothing is lost, and what a kill makes be sent
twice must be harmless to the receiver twice (at-least-once delivery to idempotent calls). Fronts
replace each other: only the newest is sent, not more often than the receiver can bear.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from tracking.sink import Line, Warn, iter_lines

Record = Mapping[str, Any]
Offset = Annotated[int, Field(ge=0)]
RECORDS_PER_SEND = 200
DRAW_EVERY_S = 5.0
DRAW_SHARE = 0.04
MAX_BACKOFF_S = 30.0


class RejectedError(Exception):
    """The receiver will never take this record: sending it again is useless."""


class RunMissingError(Exception):
    """The receiver does not know the run: its store is new, or was emptied."""


class UnnotedError(OSError):
    """The search's directory cannot be written, so that nobody would know what was delivered."""


class Receiver(Protocol):
    """What takes the records. Every method may be called again with the same arguments.

    Raises:
        RejectedError: see there; the record is skipped.
        RunMissingError: see there; everything is sent again, to a new run.
        Exception: anything else is taken for a passing failure, and tried again later.
    """

    def start(self, record: Record) -> str:
        """The run of this search, found or made; params and tags are set."""

    def resume(self, run_id: str, record: Record) -> None:
        """The search goes on in the same run."""

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        """Numbers of several steps."""

    def front(self, run_id: str, record: Record) -> None:
        """The newest front."""

    def end(self, run_id: str, record: Record) -> None:
        """Last numbers, models and status."""


@dataclass(config=ConfigDict(strict=True, extra="forbid"))
class Ledger:
    """What was delivered where: the content of DIR/mlflow.json.

    Attributes:
        tracking_uri: the store.
        experiment: name of the experiment in it that a user chose; empty: it follows from the target.
        run_id: the search's run, or None before there is one.
        offset: bytes of records.jsonl that were delivered.
        undrawn: offset of a front below `offset` that is still to be sent, or None.
        ended: whether the last record delivered was the search's end.
    """

    tracking_uri: str
    experiment: str
    run_id: str | None = None
    offset: Offset = 0
    undrawn: Offset | None = None
    ended: bool = False

    def save(self, path: Path) -> None:
        """Replace the file in one step: a reader sees the old or the new one.

        Raises:
            UnnotedError: the directory cannot be written.
        """
        temporary = path.with_name(path.name + ".tmp")
        try:
            with open(temporary, "w") as file:
                json.dump(asdict(self), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise UnnotedError(error.errno, error.strerror, str(path)) from None

    @staticmethod
    def load(path: Path) -> "Ledger | None":
        """The ledger in `path`; None if there is none that can be read."""
        try:
            return Ledger(**json.loads(path.read_text())) if path.is_file() else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None


class Outbox:
    """The undelivered records of one search directory.

    Args:
        directory: holds records.jsonl; mlflow.json and mlflow.lock are written there.
        ledger: where to deliver. If the directory's own ledger names another store, all records are
            delivered again, to this one.
        warn: called once for each kind of trouble.
    """

    def __init__(self, directory: Path, ledger: Ledger, warn: Warn) -> None:
        """Nothing is read or locked yet: `acquire` does that."""
        self.records = directory / "records.jsonl"
        self.ledger = ledger
        self._path = directory / "mlflow.json"
        self._lock_path = directory / "mlflow.lock"
        self._lock: int | None = None
        self._warn = warn
        self._warned: set[str] = set()
        self._draw_after = 0.0

    def acquire(self) -> bool:
        """Become the directory's only deliverer; False while another process is it.

        Raises:
            UnnotedError: the directory cannot be written.
        """
        if self._lock is not None:
            return True
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UnnotedError(error.errno, error.strerror, str(self._lock_path)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        kept = Ledger.load(self._path)
        if kept is not None and kept.tracking_uri == self.ledger.tracking_uri:
            self.ledger = kept
        return True

    def remember(self) -> None:
        """Keep where the records go, before the first of them is taken: the store may be away."""
        kept = Ledger.load(self._path)
        if kept is None or kept.tracking_uri != self.ledger.tracking_uri:
            self.ledger.save(self._path)

    def release(self) -> None:
        """Let others deliver."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def undelivered(self) -> int:
        """Number of records that were not delivered yet."""
        ledger = self.ledger if self._lock is not None else Ledger.load(self._path)
        if ledger is None or ledger.tracking_uri != self.ledger.tracking_uri:
            ledger = self.ledger
        return sum(1 for _ in iter_lines(self.records, ledger.offset)) + (ledger.undrawn is not None)

    def deliver(self, receiver: Receiver, draw_now: bool) -> None:
        """Deliver all there is; the caller is the deliverer (`acquire`).

        Args:
            draw_now: send the newest front now, however recent the last one.

        Raises:
            UnnotedError: the directory cannot be written; what was delivered is delivered again.
            Exception: a passing failure; what was delivered before it is in the ledger.
        """
        if self.records.exists() and self.records.stat().st_size < self.ledger.offset:
            self._start_over()  # the file is another one now
        try:
            self._deliver(receiver, draw_now)
        except RunMissingError as error:
            self._complain(f"MLflow lost the run of this search ({error}); everything is sent again.")
            self._start_over()
            self._deliver(receiver, draw_now)

    def _deliver(self, receiver: Receiver, draw_now: bool) -> None:
        waiting: list[Line] = []
        for line in iter_lines(self.records, self.ledger.offset):
            if line.record.get("kind") in ("metrics", "front"):
                waiting.append(line)
                if len(waiting) == RECORDS_PER_SEND:
                    self._send_waiting(receiver, waiting)
                    waiting = []
            else:
                self._send_waiting(receiver, waiting)
                waiting = []
                self._send(receiver, line)
        self._send_waiting(receiver, waiting)
        if self.ledger.undrawn is not None and (draw_now or time.monotonic() >= self._draw_after):
            self._draw(receiver)

    def _send_waiting(self, receiver: Receiver, lines: Sequence[Line]) -> None:
        """Send metrics together; of the fronts among them, only remember where the newest is."""
        if not lines:
            return
        run_id = self._run_id(receiver, lines[0].record)
        self._send_metrics(receiver, run_id, [x.record for x in lines if x.record["kind"] == "metrics"])
        fronts = [line.start for line in lines if line.record["kind"] == "front"]
        undrawn = fronts[-1] if fronts else self.ledger.undrawn
        self._note(offset=lines[-1].end, ended=False, undrawn=undrawn)

    def _send_metrics(self, receiver: Receiver, run_id: str, records: Sequence[Record]) -> None:
        if not records:
            return
        try:
            receiver.metrics(run_id, records)
        except Exception as error:
            if not _is_rejected(error):
                raise
            if len(records) > 1:  # find the bad ones
                for record in records:
                    self._send_metrics(receiver, run_id, [record])
            else:
                self._complain(_rejected("metrics", error))

    def _send(self, receiver: Receiver, line: Line) -> None:
        record, kind = line.record, line.record.get("kind")
        if kind == "start" and not record.get("resumed"):
            self._draw(receiver)
            self.ledger.run_id = receiver.start(record)
        elif kind == "start":
            with self._skipping_rejected("start"):
                receiver.resume(self._run_id(receiver, record), record)
        elif kind == "end":
            run_id = self._run_id(receiver, record)
            self._draw(receiver, record)
            with self._skipping_rejected("end"):
                receiver.end(run_id, record)
        self._note(offset=line.end, ended=kind == "end")

    def _run_id(self, receiver: Receiver, record: Record) -> str:
        """The run; made from what is known if the file has no start record."""
        if self.ledger.run_id is None:
            name = self.records.parent.resolve().name
            self.ledger.run_id = receiver.start({"name": name, "params": {}, "tags": {}, **record})
        return self.ledger.run_id

    def _draw(self, receiver: Receiver, last: Record | None = None) -> None:
        """Send the waiting front; what the `last` record has of it takes its place."""
        waiting: Record = {}
        if self.ledger.undrawn is not None:
            line = next(iter_lines(self.records, self.ledger.undrawn), None)
            waiting = line.record if line else {}
        front: Record = {**waiting, **(last or {})}
        if not front.get("members") or self.ledger.run_id is None:
            return
        began = time.monotonic()
        with self._skipping_rejected("front"):
            receiver.front(self.ledger.run_id, front)
        ended = time.monotonic()
        self._draw_after = ended + max(DRAW_EVERY_S, (ended - began) / DRAW_SHARE)
        self._note(undrawn=None)

    def _note(self, **changes: Any) -> None:
        """The ledger with these changes, once they are on the disk."""
        changed = replace(self.ledger, **changes)
        changed.save(self._path)
        self.ledger = changed

    def _start_over(self) -> None:
        self.ledger = Ledger(self.ledger.tracking_uri, self.ledger.experiment)

    @contextmanager
    def _skipping_rejected(self, kind: str) -> Iterator[None]:
        """Go on after a record that can never be delivered, so that it does not hold up the rest."""
        try:
            yield
        except Exception as error:
            if not _is_rejected(error):
                raise
            self._complain(_rejected(kind, error))

    def _complain(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)


def _is_rejected(error: Exception) -> bool:
    """Refused by the receiver, or malformed; an OSError (all network errors are) is neither."""
    malformed = ArithmeticError | AttributeError | LookupError | TypeError | ValueError
    return isinstance(error, RejectedError) or (
        isinstance(error, malformed) and not isinstance(error, OSError)
    )


def _rejected(kind: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [""])[0][:300]
    return f"A {kind!r} record of the search cannot be shown in MLflow: {type(error).__name__}: {reason}"
