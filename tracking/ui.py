"""The MLflow dashboard over the store that searches wrote to."""

import os
import signal
import socket
import subprocess
import sys
import threading
from types import FrameType

from tracking.database import check_database, sqlite_path
from tracking.mlflow_sink import check_address, resolve_tracking_uri


def open_ui(tracking_uri: str | None = None, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serve the dashboard until it is interrupted (Ctrl-C or SIGTERM).

    A store behind a server (http, https) has its dashboard there: its address is printed, nothing started.

    Args:
        tracking_uri: the store; see `resolve_tracking_uri` for None.
        host: the address to listen on.
        port: the port to listen on.

    Returns:
        The exit code: 0 after an interrupt, the server's own if it ends by itself.

    Raises:
        FileNotFoundError: the SQLite store does not exist.
        OSError: the port is taken, the host is none of this machine's, or the store is no database.
        ValueError: the address is no store's.
    """
    uri = resolve_tracking_uri(tracking_uri)
    check_address(uri)
    if uri.startswith(("http://", "https://")):
        print(f"The dashboard is part of the tracking server: {uri}", flush=True)
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
    print(f"MLflow dashboard of {uri}\nhttp://{host}:{port}   (Ctrl-C ends it)", flush=True)
    with subprocess.Popen(command, env={**settings, **os.environ}, start_new_session=True) as server:
        return _wait(server)


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"Cannot listen on {host}:{port} ({error.strerror}); choose another with --port."
            raise OSError(error.errno, reason) from error


def _wait(server: subprocess.Popen[bytes]) -> int:
    """The server's exit code; signals to this process end the server and its workers."""
    interrupted = False

    def forward(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)

    signals = (signal.SIGINT, signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()
    before = [signal.signal(number, forward) for number in signals] if in_main else []
    try:
        code = server.wait()
    finally:
        for number, handler in zip(signals, before, strict=False):
            signal.signal(number, handler)
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
    return 0 if interrupted else code
