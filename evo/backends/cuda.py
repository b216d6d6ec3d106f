"""NVIDIA GPUs: the fit of evo/kernels/fit.h as CUDA kernels (evo/backends/device.py compiles them).

One warp fits one candidate, from its first start to its last Lawson round; every warp then takes the next
row that is left, so none waits for another (evo/kernels/fit.cuh). There is a kernel for each number of
constants. Rows of no or more than MOST_UNKNOWNS constants, and fits at more than MOST_POINTS points, go to
the native backend. Offspring are made on the GPU too (evo/backends/cuda_vary.py), and stay there: what is
fitted and measured next is not copied (evo/backends/cuda_batch.py).

Everything is float64. Where its residuals reach rounding, a search polishes candidates in multiple precision
(evo/islands/deep.py), so there is no double-double kernel.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from evo.backends.backend import Report, Settled, Sieved
from evo.backends.cuda_batch import UNPACKED, Resident
from evo.backends.cuda_sieve import FAMILIES, SHARE, Size, sieve
from evo.backends.cuda_strict import judge
from evo.backends.cuda_vary import Breeder, kernels
from evo.backends.device import Device, Gpu
from evo.backends.fit import Fits, Measures
from evo.backends.native import NativeBackend
from evo.kernels.binding import CJob, Struct
from evo.kernels.cache import Cache
from evo.kernels.effort import Effort
from evo.kernels.layout import WARP
from evo.kernels.strict import Judgement
from evo.kernels.vary import Offspring, Variation
from evo.kernels.words import Words
from evo.numbers.formats import FloatFormat
from evo.programs.batch import Batch, Programs
from evo.targets.points import Points

MOST_UNKNOWNS = 8
MOST_POINTS = 64
CELL = 16
"""Bytes of a lane's two points."""
_RESULTS = {"rms": np.float64, "error": np.float64, "status": np.uint8}


def _shared(most_n: int, most_k: int, starts: int) -> int:
    """Bytes of shared memory that a warp needs: evo/kernels/fit.cuh."""
    cells = (1 + 2 * (most_n + most_k)) * WARP + most_n
    factor = most_k * (most_k + 1) // 2 + 2 * most_k
    return CELL * cells + 8 * (most_n + starts + factor + (4 + starts) * most_k)


