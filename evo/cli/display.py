"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere.

Nobody may be reading any more: the reader of a pipe ended, the disk is full. A search then goes on in
silence (`Teller`); any other command fails with the error, which is an OSError (`Terminal`).
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from evo.fronts.front import Front, Member
from evo.runs.journal import Progress

LINE_EVERY = 5.0
"""Seconds between plain lines that say nothing new."""
REDRAW_EVERY = 0.2
"""Seconds between two tables of the same front."""


class Terminal(Console):
    """A console that raises BrokenPipeError where rich's own would end the process."""

    def on_broken_pipe(self) -> NoReturn:
        """The reader has gone away."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def printable(text: str) -> str:
    """Text from elsewhere for a table: no markup, no control characters."""
    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


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
        """Prints texts, as they are, and tables."""
        with self.lenient():
            self.console.print(*things, markup=False, highlight=False, soft_wrap=isinstance(things[0], str))

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


COLUMNS: tuple[tuple[str, Callable[[Member], str]], ...] = (
    ("ops", lambda m: str(m.ops)),
    ("max error", lambda m: f"{m.sampled_error:.4e}"),
    ("proved", lambda m: "" if m.proved_bound is None else f"{m.proved_bound:.4e}"),
    ("worst x", lambda m: f"{m.worst_x:.3g}"),
    ("found", lambda m: f"{m.seconds_to_find:.1f}s"),
)


def front_table(front: Front, title: str = "") -> Table:
    """The front as a table: ops, errors (those that are known), where the worst is, formula."""
    table = Table(title=printable(title) or None, title_justify="left", header_style="bold", pad_edge=False)
    known = [(name, cell) for name, cell in COLUMNS if any(cell(m) for m in front)]
    for name, _ in known:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    for m in front:
        table.add_row(*(cell(m) for _, cell in known), printable(m.formula))
    return table


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
            table = front_table(progress.front, self._title)
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
