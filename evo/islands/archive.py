"""What an island keeps of its candidates: the best of every op count, and which of them dominate.

All are functions of arrays; nothing here is written to.
"""

import numpy as np

from evo.islands.pool import Pool


def archive(pool: Pool, per_ops: int) -> Pool:
    """The `per_ops` best candidates of every op count, of distinct behaviour; by ops, then error."""
    ranked = pool.distinct()
    kept = [np.flatnonzero(ranked.ops == ops)[:per_ops] for ops in np.unique(ranked.ops)]
    return ranked.take(np.concatenate(kept)) if kept else ranked


def thresholds(kept: Pool, per_ops: int, max_ops: int) -> np.ndarray:
    """Error that a newcomer must beat at each op count, inf where there is room, float64 [max_ops + 1]."""
    out = np.full(max_ops + 1, np.inf)
    for ops in range(max_ops + 1):
        errors = kept.error[kept.ops == ops]
        if len(errors) >= per_ops:
            out[ops] = errors.max()
    return out


def non_dominated(pool: Pool) -> Pool:
    """Candidates that no other beats in both ops and error, one of each op count, by ops."""
    order = np.lexsort((pool.fingerprint, pool.error, pool.ops))
    rows: list[int] = []
    best = np.inf
    for row in order:
        if pool.error[row] < best:
            best = pool.error[row]
            rows.append(int(row))
    return pool.take(rows)


def first_fronts(ops: np.ndarray, error: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """The non-dominated fronts, in order, that hold `wanted` rows together: NSGA-II takes no others.

    In two dimensions a row's front is the length of the longest chain of rows that dominate it. Of one op
    count's rows, by error, each is a front behind the one before it, or further back if rows of fewer ops say
    so, which a front's least error so far tells (patience sorting). Equal rows count as a chain.

    Returns:
        Rows of the fronts that are taken whole, and of the last one.
    """
    front = np.empty(len(ops), np.int64)
    least = np.zeros(0)  # of each front so far; ascending
    for level in np.unique(ops):
        rows = np.flatnonzero(ops == level)
        rows = rows[np.argsort(error[rows], kind="stable")]
        steps = np.arange(len(rows))
        front[rows] = np.maximum.accumulate(np.searchsorted(least, error[rows], "right") - steps) + steps
        longer = np.full(max(len(least), front[rows[-1]] + 1), np.inf)
        longer[: len(least)] = least
        longer[front[rows]] = error[rows]
        least = longer
    last = int(np.searchsorted(np.cumsum(np.bincount(front)), wanted))
    return np.flatnonzero(front < last), np.flatnonzero(front == last)
