"""What jobs found, from their directories: fronts, error curves, certificates, logs, the best of all jobs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evo import api
from evo.files import open_regular
from evo.service.job import Job
from evo.service.problems import ProblemError
from evo.service.settings import Settings
from evo.service.store import Store

_TAIL = 1 << 24
_MOST_LOG = 1 << 20
"""Bytes of a log in one answer."""


@dataclass
class Results:
    """Files of jobs; fronts are kept until they change."""

    store: Store
    settings: Settings
    _fronts: dict[str, tuple[tuple[int, int], list[dict[str, Any]], str | None]] = field(default_factory=dict)

    def mark(self, id: str, file: str = "front.json") -> tuple[int, int] | None:
        """Changes with a file of a job, its front or its ledger; None before there is one."""
        try:
            stat = (self.settings.search(id) / file).stat()
        except (OSError, ValueError):  # a name with a NUL is none of a file
            return None
        return stat.st_mtime_ns, stat.st_ino

    def run(self, job: Job) -> dict[str, Any] | None:
        """MLflow's run of a job: id, and address where the store is a server; None before there is one."""
        found = api.run_of(self.settings.search(job.id))
        return None if found is None else vars(found)

    def front(self, job: Job) -> list[dict[str, Any]]:
        """The members of front.json; none before there is one.

        Raises:
            ProblemError: 422: the file is damaged.
        """
        if (mark := self.mark(job.id)) is None:
            return []
        kept = self._fronts.get(job.id)
        if kept is None or kept[0] != mark:
            found, wrong = _json(self.settings.search(job.id) / "front.json"), None
            try:
                api.Front.from_objects(found)
            except api.EvonumError as error:
                found, wrong = [], str(error)
            self._fronts[job.id] = kept = mark, found, wrong
        if kept[2] is not None:
            raise ProblemError(422, f"The front of job {job.id} is damaged: {kept[2]}")
        return kept[1]

    def _whole(self, job: Job) -> list[dict[str, Any]]:
        """The members of a front; none of one that is damaged."""
        try:
            return self.front(job)
        except ProblemError:
            return []

    def pictures(self, job: Job) -> Mapping[str, Any]:
        """The error curves of the members, by ops, and the classical forms by family, as last recorded."""
        path = self.settings.search(job.id) / "records.jsonl"
        for line in reversed(_tail(path).splitlines()):
            if b'"kind": "front"' in line[:200] or b'"kind": "end"' in line[:200]:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if not isinstance(record, dict):
                    continue
                return {"curves": record.get("curves", {}), "families": record.get("families", {})}
        return {"curves": {}, "families": {}}

    def certificate(self, job: Job, ops: int) -> Any:
        """The proof of a member.

        Raises:
            ProblemError: 404: there is none that can be read.
        """
        path = self.settings.search(job.id) / "certificates" / f"ops-{ops:02d}.json"
        found = _json(path)
        if not isinstance(found, dict):
            damaged = "that is not damaged " if path.exists() else ""
            raise ProblemError(404, f"The job has no certificate {damaged}of {ops} operations.")
        return found

    def log(self, job: Job, offset: int) -> tuple[str, int]:
        """What the job's processes said after a byte, and where to go on."""
        try:
            with open_regular(self.settings.log(job.id)) as file:
                file.seek(offset)
                text = file.read(_MOST_LOG)
        except OSError:
            return "", offset
        return text.decode(errors="replace"), offset + len(text)

    def best(
        self, target: Mapping[str, Any], dtype: str, ops: int | None, error: float | None
    ) -> list[dict[str, Any]]:
        """The best formulas of all jobs for a target, each with its job.

        Args:
            target: its name, interval and metric, as front.json has them.
            dtype: arithmetic.
            ops: at most so many: the one with the least error.
            error: at most this: the one with the fewest operations.

        Returns:
            One or none; the whole front, by operations, if neither ops nor error is given.
        """
        found = [
            {"job": job.id, "owner": job.owner, **member}
            for job in self.store.jobs()
            for member in self._whole(job)
            if member.get("dtype", "real") == dtype
            and all(member.get(name) == target[name] for name in ("target", "interval", "metric"))
        ]
        front = _front(found)
        if ops is not None:
            front = [m for m in front if m["ops"] <= ops][-1:]
        if error is not None:
            front = [m for m in front if m["sampled_error"] <= error][:1]
        return front


def _front(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that no other is as good as with no more operations."""
    front: list[dict[str, Any]] = []
    for member in sorted(members, key=lambda m: (m["ops"], m["sampled_error"])):
        if not front or member["sampled_error"] < front[-1]["sampled_error"]:
            front.append(member)
    return front


def suffix(to: str) -> str:
    """Of a format's files.

    Raises:
        ProblemError: 404: there is no such format.
    """
    if to not in api.EXPORT_FORMATS:
        raise ProblemError(404, f"There is no format {to[:40]!r}; there are {', '.join(api.EXPORT_FORMATS)}.")
    return api.EXPORT_FORMATS[to].suffix


def _json(path: Path) -> Any:
    try:
        with open_regular(path) as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def _tail(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            return file.read()
    except OSError:
        return b""
