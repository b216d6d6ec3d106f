"""Fits beyond float64: candidates at its floor are polished in multiple precision.

Where the residuals are as small as the rounding of float64, its fits can no longer tell one candidate from
another. There the constants get the precision that they need (evo/minimax/polish.py), and the error is that
of real arithmetic; so fronts continue past 1e-16.

A polish takes 20 to 70 ms, and most candidates there are one function in another form: a family's optimum is
found again and again. So a candidate whose root mean square is that of a known optimum is left out, of
polished ones those of one error count as one behaviour, and polishes that bring no news become few: where
float64 cannot even tell optima apart, nothing else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from evo.backends.native import NativeBackend
from evo.islands.pool import Pool
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import mixed
from evo.minimax.polish import polish
from evo.numbers.constants import exact
from evo.programs.batch import Batch
from evo.targets.points import Points
from evo.targets.target import Target

FLOOR = 1e-13
"""Root mean square of the residuals, relative to the target's size in the metric, below which float64
cannot rank: a thousand roundings of 1e-16."""


NOISE = 1e-15
"""The same, down to which float64 tells optima apart: ten roundings."""
SAME = 0.02
"""Relative difference of root mean squares below which two optima are one."""
AGREE = 1e-4
"""The same of polished errors, which are levelled to about that."""
START, PAY, EVERY = 32, 4, 4
"""Polishes that a search has at its start, gets for each news, and one for so many generations."""
BLOCK = 4096
"""Rows that are compared with all known optima at a time."""
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

    def have(self, others: "Optima") -> np.ndarray:
        """Whether one has an other's rms with no more ops and no fewer constants: its optimum; [others]."""
        found = np.zeros(len(others.rms), bool)
        for begin in range(0, len(found), BLOCK):
            some = others.take(slice(begin, begin + BLOCK))
            near = np.abs(self.rms[:, None] - some.rms) < SAME * some.rms
            near &= (self.ops[:, None] <= some.ops) & (self.k[:, None] >= some.k)
            found[begin : begin + BLOCK] = near.any(axis=0)
        return found

    def take(self, rows: np.ndarray | slice) -> "Optima":
        """These rows."""
        return Optima(self.rms[rows], self.ops[rows], self.k[rows])


def optima(kept: Pool, points: Points) -> Optima:
    """Those of an archive, fitted by least squares like a candidate."""
    batch = kept.take(np.flatnonzero(kept.error <= 3 * FLOOR * _scale(points))).batch
    stream, worth = np.zeros(len(batch), np.uint64), np.zeros(len(batch))
    rms = NativeBackend().fit(batch, points, _LEAST_SQUARES, stream, worth).rms
    return Optima(rms, batch.ops, batch.k)


def affordable(counts: Mapping[str, int], generation: int, most: int) -> int:
    """How many polishes this generation may make, at most `most`: what earlier ones have left and earned.

    Args:
        counts: totals since the start: "deep", polishes, and "deep_new", those that brought a new behaviour
            to the archive.
    """
    earned = START + PAY * counts.get("deep_new", 0) + generation // EVERY
    return min(most, max(earned - counts.get("deep", 0), 0))


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
    rows = rows[np.lexsort((rows, rms[rows], ops[rows]))]
    candidates, chosen = Optima(rms, ops, k), list[int]()
    while len(rows) and len(chosen) < most:
        above = np.flatnonzero(rms[rows] > NOISE * scale)
        rows = np.delete(rows, above[known.have(candidates.take(rows[above]))])
        chosen += rows[:1].tolist()
        known, rows = candidates.take(rows[:1]), rows[1:]
    return chosen


def _scale(points: Points) -> float:
    """The target's largest size in its metric."""
    return float(np.max(points.weight * np.abs(points.exact)))


def deepen(target: Target, batch: Batch, cost: np.ndarray, keys: np.ndarray, seconds: float) -> Pool:
    """The candidates with constants polished in multiple precision; those not finite are left out.

    Args:
        batch: constants from a fit in float64.
        cost: of the pool that is made [rows].
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
    pool = Pool(deep, low, cost, error, worst_x, keys, behaviour, np.full(len(batch), seconds))
    return pool.take(np.flatnonzero(np.isfinite(error)))


def _split(texts: Sequence[str]) -> tuple[list[float], list[float]]:
    """Each constant as a float64 and the float64 of what is left."""
    numbers = [exact(text) for text in texts]
    high = [float(number) for number in numbers]
    return high, [float(number - Fraction(h)) for number, h in zip(numbers, high, strict=True)]
