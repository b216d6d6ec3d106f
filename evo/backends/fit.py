"""Constants of a batch: what a fit is asked for and what it returns.

The algorithm (multi-start Levenberg-Marquardt on weighted residuals, then Lawson's reweighting towards
the minimax) is each backend's own code, to the same definition: evo/kernels/fit.h, evo/backends/.
"""

import ctypes
from dataclasses import dataclass, fields

import numpy as np

from evo.programs.batch import Programs

FITTED, NOT_FINITE, POLE = 0, 1, 2
"""Why a candidate has a finite error or none."""


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        starts: initial constants tried with cleared denominators, besides the inherited ones as they are:
            by turns inherited, all drawn anew, half of them, scaled by powers of two, near the inherited.
        clear_steps: Gauss-Newton steps of each.
        finalists: how many of those, the best, go on.
        first_steps: LM iterations of each finalist and of the inherited constants.
        final_steps: further LM iterations of the best.
        lawson_rounds: most reweightings towards the minimax.
        lawson_steps: LM iterations after each reweighting.
        lawson_stop: stop once the max residual is within this factor of its lower bound.
    """

    starts: int = 4
    clear_steps: int = 10
    finalists: int = 1
    first_steps: int = 4
    final_steps: int = 12
    lawson_rounds: int = 30
    lawson_steps: int = 3
    lawson_stop: float = 1.02

    def __post_init__(self) -> None:
        if any(getattr(self, f.name) < 0 for f in fields(self)) or self.starts > 32:
            raise ValueError(f"An effort has at most 32 starts and no negative count, got {self}.")


class CEffort(ctypes.Structure):
    """`Effort` of evo/kernels/fit.h."""

    _fields_ = (
        *((f.name, ctypes.c_int32) for f in fields(Effort) if f.name != "lawson_stop"),
        ("lawson_stop", ctypes.c_double),
    )


@dataclass(frozen=True)
class Fits:
    """What became of a batch.

    Attributes:
        batch: the programs with their constants.
        rms: root mean square of the weighted residuals after least squares, float64 [rows]; inf if
            never finite.
        error: max weighted error at the fit's points, float64 [rows]; inf if never finite.
        status: FITTED or NOT_FINITE, uint8 [rows].
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
