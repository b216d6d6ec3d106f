"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere.

Nobody may be reading any more: the reader of a pipe ended, the disk is full. A search then goes on in
silence (`Teller`); any other command fails with the error, which is an OSError (`Terminal`).
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from evo.api import Member, Progress
from evo.cli.tables import front_table, visible

LINE_EVERY = 5.0
"""Seconds between plain lines that say nothing new."""
REDRAW_EVERY = 0.2
"""Seconds between two tables of the same front."""


UNBOUNDED = 10_000
"""Columns of what is no terminal."""


class Terminal(Console):
    """A console that raises BrokenPipeError where rich's own would end the process.

    Files and pipes have lines of any length: a formula stays on one.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = UNBOUNDED

    def on_broken_pipe(self) -> NoReturn:
        """The reader has gone away."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def abandon(stream: IO[str] | None) -> None:
    """Sends what is still to come nowhere: the interpreter's own flush at the end would fail, too."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


class Teller:
    """Prints for a search. It never raises: what cannot be written is not said, nor anything after it."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, *things: Any) -> None:
        """Prints texts, as they are but for control characters, and tables."""
        shown = [visible(thing) if isinstance(thing, str) else thing for thing in things]
        with self.lenient():
            self.console.print(*shown, markup=False, highlight=False, soft_wrap=isinstance(things[0], str))

    @contextmanager
    def lenient(self) -> Iterator[None]:
        """A context in which output may fail."""
        try:
            yield
        except (OSError, ValueError):  # ValueError: a character or a closed file
            self.console.quiet = True
            abandon(self.console.file)
        except RuntimeError as error:  # a signal's message came in the midst of another's writing
            if "reentrant" not in str(error):
                raise


def summary(progress: Progress) -> str:
    """One line: time, generations, evaluations and their rate, duplicates skipped, time left."""
    made = max(progress.counts.get("made", 0), 1)
    left = (
        f", {max(progress.left, 0):.0f} s left"
        if progress.left is not None
        else f", {progress.generations_left} generations left"
        if progress.generations_left is not None
        else ""
    )
    return (
        f"{progress.seconds:.0f} s, {progress.generations} generations, "
        f"{progress.counts.get('fitted', 0):,} evaluations ({progress.per_second:,.0f}/s), "
        f"{progress.skipped:,} duplicates skipped ({100 * progress.skipped / made:.0f} %){left}"
    )


class Display:
    """Shows progress; a context. On a terminal a table that changes, elsewhere lines."""

    def __init__(self, tell: Teller, title: str) -> None:
        self._tell = tell
        self._title = title
        console = tell.console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last = 0.0
        self._shown: dict[int, float] = {}
        self._front: tuple[Member, ...] = ()

    def __enter__(self) -> "Display":
        if self._live:
            with self._tell.lenient():
                self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            with self._tell.lenient():
                self._live.__exit__(kind, error, trace)

    def update(self, progress: Progress) -> None:
        """Shows the state of a search."""
        if self._live:
            if progress.front.members == self._front and time.monotonic() - self._last < REDRAW_EVERY:
                return
            self._front, self._last = progress.front.members, time.monotonic()
            table = front_table(progress.front, self._title, self._tell.console.width)
            with self._tell.lenient():
                self._live.update(Group(table, Text(summary(progress))), refresh=True)
            return
        best = {m.ops: m.sampled_error for m in progress.front}
        news = {ops: error for ops, error in best.items() if error < 0.99 * self._shown.get(ops, 1e300)}
        if not news and time.monotonic() - self._last < LINE_EVERY:
            return
        self._last = time.monotonic()
        self._shown = best
        found = "; ".join(f"{ops} ops {error:.2e}" for ops, error in news.items())
        self._tell(f"{summary(progress)}{': ' + found if found else ''}")