class CudaBackend:
    """evo/kernels/*.cuh on one GPU."""

    name = "cuda"

    def __init__(self, device: Device | None = None) -> None:
        self._gpu = device or Gpu()
        self._host = NativeBackend(threads=os.cpu_count() or 1)
        self._breeder = Breeder(self._gpu)
        self.device = self._gpu.name
        self.seconds = 0.0
        """Time of the last fit's kernels and of the processor's rows beside them [s], without transfers."""

    def offspring(
        self, stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
    ) -> Offspring:
        """See `Backend.offspring`."""
        width = parents.width
        fits = [("fit", k) for k in range(1, min(width, MOST_UNKNOWNS) + 1)]
        self._gpu.prepare([*kernels(width), *fits, ("measures", 0)])  # compiled while these are being made
        return self._breeder.offspring(stream, variation, parents, texts, functions, rows)

    def sieve(self, words: Sequence[Words], report: Report, settled: Settled | None = None) -> Sieved:
        """See `Backend.sieve`."""
        most = words[-1].ops
        fits = [("fit", k) for k in range(1, min(most, MOST_UNKNOWNS) + 1)]
        copies = [("copies", n) for n in range(1, most + 1)]
        self._gpu.prepare([("unpacked", UNPACKED), *fits, ("measures", 0), *copies])  # for what follows
        room = SHARE * self._gpu.free()
        functions, families = Size.within(room * (1 - FAMILIES)), Size.within(room * FAMILIES)
        return sieve(self._gpu, words, report, functions, families, settled)

    def programs(self, words: np.ndarray) -> Resident:
        """See `Backend.programs`."""
        return Resident.of_words(self._gpu, np.ascontiguousarray(words))

    def judge(self, batch: Batch, points: Points, fmt: FloatFormat, limit: float) -> Judgement:
        """See `Backend.judge`."""
        return judge(self._gpu, batch, points, fmt, limit)

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
        there = Resident.of(self._gpu, batch)
        job, _held = self._job(there, {"x": x}, todo=rows, points=len(x), most_n=n, most_k=k)
        out = [self._gpu.put(a) for a in (values, jacobian)]
        self._gpu.warps(
            "evaluate", 0, _shared(n, k, 0), job, rows, *(self._gpu.address(a) if a.size else 0 for a in out)
        )
        got = [self._gpu.get(a) for a in out]
        return got[0], got[1]

    def fit(
        self, batch: Programs, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """See `Backend.fit`."""
        rows, fitted = len(batch), Resident.of(self._gpu, batch).refitted()
        given = {
            "stream": np.ascontiguousarray(stream, np.uint64),
            "worth": np.ascontiguousarray(worth, float),
        }
        here = (fitted.k == 0) | (fitted.k > MOST_UNKNOWNS) | (len(points.x) > MOST_POINTS)
        groups = [int(k) for k in np.flatnonzero(np.bincount(fitted.k[~here], minlength=1))]
        self._gpu.prepare([("fit", k) for k in groups])
        own = np.flatnonzero(here)
        few = batch.take(own) if len(own) else None  # before the launches: a copy waits for the GPU
        there = {name: self._gpu.put(a) for name, a in {**given, **vars(points)}.items()}
        there |= {name: self._gpu.arrays.empty(rows, kind) for name, kind in _RESULTS.items()}
        there["iterations"] = self._gpu.put(np.zeros(1, np.uint64))
        limits = vars(effort)
        jobs = []
        for k in groups:
            chosen = np.flatnonzero((fitted.k == k) & ~here).astype(np.int32)
            sizes = {"most_n": int(fitted.n[chosen].max()), "most_k": k}
            jobs.append(self._job(fitted, {"chosen": chosen}, there, points=len(points.x), **sizes, **limits))
        started = time.perf_counter()
        for job, _held in jobs:
            k = job.most_k
            self._gpu.warps("fit", k, _shared(job.most_n, k, effort.starts), job, job.todo)
        mine = self._host.fit(few, points, effort, *(a[own] for a in given.values())) if few else None
        iterations = int(self._gpu.get(there["iterations"])[0])
        self.seconds = time.perf_counter() - started
        out = {name: self._gpu.get(there[name]) for name in _RESULTS}
        if mine:
            for name, column in out.items():
                column[own] = getattr(mine, name)
            fitted.replace(own, mine.constants)
            iterations += mine.iterations
        return Fits(fitted, out["rms"], out["error"], out["status"], iterations)

    def measure(self, batch: Programs, rows: np.ndarray, points: Points, probes: int) -> Measures:
        """See `Backend.measure`."""
        todo = len(rows)
        if not todo:
            return self._host.measure(batch, rows, points, probes)
        there = Resident.of(self._gpu, batch)
        n, k = int(there.n[rows].max()), int(there.k[rows].max())
        room = self._gpu.arrays.empty
        out = {"error": room(todo), "status": room(todo, np.uint8)}
        own = {"worst_x": room(todo), "behaviour": room(todo, np.uint64), "curve": room((todo, probes))}
        given = {"chosen": np.ascontiguousarray(rows, np.int32), **vars(points)}
        job, _held = self._job(there, given, out, points=len(points.x), most_n=n, most_k=k)
        addresses = (self._gpu.address(a) for a in own.values())
        shared = CELL * ((1 + n + k) * WARP + n)  # no adjoints
        self._gpu.warps("measures", 0, shared, job, todo, probes, *addresses)
        return Measures(*(self._gpu.get({**out, **own}[f.name]) for f in fields(Measures)))

    def _job(
        self,
        batch: Resident,
        given: dict[str, np.ndarray],
        there: dict[str, Any] | None = None,
        **numbers: Any,
    ) -> tuple[Struct, dict[str, Any]]:
        """What a kernel is told, and the arrays on the device that must live as long as it runs.

        Args:
            given: arrays to be copied there.
            there: arrays that are there.
        """
        more = {**given, "counter": np.zeros(1, np.int32)}
        arrays = {**batch.there.arrays, **(there or {}), **{n: self._gpu.put(a) for n, a in more.items()}}
        numbers = {"todo": len(given.get("chosen", ())), "width": batch.width, **numbers}
        return CJob(**{name: self._gpu.address(array) for name, array in arrays.items()}, **numbers), arrays
