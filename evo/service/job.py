"""A job as the store has it, and what happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evo.service.states import ENDED, State


@dataclass(frozen=True)
class Job:
    """A search that somebody asked for.

    Attributes:
        id: names its folder, too.
        seq: the order in which jobs came.
        owner: whose.
        state: see `states`.
        cause: why it is in this state, one line.
        entries: of the search's specification, as checked.
        cores: that it has while it is active.
        created, began, ended: [unix s]; `began` is its first record.
        session: how often it was asked for: resumed jobs have more than one.
        attempts: processes of this session so far.
        fruitless: of these the last ones in a row that got no further.
        reached: generations in the checkpoint when the last process began.
        spent: search time of earlier sessions [s].
        records_at: size of the records when the last process began [bytes].
        pid, ticks: the process and when it began [clock ticks since boot]; None where there is none.
        core_seconds: cores times time of its processes [s].
        counted: of the last process's time, what `core_seconds` has [s].
        stop: whether somebody asked for its end: 0 no, 1 yes, 2 its process was told.
    """

    id: str
    seq: int
    owner: str
    state: State
    cause: str
    entries: Mapping[str, Any]
    cores: int
    created: float
    began: float | None = None
    ended: float | None = None
    session: int = 1
    attempts: int = 0
    fruitless: int = 0
    reached: int = 0
    spent: float = 0.0
    records_at: int = 0
    pid: int | None = None
    ticks: int | None = None
    core_seconds: float = 0.0
    counted: float = 0.0
    stop: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED

    @property
    def title(self) -> str:
        """What it searches for, in a few words."""
        ends = self.entries.get("interval")
        where = f" on ({', '.join(ends)})" if ends else ""
        return f"{self.entries['target']}{where}"


@dataclass(frozen=True)
class Event:
    """A change of a job's state, or something else worth telling.

    Attributes:
        seq: the order of all events.
        job: whose.
        time: [unix s].
        state: after it.
        cause: one line.
    """

    seq: int
    job: str
    time: float
    state: State
    cause: str
