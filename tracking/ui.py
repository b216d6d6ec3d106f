"""The MLflow dashboard over the store that searches wrote to."""

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tracking.database import check_database, sqlite_path
from tracking.kept import Kept
from tracking.mlflow_sink import check_address, resolve_tracking_uri
from tracking.views import EXPERIMENTS, FRONTS, link

LISTED = 10
"""Experiments whose links are printed."""


def open_ui(tracking_uri: str | None = None, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serve the dashboard until a signal (Ctrl-C, SIGTERM, a closed terminal), and say where it opens.

    A store behind a server (http, https) has its dashboard there: its address is printed, nothing started.

    Args:
        tracking_uri: the store; see `resolve_tracking_uri` for None.
        host: the address to listen on.
        port: the port to listen on.

    Returns:
        The exit code: 0 after a signal, the server's own if it ends by itself.

    Raises:
        FileNotFoundError: the SQLite store does not exist.
        OSError: the port is taken, the host is none of this machine's, or the store is no database.
        ValueError: the address is no store's.
    """
    uri = resolve_tracking_uri(tracking_uri)
    check_address(uri)
    if uri.startswith(("http://", "https://")):
        print(f"The dashboard is part of the tracking server: {uri.rstrip('/')}/{EXPERIMENTS}", flush=True)
        return 0
    store = sqlite_path(uri)
    if store is not None and not store.exists():
        raise FileNotFoundError(
            f"There is no MLflow store at {store}: run a search first, or set MLFLOW_TRACKING_URI to another."
        )
    if store is not None:
        check_database(store)
    _check_port(host, port)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--host", host, "--port", str(port)]
    if store is not None:
        command += ["--artifacts-destination", (store.parent / "mlartifacts").as_uri()]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"MLflow dashboard of {uri}, at {address} in some seconds; Ctrl-C ends it", flush=True)
    with Kept(command, {**settings, **os.environ}) as server, _ended_by_signals(server.end) as received:
        _say_where(server, address, received)
        code = server.wait()
    return 0 if received else code


def _say_where(server: Kept, address: str, received: list[int]) -> None:
    """Prints the links, once the server answers."""
    while server.poll() is None and not received:
        try:
            found = _experiments(address)
        except (OSError, ValueError):
            time.sleep(0.2)
            continue
        print(f"{address}/{EXPERIMENTS}   all experiments", flush=True)
        for number, name in found:
            print(f"{address}/{link(number, FRONTS)}   {name}", flush=True)
        return


def _experiments(address: str) -> list[tuple[str, str]]:
    """Ids and names of the last ones to change that searches made."""
    query = {"max_results": LISTED, "order_by": ["last_update_time DESC"], "filter": "name != 'Default'"}
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/search",
        json.dumps(query).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = json.load(answer).get("experiments") or []
    return [(one["experiment_id"], one["name"]) for one in found]


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"Cannot listen on {host}:{port} ({error.strerror}); choose another with --port."
            raise OSError(error.errno, reason) from error


@contextmanager
def _ended_by_signals(end: Callable[[], None]) -> Iterator[list[int]]:
    """Signals to this process call `end`; their numbers."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        end()

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
