"""Families fitted: what a survey asks for, a range of families at a time, on any machine.

A task holds all that its outcome depends on, besides the target: so ranges may be fitted anywhere, in any
order, and again where an outcome is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evo.backends.backend import Backend
from evo.backends.fit import Fits
from evo.backends.windows import fit_at
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import mixed
from evo.kernels.words import count_constants
from evo.programs.batch import Programs
from evo.targets.points import Points, fit_points, select_points
from evo.targets.target import Target

ROUNDS = 8
"""How often a family near the front is fitted again, each time from nothing: the share of these fits that
succeed says how sure a survey is."""
FURTHER = 4
"""Rounds after these, by turns from the best so far and without cleared denominators, which may take nearly
all points to one optimum: 200 of 200 fits of c1 + c2/(x + c3/x) to Airy's function end beside the best."""
MOST_NEAR = 10_000
"""Families of one size that are kept, the best first: where nothing is good, everything would be near it."""
STARTS = 64
"""Points that a fit starts from at most, half of them drawn anew, the others from where these led, by turns
(Effort): of the optimum of 2^x at 7 ops 41 % of the fits reach it from the first half, 93 % from both; of
that of the logistic function at 6 ops 0 % and 28 %."""
STARTS_OF_ONE = 16
"""Points that a fit of one constant starts from, and twice as many with each further one. Of families of 5
and 6 ops drawn at random, some 10,000 of each number of constants with eight targets, this share of the fits
reaches the best that is known: of one constant 92.8 % from 16 points and 93.1 % from 64; of two 80.2 % from
32 and 80.9 % from 64; of three 72.2 % from 32 and 73.7 % from 64."""
_AT_ONCE = 32
"""Starts, of which the best after the steps with cleared denominators goes on."""
_NO_CONSTANT = Effort(starts=0, first_steps=0, final_steps=0, lawson_rounds=0)
_FIRST_STEPS = 16
_PROBES = 32


class Task(NamedTuple):
    """Families of one size, and how they are fitted.

    Attributes:
        rows: their numbers, int64 [rows].
        words: uint16 [rows, ops] (evo/kernels/words.py).
        turn: 0 at first, then the round.
        worth: the largest error near the front; fits that end above it are kept by no survey.
        begin: constants that a further round may go on from, float64 [rows, width]; None in the first.
    """

    rows: np.ndarray
    words: np.ndarray
    turn: int
    worth: float
    begin: np.ndarray | None = None


class Found(NamedTuple):
    """What a task found; arrays are of the families near the front, in later rounds of all.

    Attributes:
        rows: their numbers, int64 [near].
        constants: float64 [near, width].
        fitted: max errors at the fit's points, where poles are not seen, float64 [near].
        error: max errors at the select points, inf if one has a pole between them, float64 [near].
        best: the least of them.
        failed: families without a finite error at the fit's points.
    """

    rows: np.ndarray
    constants: np.ndarray
    fitted: np.ndarray
    error: np.ndarray
    best: float
    failed: int


@dataclass(frozen=True)
class Fitter:
    """Fits to a target.

    Attributes:
        target: what is approximated.
        backend: what fits.
        points: the fit's.
        select: those at which errors are measured.
        starts: points that a fit starts from.
    """

    target: Target
    backend: Backend
    points: Points
    select: Points
    starts: int

    @classmethod
    def of(cls, target: Target, backend: Backend, starts: int = STARTS) -> "Fitter":
        """At the target's points.

        Raises:
            TargetError: the target has no value somewhere.
        """
        return cls(target, backend, fit_points(target), select_points(target), starts)

    def fit(self, task: Task) -> Found:
        """One task; its outcome depends on nothing else."""
        rows = len(task.rows)
        fitted, error = np.full((2, rows), np.inf)
        groups = list[tuple[np.ndarray, Programs]]()
        constants = count_constants(task.words)
        for k in np.unique(constants).tolist():
            at = np.flatnonzero(constants == k)
            some, fitted[at], error[at] = self._fitted(task, at, k)
            groups.append((at, some))
        kept = np.arange(rows) if task.turn else _near(task.rows, fitted, task.worth)
        found = np.zeros((len(kept), max((some.width for _, some in groups), default=0)))
        place = np.full(rows, -1)
        place[kept] = np.arange(len(kept))
        for at, some in groups:
            those = np.flatnonzero(place[at] >= 0)
            if len(those):
                taken = some.take(those)
                own = np.arange(taken.width) < taken.k[:, None]
                found[place[at[those]], : taken.width] = np.where(own, taken.constants, 0.0)
        failed = int(np.count_nonzero(~np.isfinite(fitted)))
        best = float(error.min(initial=np.inf))
        return Found(task.rows[kept], found, fitted[kept], error[kept], best, failed)

    def _fitted(self, task: Task, at: np.ndarray, k: int) -> tuple[Programs, np.ndarray, np.ndarray]:
        """A task's families of k constants, with these, and max errors at the fit's and the select points.

        The errors are inf where not finite; at the select points, too, where not near the front.
        """
        best = self.backend.programs(task.words[at])
        if task.begin is not None:
            best = best.with_constants(np.ascontiguousarray(task.begin[at, : best.width]))
        fitted, error = np.full((2, len(at)), np.inf)
        for number, effort in enumerate(self._efforts(k, task.turn)):
            fits, measured = self._once(
                best.with_constants(np.nan) if effort.anew else best, effort, task, at, number
            )
            better = (measured < error) | ((measured == error) & (fits.error < fitted))
            best = best.better(fits.batch, better)
            fitted[better], error[better] = fits.error[better], measured[better]
        return best, fitted, error

    def _once(
        self, batch: Programs, effort: Effort, task: Task, at: np.ndarray, number: int
    ) -> tuple[Fits, np.ndarray]:
        """A fit of these families of a task, and the errors at the select points of those near the front."""
        worth = np.full(len(at), task.worth)
        stream = mixed(
            np.stack(np.broadcast_arrays(task.rows[at], task.turn, number), axis=-1).astype(np.uint64)
        )
        fits = fit_at(self.target, self.backend, batch, self.points, self.select, effort, stream, worth)
        measured, near = np.full(len(at), np.inf), np.flatnonzero(fits.error <= worth)
        if len(near):
            measured[near] = self.backend.measure(fits.batch, near, self.select, _PROBES).error
        return fits, measured

    def _efforts(self, k: int, turn: int) -> Iterator[Effort]:
        """Of a round's fits of k constants: those that draw no starts anew go on from the best so far."""
        if not k:
            yield _NO_CONSTANT
            return
        further = turn - ROUNDS
        left = min(self.starts, STARTS_OF_ONE << (k - 1))
        starts = min(-(-left // 2), _AT_ONCE)
        begin = further <= 0
        while left:
            if further > 0 and further % 2 == 0:
                yield Effort(starts, anew=1, clear_steps=0, finalists=starts, first_steps=_FIRST_STEPS)
            else:
                yield Effort(starts, anew=int(begin), first_steps=_FIRST_STEPS)
            left, begin = left - starts, False
            starts = min(left, _AT_ONCE)


def _near(rows: np.ndarray, fitted: np.ndarray, worth: float) -> np.ndarray:
    """Places of the best of these errors."""
    near = np.flatnonzero(np.isfinite(fitted) & (fitted <= worth))
    return near[np.lexsort((rows[near], fitted[near]))[:MOST_NEAR]]
