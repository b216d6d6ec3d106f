"""The C kernels as a backend: no start-up time; as many threads as it is told (Python's lock is released)."""

import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np

from evo.backends.backend import Report, Settled
from evo.backends.fit import Fits, Measures
from evo.kernels.binding import CEffort, CPoints, Struct, batch_view
from evo.kernels.effort import Effort
from evo.kernels.library import kernels
from evo.kernels.strict import Judgement, judge
from evo.kernels.vary import offspring
from evo.kernels.words import Words, batch_of
from evo.numbers.formats import FloatFormat
from evo.programs.batch import Batch, Programs
from evo.targets.points import Points


def _view(points: Points) -> Struct:
    return CPoints.of(points, points=len(points.x))


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("The kernels could not get memory for their work arrays.")


MOST_ROWS = 256
"""Most rows that a thread fits at a time."""


class NativeBackend:
    """evo/kernels/*.h on this processor.

    Args:
        threads: how many fit; no result depends on it.
    """

    name = "native"

    def __init__(self, threads: int = 1) -> None:
        self.device = platform.processor() or platform.machine()
        self._threads = threads

    offspring = staticmethod(offspring)

    programs = staticmethod(batch_of)

    def sieve(self, words: Sequence[Words], report: Report, settled: Settled | None = None) -> None:
        """See `Backend.sieve`."""

    def judge(self, batch: Batch, points: Points, fmt: FloatFormat, limit: float) -> Judgement:
        """See `Backend.judge`."""
        return judge(batch, points, fmt, limit, self._threads)

    def values(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """See `Backend.values`."""
        x = np.ascontiguousarray(x, float)
        out = np.empty((len(batch), len(x)))
        _check(kernels().evaluate(batch_view(batch), x, len(x), out, None))
        return out

    def jacobian(self, batch: Batch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Backend.jacobian`."""
        x = np.ascontiguousarray(x, float)
        out = np.empty((len(batch), len(x)))
        derivatives = np.empty((len(batch), batch.width, len(x)))
        _check(kernels().evaluate(batch_view(batch), x, len(x), out, derivatives))
        return out, derivatives

    def fit(
        self, batch: Programs, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """See `Backend.fit`."""
        rows, batch = len(batch), batch.take(slice(None))
        fits = Fits(batch, np.empty(rows), np.empty(rows), np.empty(rows, np.uint8), 0)
        worth = np.ascontiguousarray(worth, float)
        stream = np.ascontiguousarray(stream, np.uint64)

        def run(begin: int, end: int) -> int:
            some = slice(begin, end)
            part = Batch(*(getattr(batch, f.name)[some] for f in fields(Batch)))
            columns = (stream, worth, fits.rms, fits.error, fits.status)
            iterations: int = kernels().fit(
                batch_view(part), _view(points), CEffort.of(effort), *(a[some] for a in columns)
            )
            _check(iterations < 0)
            return iterations

        if self._threads == 1:
            return replace(fits, iterations=run(0, rows))
        some = max(1, min(MOST_ROWS, rows // (4 * self._threads)))  # small enough to end at one time
        with ThreadPoolExecutor(self._threads) as pool:
            begins = range(0, rows, some)
            done = pool.map(run, begins, (min(begin + some, rows) for begin in begins))
            return replace(fits, iterations=sum(done))

    def measure(self, batch: Programs, rows: np.ndarray, points: Points, probes: int) -> Measures:
        """See `Backend.measure`."""
        some = batch.take(rows)
        out = Measures(*(np.empty(len(some), kind) for kind in (float, float, np.uint64, np.uint8)))
        arrays = (getattr(out, f.name) for f in fields(Measures))
        _check(kernels().measure(batch_view(some), _view(points), probes, *arrays))
        return out


def clearing(batch: Batch, points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What other backends need for cleared denominators (evo/kernels/clear.h).

    Returns:
        The instruction whose goal is known, -1 if there is none, int32 [rows]; how often each value divides
        it, float64 [rows, width]; that goal and its weight, float64 [rows, points].
    """
    rows = len(batch)
    root, multiplicity = np.empty(rows, np.int32), np.empty((rows, batch.width))
    goal, power = np.empty((rows, len(points.x))), np.empty((rows, len(points.x)))
    _check(kernels().clearing(batch_view(batch), _view(points), root, multiplicity, goal, power))
    return root, multiplicity, goal, power
