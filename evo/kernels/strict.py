"""Programs in float arithmetic, many at once: evo/kernels/strict.h, bit for bit evo/programs/floats.py.

Compiled without reassociation and contraction: each op is rounded once, an fma once.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from evo.kernels.binding import CPoints, batch_view
from evo.kernels.library import kernels
from evo.numbers.formats import FloatFormat
from evo.programs.batch import Batch
from evo.targets.points import Points

_ROWS = 64
"""Rows that a thread takes at a time."""


class Judgement(NamedTuple):
    """What became of a batch; arrays are [rows].

    Attributes:
        error: max weighted error, float64; inf where a result is NaN.
        worst: index of the point where, int64.
        over: points with an error above the limit, int64.
    """

    error: np.ndarray
    worst: np.ndarray
    over: np.ndarray


def judge(batch: Batch, points: Points, fmt: FloatFormat, limit: float, threads: int = 1) -> Judgement:
    """The errors of every row at the points, computed in a format.

    Args:
        batch: constants are numbers of the format.
        points: whose `x` are numbers of the format.
        fmt: of every value: float32 or float64.
        limit: weighted error above which a point counts as `over`.
        threads: how many work; no result depends on it. 0: all that there are.
    """
    view = CPoints.of(points, points=len(points.x))

    def run(rows: slice) -> Judgement:
        some = batch.take(rows)
        n = len(some)
        out = Judgement(np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64))
        kernels().strict_errors(batch_view(some), view, fmt.digits, limit, *out)
        return out

    parts = _in_threads(run, len(batch), threads)
    return Judgement(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def values(batch: Batch, x: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Results of every row at `x` [points] as float64: [rows, points]."""
    x = np.ascontiguousarray(x, float)
    out = np.empty((len(batch), len(x)))
    kernels().strict_values(batch_view(batch), x, len(x), fmt.digits, out)
    return out


def _in_threads(run: Callable[[slice], Judgement], rows: int, threads: int) -> list[Judgement]:
    chunks = [slice(k, k + _ROWS) for k in range(0, max(rows, 1), _ROWS)]
    threads = threads or len(os.sched_getaffinity(0))
    if threads == 1 or len(chunks) == 1:
        return [run(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, chunks))
