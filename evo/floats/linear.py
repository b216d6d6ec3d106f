"""Constants by successive linear programs: the least largest error over all points, in real arithmetic.

Each program is linearised in its constants and the largest weighted error becomes a linear program (HiGHS)
in their changes, within a region of trust that grows and shrinks; where a program is linear in its constants,
the first steps find the optimum. Points far from the largest error take no part until they come near.

Source: K. Madsen, An algorithm for minimax solution of overdetermined systems of non-linear equations,
J. Inst. Maths Applics 16 (1975).
"""

import numpy as np

from evo.backends.native import NativeBackend
from evo.programs.batch import Batch
from evo.targets.points import Points

_NEAREST, _SPREAD = 40, 100
"""Points of a step: those that had the largest errors in any step so far, and some of all."""
_TRUST = 0.1
"""First relative change of a constant that is trusted."""
_LEAST_TRUST = 1e-9
_LEAST_SIZE = 1e-2
"""Size that a smaller constant counts as: changes are relative to it."""
_MOST_STEPS = 30
_GAIN = 1e-7
"""Relative gain below which it is over."""


def levelled(one: Batch, points: Points, most: int = _MOST_STEPS) -> tuple[Batch, float]:
    """The program with constants of least largest error, and that error.

    Args:
        one: a batch of one program, with constants to start from.
        points: where the error counts.
        most: steps.
    """
    engine, k, trust = NativeBackend(), int(one.k[0]), _TRUST
    residual = _residual(engine, one, points)
    error = float(np.max(np.abs(residual)))
    spread = np.linspace(0, len(residual) - 1, min(len(residual), _SPREAD)).astype(int)
    rows = np.union1d(spread, _largest(residual))
    for _ in range(most if k else 0):
        step = _step(engine, one, points.take(rows), residual[rows], trust)
        if step is None or trust < _LEAST_TRUST:
            break
        tried = one.take([0])
        tried.constants[0, :k] += step
        found = _residual(engine, tried, points)
        largest = float(np.max(np.abs(found)))
        further = np.union1d(rows, _largest(found))
        if largest < error:
            done, trust = largest > (1 - _GAIN) * error, min(1.0, 2 * trust)
            one, residual, error = tried, found, largest
            if done and len(further) == len(rows):
                break
        elif len(further) == len(rows):
            trust *= 0.25
        rows = further
    return one, error


def _largest(residual: np.ndarray) -> np.ndarray:
    """Points of the largest errors."""
    return np.argsort(-np.abs(residual))[:_NEAREST]


def _residual(engine: NativeBackend, one: Batch, points: Points) -> np.ndarray:
    """Weighted errors; infinite where there is no number."""
    found = (engine.values(one, points.x)[0] - points.exact) * points.weight
    return np.where(np.isfinite(found), found, np.inf)


def _step(
    engine: NativeBackend, one: Batch, points: Points, residual: np.ndarray, trust: float
) -> np.ndarray | None:
    """The changes of the constants that the linear program gives; None without a solution."""
    if not np.isfinite(residual).all():
        return None
    k = int(one.k[0])
    _, derivatives = engine.jacobian(one, points.x)
    size = trust * np.maximum(np.abs(one.constants[0, :k]), _LEAST_SIZE)
    with np.errstate(all="ignore"):  # huge constants cancel in values, not in slopes
        scaled = derivatives[0, :k].T * points.weight[:, None] * size
    if not np.isfinite(scaled).all():
        return None
    sides = np.vstack([np.hstack([s * scaled, -np.ones((len(residual), 1))]) for s in (1, -1)])
    from scipy.optimize import linprog  # type: ignore[import-untyped]  # a quarter second, and for floats alone

    found = linprog(
        np.append(np.zeros(k), 1.0),
        A_ub=sides,
        b_ub=np.concatenate([-residual, residual]),
        bounds=[(-1, 1)] * k + [(0, None)],
        method="highs",
    )
    return None if found.x is None else np.asarray(found.x[:k] * size)
