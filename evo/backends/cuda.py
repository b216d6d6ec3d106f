"""NVIDIA GPUs: the fit of evo/native/fit.h as CUDA kernels (evo/backends/device.py compiles them).

One warp fits one candidate, from its first start to its last Lawson round; every warp then takes the next
row that is left, so none waits for another (evo/native/fit.cuh). There is a kernel for each number of
constants. Rows of no or more than MOST_UNKNOWNS constants, and fits at more than MOST_POINTS points, go to
the native backend. Offspring are made on the GPU too (evo/backends/cuda_vary.py).

Everything is float64. Where its residuals reach rounding, a search polishes candidates in multiple precision
(evo/deep.py), so there is no double-double kernel.
"""

import ctypes
import os
import time
from typing import Any

import numpy as np

from evo.backends.cuda_vary import Breeder
from evo.backends.device import WARP, Device, Gpu
from evo.backends.native import NativeBackend
from evo.batch import Batch
from evo.cache import Cache
from evo.fit import Effort, Fits
from evo.points import Points
from evo.vary import Offspring, Variation

MOST_UNKNOWNS = 8
MOST_POINTS = 64
CELL = 16
"""Bytes of a lane's two points."""
_EFFORT = (
    "starts",
    "clear_steps",
    "finalists",
    "first_steps",
    "final_steps",
    "lawson_rounds",
    "lawson_steps",
)
_ADDRESSES = (
    *("op", "arg", "n", "k", "constants", "stream", "worth", "rms", "error", "status", "chosen"),
    *("x", "exact", "weight", "iterations", "counter"),
)


class CJob(ctypes.Structure):
    """`Job` of evo/native/tape.cuh."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _ADDRESSES),
        *((name, ctypes.c_int32) for name in ("todo", "width", "points", "most_n", "most_k", *_EFFORT)),
        ("lawson_stop", ctypes.c_double),
    )


def _shared(most_n: int, most_k: int, starts: int) -> int:
    """Bytes of shared memory that a warp needs: evo/native/fit.cuh."""
    cells = (1 + 2 * (most_n + most_k)) * WARP + most_n
    factor = most_k * (most_k + 1) // 2 + 2 * most_k
    return CELL * cells + 8 * (most_n + starts + factor + (4 + starts) * most_k)


class CudaBackend:
    """evo/native/*.cuh on one GPU."""

    name = "cuda"

    def __init__(self, device: Device | None = None) -> None:
        self._gpu = device or Gpu()
        self._host = NativeBackend(threads=os.cpu_count() or 1)
        self._breeder = Breeder(self._gpu)
        self.device = self._gpu.name
        self.seconds = 0.0
        """Time of the last fit's kernels [s], without transfers."""

    def offspring(
        self, stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
    ) -> Offspring:
        """See `Backend.offspring`."""
        return self._breeder.offspring(stream, variation, parents, texts, functions, rows)

    def values(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """See `Backend.values`."""
        return self._evaluate(batch, x, False)[0]

    def jacobian(self, batch: Batch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Backend.jacobian`."""
        values, jacobian = self._evaluate(batch, x, True)
        return values, jacobian.reshape(len(batch), batch.width, len(x))

    def _evaluate(self, batch: Batch, x: np.ndarray, slopes: bool) -> tuple[np.ndarray, np.ndarray]:
        rows, x = len(batch), np.ascontiguousarray(x, float)
        values = np.zeros((rows, len(x)))
        jacobian = np.zeros((rows, batch.width, len(x)) if slopes else (0,))
        if not rows:
            return values, jacobian
        n, k = int(batch.n.max()), int(batch.k.max())
        arrays = self._put(batch, x=x, counter=np.zeros(1, np.int32))
        job = self._job(arrays, todo=rows, width=batch.width, points=len(x), most_n=n, most_k=k)
        out = [self._gpu.put(a) for a in (values, jacobian)]
        self._gpu.warps(
            "evaluate", 0, _shared(n, k, 0), job, rows, *(self._gpu.address(a) if a.size else 0 for a in out)
        )
        got = [self._gpu.get(a) for a in out]
        return got[0], got[1]

    def fit(
        self, batch: Batch, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """See `Backend.fit`."""
        rows, stream = len(batch), np.ascontiguousarray(stream, np.uint64)
        worth = np.ascontiguousarray(worth, float)
        here = (batch.k == 0) | (batch.k > MOST_UNKNOWNS) | (len(points.x) > MOST_POINTS)
        counts = np.bincount(batch.k[~here], minlength=1)
        groups = {int(k): np.flatnonzero((batch.k == k) & ~here) for k in np.flatnonzero(counts)}
        self._gpu.prepare([("fit", k) for k in groups])
        out = Fits(
            batch.constants.copy() if here.any() else np.empty_like(batch.constants),
            np.empty(rows), np.empty(rows), np.empty(rows, np.uint8), 0,
        )  # fmt: skip
        iterations = 0
        if groups:
            arrays = self._put(
                batch, stream=stream, worth=worth, rms=out.rms, error=out.error, status=out.status,
                x=points.x, exact=points.exact, weight=points.weight, iterations=np.zeros(1, np.uint64),
            )  # fmt: skip
            limits = {name: getattr(effort, name) for name in (*_EFFORT, "lawson_stop")}
            alive, started = [], time.perf_counter()
            for k, chosen in groups.items():
                n = int(batch.n[chosen].max())
                own = {
                    "chosen": self._gpu.put(chosen.astype(np.int32)),
                    "counter": self._gpu.put(np.zeros(1, np.int32)),
                }
                alive.append(own)
                job = self._job(
                    {**arrays, **own}, todo=len(chosen), width=batch.width, points=len(points.x), most_n=n,
                    most_k=k, **limits,
                )  # fmt: skip
                self._gpu.warps("fit", k, _shared(n, k, effort.starts), job, len(chosen))
            self._gpu.get(arrays["iterations"])
            self.seconds = time.perf_counter() - started
            got = {
                name: self._gpu.get(arrays[name])
                for name in ("constants", "rms", "error", "status", "iterations")
            }
            iterations = int(got["iterations"][0])
            out = Fits(got["constants"], got["rms"], got["error"], got["status"], 0)
        if rows_here := np.flatnonzero(here).tolist():
            fits = self._host.fit(batch.take(rows_here), points, effort, stream[rows_here], worth[rows_here])
            for name in ("constants", "rms", "error", "status"):
                getattr(out, name)[rows_here] = getattr(fits, name)
            iterations += fits.iterations
        return Fits(out.constants, out.rms, out.error, out.status, iterations)

    def _put(self, batch: Batch, **more: np.ndarray) -> dict[str, Any]:
        own = {name: getattr(batch, name) for name in ("op", "arg", "n", "k", "constants")}
        return {name: self._gpu.put(array) for name, array in {**own, **more}.items()}

    def _job(self, arrays: dict[str, Any], **numbers: Any) -> CJob:
        return CJob(**{name: self._gpu.address(array) for name, array in arrays.items()}, **numbers)
