"""Which waiting jobs begin now, in which order the others follow, and what each waits for.

Owners share the cores: next is always the first job of whoever has the fewest cores now, then of whoever
had the fewest core seconds lately. A job that does not fit yet keeps its place, and nobody overtakes it:
large jobs begin, too. Passed over are only owners at the limit of their tokens, and jobs larger than the
service.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evo.service.job import Job


@dataclass(frozen=True)
class Place:
    """Of a job that waits.

    Attributes:
        job: which.
        number: 1 for the next one.
        starts: now.
        reason: why it does not; one line.
    """

    job: Job
    number: int
    starts: bool
    reason: str


def plan(
    waiting: Sequence[Job],
    active: Sequence[Job],
    used: Mapping[str, float],
    cores: int,
    limits: Mapping[str, int],
) -> list[Place]:
    """The places of all waiting jobs, the next one first.

    Args:
        waiting: in the order in which they came.
        active: those that have cores.
        used: core seconds of owners, lately.
        cores: of the service.
        limits: of owners: cores at a time; who is missing has no limit.
    """
    held: defaultdict[str, int] = defaultdict(int)  # cores, by owner
    for job in active:
        held[job.owner] += job.cores
    busy = held.copy()  # the same, and what the jobs ahead in the queue will have
    lines: dict[str, deque[Job]] = {}
    free = cores - sum(held.values())
    places: list[Place] = []
    passed: list[tuple[Job, str]] = []
    for job in waiting:
        if job.cores > cores:
            passed.append((job, f"needs {_cores(job.cores)}; the service has {cores}"))
        else:
            lines.setdefault(job.owner, deque()).append(job)
    blocked = False
    while lines:
        owner = min(lines, key=lambda o: (busy[o], used.get(o, 0.0), lines[o][0].seq))
        job = lines[owner][0]
        limit = limits.get(owner)
        if limit is not None and held[owner] + job.cores > limit:
            passed += [(j, f"{owner} has {held[owner]} of at most {limit} cores") for j in lines.pop(owner)]
            continue
        lines[owner].popleft()
        if not lines[owner]:
            del lines[owner]
        starts = not blocked and job.cores <= free
        if starts:
            free -= job.cores
            held[owner] += job.cores
            reason = "begins"
        elif not blocked:
            blocked = True
            reason = f"needs {_cores(job.cores)}; {free} of {cores} free"
        else:
            reason = f"{_jobs(sum(not p.starts for p in places))} before it"
        busy[owner] += job.cores
        places.append(Place(job, len(places) + 1, starts, reason))
    for job, reason in passed:
        places.append(Place(job, len(places) + 1, False, reason))
    return places


def _cores(number: int) -> str:
    return f"{number} core{'' if number == 1 else 's'}"


def _jobs(number: int) -> str:
    return f"{number} job{' is' if number == 1 else 's are'}"
