"""One search as its user runs it: workers, signals, display, records."""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from evo.backends.backend import BACKENDS
from evo.cli.display import Display, Teller, Terminal, front_table
from evo.cli.sources import REGISTERED
from evo.fronts.front import Front
from evo.runs.directory import DirectoryError, cannot_keep
from evo.runs.search import Search, make_workers
from evo.runs.workers import Workers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MLFLOW_S = 60.0
"""How long the end may wait for MLflow [s]; a store that does not answer is given up sooner."""


class StoppedError(Exception):
    """The search ended by a signal; `code` is the exit code that says so."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Signals:
    """Ctrl-C, SIGTERM and SIGHUP; a context.

    Before `begin` the first one ends everything at once, as there is nothing to lose. After it the first one
    asks for a stop at a safe point, and a second one ends at once. Both ends are a KeyboardInterrupt.

    Attributes:
        received: the numbers of the signals that came.
    """

    def __init__(self, tell: Teller) -> None:
        self.received: list[int] = []
        self._tell = tell
        self._begun = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        self._noted, note = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._note = note, signal.set_wakeup_fd(note, warn_on_full_buffer=False)
        self._install()
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._note[1])
        os.close(self._note[0])
        os.close(self._noted)

    def begin(self) -> None:
        """The search begins: takes the signals back from Ray, which has handlers of its own.

        Raises:
            KeyboardInterrupt: a signal came before, and whoever had it then swallowed the end of all.
        """
        self._install()
        with contextlib.suppress(BlockingIOError):  # Python notes each signal in the pipe, whoever handles it
            self.received += [n for n in os.read(self._noted, 4096) if n in SIGNALS]
        if self.received:
            raise KeyboardInterrupt
        self._begun = True

    @property
    def code(self) -> int:
        """The exit code of the first signal; 0 if none came."""
        return 128 + self.received[0] if self.received else 0

    def _install(self) -> None:
        for number in SIGNALS:
            if not (number == signal.SIGHUP and self._before[number] == signal.SIG_IGN):  # nohup
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if not self._begun or len(self.received) > 1:
            raise KeyboardInterrupt
        self._tell("Stopping after this epoch; everything is kept. Once more to end at once.")


def run_search(
    search: Search, kind: str, address: str | None, tracking_uri: str | None, tell: Teller
) -> tuple[Front, int]:
    """Runs a search whose directory is locked; its front, and the exit code.

    Raises:
        StoppedError: ended at once by a signal.
        WorkersError: no workers, or they failed for good.
        OSError: the directory cannot be written.
    """
    with Signals(tell) as signals:
        try:
            front, status = _run(search, kind, address, tracking_uri, tell, signals)
        except KeyboardInterrupt:
            raise StoppedError(signals.code or 130) from None
        except DirectoryError:
            raise
        except OSError as error:
            raise OSError(
                f"{cannot_keep(search.directory, error.strerror or str(error))} What was saved before stays; "
                f"go on with: evonum search --resume {search.directory}"
            ) from error
    _tell_end(search.directory, front, status, tell)
    return front, signals.code


def _run(
    search: Search,
    kind: str,
    address: str | None,
    tracking_uri: str | None,
    tell: Teller,
    signals: Signals,
) -> tuple[Front, str]:
    from evo.classical.pictures import BackgroundLines
    from tracking.mlflow_sink import open_sink

    target = search.problem.target
    title = (
        f"{target.name} on ({target.interval[0]}, {target.interval[1]}), max {target.metric} error "
        f"[{search.directory}]"
    )
    tell(title)
    crew = _crew(search, kind, address, tell)
    with contextlib.closing(crew):
        signals.begin()
        search.make_directory()
        sink = open_sink(search.directory, tracking_uri, warn=tell)
        classical = BackgroundLines(target, search.spec.max_ops)
        try:
            with Display(tell, title) as display:
                return search.run(crew, sink, display.update, lambda: bool(signals.received), classical, tell)
        finally:
            classical.close()
            sink.close(timeout_s=MLFLOW_S)


def _crew(search: Search, kind: str, address: str | None, tell: Teller) -> Workers:
    """The workers; a SIGTERM while Ray starts is answered by Ray, which ends the process."""
    if kind == "ray":
        tell("starting workers ...")
    try:
        crew = make_workers(search.problem, search.islands, kind, address)
    except SystemExit:
        raise StoppedError(128 + signal.SIGTERM) from None
    if first := BACKENDS[search.spec.backend].first:
        tell(first)
    return crew


def _tell_end(here: Path, front: Front, status: str, tell: Teller) -> None:
    from tracking.mlflow_sink import undelivered

    tell(front_table(front))
    tell(
        f"{'stopped' if status == 'KILLED' else 'finished'}; front: {here}/front.json; "
        f"go on: evonum search --resume {here}; dashboard: evonum ui"
    )
    if left := undelivered(here):
        tell(f"MLflow does not have {left} records yet; send them with: evonum deliver {here}")


def sink_of(directory: Path) -> Any:
    """A sink whose store is a database in the directory itself."""
    from tracking.mlflow_sink import open_sink

    return open_sink(directory, f"sqlite:///{directory}/mlflow.db")


def recorded(source: str, tracking_uri: str | None = None) -> tuple[Any, Mapping[str, Any]]:
    """What MLflow has of a run id or a registered model (evo/cli/sources.py, `Recorded`).

    Raises:
        LookupError: there is none.
    """
    from tracking.mlflow_sink import model_member, run_front, run_params

    if source.startswith(REGISTERED):
        return model_member(source, tracking_uri)
    return run_front(source, tracking_uri), run_params(source, tracking_uri)


def teller(to_stderr: bool) -> Teller:
    """What a search says goes to the terminal; to stderr where stdout is for its result."""
    return Teller(Terminal(stderr=to_stderr))
