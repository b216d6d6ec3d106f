"""The watcher: compares what the store believes with what is, and admits jobs.

Facts are the process (number, begin), the lock of the search's directory, and its records and checkpoint;
never the age of a heartbeat. A job whose process is gone before its search ended is resumed from its
checkpoint, as often as it gets further, and a bounded number of times in a row where it does not.
"""

import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evo import api
from evo.service.job import Job
from evo.service.launcher import Gone, Launcher
from evo.service.processes import Process
from evo.service.queue import Place, plan
from evo.service.settings import Settings
from evo.service.states import ACTIVE
from evo.service.store import Spent, Store
from evo.service.tokens import core_limits

LOG = logging.getLogger("evonum.service")
BUDGET = ("time", "generations", "error")
SPEND_EVERY = 1.0
"""Least time between two notes of core seconds [s]."""


@dataclass
class _Seen:
    """Of a job, what the watcher remembers of its own looks; times of the monotonic clock [s]."""

    stopping: float | None = None
    due: float = 0.0
    foreign: bool = False


@dataclass
class Watcher:
    """Looks at all jobs, again and again; its thread is the only one that starts processes.

    Attributes:
        looked: when it last looked at all [s, monotonic].
        trouble: why no job can begin now, as last asked.
    """

    store: Store
    settings: Settings
    launcher: Launcher
    looked: float = field(default_factory=time.monotonic)
    trouble: str | None = None
    _seen: defaultdict[str, _Seen] = field(default_factory=lambda: defaultdict(_Seen))
    _wake: threading.Event = field(default_factory=threading.Event)
    _ends: bool = False
    _wrong: dict[str | None, str] = field(default_factory=dict)
    _noted: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Looks until `end`; what goes wrong in a look is logged, and the next one comes all the same."""
        while not self._ends:
            with self._surviving():
                self.look()
                self.looked = time.monotonic()
            self._wake.wait(self.settings.look)
            self._wake.clear()

    @contextmanager
    def _surviving(self, job: Job | None = None) -> Iterator[None]:
        """What goes wrong within is logged once, until something else does: a disk stays full for a while."""
        where = None if job is None else job.id
        try:
            yield
            self._wrong.pop(where, None)
        except Exception as error:
            if self._wrong.get(where) != str(error):
                self._wrong[where] = str(error)
                LOG.error("A look failed.", exc_info=error, extra={} if job is None else {"job": where})

    def wake(self) -> None:
        """Look now: a job came, or was stopped."""
        self._wake.set()

    def end(self) -> None:
        """Ends `run`; the jobs' processes go on."""
        self._ends = True
        self._wake.set()

    def look(self) -> None:
        """Looks at each job once, then admits what fits."""
        active = self.store.jobs(ACTIVE)
        for job in active:
            with self._surviving(job):
                self._look_at(job)
        self._spend(active)
        for place in self.places():
            if place.starts and self._may_begin():
                free = self.store.change(place.job, "starting", "admitted: its cores are free")
                if free.state == "starting":
                    self._launch(free)

    def places(self) -> list[Place]:
        """The queue as it is now."""
        found = plan(
            self.store.jobs(["queued"]), self.store.jobs(ACTIVE), self.store.used(), self.settings.cores,
            core_limits(self.store),
        )  # fmt: skip
        trouble = self.trouble
        return found if trouble is None else [replace(place, reason=trouble) for place in found]

    def _may_begin(self, job: Job | None = None) -> bool:
        """Whether a process can begin now; a job that waits for that says so, once."""
        trouble = self.launcher.trouble()
        if job is not None and trouble is not None and trouble != self.trouble:
            self.store.note(job, f"waits: {trouble}")
        self.trouble = trouble
        return trouble is None

    def _look_at(self, job: Job) -> None:
        found = self.launcher.find(job)
        if isinstance(found, Process):
            if job.pid is None:
                cause = f"adopted: process {found.pid} runs it"
                job = self.store.note(job, cause, pid=found.pid, ticks=found.ticks)
            self._lives(job, found)
            return
        facts = api.standing(self._directory(job), job.records_at)
        if facts.locked:
            self._is_foreign(job)
        elif facts.status == "FINISHED":
            self._ended(job, "succeeded", facts.reason)
        elif job.stop:
            self._ended(job, "stopped", "stopped as asked" if facts.status else f"stopped: {found.words}")
        elif job.state == "recovering" and job.pid is None:
            if time.monotonic() >= self._seen[job.id].due and self._may_begin(job):
                self._launch(job)
        else:
            self._died(job, found, facts)

    def _lives(self, job: Job, process: Process) -> None:
        """Of a job whose process is there: whether its search has begun, whether it is to end."""
        seen = self._seen[job.id]
        if job.state in ("starting", "recovering") and _size(self._records(job)) > job.records_at:
            began = {} if job.began else {"began": time.time()}
            again = job.state == "recovering"
            self.store.change(
                job, "running", "goes on from its checkpoint" if again else "its search began", **began
            )
        if not job.stop:
            return
        if seen.stopping is None:
            seen.stopping = time.monotonic()
            if job.stop == 1:
                process.signal(signal.SIGTERM)
                self.store.note(job, stop=2)
        elif time.monotonic() - seen.stopping > self.settings.grace:
            self.store.note(job, f"killed: it did not stop within {self.settings.grace:g} s")
            process.end()

    def _is_foreign(self, job: Job) -> None:
        """Of a job whose directory another process holds: it is waited for."""
        if not self._seen[job.id].foreign:
            self._seen[job.id].foreign = True
            self.store.note(job, "waits: a process that is not its own holds its directory")

    def _died(self, job: Job, gone: Gone, facts: api.Standing) -> None:
        further = facts.epochs > job.reached
        fruitless = 0 if further else job.fruitless + 1
        why = f"{gone.words}{_last_words(self.settings.log(job.id))}"
        notes = {"pid": None, "ticks": None, "fruitless": fruitless}
        if gone.code == 2 and facts.checkpoint == "none":
            self._ended(job, "failed", why, **notes)
        elif fruitless >= self.settings.tries:
            self._ended(job, "failed", f"{why} (no progress in {fruitless} tries)", **notes)
        else:
            pause = self.settings.pause * 2 ** max(fruitless - 1, 0)
            self._seen[job.id] = _Seen(due=time.monotonic() + pause)
            cause = f"{why}; it is resumed in {pause:g} s"
            if job.state == "recovering":
                self.store.note(job, cause, **notes)
            else:
                self.store.change(job, "recovering", cause, **notes)

    def _ended(self, job: Job, state: Any, cause: str, **notes: Any) -> None:
        self._seen.pop(job.id, None)
        self.store.change(job, state, cause, **notes)

    def _launch(self, job: Job) -> None:
        """Starts the process of a job that has none."""
        directory = self._directory(job)
        directory.parent.mkdir(parents=True, exist_ok=True)
        facts = api.standing(directory, thorough=True)
        if facts.checkpoint == "damaged":
            with suppress(OSError):
                (directory / "checkpoint.npz").rename(directory.parent / "checkpoint.damaged")
            self.store.note(job, "its checkpoint is damaged and put aside; it starts over with its front")
        spent = job.spent if job.attempts else facts.seconds
        job = self.store.note(
            job, pid=None, ticks=None, records_at=facts.size, reached=facts.epochs,
            attempts=job.attempts + 1, spent=spent, counted=0.0,
        )  # fmt: skip
        try:
            process = self.launcher.start(job, _changes(job, facts) if facts.specified else None)
        except OSError as error:
            LOG.warning("No process: %s", error, extra={"job": job.id})
            return  # the next look finds none
        self.store.note(job, pid=process.pid, ticks=process.ticks)

    def _spend(self, active: list[Job]) -> None:
        """Notes the core seconds since the last note, as the ages of processes have them.

        So the time counts in which no service was there, and no change of the clock does.
        """
        past = time.monotonic() - self._noted
        if past < SPEND_EVERY:
            return
        self._noted += past
        spent = [
            Spent(job.id, job.owner, (age - job.counted) * job.cores, age)
            for job in active
            if job.pid is not None and (age := Process(job.pid, job.ticks or 0).age) is not None
        ]
        if spent:
            self.store.spend(spent, 0.5 ** (past / self.settings.half_life))

    def _directory(self, job: Job) -> Path:
        return self.settings.search(job.id)

    def _records(self, job: Job) -> Path:
        return self._directory(job) / "records.jsonl"


def _changes(job: Job, facts: api.Standing) -> Mapping[str, Any]:
    """What a search goes on with: the budget of the session, less the time that it had."""
    found = {name: job.entries[name] for name in BUDGET if job.entries.get(name) is not None}
    if "time" in found:
        found["time"] = max(found["time"] - max(facts.seconds - job.spent, 0.0), 0.01)
    if job.session > 1 and "max_ops" in job.entries:
        found["max_ops"] = job.entries["max_ops"]
    return found


def _last_words(log: Path) -> str:
    """The last line of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, _size(log) - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1][:400]}" if said else ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
