"""Helpers: processes that check, export and list baselines for requests, each under a clock (`helper`)."""

import json
import logging
import os
import queue
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from evo.service.problems import ProblemError
from evo.service.processes import processor_time

LOG = logging.getLogger("evonum.service")
_MOST_BYTES = 1 << 26
"""Of an answer."""
STRETCH = 3
"""Times its processor time that an answer may take where other processes have the processors."""
_LOOK = 0.25
"""At a process's processor time [s]."""


class LateError(Exception):
    """A process hardly worked: the machine has too much to do."""


class Helpers:
    """So many helpers; a question waits for a free one.

    Args:
        number: of processes; each begins with its first question, or with `begin`.
        patience: for a free helper [s], and for an answer [s of a processor], unless a question has its own.
    """

    def __init__(self, number: int, patience: float) -> None:
        self._patience = patience
        self._free: queue.Queue[_Helper] = queue.Queue()
        self._all = [_Helper() for _ in range(number)]
        for helper in self._all:
            self._free.put(helper)

    def ask(self, question: str, patience: float | None = None, **arguments: Any) -> Any:
        """The answer to a question of `helper.QUESTIONS`.

        Raises:
            ProblemError: 422 what is asked makes no sense, or takes too long; 503 no helper is free or gets
                on, or the machine lacks something.
        """
        seconds = patience or self._patience
        try:
            helper = self._free.get(timeout=self._patience)
        except queue.Empty:
            raise ProblemError(
                503, "All helpers are busy; try again.", headers={"Retry-After": "5"}
            ) from None
        try:
            said = helper.ask(question, seconds, arguments)
        except LateError:
            raise ProblemError(
                503, "This machine has too much to do; try again.", headers={"Retry-After": "30"}
            ) from None
        finally:
            self._free.put(helper)
        if said is None:
            raise ProblemError(
                422, f"It takes more than the {seconds:g} s of a processor, or the memory, that it may have."
            )
        if said.get("kind") == "input":
            raise ProblemError(422, str(said["error"]))
        if said.get("kind") is not None:
            LOG.error("A helper failed: %s", said["error"])
            machine = said["kind"] == "machine"
            raise ProblemError(503 if machine else 500, said["error"] if machine else "A helper failed.")
        return said["value"]

    def begin(self) -> None:
        """Starts all helpers, which takes them a second or two, in the background."""
        for helper in self._all:
            helper.begin()

    def close(self) -> None:
        """Ends all helpers."""
        for helper in self._all:
            helper.end()


class _Helper:
    """One process; another takes its place when it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts the process where there is none."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = self._begun()

    @staticmethod
    def _begun() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "evo.service.helper"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip

    def ask(self, question: str, seconds: float, arguments: Any) -> dict[str, Any] | None:
        """The answer; None if there is none within so much processor time [s], or the process died of it.

        Raises:
            LateError: nor did it work for that long.
        """
        self.begin()
        assert self._process is not None
        assert self._process.stdin is not None
        asked = {"question": question, "arguments": arguments, "seconds": int(STRETCH * seconds) + 5}
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            line = self._line(seconds)
        except OSError:
            line = None
        except LateError:
            self.end()
            raise
        if line is None:
            self.end()
            return None
        found: dict[str, Any] = json.loads(line)
        return found

    def _line(self, seconds: float) -> bytes | None:
        """A whole line of the process; None if it ends, or worked so long without one."""
        assert self._process is not None
        assert self._process.stdout is not None
        pid, handle, size = self._process.pid, self._process.stdout.fileno(), 0
        parts: list[bytes] = []
        worked, latest = processor_time(pid), time.monotonic() + STRETCH * seconds
        while not parts or not parts[-1].endswith(b"\n"):
            if not select.select([handle], [], [], _LOOK)[0]:
                if processor_time(pid) - worked > seconds:
                    return None
                if time.monotonic() > latest:
                    raise LateError
                continue
            part = os.read(handle, 1 << 16)
            parts.append(part)
            size += len(part)
            if not part or size > _MOST_BYTES:
                return None
        return b"".join(parts)

    def end(self) -> None:
        """Kills the process."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()
