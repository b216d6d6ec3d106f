"""The service as a process: its folder, its log, its threads, its end."""

import contextlib
import errno
import fcntl
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from evo.errors import EvonumError
from evo.files import open_lock
from evo.service.answers import Answers
from evo.service.deliverer import Deliverer
from evo.service.helpers import Helpers
from evo.service.jobs import Jobs
from evo.service.launcher import LAUNCHERS
from evo.service.listening import answer
from evo.service.measures import Measures
from evo.service.results import Results
from evo.service.settings import Settings, make_folder
from evo.service.store import Store
from evo.service.streams import Streams
from evo.service.watcher import Watcher

LOG = logging.getLogger("evonum.service")


class ServeError(EvonumError, OSError):
    """A service that cannot begin; one line says why."""

    kind = "machine"


def serve(settings: Settings, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serves until SIGINT or SIGTERM; jobs go on without the service, which finds them when it comes back.

    Args:
        ready: told the address once requests are taken.

    Raises:
        ServeError: the folder is another service's or cannot be written, or the port is taken.
        StoreError: the store cannot be opened.
    """
    from evo.service.rest import Parts, make_app

    with _held(settings), _listening(settings) as listener, _log(), contextlib.ExitStack() as stack:
        _refuse_loss(settings)
        helpers = stack.enter_context(contextlib.closing(Helpers(settings.helpers, settings.patience)))
        store = stack.enter_context(contextlib.closing(Store(settings.data / "service.db")))
        watcher = Watcher(store, settings, LAUNCHERS["ray" if settings.cluster else "local"](settings))
        jobs, streams = Jobs(store, settings, watcher, helpers), Streams(store, settings)
        measures = Measures(store, settings, watcher, streams)
        answers, results = Answers(store), Results(store, settings)
        parts = Parts(store, settings, watcher, helpers, jobs, answers, results, streams, measures)
        stack.enter_context(_thread(watcher))
        stack.enter_context(_thread(Deliverer(store, settings)))

        def begun() -> None:
            ready(_url(listener))
            helpers.begin()

        answer(make_app(parts), listener, begun)


def _refuse_loss(settings: Settings) -> None:
    """A store that is gone or empty beside folders of jobs: none of them would be listed."""
    store = settings.data / "service.db"
    held = sum(1 for _ in settings.jobs.iterdir())
    if held and not (store.exists() and store.stat().st_size):
        raise ServeError(
            f"The service's store {store} is gone or empty, but {settings.jobs} has {held} jobs: "
            "restore the store, or move the jobs elsewhere."
        )


@contextlib.contextmanager
def _held(settings: Settings) -> Iterator[None]:
    """The folder, made if missing, readable by this user alone, and held for one service."""
    try:
        make_folder(settings.data)
        settings.jobs.mkdir(exist_ok=True)
        file = open_lock(settings.data / "service.lock")
    except OSError as error:
        raise ServeError(f"The service cannot keep anything in {settings.data}: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServeError(f"Another service has {settings.data}: end it, or use another --data.") from None
        yield


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    if not settings.host:
        raise ServeError("--host names no address; 0.0.0.0 is all addresses of this machine.")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            raise ServeError(
                f"Port {settings.port} of {settings.host}: {error.strerror}."
                f" Use another {'--port' if is_port else '--host'}."
            ) from None
        listener.listen(2048)
        yield listener


@contextlib.contextmanager
def _thread(worker: Watcher | Deliverer) -> Iterator[None]:
    thread = threading.Thread(target=worker.run, name=f"evonum-{type(worker).__name__.lower()}")
    thread.start()
    try:
        yield
    finally:
        worker.end()
        thread.join()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def _log() -> Iterator[None]:
    """A line of JSON on stderr for everything worth it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    LOG.setLevel(logging.INFO)
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


class JsonLines(logging.Formatter):
    """A record as a line of JSON: time, level, message, and which job, owner, state or path it is of."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        line["message"] = record.getMessage()
        line |= {n: getattr(record, n) for n in ("job", "owner", "state", "path") if hasattr(record, n)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)
