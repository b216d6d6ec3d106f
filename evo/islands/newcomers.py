"""Candidates that may enter an archive: fitted, measured at other points, told apart."""

from dataclasses import replace

import numpy as np

from evo.backends.fit import Fits
from evo.floats.finish import finished
from evo.islands.deep import affordable, at_floor, deepen, optima
from evo.islands.operators import Operators
from evo.islands.pool import Pool, distinct
from evo.islands.problem import Problem
from evo.islands.state import State
from evo.kernels.layout import FITTED
from evo.kernels.vary import Offspring

_PROMISING = 1.05
"""Error of a fit, as a multiple of the best so far, below which it promises: fits see few points."""
_LOOKED_AT = 8
"""Candidates for each that is finished: the others do not satisfy what is required, constants or not."""


def fitted_newcomers(
    operators: Operators,
    fits: Fits,
    cost: np.ndarray,
    fingerprint: np.ndarray,
    limit: np.ndarray,
    seconds: float,
) -> Pool:
    """The fitted candidates that beat their niche's limit at the select points too, told apart by tier 3."""
    rows = np.flatnonzero(fits.error < limit[cost])
    measures = operators.measure(fits.batch, rows)
    better = np.flatnonzero((measures.status == FITTED) & (measures.error < limit[cost[rows]]))
    better = better[operators.satisfy(fits.batch.take(rows[better]))]
    better = better[operators.can_have(fits.batch.take(rows[better]), limit[cost[rows[better]]])]
    if "behaviour" in operators.problem.variation.tiers:
        of = rows[better]
        best = distinct(cost[of], measures.error[better], fingerprint[of], measures.behaviour[better])
        better = better[best]
    rows = rows[better]
    batch = fits.batch.take(rows)
    return Pool(
        batch,
        np.zeros_like(batch.constants),
        cost[rows],
        measures.error[better],
        measures.worst_x[better],
        fingerprint[rows],
        measures.behaviour[better],
        np.full(len(rows), seconds),
    )


def deep_newcomers(
    operators: Operators,
    state: State,
    brood: Offspring,
    cost: np.ndarray,
    fits: Fits,
    limit: np.ndarray,
    seconds: float,
) -> tuple[Pool, int]:
    """Candidates at float64's floor, fitted beyond it, that beat their niche's limit; how many were tried."""
    points, ops = operators.fit_points, brood.batch.ops
    most = affordable(state.counts, state.generation, operators.problem.deep_fits)
    if not most:
        return Pool.empty(fits.batch.width), 0
    known = optima(state.archive, points)
    rows = at_floor(fits.rms, ops, brood.batch.k, limit[cost], known, points, most)
    pool = deepen(
        operators.problem.target, fits.batch.take(rows), cost[rows], brood.fingerprint[rows], seconds
    )
    return pool.take(np.flatnonzero(pool.error < limit[pool.cost])), len(rows)


def finished_newcomers(
    operators: Operators,
    state: State,
    brood: Offspring,
    cost: np.ndarray,
    fits: Fits,
    limit: np.ndarray,
    seconds: float,
) -> tuple[Pool, int]:
    """Candidates whose constants are finished in the goal's format; how many were tried.

    Those are tried whose fit promises about the best so far of that cost, or less, where the last digits
    of constants count: some of each generation, the most promising.
    """
    goal, points = operators.goal, operators.select_points
    assert goal is not None
    kept = state.archive
    best = np.array([kept.error[kept.cost <= n].min(initial=np.inf) for n in range(len(limit))])
    with np.errstate(all="ignore"):  # nothing is found yet, the best is exact, or far better
        promise = fits.error / best[cost]
    rows = np.flatnonzero((promise < _PROMISING) & (best[cost] > goal.enough) & (fits.error < goal.delicate))
    rows = rows[np.argsort(promise[rows], kind="stable")][: _LOOKED_AT * operators.problem.deep_fits]
    rows = rows[operators.satisfy(fits.batch.take(rows))][: operators.problem.deep_fits]
    batch = fits.batch.take(rows)
    error, worst = np.zeros(len(rows)), np.zeros(len(rows), int)
    for i in range(len(rows)):
        batch.constants[i], error[i], worst[i] = finished(goal, batch.take([i]), points)
    key = brood.fingerprint[rows]
    found = Pool(
        batch, np.zeros_like(batch.constants), cost[rows], error, points.x[worst], key, key,
        np.full(len(rows), seconds),
    )  # fmt: skip
    return found.take(np.flatnonzero(error < limit[cost[rows]])), len(rows)


def told_apart(problem: Problem, rng: int, newcomers: Pool) -> Pool:
    """Tier 3: the best of every behaviour. With that tier off all stay, each with a behaviour of its own."""
    if "behaviour" in problem.variation.tiers:
        return newcomers.distinct()
    own = np.uint64(rng) + np.arange(len(newcomers), dtype=np.uint64)  # wraps
    return replace(newcomers, behaviour=own)
