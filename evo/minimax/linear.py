"""The errors near an error curve as linear functions of the constants, and their minimax.

The errors are linearised in the logarithms of the constants at the curve's extrema and some further points.
Derivatives of good families are nearly dependent, far beyond float64: they are made orthonormal in multiple
precision, by Gram-Schmidt with pivoting, after which float64 does for the linear Chebyshev problem
(evo/minimax/exchange.py). What the pivoting leaves over are superfluous constants, which stay as they are.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from evo.minimax.curve import Curve, Curves
from evo.minimax.exchange import level
from evo.numbers.duals import floats, middles

SMALL = arb(1e-6)
"""Constants below this are measured by it and not by their own size: zero has no logarithm."""

_WEAK = 1e-3
"""A constant that even by a factor of e changes errors by less than this share of the largest, beyond what
other constants can do, waits until the errors are smaller."""
_SPARE = 32  # bits: derivatives that agree to all but these are dependent
_BEARS = 1e-6  # share of the level below which a point only fills the reference up


class ChebyshevStep(NamedTuple):
    """Solution of the linear problem.

    Attributes:
        pivots: the constants that may change.
        constants: after the step, exact arb.
        length: largest change of a constant's logarithm.
        level: what the maximum would fall to were the errors linear in the constants.
        reference: rows of the model's points that hold the level.
        signs: of the levelled error there.
        bearing: which of these bear the level: not those where no constant changes the error.
        leveling: largest over smallest |error| at the bearing ones, before the step.
    """

    pivots: list[int]
    constants: list[Any]
    length: float
    level: float
    reference: np.ndarray
    signs: np.ndarray
    bearing: np.ndarray
    leveling: float

    def settled(self, error: float, tolerance: float) -> bool:
        """Whether the maximum is the level: no change of constants lowers it much, to first order."""
        return error <= self.level * (1 + tolerance)


class LinearisedProblem:
    """The errors at a curve as linear functions of the logarithms of the constants.

    The derivatives by the constants `pivots` are `columns` times `triangle`, the columns orthonormal; other
    constants are superfluous, or too weak to matter at the size of the error, and stay as they are.
    """

    def __init__(self, curves: Curves, curve: Curve) -> None:
        self.curve, self.precision = curve, curves.precision
        coarse = np.linspace(0, len(curves.grid.theta) - 1, 3 * len(curve.constants) + 8).astype(int)
        self.points = curves.grid.take(coarse).merged(curve.peaks)
        with flint.ctx.workprec(self.precision):
            self.units = {k: max(abs(c), SMALL) for k, c in enumerate(curve.constants)}
            errors, columns = curves.derivatives(self.points, curve.constants, self.units)
            self.errors = floats(errors) / max(curve.error, 1e-300)
            self.needs = {k: float(np.abs(floats(column)).max()) for k, column in columns.items()}
            self.finite = bool(np.isfinite([*self.needs.values(), *self.errors]).all())
            self.pivots: list[int] = []
            self.columns: list[np.ndarray] = []
            self.triangle: list[dict[int, Any]] = []
            if self.finite:
                self._orthonormalise(columns)

    def step(self, radius: float = math.inf, weakest: int = 0) -> ChebyshevStep | None:
        """Solves the linear problem.

        Args:
            radius: largest change of a logarithm.
            weakest: how many constants to leave as they are besides, those that tell least.
        """
        n = max(len(self.pivots) - weakest, 0)
        errors = self.errors
        rows = np.array([floats(q) for q in self.columns[:n]]).reshape(n, len(errors)).T
        with flint.ctx.workprec(self.precision):
            if n and radius < math.inf:
                unit = np.eye(n).tolist()
                bounds = np.array([[float(d) for d in self._solve(z)] for z in unit]).T / radius
                rows, errors = np.vstack([rows, bounds]), np.append(errors, np.zeros(len(bounds)))
            solved = level(rows, errors, len(self.errors)) if self.finite else None
            if solved is None:
                return None
            changes = self._solve(solved.z.tolist())
            constants = list(self.curve.constants)
            for k, change in zip(self.pivots[:n], changes, strict=True):
                constants[k] = (constants[k] + change * self.units[k]).mid()
        inside = solved.reference < len(self.errors)
        reference, bearing = solved.reference[inside], solved.share[inside] > _BEARS
        held = np.abs(self.errors[reference[bearing]])
        return ChebyshevStep(
            self.pivots[:n],
            constants,
            max((abs(float(change)) for change in changes), default=0.0),
            solved.level * self.curve.error,
            reference,
            solved.signs[inside],
            bearing,
            float(held.max() / held.min()) if held.size and held.min() > 0 else math.inf,
        )

    def _orthonormalise(self, columns: dict[int, np.ndarray]) -> None:
        """Modified Gram-Schmidt, largest column first, until what is left does not matter."""
        weak = _WEAK * self.curve.error
        least = {k: _norm(c) * 2.0 ** (_SPARE - self.precision) + weak for k, c in columns.items()}
        while columns:
            norms = {k: _norm(column) for k, column in columns.items()}
            columns = {k: column for k, column in columns.items() if norms[k] > least[k]}
            if not columns:
                break
            pivot = max(columns, key=lambda k: (float(norms[k]), -k))
            unit = middles(columns.pop(pivot) / norms[pivot])
            row = {k: (unit @ column).mid() for k, column in columns.items()}
            columns = {k: middles(column - row[k] * unit) for k, column in columns.items()}
            self.pivots.append(pivot)
            self.columns.append(unit)
            self.triangle.append({pivot: norms[pivot], **row})

    def _solve(self, z: Sequence[float]) -> list[Any]:
        """The change of the first pivot constants' logarithms for a change of the errors by columns z."""
        out: dict[int, Any] = {}
        for i in reversed(range(len(z))):
            row, pivot = self.triangle[i], self.pivots[i]
            rest = sum((row[k] * change for k, change in out.items()), arb(0))
            out[pivot] = (z[i] * self.curve.error - rest) / row[pivot]
        return [out[k] for k in self.pivots[: len(z)]]


def _norm(column: np.ndarray) -> Any:
    return (column @ column).sqrt().mid()
