"""What users do with jobs: submit, look at, stop, resume, delete; each checked against what the user may."""

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from evo import api
from evo.service.given import at_jobs, keep
from evo.service.helpers import Helpers
from evo.service.job import Job
from evo.service.problems import ProblemError
from evo.service.queue import Place
from evo.service.request import MOST, JobRequest, checked_changes, checked_entries
from evo.service.settings import Settings
from evo.service.states import ENDED
from evo.service.store import Store, StoreError
from evo.service.tokens import Access
from evo.service.watcher import Watcher


@dataclass(frozen=True)
class Jobs:
    """The jobs of a service, as its users see them.

    What depends on a look before it (is there room? has the job ended?) is done by one at a time.
    """

    store: Store
    settings: Settings
    watcher: Watcher
    helpers: Helpers
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A specification's entries, checked; the target is looked at, too.

        Raises:
            ProblemError: 422, with the entry that is wrong.
        """
        entries = checked_entries(given, self.settings.max_time)
        with nameless(self.settings):
            self.helpers.ask("check_search", entries=at_jobs(entries, self.settings))
        return entries

    def submit(self, request: JobRequest, access: Access, key: str | None = None) -> tuple[Job, bool]:
        """A new job, on the disk when this returns; or the one that the key stands for already.

        Args:
            key: of the sender, who may send the same again and gets the same job.

        Raises:
            ProblemError: 403, 422, or 429 where the token's jobs are used up.
        """
        require(access, "submit")
        asked = json.dumps([request.spec, request.cores], sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        if (known := self._known_or_room(access, key, digest)) is not None:
            return known, False
        most = min(self.settings.cores, access.max_cores)
        if request.cores > most:
            raise ProblemError(422, f"cores: at most {most} (got {request.cores})", "cores")
        entries = self.check(request.spec)
        if request.cores > (os.cpu_count() or 1):  # as many islands as cores, at least
            entries.setdefault("islands", min(request.cores, MOST["islands"]))
        id, new = secrets.token_hex(6), False
        folder = self.settings.folder(id)
        try:
            keep(entries, self.settings, folder)
            with self._alone:
                if (known := self._known_or_room(access, key, digest)) is not None:
                    return known, False
                made, new = self.store.add(id, access.owner, entries, request.cores, key, digest)
        except StoreError:
            raise
        except OSError as error:
            raise ProblemError(503, f"given: its cores cannot be kept: {error.strerror}") from None
        except KeyError:
            raise _other_use(key) from None
        finally:
            if not new:  # what was kept is nobody's
                shutil.rmtree(folder, ignore_errors=True)
        self.watcher.wake()
        return made, new

    def find(self, id: str, access: Access) -> Job:
        """A job.

        Raises:
            ProblemError: 403, or 404: there is none.
        """
        require(access, "read")
        if (job := self.store.find(id)) is None:
            raise ProblemError(404, f"There is no job {id[:40]!r}.")
        return job

    def stop(self, id: str, access: Access) -> Job:
        """Asks for a job's end at the next safe point; what it found is kept.

        Raises:
            ProblemError: 403, 404, or 409: it has ended.
        """
        for _ in range(10):  # the watcher may change the state meanwhile
            job = self._own(id, access)
            cause = f"stop asked for by {access.owner}"
            if job.state == "queued":
                done = self.store.change(job, "stopped", f"{cause} before it began")
            elif job.state == "stopping":
                return job
            elif job.is_over:
                raise ProblemError(409, f"The job has ended: {job.state}.")
            else:
                done = self.store.change(job, "stopping", cause, stop=1)
            if done.state in ("stopping", "stopped"):
                self.watcher.wake()
                return done
        raise ProblemError(503, "The job's state changes too fast; try again.")

    def resume(self, id: str, changes: Mapping[str, Any], access: Access) -> Job:
        """Goes on with a job that ended, from where it was.

        Args:
            changes: time, generations or error, in place of all three; more max_ops.

        Raises:
            ProblemError: 403, 404, 409: it has not ended, 422, 429.
        """
        with self._alone:
            changed = self._resumed(self._own(id, access), changes, access)
        self.watcher.wake()
        return changed

    def _resumed(self, job: Job, changes: Mapping[str, Any], access: Access) -> Job:
        if not job.is_over:
            raise ProblemError(409, f"The job has not ended: it is {job.state}.")
        new = checked_changes(changes, self.settings.max_time)
        if new.get("max_ops", 99) < job.entries.get("max_ops", 10):
            raise ProblemError(422, "max_ops: no fewer than before", "changes.max_ops")
        self._refuse_too_many(access)
        dropped = {"time", "generations", "error"} if set(new) - {"max_ops"} else set()
        entries = {**{k: v for k, v in job.entries.items() if k not in dropped}, **new}
        return self.store.change(
            job, "queued", f"resumed by {access.owner}", entries=entries, session=job.session + 1,
            attempts=0, fruitless=0, stop=0, ended=None,
        )  # fmt: skip

    def delete(self, id: str, access: Access) -> None:
        """Deletes a job that ended, with its folder.

        Raises:
            ProblemError: 403, 404, or 409: it has not ended.
        """
        with self._alone:
            job = self._own(id, access)
            if not job.is_over or api.standing(self.settings.search(id)).locked:
                raise ProblemError(409, f"The job has not ended: it is {job.state}. Stop it first.")
            self.store.delete(job)
        shutil.rmtree(self.settings.folder(job.id), ignore_errors=True)

    def places(self) -> dict[str, Place]:
        """Of the jobs that wait, by id, the next one first."""
        return {place.job.id: place for place in self.watcher.places()}

    def _own(self, id: str, access: Access) -> Job:
        """A job that this access may change."""
        require(access, "submit")
        if (job := self.store.find(id)) is None:
            raise ProblemError(404, f"There is no job {id[:40]!r}.")
        if job.owner != access.owner and "admin" not in access.scopes:
            raise ProblemError(403, f"The job is {job.owner}'s; a token of scope admin may change it.")
        return job

    def _known_or_room(self, access: Access, key: str | None, digest: str) -> Job | None:
        """The job that a key stands for; None if it stands for none, and there is room for another job."""
        known = None if key is None else self._known(access.owner, key, digest)
        if known is None:
            self._refuse_too_many(access)
        return known

    def _refuse_too_many(self, access: Access) -> None:
        open_jobs = sum(n for state, n in self.store.counts(access.owner).items() if state not in ENDED)
        if open_jobs >= access.max_jobs:
            raise ProblemError(
                429,
                f"{access.owner} has {open_jobs} jobs that have not ended, of at most {access.max_jobs}.",
                headers={"Retry-After": "10"},
            )

    def _known(self, owner: str, key: str, digest: str) -> Job | None:
        found = self.store.keyed(owner, key)
        if found is not None and found[1] != digest:
            raise _other_use(key)
        return None if found is None else self.store.find(found[0])


@contextmanager
def nameless(settings: Settings) -> Iterator[None]:
    """Leaves out of what is refused within where the jobs' folders lie, which is nobody's business."""
    try:
        yield
    except ProblemError as wrong:
        told = str(wrong).replace(f"{settings.jobs}/", "")
        raise ProblemError(wrong.status, told, wrong.entry, wrong.headers) from None


def described(job: Job, place: Place | None = None) -> dict[str, Any]:
    """A job as the interface has it."""
    kept = {
        name: getattr(job, name)
        for name in (
            "id", "owner", "state", "cause", "title", "cores", "created", "began", "ended", "session",
            "attempts", "core_seconds",
        )
    }  # fmt: skip
    waits = None if place is None else {"place": place.number, "reason": place.reason}
    return {**kept, "spec": dict(job.entries), "queue": waits}


def require(access: Access, scope: str) -> None:
    """Raises where an access does not have a scope.

    Raises:
        ProblemError: 403.
    """
    if scope not in access.scopes and "admin" not in access.scopes:
        raise ProblemError(403, f"This takes a token of scope {scope}; this one has {_listed(access)}.")


def _listed(access: Access) -> str:
    return json.dumps(sorted(access.scopes))


def _other_use(key: str | None) -> ProblemError:
    return ProblemError(
        422, f"Idempotency-Key: {str(key)[:60]!r} was used for something else.", "Idempotency-Key"
    )
