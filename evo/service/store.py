"""What the service knows: jobs and events in one SQLite file, in WAL mode, written by one process.

A state and the event that tells of it are one transaction, on the disk before anybody is told. Result
directories stay the truth about searches: the store has who asked, in which order, and what became of it.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from evo.errors import EvonumError
from evo.service.job import Event, Job
from evo.service.states import ENDED, FOLLOWERS, STATES, State

LOG = logging.getLogger("evonum.service")
VERSION = 1
SCHEMA = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    state TEXT NOT NULL, cause TEXT NOT NULL, entries TEXT NOT NULL, cores INTEGER NOT NULL,
    created REAL NOT NULL, began REAL, ended REAL, session INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0, fruitless INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0, spent REAL NOT NULL DEFAULT 0,
    records_at INTEGER NOT NULL DEFAULT 0, pid INTEGER, ticks INTEGER,
    core_seconds REAL NOT NULL DEFAULT 0, counted REAL NOT NULL DEFAULT 0, stop INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, time REAL NOT NULL,
    state TEXT NOT NULL, cause TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_job ON events (job, seq);
CREATE TABLE keys (
    owner TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT;
CREATE TABLE owners (owner TEXT PRIMARY KEY, used REAL NOT NULL) STRICT;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, digest TEXT NOT NULL, scopes TEXT NOT NULL,
    max_jobs INTEGER NOT NULL, max_cores INTEGER NOT NULL, created REAL NOT NULL, ends REAL, revoked REAL
) STRICT;
"""
NOTES = frozenset(
    {
        "began", "ended", "session", "attempts", "fruitless", "reached", "spent", "records_at", "pid",
        "ticks", "counted", "stop", "entries",
    }
)  # fmt: skip
"""Columns of a job that change with its state, or between."""
_COLUMNS = ", ".join(name for name in Job.__dataclass_fields__)
_BY_ID = f"SELECT {_COLUMNS} FROM jobs WHERE id = ?"


class StoreError(EvonumError, OSError):
    """The service's store cannot be opened; one line says why."""

    kind = "machine"


class Spent(NamedTuple):
    """Core seconds of a job since the last note, and the age of its process that they reach to [s]."""

    job: str
    owner: str
    seconds: float
    counted: float


