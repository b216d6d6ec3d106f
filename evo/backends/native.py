"""The C kernels as a backend: no start-up time; as many threads as it is told (Python's lock is released)."""

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np

from evo.backends.fit import CEffort, Effort, Fits, Measures
from evo.kernels.build import kernels
from evo.kernels.vary import offspring
from evo.programs.batch import Batch, Programs, address
from evo.targets.points import Points


class CPoints(ctypes.Structure):
    """`Points` of evo/kernels/fit.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "exact", "weight")),
        ("points", ctypes.c_int64),
    )


def _points(points: Points) -> CPoints:
    return CPoints(*(address(a) for a in (points.x, points.exact, points.weight)), points=len(points.x))


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

    def values(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """See `Backend.values`."""
        x = np.ascontiguousarray(x, float)
        out = np.empty((len(batch), len(x)))
        _check(
            kernels().evaluate(
                ctypes.byref(batch.c()), ctypes.c_void_p(address(x)), ctypes.c_int64(len(x)),
                ctypes.c_void_p(address(out)), None,
            )
        )  # fmt: skip
        return out

    def jacobian(self, batch: Batch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Backend.jacobian`."""
        x = np.ascontiguousarray(x, float)
        out = np.empty((len(batch), len(x)))
        derivatives = np.empty((len(batch), batch.width, len(x)))
        _check(
            kernels().evaluate(
                ctypes.byref(batch.c()), ctypes.c_void_p(address(x)), ctypes.c_int64(len(x)),
                ctypes.c_void_p(address(out)), ctypes.c_void_p(address(derivatives)),
            )
        )  # fmt: skip
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
                ctypes.byref(part.c()),
                ctypes.byref(_points(points)),
                ctypes.byref(CEffort(**vars(effort))),
                *(ctypes.c_void_p(address(a[some])) for a in columns),
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
        _check(
            kernels().measure(
                ctypes.byref(some.c()),
                ctypes.byref(_points(points)),
                ctypes.c_int64(probes),
                *(ctypes.c_void_p(address(getattr(out, f.name))) for f in fields(Measures)),
            )
        )
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
    _check(
        kernels().clearing(
            ctypes.byref(batch.c()),
            ctypes.byref(_points(points)),
            *(ctypes.c_void_p(address(a)) for a in (root, multiplicity, goal, power)),
        )
    )
    return root, multiplicity, goal, power
