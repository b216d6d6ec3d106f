"""Fits beyond float64: candidates at its floor are polished in multiple precision.

Where the residuals are as small as the rounding of float64, its fits can no longer tell one candidate from
another. There the constants get the precision that they need (evo/polish.py), and the error is that of real
arithmetic; so fronts continue past 1e-16.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from evo.batch import Batch
from evo.points import Points
from evo.polish import polish
from evo.pool import Pool
from evo.target import Target

FLOOR = 1e-13
"""Root mean square of the residuals, relative to the target's size in the metric, below which float64
cannot rank: a thousand roundings of 1e-16."""


def at_floor(rms: np.ndarray, ops: np.ndarray, points: Points, most: int) -> np.ndarray:
    """Rows to fit beyond float64: at most `most`, the cheapest programs first.

    Args:
        rms: of the weighted residuals in float64 [rows].
        ops: cost [rows].
        points: where they were fitted.
    """
    scale = float(np.max(points.weight * np.abs(points.exact)))
    rows = np.flatnonzero(rms <= FLOOR * scale)
    return rows[np.lexsort((rows, rms[rows], ops[rows]))][:most]


def deepen(target: Target, batch: Batch, keys: np.ndarray, seconds: float) -> Pool:
    """The candidates with constants polished in multiple precision; those not finite are left out.

    Args:
        batch: constants from a fit in float64.
        keys: fingerprints [rows]; they serve as the behaviour, which float64 cannot tell here.
        seconds: search time so far [s].
    """
    low = np.zeros_like(batch.constants)
    constants = batch.constants.copy()
    error, worst_x = np.full(len(batch), np.inf), np.zeros(len(batch))
    for row in range(len(batch)):
        polished = polish(batch.program(row), batch.numbers(row), target)
        constants[row, : batch.k[row]], low[row, : batch.k[row]] = _split(polished.constants)
        error[row], worst_x[row] = polished.error, polished.worst_x
    deep = Batch(batch.op, batch.arg, batch.n, batch.k, constants)
    pool = Pool(deep, low, deep.ops, error, worst_x, keys, keys, np.full(len(batch), seconds))
    return pool.take(np.flatnonzero(np.isfinite(error)))


def _split(decimals: Sequence[str]) -> tuple[list[float], list[float]]:
    """Each constant as a float64 and the float64 of what is left."""
    high = [float(d) for d in decimals]
    return high, [float(Decimal(d) - Decimal(h)) for d, h in zip(decimals, high, strict=True)]
