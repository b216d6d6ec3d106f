"""What a search tells of itself: its progress, and the records that go to a sink."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import inf, log10
from pathlib import Path
from typing import Any, Protocol

from evo.fronts.front import Front, Member
from evo.numbers.formats import FLOAT_FORMATS, round_decimal
from evo.runs.spec import SearchSpec
from evo.targets.target import Target

EVERY = 1.0
"""Least time between two records of an advance [s]: with hundreds of islands an epoch ends every few
milliseconds, and MLflow takes some thousand numbers a second."""
SKIPPED = ("seen_text", "redundant", "seen_function")


class Sink(Protocol):
    """Takes records of the search (tracking/sink.py)."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record; returns at once."""


@dataclass(frozen=True)
class Progress:
    """What a search has done so far.

    Attributes:
        front: the best so far.
        curves: each member's signed error curve, by ops, for pictures.
        families: (ops, error) of the classical forms, by family, for pictures.
        seconds: search time, earlier sessions included [s].
        left: of the time budget [s], or None.
        generations: of all islands.
        generations_left: of all islands, or None.
        counts: mutants and fits of all islands (evo/kernels/vary.py, evo/islands/generation.py).
        cache_used: functions remembered, all islands.
        per_second: fits per second of this session.
    """

    front: Front
    curves: Mapping[str, Mapping[str, Sequence[float]]]
    families: Mapping[str, Sequence[tuple[int, float]]]
    seconds: float
    left: float | None
    generations: int
    generations_left: int | None
    counts: Mapping[str, int]
    cache_used: int
    per_second: float

    @property
    def skipped(self) -> int:
        """Mutants that needed no fit because their function was known or redundant."""
        return sum(self.counts.get(name, 0) for name in SKIPPED)


class Journal:
    """Writes the records of one search; without a sink it writes nothing."""

    def __init__(self, sink: Sink | None, spec: SearchSpec, target: Target, directory: Path) -> None:
        self._sink = sink
        self._spec = spec
        self._target = target
        self._directory = directory
        self._front: tuple[Member, ...] = ()
        self._told = -inf

    def start(self, resumed: bool) -> None:
        """The search begins, or goes on."""
        target = self._target
        params = {
            **self._spec.model_dump(mode="json"),
            "cost": cost if isinstance(cost := self._spec.cost, str) else f"{cost.platform}, {cost.dtype}",
            "interval": " ".join(target.interval),
            "metric": target.metric,
            "version": version("evonumerics"),
        }
        self._write(
            "start",
            name=f"{target.name}-{target.metric}",
            params={k: v if isinstance(v, str | int | float) else json.dumps(v) for k, v in params.items()},
            tags={"directory": str(self._directory), "target": target.name, "metric": target.metric},
            resumed=resumed,
        )

    def advance(self, progress: Progress) -> None:
        """Epochs ended."""
        if time.monotonic() - self._told < EVERY:
            return
        self._metrics(progress)
        if progress.front.members != self._front:
            self._front = progress.front.members
            self._write("front", step=progress.generations, **_front(progress))

    def _metrics(self, progress: Progress) -> None:
        self._told = time.monotonic()
        values = {
            "search/evaluations": progress.counts["fitted"],
            "search/duplicates_skipped": progress.skipped,
            "search/evaluations_per_s": progress.per_second,
            "search/cache_used": progress.cache_used,
            **{f"search/{name}": n for name, n in progress.counts.items()},
            **_errors("search", progress.front),
        }
        self._write("metrics", step=progress.generations, values=values)

    def end(
        self, progress: Progress, status: str, reason: str, files: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        """The search ended: FINISHED, KILLED (stopped) or FAILED; `files` are asked for if it is recorded."""
        if self._sink is None:
            return
        self._metrics(progress)
        final = {
            "final/evaluations": progress.counts["fitted"],
            "final/duplicates_skipped": progress.skipped,
            "final/collisions": progress.counts["collisions"],
            "final/seconds": progress.seconds,
            **_errors("final", progress.front),
        }
        said = {"status": status, "reason": reason, "final": final, "files": files()}
        self._write("end", step=progress.generations, **said, **_front(progress))

    def _write(self, kind: str, **entries: Any) -> None:
        if self._sink is not None:
            self._sink.write({"kind": kind, "time": time.time(), **entries})


def _record(member: Member) -> dict[str, Any]:
    """A member as front.json has it, and what readers without exact numbers need of it.

    `float64` has its constants rounded once, `span` the least and the largest float64 of its interval.
    """
    rounded = [round_decimal(text, FLOAT_FORMATS["float64"]) for text in member.constants]
    return {**member.to_object(), "float64": rounded, "span": list(member.function.span)}


def _front(progress: Progress) -> dict[str, Any]:
    return {
        "members": [_record(member) for member in progress.front.of_each_size()],
        "curves": progress.curves,
        "families": progress.families,
    }


def _errors(prefix: str, front: Front) -> dict[str, float]:
    """Error and digits of each op count; digits make readable linear charts."""
    errors = {f"{prefix}/error_ops_{m.ops:02d}": m.sampled_error for m in front}
    digits = {
        f"{prefix}/digits_ops_{m.ops:02d}": -log10(m.sampled_error) for m in front if m.sampled_error > 0
    }
    return {**errors, **digits}
