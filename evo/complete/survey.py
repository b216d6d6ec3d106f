"""Every family fitted, and those near the front fitted again: what is known of the least error at each size.

The families are fitted in waves (evo/complete/plan.py). One whose type has a larger error than what was known
as the wave began, proved, is settled and not fitted. Near the front is what comes within `NEAR` times
the least error of at most as many ops, but no more than `MOST_NEAR` of a size; of the others nothing is
kept. The last rounds fit otherwise: many a family has an optimum beside the one that nearly all fits lead to.
The points that a fit starts from follow from the family's number and the round. A survey is a value
that `further` takes on: kept on the disk at any time, it goes on elsewhere to the same end.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from evo.backends.backend import BACKENDS, Backend
from evo.complete.bounds import Bounds
from evo.complete.enumeration import Families
from evo.complete.fitting import FURTHER, MOST_NEAR, ROUNDS, STARTS, Fitter, Found, Task
from evo.complete.plan import Plan
from evo.complete.screen import RANKED
from evo.targets.target import Target

NEAR = 100.0
"""How many times the least error a family's may be that is fitted again. The best family of 2^x known at 7
ops ends 45 times above its optimum where its fit fails."""
SAME = 1.05
"""Largest ratio of two errors of one optimum: a fit's reweighting ends within 2 % of it."""

_SHARES = 16
"""Of a batch, in a later round: families near the front are few, and many machines may fit them, too."""

Run = Callable[[Iterable[Task]], Iterator[Found]]
"""Runs tasks; the outcomes come in their order."""


