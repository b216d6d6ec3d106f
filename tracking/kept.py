"""A program that ends with whoever started it, however that ends: kill -9 and a closed terminal, too.

`Kept` starts this very file as a keeper, which starts the program in a session of its own. The starter holds
the other end of the keeper's standard input, which the kernel closes with the starter. Linux only (pidfd).
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NoReturn

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL for the program and all that it started [s]."""


class Kept:
    """A running program; a context that ends it.

    Args:
        command: the program and its words.
        env: its environment.
        log: where its output goes; the starter's own by default.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, log: IO[str] | None = None
    ) -> None:
        """Start it."""
        self._keeper = subprocess.Popen(
            [sys.executable, __file__, *command],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        self.wait()

    def end(self) -> None:
        """Ask it to end; may be called again, and from a signal's handler."""
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._keeper.poll()

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return self._keeper.wait()


def main(command: Sequence[str]) -> int:
    """Run a command until it ends or the standard input does; its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        ended = os.pidfd_open(program.pid)
        select.select([0, ended], [], [])
    finally:
        _end(program)
    return program.returncode if program.returncode >= 0 else 128 - program.returncode


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def _end(program: subprocess.Popen[bytes]) -> None:
    """Ends the program's session, gently first; what it left behind when it ended by itself, too."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        program.wait(GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
