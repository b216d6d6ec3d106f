"""Cores that a search of a function on floats takes as they are: of jobs here, JOB:OPS, never of other files.

A job keeps copies, made when it is submitted: the front that they are of may change, or be deleted.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo.service.problems import ProblemError
from evo.service.settings import Settings

MOST = 8
"""Cores of a job."""


def parsed(text: str) -> tuple[str, str]:
    """Job and operations of a core.

    Raises:
        ProblemError: 422: it is no JOB:OPS.
    """
    job, _, ops = text.partition(":")
    plain = text.isascii() and job.isalnum() and ops.isdigit()
    if not plain or len(job) > 64 or len(ops) > 4:
        raise ProblemError(422, f"given: a core of a job here is JOB:OPS (got {text[:60]!r})", "spec.given")
    return job, ops


def at_jobs(entries: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Entries as a search has them that reads the fronts of the jobs.

    Raises:
        ProblemError: 422: there is no front of a job.
    """
    named = []
    for job, ops in map(parsed, entries.get("given", ())):
        if not (settings.search(job) / "front.json").is_file():
            raise ProblemError(422, f"given: there is no job {job!r} with a front", "spec.given")
        named.append(f"{settings.search(job)}:{ops}")
    return _named(entries, named)


def keep(entries: Mapping[str, Any], settings: Settings, folder: Path) -> None:
    """Copies the fronts into a job's folder.

    Raises:
        OSError: one is gone, or the disk is full.
    """
    for k, (job, _) in enumerate(map(parsed, entries.get("given", ()))):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(settings.search(job) / "front.json", _copy(folder, k))


def at_copies(entries: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entries as a search has them that reads the copies."""
    cores = enumerate(map(parsed, entries.get("given", ())))
    return _named(entries, [f"{_copy(folder, k)}:{ops}" for k, (_, ops) in cores])


def _copy(folder: Path, k: int) -> Path:
    return folder / f"given-{k}.json"


def _named(entries: Mapping[str, Any], given: list[str]) -> dict[str, Any]:
    return {**entries, "given": given} if given else dict(entries)