@dataclass(frozen=True)
class Survey:
    """What is known so far.

    Attributes:
        done: families fitted once, or settled.
        rounds: how often those near the front were fitted again.
        best: least max error of exactly 1, 2, ... ops; inf where none was found; float64 [max_ops].
        reached: least error of at most as many ops that was known as the present wave began.
        settled: families that were not fitted, as they have a larger error, for each size, int64 [max_ops].
        floor: least error that they are proved to have; inf where there are none; float64 [max_ops].
        failed: families whose fit had no finite error at any start, for each size, int64 [max_ops].
        rows: families near the front, ascending, int64 [near].
        error: max error of each in each round at the select points, inf if one has a pole between them,
            float64 [near, 1 + ROUNDS + FURTHER]; NaN in rounds to come.
        fitted: the same of the first fit at the fit's points, where poles are not seen, float64 [near].
        constants: of the best fit of each, float64 [near, most constants].
        seconds: what it took so far [s]; nothing depends on it.
    """

    done: int
    rounds: int
    reached: float
    best: np.ndarray
    settled: np.ndarray
    floor: np.ndarray
    failed: np.ndarray
    rows: np.ndarray
    error: np.ndarray
    fitted: np.ndarray
    constants: np.ndarray
    seconds: float = 0.0

    @classmethod
    def begin(cls, max_ops: int, width: int) -> "Survey":
        """Nothing is fitted yet; `width` is the most constants of a family."""
        return cls(
            0,
            0,
            math.inf,
            np.full(max_ops, math.inf),
            np.zeros(max_ops, np.int64),
            np.full(max_ops, math.inf),
            np.zeros(max_ops, np.int64),
            np.zeros(0, np.int64),
            np.zeros((0, 1 + ROUNDS + FURTHER)),
            np.zeros(0),
            np.zeros((0, width)),
        )

    @property
    def ended(self) -> bool:
        """Whether nothing is left to fit."""
        return self.rounds == ROUNDS + FURTHER

    def at(self, seconds: float) -> "Survey":
        """The same, at another time."""
        return replace(self, seconds=seconds)

    def arrays(self) -> dict[str, Any]:
        """What keeps it, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "Survey":
        """The survey of such arrays.

        Raises:
            LookupError: one is missing.
            ValueError: they do not go together.
        """
        kept = {f.name: arrays[f.name] for f in fields(cls)}
        numbers = {name: kept[name].item() for name in ("done", "rounds", "reached", "seconds")}
        found = cls(**{**kept, **numbers})
        near = found.rows.shape
        begun = cls.begin(len(found.best), found.constants.shape[-1])
        for name, like in begun.arrays().items():
            if not isinstance(like, np.ndarray):
                continue
            own, of_near = kept[name], name in ("rows", "error", "fitted", "constants")
            shape = near + like.shape[1:] if of_near else like.shape
            if own.dtype != like.dtype or own.shape != shape:
                raise ValueError(f"{name} has the shape {own.shape}, not {shape}")
        return found


@dataclass(frozen=True)
class Surveyor:
    """Fits the families of a target.

    Attributes:
        plan: in which order.
        bounds: what settles families.
        run: what fits.
        batch: families that are fitted together, at most; no result depends on it.
        known: errors of at most 1, 2, ... ops that formulas from elsewhere have, float64 [max_ops].
    """

    plan: Plan
    bounds: Bounds
    run: Run
    batch: int
    known: np.ndarray

    @classmethod
    def of(
        cls, families: Families, target: Target, backend: Backend, starts: int = STARTS, threads: int = 1
    ) -> "Surveyor":
        """For a target, at its points; this process fits, one task after the other.

        Args:
            threads: how many look at the programs; no result depends on it.

        Raises:
            TargetError: the target has no value somewhere.
        """
        fit = Fitter.of(target, backend, starts).fit
        batch = BACKENDS[backend.name].families
        plan = Plan.of_families(families, threads)
        unknown = np.full(families.max_ops, math.inf)
        return cls(plan, Bounds(target), lambda tasks: map(fit, tasks), batch, unknown)

    @property
    def families(self) -> Families:
        """What is fitted."""
        return self.plan.families

    def begin(self) -> Survey:
        """A survey that has everything before it."""
        most = self.families.max_ops
        return Survey.begin(most, max(most, self.families.most_constants))

    def further(self, survey: Survey) -> Iterator[Survey]:
        """The survey as it goes on, to its end: after each task of fresh families, and after each round."""
        while survey.done < len(self.plan):
            for known in self._wave(survey):
                yield known
            survey = known
        while not survey.ended:
            survey = self._round(survey)
            yield survey

    def _wave(self, survey: Survey) -> Iterator[Survey]:
        """To the end of a wave."""
        begin, end = self.plan.wave(survey.done)
        size = self.plan.size(begin)
        if survey.done == begin:
            reached = min(float(survey.best[:size].min()), float(self.known[size - 1]))
            survey = replace(survey, reached=reached)
        rows = self.plan.order[survey.done : end].astype(np.int64)
        floor = self._floor(rows, survey.reached)
        open_ = np.flatnonzero(floor == math.inf)
        parts = _parts(open_, self.batch)
        ends = [*(int(part[0]) for part in parts[1:]), len(rows)]
        tasks = (self._task(rows[part], 0, NEAR * survey.reached) for part in parts)
        first, before = survey.done, 0
        for last, found in zip(ends, self.run(tasks), strict=True):
            survey = self._with(survey, size, found, floor[before:last])
            survey, before = replace(survey, done=first + last), last
            yield survey

    def _floor(self, rows: np.ndarray, reached: float) -> np.ndarray:
        """The error that families are proved to have, if that is more than what was reached; else inf."""
        bound, kinds = self.bounds.above(max(reached, RANKED)), self.plan.kind[rows]
        floor = np.full(len(self.plan.types), math.inf)
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            one = self.plan.types[kind]
            proved = bound(one) if one is not None and math.isfinite(reached) else None
            floor[kind] = math.inf if proved is None else proved
        return floor[kinds]

    def _task(self, rows: np.ndarray, turn: int, worth: float, begin: np.ndarray | None = None) -> Task:
        words = self.families.word[rows, : int(self.families.n[rows].max(initial=1))]
        return Task(rows, words, turn, worth, begin)

    def _with(self, survey: Survey, size: int, found: Found, floor: np.ndarray) -> Survey:
        """The survey with what a task of fresh families found, and what was settled meanwhile."""
        best, failed = survey.best.copy(), survey.failed.copy()
        settled, least = survey.settled.copy(), survey.floor.copy()
        best[size - 1] = min(best[size - 1], found.best)
        failed[size - 1] += found.failed
        settled[size - 1] += np.count_nonzero(floor < math.inf)
        least[size - 1] = min(least[size - 1], floor.min(initial=math.inf))
        widened = np.zeros((len(found.rows), survey.constants.shape[1]))
        widened[:, : found.constants.shape[1]] = found.constants
        to_come = np.full((len(found.rows), ROUNDS + FURTHER), math.nan)
        known = replace(
            survey,
            best=best,
            failed=failed,
            settled=settled,
            floor=least,
            rows=np.concatenate([survey.rows, found.rows]),
            error=np.concatenate([survey.error, np.column_stack([found.error, to_come])]),
            fitted=np.concatenate([survey.fitted, found.fitted]),
            constants=np.concatenate([survey.constants, widened]),
        )
        return self._near(known)

    def _near(self, survey: Survey) -> Survey:
        limit = self._limit(survey, survey.rows)
        near = np.flatnonzero(np.isfinite(survey.fitted) & (survey.fitted <= limit))
        rows = survey.rows[near]
        sizes = self.families.n[rows]
        order = np.lexsort((rows, survey.fitted[near], sizes))
        place = np.arange(len(near)) - np.searchsorted(sizes[order], sizes[order])
        near = near[order[place < MOST_NEAR]]
        near = near[np.argsort(survey.rows[near])]
        kept = {name: getattr(survey, name)[near] for name in ("rows", "error", "fitted", "constants")}
        return replace(survey, **kept)

    def _limit(self, survey: Survey, rows: np.ndarray) -> np.ndarray:
        """What counts as near the front, for families of each row's size."""
        front = np.minimum.accumulate(survey.best)
        return NEAR * front[self.families.n[rows] - 1]

    def _round(self, survey: Survey) -> Survey:
        """One round of the families near the front."""
        turn = survey.rounds + 1
        best, constants, errors = survey.best.copy(), survey.constants.copy(), survey.error.copy()
        limit, sizes = self._limit(survey, survey.rows), self.families.n[survey.rows]
        parts = [
            part
            for size in np.unique(sizes)
            for part in _parts(np.flatnonzero(sizes == size), -(-self.batch // _SHARES))
        ]
        tasks = (self._task(survey.rows[at], turn, float(limit[at[0]]), survey.constants[at]) for at in parts)
        for at, found in zip(parts, self.run(tasks), strict=True):
            better = found.error < np.nanmin(errors[at], axis=1)
            constants[at[better], : found.constants.shape[1]] = found.constants[better]
            errors[at, turn] = found.error
            size = int(sizes[at[0]])
            best[size - 1] = min(best[size - 1], found.best)
        return replace(survey, rounds=turn, best=best, error=errors, constants=constants)


def _parts(places: np.ndarray, most: int) -> list[np.ndarray]:
    """At most so many at a time; one part without any if there are none."""
    return np.split(places, range(most, len(places), most))
