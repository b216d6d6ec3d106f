"""MLflow: one run per search, delivered from the search's records by a thread of its own.

The search never waits for MLflow and never fails with it. What cannot be delivered now stays in the
records and goes out when MLflow is back, when the search is resumed, or by `deliver`. MLflow itself is
imported in the thread, because that takes seconds.
"""

import math
import os
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from tracking.database import NoDatabaseError, check_place, prepare_database, sqlite_path
from tracking.outbox import MAX_BACKOFF_S, Ledger, Outbox, Record, UnnotedError
from tracking.patience import within
from tracking.sink import LOG, JsonLinesSink, Sink, Tee, Warn, is_being_written, iter_lines

if TYPE_CHECKING:
    from tracking.mlflow_store import MlflowStore

T = TypeVar("T")

STORES = re.compile(r"sqlite:///.|(postgresql|mysql|mssql)(\+\w+)?://|databricks(-uc)?(://|$)")
"""Addresses of stores that are no server's; MLflow's folders of files are none any more."""
THREAD = "evonum-mlflow"
POLL_S = 1.0
ANSWER_S = 60.0  # for an answer of a store elsewhere
GIVE_UP_S = 5.0  # for a store that failed before and has taken nothing
FIRST_S = 30.0  # for the first answer of a server
SETTINGS = {  # a dead server is noticed in seconds; the records are kept and sent again anyway
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",  # a database that is away is told in many lines, again and again
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the standard output is the search's, perhaps JSON
}


_PASSWORD = (
    "Leave the password out of the store's address, which stands in logs and files: MLflow reads "
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, PostgreSQL reads PGPASSWORD or ~/.pgpass"
)


def resolve_tracking_uri(tracking_uri: str | None = None, base: str | os.PathLike[str] = ".") -> str:
    """The store to use: the argument, else MLFLOW_TRACKING_URI, else mlflow.db in the folder `base`.

    Paths of SQLite stores become absolute, so that the store stays the same from any folder.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    path = sqlite_path(uri)
    return uri if path is None else f"sqlite:///{Path(base, path).resolve()}"


def check_address(uri: str) -> None:
    """Refuses an address where no store can ever be, or one with a password, which would stand in logs.

    Raises:
        ValueError: one line with what was expected.
    """
    try:
        parts = urlsplit(uri)
        if parts.password is not None:
            raise ValueError(_PASSWORD)
        is_server = parts.scheme in ("http", "https")
        _ = parts.port  # raises where it is no number of a port
        known = bool(parts.hostname and not re.search(r"\s", uri)) if is_server else bool(STORES.match(uri))
    except ValueError as error:
        if str(error) == _PASSWORD:
            raise
        known = False
    if not known:
        raise ValueError(
            f"{uri!r} is no store: expected sqlite:///FILE, http://HOST:PORT or postgresql://..."
        )


def open_sink(
    directory: str | os.PathLike[str],
    tracking_uri: str | None = None,
    experiment: str | None = None,
    base: str | os.PathLike[str] = ".",
    warn: Warn = LOG.warning,
) -> Sink:
    """The usual sink of a search in `directory`: its file of records, and MLflow fed from that file."""
    records = JsonLinesSink(Path(directory) / "records.jsonl", warn)
    return Tee(records, MlflowSink(directory, tracking_uri, experiment, base, warn))


class MlflowSink:
    """Delivers `directory`/records.jsonl to MLflow from a thread, from the first `write` on.

    It writes no records: put it behind a `JsonLinesSink` in a `Tee` (`open_sink` does).

    Args:
        directory: the search's directory; mlflow.json and mlflow.lock are kept there.
        tracking_uri: see `resolve_tracking_uri`; if neither argument nor environment name a store,
            the one that the directory was delivered to before.
        experiment: its name; MLFLOW_EXPERIMENT_NAME if None, else that of the target, interval and metric.
        base: folder of the default store.
        warn: called once for each kind of trouble.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        tracking_uri: str | None = None,
        experiment: str | None = None,
        base: str | os.PathLike[str] = ".",
        warn: Warn = LOG.warning,
    ) -> None:
        """Nothing is opened yet: the thread does that."""
        self._warn = warn
        self._outbox = _open_outbox(Path(directory), tracking_uri, experiment, base, warn)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._opened = self._failed = False
        self._asked: float | None = None  # since when a server is waited for, which may never answer

    @property
    def tracking_uri(self) -> str:
        """The store."""
        return self._outbox.ledger.tracking_uri

    @property
    def run_id(self) -> str | None:
        """The search's run, once it exists."""
        return self._outbox.ledger.run_id

    def write(self, record: Record) -> None:
        """Make sure that the thread runs; it finds the record in the file."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
            self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Deliver what is left, trying once; warn if anything stays behind.

        A store that could not be opened so far is waited for no longer than a few seconds. What this machine
        does itself ends, however busy it is, and is waited for: MLflow's import, a new file of tables.
        """
        self._closing.set()
        if self._thread is None:
            return
        now = time.monotonic()
        deadline, later = now + timeout_s, now + GIVE_UP_S
        while self._thread.is_alive() and time.monotonic() < min(deadline, self._patience(later)):
            self._thread.join(0.05)
        if left := self._outbox.undelivered():
            self._warn(
                f"{left} records of the search are not in MLflow ({self.tracking_uri}) yet. They are kept in "
                f"{self._outbox.records} and delivered when the search is resumed."
            )
        self._thread = None

    def _patience(self, later: float) -> float:
        """Until when the store may take the rest; `later` is for one that failed before."""
        if self._opened:
            return math.inf
        if self._failed:
            return later
        return math.inf if self._asked is None else max(later, self._asked + FIRST_S)

    def _run(self) -> None:
        store: MlflowStore | None = None
        failures = 0
        while True:
            last = self._closing.is_set()
            try:
                if self._outbox.acquire():
                    self._outbox.remember()
                    store = store or self._open()
                    self._outbox.deliver(store, draw_now=last)
                    self._opened = True
                failures, self._failed = 0, False
            except Exception as error:
                failures += 1
                self._failed = True
                if failures == 1:
                    self._warn(_away(self.tracking_uri, error))
            if last:
                break
            self._closing.wait(min(MAX_BACKOFF_S, POLL_S * 2**failures))
        self._outbox.release()

    def _open(self) -> "MlflowStore":
        _prepare_store(self.tracking_uri)
        if sqlite_path(self.tracking_uri) is None:
            self._asked = self._asked or time.monotonic()
        return _open_store(self._outbox.ledger)


