"""Every family fitted, and those near the front fitted again: what is known of the least error at each size.

The families are fitted in batches, the small ones first. Near the front is what comes within `NEAR` times
the least error of at most as many ops, but no more than `MOST_NEAR` of a size; of the others nothing is
kept. The last rounds fit otherwise: many a family has an optimum beside the one that nearly all fits lead to.
The points that a fit starts from follow from the family's number and the round. A survey is a value
that `advance` takes a batch further: kept on the disk at any time, it goes on elsewhere to the same end.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from evo.backends.backend import BACKENDS, Backend
from evo.backends.windows import fit_at
from evo.complete.enumeration import Families
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import mixed
from evo.targets.points import Points, fit_points, select_points
from evo.targets.target import Target

NEAR = 100.0
"""How many times the least error a family's may be that is fitted again. The best family of 2^x known at 7
ops ends 45 times above its optimum where its fit fails."""
MOST_NEAR = 10_000
"""Of one size, the best first: where nothing is good, everything would be near it."""
ROUNDS = 8
"""How often it is, each time from nothing: the share of these fits that succeed says how sure a survey is."""
FURTHER = 4
"""Rounds after these, by turns from the best so far and without cleared denominators, which may take nearly
all points to one optimum: 200 of 200 fits of c1 + c2/(x + c3/x) to Airy's function end beside the best."""
SAME = 1.05
"""Largest ratio of two errors of one optimum: a fit's reweighting ends within 2 % of it."""
STARTS = 64
"""Points that a fit starts from, half of them drawn anew, the others from where these led, by turns (Effort):
of the optimum of 2^x at 7 ops 41 % of the fits reach it from the first half, 93 % from both; of that of the
logistic function at 6 ops 0 % and 28 %."""
_AT_ONCE = 32
"""Starts, of which the best after the steps with cleared denominators goes on."""
_FIRST_STEPS = 16
_PROBES = 32


