"""What an island keeps of its candidates: the best of every cost, and which of them dominate.

All are functions of arrays; nothing here is written to.
"""

import numpy as np

from evo.islands.pool import Pool


def archive(pool: Pool, niche: int) -> Pool:
    """The `niche` best candidates of every cost, of distinct behaviour; by cost, then error."""
    ranked = pool.distinct()
    kept = [np.flatnonzero(ranked.cost == cost)[:niche] for cost in np.unique(ranked.cost)]
    return ranked.take(np.concatenate(kept)) if kept else ranked


def thresholds(kept: Pool, niche: int, most: int) -> np.ndarray:
    """Error that a newcomer must beat at each cost, inf where there is room, float64 [most + 1]."""
    out = np.full(most + 1, np.inf)
    for cost in np.unique(kept.cost):
        errors = kept.error[kept.cost == cost]
        if len(errors) >= niche:
            out[cost] = errors.max()
    return out


def non_dominated(pool: Pool) -> Pool:
    """Candidates that no other beats in both cost and error, one of each cost, by cost."""
    order = np.lexsort((pool.fingerprint, pool.error, pool.cost))
    rows: list[int] = []
    best = np.inf
    for row in order:
        if pool.error[row] < best:
            best = pool.error[row]
            rows.append(int(row))
    return pool.take(rows)


def first_fronts(cost: np.ndarray, error: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """The non-dominated fronts, in order, that hold `wanted` rows together: NSGA-II takes no others.

    In two dimensions a row's front is the length of the longest chain of rows that dominate it. Of one
    cost's rows, by error, each is a front behind the one before it, or further back if cheaper rows say so,
    which a front's least error so far tells (patience sorting). Equal rows count as a chain.

    Returns:
        Rows of the fronts that are taken whole, and of the last one.
    """
    front = np.empty(len(cost), np.int64)
    least = np.zeros(0)  # of each front so far; ascending
    for level in np.unique(cost):
        rows = np.flatnonzero(cost == level)
        rows = rows[np.argsort(error[rows], kind="stable")]
        steps = np.arange(len(rows))
        front[rows] = np.maximum.accumulate(np.searchsorted(least, error[rows], "right") - steps) + steps
        longer = np.full(max(len(least), front[rows[-1]] + 1), np.inf)
        longer[: len(least)] = least
        longer[front[rows]] = error[rows]
        least = longer
    last = int(np.searchsorted(np.cumsum(np.bincount(front)), wanted))
    return np.flatnonzero(front < last), np.flatnonzero(front == last)