def deliver(
    directory: str | os.PathLike[str],
    tracking_uri: str | None = None,
    timeout_s: float = 60.0,
    *,
    experiment: str | None = None,
    base: str | os.PathLike[str] = ".",
    warn: Warn = LOG.warning,
) -> int:
    """Deliver the records of a search that MLflow does not have yet; the search may be running or dead.

    A search that died without its end record gets the status KILLED; resuming it sets it running again.

    Args:
        directory: the search's directory.
        tracking_uri: as for `MlflowSink`; a new store gets all records.
        timeout_s: how long to go on trying [s].

    Returns:
        Number of records still undelivered, 0 on success.

    Raises:
        FileNotFoundError: the directory holds no records.
        ValueError: the address is no store's.
        NoDatabaseError: no SQLite store is there, or can be.
        UnnotedError: there are undelivered records, and the directory cannot be written.
    """
    outbox = _open_outbox(Path(directory), tracking_uri, experiment, base, warn)
    if not os.path.isfile(outbox.records):  # unlike Path.is_file, with a name that is too long, too
        raise FileNotFoundError(
            f"No records of a search: there is no file {outbox.records}; "
            "evonum deliver FOLDER --follow delivers every search in a folder."
        )
    check_address(outbox.ledger.tracking_uri)
    if file := sqlite_path(outbox.ledger.tracking_uri):
        check_place(file)
    deadline = time.monotonic() + timeout_s
    pause = 0.5
    try:
        while True:
            try:
                if outbox.acquire():
                    store = _open_store(outbox.ledger)
                    outbox.deliver(store, draw_now=True)
                    ledger = outbox.ledger
                    if ledger.run_id and not ledger.ended and not is_being_written(outbox.records):
                        store.set_status(ledger.run_id, "KILLED", time.time())
                    break
            except NoDatabaseError:
                raise
            except UnnotedError:
                if not outbox.undelivered():
                    break
                raise
            except Exception as error:
                if time.monotonic() + pause > deadline:
                    warn(_away(outbox.ledger.tracking_uri, error))
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
        return outbox.undelivered()
    finally:
        outbox.release()


