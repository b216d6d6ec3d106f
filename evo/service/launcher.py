"""Launchers: what turns a job into a process. A launcher is a row of `LAUNCHERS`.

The local one starts `evonum search` in a session of its own: it lives on when the service dies, and is
found again by its number and begin, or, where the service died before it noted these, by the job's
directory in its words.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol

from evo import api
from evo.files import write_atomically
from evo.service.given import at_copies
from evo.service.job import Job
from evo.service.processes import Process, of_directory, process, step_back
from evo.service.settings import Settings

COMMAND = ("-m", "evo", "search")
NICE = 5
"""How much jobs step back for the service, which has to answer beside them."""
AGAIN = 2.0
"""Between two questions whether a cluster answers [s]."""
HIDDEN = (
    "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "EVONUM_TOKEN", "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI",
)  # fmt: skip
"""Variables that a job does not get."""


@dataclass(frozen=True)
class Gone:
    """A process that ended.

    Attributes:
        code: exit code, -n if signal n killed it; None if nobody could see it.
    """

    code: int | None

    @property
    def words(self) -> str:
        """How it ended."""
        if self.code is None:
            return "its process is gone"
        return f"its process was killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


class Launcher(Protocol):
    """Starts, finds and ends the processes of jobs."""

    def start(self, job: Job, resume: Mapping[str, Any] | None) -> Process:
        """Begins a job's search, or goes on with it.

        Args:
            job: whose folder is there.
            resume: changes, to go on; None: begin.

        Raises:
            OSError: no process can be made.
        """
        ...

    def find(self, job: Job) -> Process | Gone:
        """The job's process if it lives."""
        ...

    def trouble(self) -> str | None:
        """Why no job can begin now; None if nothing is in the way. Takes at most some seconds."""
        ...


class LocalLauncher:
    """Processes of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, job: Job, resume: Mapping[str, Any] | None) -> Process:
        """See `Launcher.start`."""
        folder = self._settings.folder(job.id)
        words = self._begin(job, folder) if resume is None else self._go_on(job, resume)
        with open(self._settings.log(job.id), "ab") as log:
            child = subprocess.Popen(
                [sys.executable, *COMMAND, *words, *self._manner(job.cores)],
                cwd=folder, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._children[child.pid] = child
        step_back(child.pid, NICE)
        return process(child.pid) or Process(child.pid, -1)

    def find(self, job: Job) -> Process | Gone:
        """See `Launcher.find`."""
        if job.pid is None or job.ticks is None:
            return of_directory(self._settings.search(job.id), COMMAND) or Gone(None)
        child = self._children.get(job.pid)
        code = child.poll() if child is not None else None
        if code is not None:
            del self._children[job.pid]
            return Gone(code)
        found = Process(job.pid, job.ticks)
        return found if child is not None or found.lives else Gone(None)

    def trouble(self) -> str | None:
        """See `Launcher.trouble`."""
        return None

    def _manner(self, cores: int) -> Sequence[str]:
        """One process where one core is enough: Ray takes half a minute to start, and 800 MB."""
        several = ("ray", "--processes", str(cores))
        return ("--no-record", "--workers", *(("serial",) if cores == 1 else several))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        return {**kept, "PYTHONUNBUFFERED": "1"}

    def _begin(self, job: Job, folder: Path) -> Sequence[str]:
        file = folder / "spec.json"
        write_atomically(
            file, json.dumps(at_copies(job.entries, folder), indent=1, ensure_ascii=False).encode()
        )
        return "--spec", str(file), "--out", str(self._settings.search(job.id))

    def _go_on(self, job: Job, changes: Mapping[str, Any]) -> Sequence[str]:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in changes.items()]
        return "--resume", str(self._settings.search(job.id)), *options


class RayLauncher(LocalLauncher):
    """Drivers are processes of this machine, with all files; their islands are actors of a cluster.

    An actor holds a CPU of the cluster for as long as it lives. A driver dies with the cluster's head, and
    another goes on from its checkpoint once there is a head again.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._asked = -inf
        self._told: str | None = None

    def trouble(self) -> str | None:
        """See `Launcher.trouble`."""
        now = time.monotonic()
        if now >= self._asked + AGAIN:
            self._asked, self._told = now, api.cluster_trouble(str(self._settings.cluster))
        return self._told

    def _manner(self, cores: int) -> Sequence[str]:
        return (
            "--no-record", "--workers", "ray", "--address", str(self._settings.cluster),
            "--processes", str(cores),
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """With the cluster's token: a driver is nobody without it."""
        token = {
            name: os.environ[name] for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH") if name in os.environ
        }
        return {**super()._environment(), **token}


LAUNCHERS: Mapping[str, Callable[[Settings], Launcher]] = {"local": LocalLauncher, "ray": RayLauncher}
"""By name."""