@dataclass(frozen=True)
class Survey:
    """What is known so far.

    Attributes:
        done: families fitted once.
        rounds: how often those near the front were fitted again.
        best: least max error of exactly 1, 2, ... ops; inf where none was found; float64 [max_ops].
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
    best: np.ndarray
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
        numbers = {name: kept[name].item() for name in ("done", "rounds", "seconds")}
        found = cls(**{**kept, **numbers})
        near = found.rows.shape
        begun = cls.begin(len(found.best), found.constants.shape[-1])
        for name in ("best", "failed", "rows", "error", "fitted", "constants"):
            own, like = getattr(found, name), getattr(begun, name)
            shape = like.shape if name in ("best", "failed") else near + like.shape[1:]
            if own.dtype != like.dtype or own.shape != shape:
                raise ValueError(f"{name} has the shape {own.shape}, not {shape}")
        return found


@dataclass(frozen=True)
class Surveyor:
    """Fits the families of a target.

    Attributes:
        families: what is fitted.
        target: what they approximate.
        backend: what fits.
        points: the fit's.
        select: those at which errors are measured.
        starts: points that a fit starts from.
        batch: families that are fitted together, at most.
    """

    families: Families
    target: Target
    backend: Backend
    points: Points
    select: Points
    starts: int
    batch: int

    @classmethod
    def of(cls, families: Families, target: Target, backend: Backend, starts: int = STARTS) -> "Surveyor":
        """For a target, at its points.

        Raises:
            TargetError: the target has no value somewhere.
        """
        batch = BACKENDS[backend.name].defaults.offspring
        return cls(families, target, backend, fit_points(target), select_points(target), starts, batch)

    def begin(self) -> Survey:
        """A survey that has everything before it."""
        most = self.families.max_ops
        return Survey.begin(most, max(most, self.families.most_constants))

    def advance(self, survey: Survey) -> Survey:
        """One batch further: of families that were never fitted, then one round of those near the front."""
        if survey.done < len(self.families):
            return self._fit_first(survey)
        return self._fit_again(survey)

    def _fit_first(self, survey: Survey) -> Survey:
        n = self.families.n
        size = int(n[survey.done])
        end = min(survey.done + self.batch, int(np.searchsorted(n, size, "right")))
        rows = np.arange(survey.done, end)
        constants, fitted, error = self._fitted(rows, 0, self._limit(survey, rows))
        best, failed = survey.best.copy(), survey.failed.copy()
        best[size - 1] = min(best[size - 1], error.min(initial=math.inf))
        failed[size - 1] += np.count_nonzero(~np.isfinite(fitted))
        widened = np.zeros((len(rows), survey.constants.shape[1]))
        widened[:, : constants.shape[1]] = constants
        to_come = np.full((len(rows), ROUNDS + FURTHER), math.nan)
        known = replace(
            survey,
            done=end,
            best=best,
            failed=failed,
            rows=np.concatenate([survey.rows, rows]),
            error=np.concatenate([survey.error, np.column_stack([error, to_come])]),
            fitted=np.concatenate([survey.fitted, fitted]),
            constants=np.concatenate([survey.constants, widened]),
        )
        return self._near(known)

    def _fit_again(self, survey: Survey) -> Survey:
        turn = survey.rounds + 1
        best, constants = survey.best.copy(), survey.constants.copy()
        errors = survey.error.copy()
        sizes = self.families.n[survey.rows]
        for size in np.unique(sizes):
            at = np.flatnonzero(sizes == size)
            worth = self._limit(survey, survey.rows[at])
            found, _, error = self._fitted(survey.rows[at], turn, worth, constants[at])
            better = error < np.nanmin(errors[at], axis=1)
            constants[at[better], : found.shape[1]] = found[better]
            errors[at, turn] = error
            best[size - 1] = min(best[size - 1], error.min(initial=math.inf))
        return replace(survey, rounds=turn, best=best, error=errors, constants=constants)

    def _limit(self, survey: Survey, rows: np.ndarray) -> np.ndarray:
        """What counts as near the front, for families of each row's size."""
        front = np.minimum.accumulate(survey.best)
        return NEAR * front[self.families.n[rows] - 1]

    def _near(self, survey: Survey) -> Survey:
        limit = self._limit(survey, survey.rows)
        near = np.flatnonzero(np.isfinite(survey.fitted) & (survey.fitted <= limit))
        sizes = self.families.n[survey.rows[near]]
        order = np.lexsort((survey.fitted[near], sizes))
        place = np.arange(len(near)) - np.searchsorted(sizes[order], sizes[order])
        near = np.sort(near[order[place < MOST_NEAR]])
        kept = {name: getattr(survey, name)[near] for name in ("rows", "error", "fitted", "constants")}
        return replace(survey, **kept)

    def _fitted(
        self, rows: np.ndarray, turn: int, worth: np.ndarray, begin: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Constants of families of one size, and max errors at the fit's and the select points.

        The errors are inf where not finite; at the select points, too, where not near the front.

        Args:
            begin: constants that a further round may go on from.
        """
        batch = self.families.batch(rows)
        constants = np.zeros_like(batch.constants) if begin is None else begin[:, : batch.width].copy()
        nowhere = np.where(np.arange(batch.width) < batch.k[:, None], math.nan, 0.0)
        fitted, error = np.full((2, len(rows)), math.inf)
        for number, effort in enumerate(self._efforts(turn)):
            batch.constants[:] = nowhere if effort.anew else constants
            stream = mixed(np.stack(np.broadcast_arrays(rows, turn, number), axis=-1).astype(np.uint64))
            fits = fit_at(self.target, self.backend, batch, self.points, self.select, effort, stream, worth)
            measured = np.full(len(rows), math.inf)
            near = np.flatnonzero(fits.error <= worth)
            measured[near] = self.backend.measure(fits.batch, near, self.select, _PROBES).error
            better = (measured < error) | ((measured == error) & (fits.error < fitted))
            constants[better] = fits.constants[better]
            fitted[better], error[better] = fits.error[better], measured[better]
        return constants, fitted, error

    def _efforts(self, turn: int) -> Iterator[Effort]:
        """Of a round's fits: those that draw no starts anew go on from the best constants so far."""
        further = turn - ROUNDS
        for first in range(0, self.starts, _AT_ONCE):
            starts = min(_AT_ONCE, self.starts - first)
            if further > 0 and further % 2 == 0:
                yield Effort(starts, anew=1, clear_steps=0, finalists=starts, first_steps=_FIRST_STEPS)
            else:
                yield Effort(starts, anew=int(further <= 0 and not first), first_steps=_FIRST_STEPS)
