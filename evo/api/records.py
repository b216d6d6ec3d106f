"""Records of searches: sent to MLflow, counted, looked at in its dashboard."""

import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evo.fronts.front import FrontError
from evo.runs.directory import DirectoryError, UnwritableError
from evo.runs.sources import StoreError


@dataclass(frozen=True)
class Run:
    """What MLflow has of a search.

    Attributes:
        id: of the run.
        url: where a browser finds it; None where the store is no server.
    """

    id: str
    url: str | None


def deliver(directory: str | Path, tracking_uri: str | None = None) -> None:
    """Sends the records of a search that MLflow does not have yet.

    Raises:
        DirectoryError: no records there.
        FrontError: the address is no store's.
        UnwritableError: the directory cannot be written: what is delivered is noted there.
        StoreError: some are still undelivered.
    """
    from tracking.database import NoDatabaseError
    from tracking.mlflow_sink import deliver as send
    from tracking.outbox import UnnotedError

    began = clock.monotonic()
    try:
        left = send(directory, tracking_uri)
    except FileNotFoundError as error:
        raise DirectoryError(str(error)) from None
    except ValueError as error:
        raise FrontError(str(error)) from None
    except NoDatabaseError as error:
        raise StoreError(str(error)) from None
    except UnnotedError as error:
        raise UnwritableError(
            f"The records of {directory} are not delivered: what was sent is noted in {error.filename}, "
            f"which cannot be written ({error.strerror}). Copy the directory to where it can, "
            "and deliver the copy."
        ) from None
    if left:
        raise StoreError(
            f"{left} records are still undelivered after {clock.monotonic() - began:.0f} s; "
            f"they stay in {directory}."
        )


def deliver_all(
    folder: str | Path,
    tracking_uri: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    pause: float = 2.0,
) -> None:
    """Delivers every search in a folder, those that begin later, too, until it is interrupted.

    Args:
        folder: of search directories; it may have none yet.
        tracking_uri: as for `deliver`.
        report: told in one line what cannot be delivered now; it is tried again.
        pause: between two looks [s].

    Raises:
        FrontError: the address is no store's.
    """
    from tracking.mlflow_sink import check_address, resolve_tracking_uri
    from tracking.mlflow_sink import deliver as send

    try:
        check_address(resolve_tracking_uri(tracking_uri))
    except ValueError as error:
        raise FrontError(str(error)) from None
    while True:
        for directory in sorted(path.parent for path in Path(folder).rglob("records.jsonl")):
            if undelivered(directory):
                try:
                    send(directory, tracking_uri, 5.0, warn=report)
                except (OSError, ValueError) as error:  # the next one's may be delivered
                    report(f"{directory}: {error}")
        clock.sleep(pause)


def undelivered(directory: str | Path) -> int:
    """How many records of a search the store that it was last delivered to does not have."""
    from tracking.mlflow_sink import undelivered as count

    return count(directory)


def is_delivering() -> bool:
    """Whether a thread still delivers: its store did not answer in time."""
    from tracking.mlflow_sink import THREAD

    return any(thread.name == THREAD for thread in threading.enumerate())


def store_of(directory: str | Path) -> str | None:
    """MLflow's address for a search's records, where it is not the usual one."""
    from tracking.mlflow_sink import store_of as found

    return found(directory)


def run_of(directory: str | Path) -> Run | None:
    """MLflow's run of a search; None before there is one."""
    from tracking.outbox import Ledger
    from tracking.views import run_link

    ledger = Ledger.load(Path(directory) / "mlflow.json")
    if ledger is None or ledger.run_id is None:
        return None
    server = dashboard_of(ledger.tracking_uri)
    return Run(ledger.run_id, f"{server}/{run_link(ledger.run_id)}" if server else None)


def dashboard_of(tracking_uri: str | None) -> str | None:
    """Where a browser finds the pages of an MLflow store, without an account; None if it is no server."""
    scheme, _, place = (tracking_uri or "").rstrip("/").partition("://")
    return f"{scheme}://{place.rpartition('@')[2]}" if scheme in ("http", "https") else None


def dashboard(tracking_uri: str | None = None, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serves the MLflow dashboard until it is interrupted; its exit code.

    Raises:
        FrontError: there is no such store.
        StoreError: the store cannot be opened, or the port is taken.
    """
    from tracking.ui import open_ui

    try:
        return open_ui(tracking_uri, host, port)
    except (FileNotFoundError, ValueError) as error:
        raise FrontError(str(error)) from None
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from None
