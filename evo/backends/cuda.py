"""NVIDIA GPUs: the fit of evo/native/fit.h as CUDA kernels, compiled at run time by CuPy (extra `gpu`).

One warp fits one candidate, from its first start to its last Lawson round; every warp then takes the next
row that is left, so none waits for another (evo/native/fit.cuh). A kernel is compiled for each number of
constants when it is first met, in about a second, and kept in CuPy's cache folder. Rows of no or more than
MOST_UNKNOWNS constants, and fits at more than MOST_POINTS points, go to the native backend.

Everything is float64. Where its residuals reach rounding, a search polishes candidates in multiple precision
(evo/deep.py), so there is no double-double kernel.
"""

import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from evo.backends import BackendError
from evo.backends.native import NativeBackend
from evo.batch import Batch
from evo.fit import Effort, Fits
from evo.native.build import SOURCES, ops_header
from evo.points import Points

MOST_UNKNOWNS = 8
MOST_POINTS = 64
MOST_REGISTERS = 128
"""Of a thread; with fewer more warps run at a time, and more is kept in slower memory."""
WARP = 32
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


class Device(Protocol):
    """Where kernels run: a GPU, or a stand-in for it in the tests."""

    name: str

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device."""
        ...

    def get(self, array: Any) -> np.ndarray:
        """A copy here, once all launches are done."""
        ...

    def address(self, array: Any) -> int:
        """Where a device array's data lie."""
        ...

    def prepare(self, kernels: list[tuple[str, int]]) -> None:
        """Compiles kernels, by name and unknowns, that are not compiled yet."""
        ...

    def launch(self, kernel: str, unknowns: int, shared: int, job: CJob, *arguments: int) -> None:
        """Starts a kernel with `shared` bytes a warp; returns before it is done."""
        ...


@cache
def source(kernel: str, unknowns: int = 0) -> str:
    """CUDA C++ of `fit` (for a number of unknowns) or `evaluate`, op table included."""
    ops = "\n".join(line for line in ops_header().splitlines() if not line.startswith("#include"))
    names = ("warp", "ops", "tape", *(("solve",) if kernel == "fit" else ()), kernel)
    parts = [ops if name == "ops" else (SOURCES / f"{name}.cuh").read_text() for name in names]
    return "\n".join([f"#define UNKNOWNS {unknowns}" if kernel == "fit" else "", *parts])


class Gpu:
    """The current CUDA device, by CuPy.

    Raises:
        BackendError: no CuPy, no driver or no device.
    """

    def __init__(self) -> None:
        try:
            self._cupy: Any = import_module("cupy")
        except ImportError as error:
            raise BackendError(
                f"The cuda backend needs CuPy ({error}): pip install 'evonumerics[gpu]'."
            ) from None
        try:
            device = self._cupy.cuda.Device()
            properties = self._cupy.cuda.runtime.getDeviceProperties(device.id)
        except Exception as error:  # CuPy's own classes, by version
            reason = str(error).strip().splitlines()[-1]
            raise BackendError(f"The cuda backend found no usable NVIDIA GPU: {reason}") from None
        self.name: str = properties["name"].decode()
        self._multiprocessors = int(properties["multiProcessorCount"])
        self._kernels: dict[tuple[str, int], Any] = {}
        self._streams: dict[int, Any] = {}
        self._alive: list[Any] = []

    def put(self, array: np.ndarray) -> Any:
        """See `Device.put`."""
        return self._cupy.asarray(array)

    def get(self, array: Any) -> np.ndarray:
        """See `Device.get`."""
        for stream in self._streams.values():
            stream.synchronize()
        self._alive.clear()
        got: np.ndarray = self._cupy.asnumpy(array)
        return got

    def address(self, array: Any) -> int:
        """See `Device.address`."""
        return int(array.data.ptr)

    def prepare(self, kernels: list[tuple[str, int]]) -> None:
        """See `Device.prepare`; several compile at a time."""
        missing = [k for k in kernels if k not in self._kernels]
        if not missing:
            return
        with ThreadPoolExecutor() as pool:
            for key, made in zip(missing, pool.map(self._compile, missing), strict=True):
                self._kernels[key] = made

    def _compile(self, key: tuple[str, int]) -> Any:
        options = ("--std=c++17", "--device-as-default-execution-space", f"--maxrregcount={MOST_REGISTERS}")
        with self._cupy.cuda.Device():
            module = self._cupy.RawModule(code=source(*key), options=options, backend="nvrtc")
            return module.get_function(key[0])

    def launch(self, kernel: str, unknowns: int, shared: int, job: CJob, *arguments: int) -> None:
        """See `Device.launch`; kernels of different numbers of unknowns run side by side."""
        self.prepare([(kernel, unknowns)])
        made = self._kernels[kernel, unknowns]
        made.max_dynamic_shared_size_bytes = shared
        fitting = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
            made.kernel.ptr, WARP, shared
        )
        blocks = min(max(fitting, 1) * self._multiprocessors, job.todo)
        given = self.put(np.frombuffer(bytes(job), np.uint8))
        self._alive.append(given)
        if unknowns not in self._streams:
            self._streams[unknowns] = self._cupy.cuda.Stream(non_blocking=True)
        self._cupy.cuda.get_current_stream().synchronize()
        with self._streams[unknowns]:
            made((blocks,), (WARP,), (given, *map(np.uint64, arguments)), shared_mem=shared)


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
        self.device = self._gpu.name
        self.seconds = 0.0
        """Time of the last fit's kernels [s], without transfers."""

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
        self._gpu.launch(
            "evaluate", 0, _shared(n, k, 0), job, *(self._gpu.address(a) if a.size else 0 for a in out)
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
                self._gpu.launch("fit", k, _shared(n, k, effort.starts), job)
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
