"""Processes told apart for sure: by number and begin, and by the directory that their command line names.

A number alone is used again after a process ends. All is read from /proc: Linux only.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LAST = 19
"""The largest nice value."""


@dataclass(frozen=True)
class Process:
    """A process of this machine.

    Attributes:
        pid: its number.
        ticks: when it began [clock ticks since boot].
    """

    pid: int
    ticks: int

    @property
    def lives(self) -> bool:
        """Whether it runs: not another of the same number, and no zombie."""
        return _began(self.pid) == self.ticks

    @property
    def age(self) -> float | None:
        """Since it began [s], by a clock that nobody sets; None if it does not live."""
        if not self.lives:
            return None
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.ticks / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone, if it lives."""
        if self.lives:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def end(self) -> None:
        """Kills the process and all of its group, if it lives and leads the group."""
        if self.lives:
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if os.getpgid(self.pid) == self.pid else os.kill)(self.pid, signal.SIGKILL)


def process(pid: int) -> Process | None:
    """The process that has this number now."""
    ticks = _began(pid)
    return None if ticks is None else Process(pid, ticks)


def step_back(pid: int, by: int) -> None:
    """Makes a process, and all of the session that it leads, yield to this one.

    Kernels may share processors among sessions first (autogroups): the nice value of a process then says
    something within its session alone, and the session has one of its own.

    Args:
        by: added to this process's nice value and to that of its session.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, min(os.getpriority(os.PRIO_PROCESS, 0) + by, LAST))
    with suppress(OSError, ValueError):
        own = int((PROC / "self" / "autogroup").read_text().rpartition(" ")[2])
        (PROC / str(pid) / "autogroup").write_text(str(min(own + by, LAST)))


def of_directory(directory: Path, command: Sequence[str]) -> Process | None:
    """The process of this user that runs a command on a directory: its words have both.

    Args:
        directory: one of the words.
        command: words that follow the interpreter's name.
    """
    wanted, begin = os.fsencode(directory), [os.fsencode(word) for word in command]
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if (
                    words[1 : len(begin) + 1] == begin
                    and wanted in words
                    and entry.stat().st_uid == os.geteuid()
                ):
                    return process(int(entry.name))
    return None


def processor_time(pid: int) -> float:
    """What the process of this number has had of processors [s]; 0 if there is none."""
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _began(pid: int) -> int | None:
    """When the process of this number began [clock ticks since boot]; None if there is none, or a zombie."""
    fields = _stat(pid)
    return None if not fields or fields[0] in ("Z", "X") else int(fields[19])


def _stat(pid: int) -> list[str]:
    """The fields of a process's stat from its state on; none if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before may hold anything
