"""One search as its user runs it: signals, display, last words."""

import contextlib
import os
import shlex
import signal
import sys
from pathlib import Path
from threading import Timer
from types import FrameType, TracebackType
from typing import Any

from evo.api import End, Front, Progress, Target, Watcher, store_of, undelivered
from evo.cli.display import Display, Teller, Terminal
from evo.cli.tables import front_table
from evo.files import word

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOMENT = 0.05  # seconds, in which Python is out of what drops exceptions


class StoppedError(Exception):
    """The search ended by a signal; `code` is the exit code that says so."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Signals:
    """Ctrl-C, SIGTERM and SIGHUP; a context.

    Before `begin` the first one ends everything at once, as there is nothing to lose. After it the first one
    asks for a stop at a safe point, and a second one ends at once. Both ends are a KeyboardInterrupt. Where
    Python drops that with a word on stderr (amid a fork, a finalizer, a callback of the import system), the
    signal comes once more, a moment later, and nothing is said.

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
        self._hook, sys.unraisablehook = sys.unraisablehook, self._dropped
        self._install()
        return self

    def __exit__(self, *error: object) -> None:
        sys.unraisablehook = self._hook
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

    def _dropped(self, what: "sys.UnraisableHookArgs") -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            self._hook(what)
        elif self.received:
            again = Timer(_MOMENT, os.kill, (os.getpid(), self.received[-1]))
            again.daemon = True
            again.start()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if not self._begun or len(self.received) > 1:
            raise KeyboardInterrupt
        self._tell("Stopping after this epoch; everything is kept. Once more to end at once.")


class Session(Watcher):
    """A search as its user sees and stops it; a context around it.

    Args:
        tell: says a line.
        recorded: whether the search is to be in MLflow at its end; else exit code 1 says that it is not.

    Raises:
        StoppedError: ended at once by a signal.
    """

    def __init__(self, tell: Teller, recorded: bool = True) -> None:
        self.code = 0
        self._tell = tell
        self._recorded = recorded
        self._signals = Signals(tell)
        self._display: Display | None = None

    def __enter__(self) -> "Session":
        self._signals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.__exit__()
        self._end_display()
        if isinstance(error, KeyboardInterrupt):
            raise StoppedError(self._signals.code or 128 + signal.SIGINT) from None
        if isinstance(error, SystemExit):  # a SIGTERM while Ray starts is answered by Ray
            raise StoppedError(128 + signal.SIGTERM) from None

    def says(self, text: str) -> None:
        """See `Watcher.says`."""
        self._tell(text)

    def opens(self, directory: Path, target: Target) -> None:
        """See `Watcher.opens`."""
        ends = ", ".join(target.interval)
        self._title = f"{target.name} on ({ends}), max {target.metric} error [{directory}]"
        self._tell(self._title)

    def begins(self) -> None:
        """See `Watcher.begins`; from now on the first signal asks."""
        self._signals.begin()
        self._display = Display(self._tell, self._title)
        self._display.__enter__()

    def advances(self, progress: Progress) -> None:
        """See `Watcher.advances`."""
        if self._display is not None:
            self._display.update(progress)

    def stops(self) -> bool:
        """See `Watcher.stops`."""
        return bool(self._signals.received)

    def ends(self, end: End) -> None:
        """See `Watcher.ends`."""
        self._end_display()
        self.code = self._signals.code
        here, uri = end.directory, store_of(end.directory)
        elsewhere = f" --tracking-uri {shlex.quote(uri)}" if uri else ""
        dashboard = f"; dashboard: evonum ui{elsewhere}" if self._recorded else ""
        if len(end.front):
            self._tell(front_table(end.front, width=self._tell.console.width))
        if end.sought is not None:
            self._tell(_said_of_goal(end.front, end.sought))
        self._tell(
            f"{'stopped' if end.stopped else 'finished'}; front: {here}/front.json; "
            f"go on: evonum search --resume {word(here)}{dashboard}"
        )
        if self._recorded and (left := undelivered(here)):
            self.code = self.code or 1
            cure = f"evonum deliver {word(here)}{elsewhere}"
            self._tell(f"MLflow does not have {left} records yet; send them with: {cure}")

    def _end_display(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.__exit__(None, None, None)


def _said_of_goal(front: Front, error: float) -> str:
    """Whether an error that was to be reached is, and by what."""
    for m in front:
        if m.sampled_error <= error:
            return f"max error {error:g} is reached with {m.ops} ops ({m.sampled_error:.4e}): {m.formula}"
    least = f"the least is {front[-1].sampled_error:.4e}" if len(front) else "nothing is found"
    return f"max error {error:g} is not reached, {least}: give it more --time or a larger --max-ops"


def teller(to_stderr: bool) -> Teller:
    """What a search says goes to the terminal; to stderr where stdout is for its result."""
    return Teller(Terminal(stderr=to_stderr))