class Store:
    """The file: one connection that writes, under a lock, and one to read with for each thread.

    A reader never waits for a writer, which may wait for the disk.

    Args:
        path: made if missing.

    Raises:
        StoreError: it cannot be opened, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.RLock()
        self._own, self._open = threading.local(), dict[threading.Thread, sqlite3.Connection]()
        try:
            self._base = self._connected()
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._file = _file(path)
            self._make(path)
            ((found,),) = self._base.execute("PRAGMA quick_check(1)").fetchall()
            if found != "ok":
                raise sqlite3.DatabaseError(" ".join(found.split()))
        except sqlite3.Error as error:
            raise StoreError(f"The service's store {path} cannot be opened: {error}.") from None

    def _connected(self) -> sqlite3.Connection:
        """A new connection."""
        made = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        made.row_factory = sqlite3.Row
        return made

    @property
    def _reader(self) -> sqlite3.Connection:
        """This thread's own, closed with the store, or after the thread's end when another needs one."""
        if not hasattr(self._own, "connection"):
            self._refuse_another()
            made = self._own.connection = self._connected()
            with self._lock:
                for thread in [thread for thread in self._open if not thread.is_alive()]:
                    self._open.pop(thread).close()
                self._open[threading.current_thread()] = made
        found: sqlite3.Connection = self._own.connection
        return found

    def _refuse_another(self) -> None:
        """What is written to a deleted file is lost with this process, and a new one is empty."""
        if self._file != _file(self._path):
            raise StoreError(f"The service's store {self._path} is gone, or another file: end the service.")

    def _make(self, path: Path) -> None:
        with self.writing() as base:
            (found,) = base.execute("PRAGMA user_version").fetchone()
            if found == VERSION:
                return
            if found:
                raise StoreError(f"The service's store {path} is of version {found}, not {VERSION}.")
            for statement in SCHEMA.split(";\n"):
                base.execute(statement)
            base.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction that holds the file; whole on the disk at the end, or undone.

        Raises:
            StoreError: the file cannot be written now: the disk is full, it is held or damaged.
        """
        with self._lock:
            self._refuse_another()
            try:
                self._base.execute("BEGIN IMMEDIATE")
                yield self._base
                self._base.execute("COMMIT")
            except BaseException as error:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                if type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError):
                    raise StoreError(f"The service's store cannot be written: {error}.") from None
                raise

    def read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query.

        Raises:
            StoreError: the file cannot be read: it is gone, or damaged.
        """
        try:
            return self._reader.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"The service's store cannot be read: {error}.") from None

    def version(self) -> int:
        """Another number after every change that is not this thread's own, whichever process made it."""
        ((found,),) = self.read("PRAGMA data_version")
        return int(found)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._base.close()
            while self._open:
                self._open.popitem()[1].close()

    def add(
        self, id: str, owner: str, entries: Mapping[str, Any], cores: int, key: str | None, digest: str
    ) -> tuple[Job, bool]:
        """A new job in state queued; or the one that the owner's key stands for already.

        Args:
            digest: of what was asked for.

        Returns:
            The job, and whether it is new.

        Raises:
            KeyError: the key stands for something else.
        """
        with self.writing() as base:
            if key is not None:
                kept = base.execute(
                    "SELECT job, digest FROM keys WHERE owner = ? AND key = ?", (owner, key)
                ).fetchone()
                if kept and kept["digest"] != digest:
                    raise KeyError(key)
                if kept and (known := self._find(base, kept["job"])):
                    return known, False
                base.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", (owner, key, id, digest))
            cause = f"submitted by {owner}"
            base.execute(
                "INSERT INTO jobs (id, owner, state, cause, entries, cores, created) "
                "VALUES (?, ?, 'queued', ?, ?, ?, ?)",
                (id, owner, cause, json.dumps(entries), cores, time.time()),
            )
            self._tell(base, id, "queued", cause)
            made = self._find(base, id)
        assert made is not None
        return self._said(made), True

    def change(self, job: Job, state: State, cause: str, **notes: Any) -> Job:
        """Another state of a job, with its event.

        Args:
            job: as it was read.
            notes: of `NOTES`, at the same time.

        Returns:
            The job as it is now: unchanged if it has left the state in which it was read, which another
            thread was faster to see.
        """
        assert state in FOLLOWERS[job.state], (job.state, state)
        if state in ENDED:
            notes = {"ended": time.time(), "pid": None, "ticks": None, **notes}
        with self.writing() as base:
            now = self._find(base, job.id)
            if now is None or now.state != job.state:
                return now or job
            self._update(base, job.id, {"state": state, "cause": cause, **notes})
            self._tell(base, job.id, state, cause)
            changed = self._find(base, job.id) or job
        return self._said(changed)

    def note(self, job: Job, cause: str | None = None, **notes: Any) -> Job:
        """Notes of a job, in the state in which it is; with an event if there is a cause."""
        with self.writing() as base:
            now = self._find(base, job.id)
            if now is None:
                return job
            self._update(base, job.id, notes if cause is None else {**notes, "cause": cause})
            if cause is not None:
                self._tell(base, job.id, now.state, cause)
            noted = self._find(base, job.id) or job
        return noted if cause is None else self._said(noted)

    def delete(self, job: Job) -> None:
        """Forgets a job, its events and its key."""
        with self.writing() as base:
            for table, column in (("jobs", "id"), ("events", "job"), ("keys", "job")):
                base.execute(f"DELETE FROM {table} WHERE {column} = ?", (job.id,))

    def find(self, id: str) -> Job | None:
        """A job by its name."""
        rows = self.read(_BY_ID, id)
        return _job(rows[0]) if rows else None

    def jobs(
        self,
        states: Collection[str] | None = None,
        owner: str | None = None,
        before: int | None = None,
        limit: int = -1,
        newest: bool = False,
    ) -> list[Job]:
        """Jobs in certain states, in the order in which they came or the other way round.

        Args:
            states: all by default.
            before: only those with a smaller `seq`.
            limit: at most so many; -1: all.
        """
        wanted = sorted(STATES if states is None else states)
        marks = ", ".join("?" for _ in wanted)
        return [
            _job(row)
            for row in self.read(
                f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) AND (? IS NULL OR owner = ?) "
                f"AND (? IS NULL OR seq < ?) ORDER BY seq {'DESC' if newest else 'ASC'} LIMIT ?",
                *wanted, owner, owner, before, before, limit,
            )
        ]  # fmt: skip

    def counts(self, owner: str | None = None) -> dict[State, int]:
        """How many jobs there are in each state, of all owners or of one."""
        rows = self.read(
            "SELECT state, count(*) AS jobs FROM jobs WHERE ? IS NULL OR owner = ? GROUP BY state",
            owner, owner,
        )  # fmt: skip
        return {row["state"]: row["jobs"] for row in rows}

    def keyed(self, owner: str, key: str) -> tuple[str, str] | None:
        """The job that an owner's key stands for, and the digest of what was asked for."""
        rows = self.read("SELECT job, digest FROM keys WHERE owner = ? AND key = ?", owner, key)
        return (rows[0]["job"], rows[0]["digest"]) if rows else None

    def events(self, job: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """What happened to a job after an event."""
        rows = self.read(
            "SELECT * FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", job, after, limit
        )
        return [Event(**row) for row in rows]

    def last_event(self, job: str) -> int:
        """The number of the last thing that happened to a job; 0 if there is none."""
        (row,) = self.read("SELECT max(seq) AS last FROM events WHERE job = ?", job)
        return row["last"] or 0

    def used(self) -> dict[str, float]:
        """Core seconds that owners had lately."""
        return {row["owner"]: row["used"] for row in self.read("SELECT * FROM owners")}

    def spend(self, spent: Iterable[Spent], fading: float) -> None:
        """Adds core seconds to jobs and to owners, of whom older ones fade by a factor."""
        with self.writing() as base:
            base.execute("UPDATE owners SET used = used * ?", (fading,))
            for one in spent:
                base.execute(
                    "UPDATE jobs SET core_seconds = core_seconds + ?, counted = ? WHERE id = ?",
                    (one.seconds, one.counted, one.job),
                )
                base.execute(
                    "INSERT INTO owners VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET used = used + ?",
                    (one.owner, one.seconds, one.seconds),
                )

    def _find(self, base: sqlite3.Connection, id: str) -> Job | None:
        row = base.execute(_BY_ID, (id,)).fetchone()
        return None if row is None else _job(row)

    @staticmethod
    def _said(job: Job) -> Job:
        """The job, of which the log has another line."""
        LOG.info(job.cause, extra={"job": job.id, "owner": job.owner, "state": job.state})
        return job

    @staticmethod
    def _tell(base: sqlite3.Connection, id: str, state: State, cause: str) -> None:
        base.execute(
            "INSERT INTO events (job, time, state, cause) VALUES (?, ?, ?, ?)",
            (id, time.time(), state, cause),
        )

    @staticmethod
    def _update(base: sqlite3.Connection, id: str, values: Mapping[str, Any]) -> None:
        assert set(values) <= NOTES | {"state", "cause"}, values
        if not values:
            return
        columns = ", ".join(f"{name} = ?" for name in values)
        held = [json.dumps(value) if name == "entries" else value for name, value in values.items()]
        base.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*held, id))


def _file(path: Path) -> tuple[int, int] | None:
    """Which file is at a path; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _job(row: sqlite3.Row) -> Job:
    kept = dict(row)
    return Job(**{**kept, "entries": json.loads(kept["entries"])})