def undelivered(directory: str | os.PathLike[str]) -> int:
    """How many of a search's records the store that it was last delivered to does not have."""
    ledger = Ledger.load(Path(directory) / "mlflow.json")
    offset = ledger.offset if ledger else 0
    return sum(1 for _ in iter_lines(Path(directory) / "records.jsonl", offset))


def store_of(directory: str | os.PathLike[str]) -> str | None:
    """The address of the store that a search's records go to, where that is not the usual one."""
    ledger = Ledger.load(Path(directory) / "mlflow.json")
    return ledger.tracking_uri if ledger and ledger.tracking_uri != resolve_tracking_uri() else None


def run_front(run_id: str, tracking_uri: str | None = None) -> list[dict[str, Any]]:
    """The front that a run logged: the objects of its front.json.

    Raises:
        LookupError: no such run, or no front in it yet; one line says which.
        ConnectionError: MLflow is away.
    """
    uri = _existing_store(tracking_uri)
    from tracking.mlflow_store import download_front

    return _asked(uri, lambda: download_front(uri, run_id))


def run_params(run_id: str, tracking_uri: str | None = None) -> dict[str, Any]:
    """What a run was asked for: texts by name; empty if it cannot be read."""
    uri = _existing_store(tracking_uri)
    from tracking import registry

    return _asked(uri, lambda: registry.run_params(uri, run_id))


def model_member(name: str, tracking_uri: str | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The member of a registered model (`models:/NAME@ops-07`) and its run's parameters.

    Raises:
        LookupError: no such model.
        ConnectionError: MLflow is away.
    """
    uri = _existing_store(tracking_uri)
    from tracking import registry

    return _asked(uri, lambda: registry.model_member(uri, name))


def _asked(uri: str, call: Callable[[], T]) -> T:
    """What a call of a store gives; a file is waited for, a store elsewhere for so long.

    Raises:
        TimeoutError: it does not answer.
    """
    return call() if sqlite_path(uri) is not None else within(ANSWER_S, call)


def _existing_store(tracking_uri: str | None) -> str:
    """The store to read from, with MLflow's settings for that."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    uri = resolve_tracking_uri(tracking_uri)
    store = sqlite_path(uri)
    if store is not None and not store.exists():
        raise LookupError(f"there is no MLflow store at {store}")
    return uri


def _open_outbox(
    directory: Path,
    tracking_uri: str | None,
    experiment: str | None,
    base: str | os.PathLike[str],
    warn: Warn,
) -> Outbox:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    before = Ledger.load(directory / "mlflow.json")
    if before and not tracking_uri and not os.environ.get("MLFLOW_TRACKING_URI"):
        tracking_uri = before.tracking_uri
    experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or ""
    return Outbox(directory, Ledger(resolve_tracking_uri(tracking_uri, base), experiment), warn)


def _prepare_store(tracking_uri: str) -> None:
    """What opening a store takes of this machine alone: a SQLite store's tables and MLflow's import."""
    if file := sqlite_path(tracking_uri):
        prepare_database(file)
    import tracking.mlflow_store  # noqa: F401


def _open_store(ledger: Ledger) -> "MlflowStore":
    """The store; each of its answers is waited for as by `_asked`.

    Raises:
        NoDatabaseError: it can never be opened here.
        Exception: a passing failure.
    """
    _prepare_store(ledger.tracking_uri)
    from sqlalchemy.exc import ArgumentError

    from tracking.mlflow_store import MlflowStore

    uri, file = ledger.tracking_uri, sqlite_path(ledger.tracking_uri)
    artifacts = file and file.parent / "mlartifacts"
    try:
        return _asked(uri, lambda: MlflowStore(uri, ledger.experiment, artifacts, partial(_asked, uri)))
    except (ImportError, ArgumentError) as error:
        raise NoDatabaseError(f"The store {uri} cannot be opened here: {error}.") from None


def _away(tracking_uri: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [""])[0][:600] or type(error).__name__
    return f"MLflow ({tracking_uri}) takes no records now; they are kept and sent later. {reason}"
