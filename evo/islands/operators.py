"""What a process makes of a problem: its points, its backend, and the operators of a generation.

They stay where they are made: a problem travels; compiled code and device memory cannot.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from evo.backends.backend import Backend, Programs, backend_on
from evo.backends.fit import Fits, Measures
from evo.backends.windows import fit_at
from evo.floats.goal import FloatGoal
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.islands.settling import Settling
from evo.islands.state import State
from evo.kernels.layout import NOT_FINITE
from evo.kernels.vary import Offspring
from evo.minimax.pins import holds
from evo.programs.batch import Batch
from evo.targets.checks import anchors
from evo.targets.points import Points, fit_points, select_points

PROBES = 12
"""Points at which the error curves of two candidates are compared."""


class Operators:
    """The operators of a generation, on whole batches.

    Attributes:
        problem: what they are made of.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._holds: dict[int, bool] = {}

    @property
    def goal(self) -> FloatGoal | None:
        """What counts in float arithmetic; None over the reals."""
        return self.problem.goal

    @cached_property
    def fit_points(self) -> Points:
        """Where constants are fitted."""
        return self.goal.fit_points if self.goal else fit_points(self.problem.target)

    @cached_property
    def select_points(self) -> Points:
        """Where candidates are compared."""
        return self.goal.select_points if self.goal else select_points(self.problem.target)

    @cached_property
    def engine(self) -> Backend:
        """The backend.

        Raises:
            BackendError, BuildError: this machine lacks what it needs.
        """
        return backend_on(self.problem.backend, self.problem.device)

    @cached_property
    def settling(self) -> Settling:
        """What needs no fit."""
        return Settling(self.problem.target)

    @cached_property
    def takes_exactness(self) -> bool:
        """Whether the target has a zero or a pole elsewhere than at 0, where a float hardly ever hits it."""
        places = anchors(self.problem.target) if self.goal is None else ()
        return any(anchor.order and anchor.at != 0 for anchor in places)

    def holds(self, pool: Pool, row: int) -> bool:
        """Whether a candidate's constants can be moved so that it matches the target's zeros exactly."""
        fingerprint = int(pool.fingerprint[row])
        if fingerprint not in self._holds:
            program, constants = pool.batch.program(row), pool.decimals(row)
            self._holds[fingerprint] = holds(program, constants, self.problem.target)
        return self._holds[fingerprint]

    def vary(self, rng: int, state: State) -> Offspring:
        """New programs from a state's parents; its caches are written to."""
        variation, rows = self.problem.variation, self.problem.offspring
        parents = state.population.batch
        return self.engine.offspring(rng, variation, parents, state.texts, state.functions, rows)

    def fit(self, batch: Programs, stream: np.ndarray, worth: np.ndarray) -> Fits:
        """Programs with fitted constants, in the goal's format if there is one; see `Backend.fit`.

        What is settled (evo/islands/settling.py) has its bound as its error, and constants as they were.
        """
        effort, points = self.problem.effort, self.fit_points
        if self.goal is None:
            if not isinstance(batch, Batch):  # on a GPU a fit takes less time than to ask
                return self._fit_at(batch, stream, worth)
            least = self.settling.least(batch, worth)
            rows = np.flatnonzero(least <= worth)
            return self._fit_at(batch.take(rows), stream[rows], worth[rows]).among(batch, rows, least)
        fits = self.engine.fit(batch, points, effort, stream, worth)
        return replace(fits, batch=self.goal.rounded(fits.batch.take(slice(None))))

    def satisfy(self, batch: Batch) -> np.ndarray:
        """Which programs satisfy what is required of their steps, bool [rows]; see `FloatGoal.screened`."""
        if self.goal is None or not self.goal.require or not len(self.goal.screened.which):
            return np.ones(len(batch), bool)
        return np.asarray(~self.goal.screened.broken(batch).any(axis=1))

    def can_have(self, batch: Batch, error: np.ndarray) -> np.ndarray:
        """Whether programs may have less than these errors [rows], as their types have it, bool [rows]."""
        if self.goal is not None:
            return np.ones(len(batch), bool)
        return self.settling.least(batch, error, often=1) <= error

    def _fit_at(self, batch: Programs, stream: np.ndarray, worth: np.ndarray) -> Fits:
        target, effort = self.problem.target, self.problem.effort
        return fit_at(target, self.engine, batch, self.fit_points, self.select_points, effort, stream, worth)

    def measure(self, batch: Programs, rows: np.ndarray) -> Measures:
        """The rows' errors at the select points, in float arithmetic if that is the goal's.

        See `Backend.measure`. Curves and poles are those of real arithmetic.
        """
        if self.goal is None:
            return self.engine.measure(batch, rows, self.select_points, PROBES)
        curves = self.engine.measure(batch, rows, self.fit_points, PROBES)
        error, worst, _ = self.goal.judge(batch.take(rows), self.select_points, self.engine.judge)
        status = np.where(np.isfinite(error), curves.status, NOT_FINITE).astype(np.uint8)
        return Measures(error, self.select_points.x[worst], curves.behaviour, status)

    def select(self, pool: Pool) -> Pool:
        """The parents of the next generation."""
        # DEAP takes 0.2 s to import, which commands that search nothing can do without.
        from evo.islands.selection import select

        return select(pool, self.problem.parents)
