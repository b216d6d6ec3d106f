"""Delivers the records of searches that ended to MLflow, for everybody, by processes of its own.

What a store has is noted in the job's directory (tracking/outbox.py), so that nothing is sent twice and
nothing is forgotten: a store that is away is tried again, at the latest every five minutes.
"""

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from evo import api
from evo.service.job import Job
from evo.service.settings import Settings
from evo.service.states import ENDED
from evo.service.store import Store

LOG = logging.getLogger("evonum.service")
EVERY = 2.0
"""Between two looks for what ended [s]."""
LONGEST = 300.0
"""Between two tries for a job [s], and what one may take."""


class Due(NamedTuple):
    """When a job is tried again [s, monotonic], and the pause before that [s]."""

    at: float
    pause: float


@dataclass
class Deliverer:
    """Looks for jobs that ended, one delivery at a time; `run` in a thread."""

    store: Store
    settings: Settings
    done: set[tuple[str, int]] = field(default_factory=set)
    _due: dict[str, Due] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Delivers until `end`; without a store it has nothing to do."""
        while self.settings.tracking_uri is not None and not self._end.wait(EVERY):
            try:
                for job in self.store.jobs(ENDED):
                    if not self._end.is_set() and (job.id, job.session) not in self.done:
                        self._look_at(job)
            except Exception:
                LOG.exception("A delivery failed.")

    def end(self) -> None:
        """Ends `run`, and a delivery under way."""
        self._end.set()

    def _look_at(self, job: Job) -> None:
        due = self._due.get(job.id, Due(0.0, EVERY))
        if time.monotonic() < due.at:
            return
        if not api.undelivered(self.settings.search(job.id)) or (wrong := self._send(job)) is None:
            self.done.add((job.id, job.session))
            self._due.pop(job.id, None)
            return
        if self._end.is_set():
            return
        pause = min(2 * due.pause, LONGEST)
        self._due[job.id] = Due(time.monotonic() + pause, pause)
        LOG.warning("Not delivered, again in %g s: %s", pause, wrong, extra={"job": job.id})

    def _send(self, job: Job) -> str | None:
        """Why a job's records are not all delivered; None if they are."""
        words = [sys.executable, "-m", "evo", "deliver", str(self.settings.search(job.id))]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": str(self.settings.tracking_uri)}
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(
                    words, cwd=self.settings.folder(job.id), env=environment, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=said,
                )  # fmt: skip
            except OSError as error:
                return str(error)
            deadline = time.monotonic() + LONGEST
            while child.poll() is None and not self._end.wait(0.1) and time.monotonic() < deadline:
                pass
            child.kill()  # what it sent is noted: the next one goes on there
            code = child.wait()
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
        return None if code == 0 else lines[-1][:500] if lines else f"exit code {code}"
