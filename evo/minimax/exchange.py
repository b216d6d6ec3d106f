"""The linear Chebyshev problem: min over z of max_i |errors_i + (rows z)_i|, by exchange.

This is the step of a nonlinear minimax fit. The dual linear program is solved by the simplex method on
references of n + 1 points, Stiefel's exchange algorithm: each exchange raises the least maximum of the
reference, the level, until no point lies above it. Signs follow from the rows; where they satisfy Haar's
condition the errors at the reference alternate, but nothing here needs that.

Source: E. Stiefel, Note on Jordan elimination, linear programming and Tchebycheff approximation, Numer.
Math. 2 (1960).
"""

from dataclasses import dataclass

import numpy as np

_ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class Levelled:
    """Solution of the linear problem.

    Attributes:
        z: the minimiser, float64 [n].
        level: the least maximum, which no z goes below.
        reference: the points that hold it, int [n + 1], ascending.
        signs: sign of the levelled error there, float64 [n + 1].
        share: how much of the level each one bears, float64 [n + 1] with sum 1; not negative.
    """

    z: np.ndarray
    level: float
    reference: np.ndarray
    signs: np.ndarray
    share: np.ndarray


def level(rows: np.ndarray, errors: np.ndarray, ordered: int | None = None) -> Levelled | None:
    """Solves the problem.

    Args:
        rows: derivatives of the errors, of full rank, float64 [points, n].
        errors: errors at z = 0, float64 [points].
        ordered: how many of the points, the first, are an error curve from left to right, in whose
            alternations the search starts; all of them by default.

    Returns:
        The solution; None if there are too few points, a reference is singular to rounding or the
        exchanges do not end.
    """
    count = rows.shape[1] + 1
    ordered = ordered or len(errors)
    if count > ordered:
        return None
    spread = np.linspace(0, ordered - 1, count).round().astype(int)
    for reference in (_alternation(errors[:ordered], count), spread):
        if reference is not None and (solved := _exchange(rows, errors, reference)):
            return solved
    return None


def _exchange(rows: np.ndarray, errors: np.ndarray, reference: np.ndarray) -> Levelled | None:
    count = len(reference)
    signs = _signs(rows[reference], errors[reference])
    target = np.append(np.zeros(count - 1), 1.0)
    slack = _ROUNDING * np.abs(errors).max()
    for _ in range(20 + 10 * count):
        basis = np.vstack([signs * rows[reference].T, np.ones(count)])
        try:
            share = np.linalg.solve(basis, target)
            solved = np.linalg.solve(basis.T, signs * errors[reference])
        except np.linalg.LinAlgError:
            return None
        z, height = -solved[:-1], float(solved[-1])
        residual = errors + rows @ z
        enters = int(np.argmax(np.abs(residual)))
        if not np.isfinite(residual[enters]):
            return None
        if abs(residual[enters]) <= height * (1 + _ROUNDING) + slack:
            order = np.argsort(reference)
            return Levelled(z, height, reference[order], signs[order], share[order])
        sign = np.sign(residual[enters])
        falls = np.linalg.solve(basis, np.append(sign * rows[enters], 1.0))
        ratio = np.full(count, np.inf)
        np.divide(np.maximum(share, 0.0), falls, out=ratio, where=falls > _ROUNDING)
        leaves = int(np.argmin(ratio))
        if ratio[leaves] == np.inf or enters in np.delete(reference, leaves):
            return None
        reference[leaves], signs[leaves] = enters, sign
    return None


def _signs(rows: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """The signs that make the level of n + 1 points positive: those of the rows' linear dependence."""
    null = np.linalg.svd(rows.T)[2][-1] if rows.size else np.ones(1)
    signs = np.where(null < 0, -1.0, 1.0)
    return -signs if null @ errors < 0 else signs


def _alternation(errors: np.ndarray, count: int) -> np.ndarray | None:
    """`count` points where large errors alternate in sign; None if there are fewer."""
    signs = np.sign(errors)
    runs = np.split(np.arange(len(errors)), np.flatnonzero(signs[1:] != signs[:-1]) + 1)
    kept = [int(run[np.argmax(np.abs(errors[run]))]) for run in runs]
    while len(kept) > count:
        kept.pop(0 if abs(errors[kept[0]]) < abs(errors[kept[-1]]) else -1)
    return np.array(kept) if len(kept) == count else None
