"""A SQLite store's file: made once, whole or not at all, and told apart from one that never was finished.

MLflow makes a new store's tables step by step, without a transaction: two processes that open a new store at
once, or one that is killed within its first seconds, leave a file that no MLflow ever opens again. So a
store is made under a file lock, under another name, and renamed into place.
"""

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path


def sqlite_path(tracking_uri: str) -> Path | None:
    """The file of a SQLite store; None for any other."""
    prefix = "sqlite:///"
    return Path(tracking_uri[len(prefix) :].split("?")[0]) if tracking_uri.startswith(prefix) else None


class NoDatabaseError(OSError):
    """No store is there, or can be; trying again is useless."""


def check_database(file: Path) -> None:
    """Opens a SQLite file; MLflow would try for minutes.

    Raises:
        NoDatabaseError: it is none, or cannot be opened; one line.
    """
    reason = None if file.is_file() else "it is a directory" if file.is_dir() else "it is no file"
    try:
        if reason is None:
            with closing(sqlite3.connect(file, timeout=1)) as database:
                database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        reason = None if busy else str(error)
    if reason is not None:
        raise NoDatabaseError(f"The store {file} cannot be opened: {reason}.")


def check_place(file: Path) -> None:
    """Whether a SQLite store is there or can be made.

    Raises:
        NoDatabaseError: as `check_database`; or its folder cannot be written, or made.
    """
    if os.path.lexists(file):
        check_database(file)
        return
    there = next(folder for folder in file.absolute().parents if os.path.lexists(folder))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        kind = "cannot be written" if there.is_dir() else "is no directory"
        raise NoDatabaseError(f"The store {file} cannot be made: {there} {kind}.")


def prepare_database(file: Path) -> None:
    """Makes the store if there is none; imports MLflow, which takes seconds.

    Raises:
        OSError: it cannot be made.
        NoDatabaseError: it is none, or was never finished; one line names the cure.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_name(f"{file.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists() or (file.is_file() and not file.stat().st_size):
            _make(file)
            return
    check_database(file)
    if _is_half_made(file):
        raise NoDatabaseError(
            f"The store {file} was never finished (a search was killed while an older version made it) and "
            f"holds no runs: move it away with: mv {file} {file}.broken"
        )


def _make(file: Path) -> None:
    """Under the lock."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)  # of a process that was killed here
    store = SqlAlchemyStore(f"sqlite:///{new}", (file.parent / "mlartifacts").as_uri())
    store.engine.dispose()
    os.replace(new, file)


def _is_half_made(file: Path) -> bool:
    """Whether its tables are not those of this MLflow, and no run was ever kept in them."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    with closing(sqlite3.connect(file, timeout=10)) as database:
        if _rows(database, "SELECT version_num FROM alembic_version") == [(_get_latest_schema_revision(),)]:
            return False
        return not _rows(database, "SELECT 1 FROM runs LIMIT 1")


def _rows(database: sqlite3.Connection, query: str) -> list[tuple[object, ...]]:
    """None where there is no such table."""
    try:
        return database.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
