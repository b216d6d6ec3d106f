"""Fits beyond float64: candidates at its floor are polished in multiple precision.

Where the residuals are as small as the rounding of float64, its fits can no longer tell one candidate from
another. There the constants get the precision that they need (evo/polish.py), and the error is that of real
arithmetic; so fronts continue past 1e-16.

A polish takes 20 to 70 ms, and most candidates there are one function in another form: a family's optimum is
found again and again. So a candidate whose root mean square is that of a known optimum is left out, of
polished ones those of one error count as one behaviour, and polishes that bring no news become few: where
float64 cannot even tell optima apart, nothing else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from evo.backends.native import NativeBackend
from evo.batch import Batch
from evo.fingerprint import mixed
from evo.fit import Effort
from evo.points import Points
from evo.polish import polish
from evo.pool import Pool
from evo.target import Target

FLOOR = 1e-13
"""Root mean square of the residuals, relative to the target's size in the metric, below which float64
cannot rank: a thousand roundings of 1e-16."""


NOISE = 1e-15
"""The same, down to which float64 tells optima apart: ten roundings."""
SAME = 0.02
"""Relative difference of root mean squares below which two optima are one."""
AGREE = 1e-4
"""The same of polished errors, which are levelled to about that."""
START, PAY = 32, 4
"""Polishes beyond the first of each generation that a search has at its start, and gets for each news."""
_LEAST_SQUARES = Effort(starts=0, first_steps=8, final_steps=8, lawson_rounds=0)


@dataclass(frozen=True)
class Optima:
    """Known optima at the floor; all arrays are [rows].

    Attributes:
        rms: root mean square of the weighted residuals.
        ops: cost.
        k: number of constants.
    """

    rms: np.ndarray
    ops: np.ndarray
    k: np.ndarray

    def have(self, rms: float, ops: int, k: int) -> bool:
        """Whether one has this rms with no more ops and no fewer constants: a candidate's optimum is that."""
        near = np.abs(self.rms - rms) < SAME * rms
        return bool(np.any(near & (self.ops <= ops) & (self.k >= k)))

    def with_one(self, rms: float, ops: int, k: int) -> "Optima":
        """These and one more."""
        return Optima(np.append(self.rms, rms), np.append(self.ops, ops), np.append(self.k, k))


def optima(kept: Pool, points: Points) -> Optima:
    """Those of an archive, fitted by least squares like a candidate."""
    batch = kept.take(np.flatnonzero(kept.error <= 3 * FLOOR * _scale(points))).batch
    stream, worth = np.zeros(len(batch), np.uint64), np.zeros(len(batch))
    rms = NativeBackend().fit(batch, points, _LEAST_SQUARES, stream, worth).rms
    return Optima(rms, batch.ops, batch.k)


def affordable(counts: Mapping[str, int], most: int) -> int:
    """How many polishes this generation may make, at most `most`: one, and what earlier ones have earned.

    Args:
        counts: totals since the start: "deep_further", polishes beyond the first of a generation, and
            "deep_new", those that brought a new behaviour to the archive.
    """
    credit = START + PAY * counts.get("deep_new", 0) - counts.get("deep_further", 0)
    return min(most, 1 + max(credit, 0))


def at_floor(
    rms: np.ndarray,
    ops: np.ndarray,
    k: np.ndarray,
    limit: np.ndarray,
    known: Optima,
    points: Points,
    most: int,
) -> list[int]:
    """Rows to fit beyond float64: at most `most`, the cheapest programs first.

    Args:
        rms: of the weighted residuals in float64 [rows]; the max error is no less.
        ops: cost [rows].
        k: number of constants [rows].
        limit: error that a row must beat [rows].
        known: optima that need not be found again.
        points: where they were fitted.
    """
    scale = _scale(points)
    rows = np.flatnonzero((rms <= FLOOR * scale) & ((rms < limit) | (rms <= NOISE * scale)))
    chosen: list[int] = []
    for row in rows[np.lexsort((rows, rms[rows], ops[rows]))].tolist():
        if len(chosen) == most:
            break
        if rms[row] > NOISE * scale:
            if known.have(rms[row], ops[row], k[row]):
                continue
            known = known.with_one(rms[row], ops[row], k[row])
        chosen.append(row)
    return chosen


def _scale(points: Points) -> float:
    """The target's largest size in its metric."""
    return float(np.max(points.weight * np.abs(points.exact)))


def deepen(target: Target, batch: Batch, keys: np.ndarray, seconds: float) -> Pool:
    """The candidates with constants polished in multiple precision; those not finite are left out.

    Args:
        batch: constants from a fit in float64.
        keys: fingerprints [rows].
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
    # The behaviour is the error: float64 cannot tell the curves here.
    level = np.round(np.log(np.clip(error, np.finfo(float).tiny, 1e300)) / AGREE).astype(np.int64)
    behaviour = mixed(level[:, None].view(np.uint64))
    pool = Pool(deep, low, deep.ops, error, worst_x, keys, behaviour, np.full(len(batch), seconds))
    return pool.take(np.flatnonzero(np.isfinite(error)))


def _split(decimals: Sequence[str]) -> tuple[list[float], list[float]]:
    """Each constant as a float64 and the float64 of what is left."""
    high = [float(d) for d in decimals]
    return high, [float(Decimal(d) - Decimal(h)) for d, h in zip(decimals, high, strict=True)]
