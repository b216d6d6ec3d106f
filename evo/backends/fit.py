"""Constants of a batch: what a fit and a measure return.

The algorithm (multi-start Levenberg-Marquardt on weighted residuals, then Lawson's reweighting towards
the minimax) is each backend's own code, to the same definition: evo/kernels/fit.h, evo/backends/.
"""

from dataclasses import dataclass

import numpy as np

from evo.kernels.layout import SETTLED
from evo.programs.batch import Batch, Programs


@dataclass(frozen=True)
class Fits:
    """What became of a batch.

    Attributes:
        batch: the programs with their constants.
        rms: root mean square of the weighted residuals after least squares, float64 [rows]; inf if
            never finite.
        error: max weighted error at the fit's points, float64 [rows]; inf if never finite.
        status: FITTED, NOT_FINITE or SETTLED, uint8 [rows].
        iterations: LM iterations done in all.
    """

    batch: Programs
    rms: np.ndarray
    error: np.ndarray
    status: np.ndarray
    iterations: int

    @property
    def constants(self) -> np.ndarray:
        """Float64 [rows, width]."""
        return self.batch.constants

    def among(self, batch: Batch, rows: np.ndarray, least: np.ndarray) -> "Fits":
        """These fits as those of some rows of a batch, whose others are settled.

        Args:
            rows: which they are, ascending.
            least: what the error of each row of the batch cannot go below, float64.
        """
        if len(rows) == len(batch):
            return self
        constants, rms = batch.constants.copy(), np.full(len(batch), np.inf)
        error, status = least.copy(), np.full(len(batch), SETTLED, np.uint8)
        constants[rows], rms[rows] = self.constants, self.rms
        error[rows], status[rows] = self.error, self.status
        return Fits(batch.with_constants(constants), rms, error, status, self.iterations)


@dataclass(frozen=True)
class Measures:
    """Errors of a batch at other points than those it was fitted on.

    Attributes:
        error: max weighted error at the points, inf with a pole between them, float64 [rows].
        worst_x: where, float64 [rows].
        behaviour: of the signed weighted errors at probe points (tier 3), uint64 [rows].
        status: FITTED, NOT_FINITE or POLE, uint8 [rows].
    """

    error: np.ndarray
    worst_x: np.ndarray
    behaviour: np.ndarray
    status: np.ndarray
