"""Where CUDA kernels run: a GPU by CuPy (extra `gpu`), which compiles evo/kernels/*.cuh at run time.

A kernel is compiled when it is first met, for a size that it has at compile time (constants of a fit, ops of
a mutant), in seconds, and kept in CuPy's cache folder.
"""

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from evo.backends.backend import BackendError
from evo.kernels.build import SOURCES
from evo.kernels.headers import generated_headers
from evo.kernels.layout import WARP

MOST_REGISTERS = 128
"""Of a thread; with fewer more warps run at a time, and more is kept in slower memory."""
BLOCK = 128
"""Threads of a block where every thread works on its own."""
OPTIONS = ("--std=c++17", "--device-as-default-execution-space", f"--maxrregcount={MOST_REGISTERS}")
"""For the compiler."""
_WARPS = ("cuda.cuh", "layout.h", "warp.cuh", "ops.h", "mix.h", "tape.cuh")
_PROGRAMS = ("cuda.cuh", "layout.h", "ops.h", "mix.h", "program.h", "random.h", "cache.h")
_THREADS = (*_PROGRAMS, "elements.h", "field.h", "mutate.h", "vary.h")
STRICT = ("judge_float32", "judge_float64")
"""Kernels that are compiled without contraction."""
PARTS = {
    "fit": (*_WARPS, "solve.cuh", "fit.cuh"),
    "evaluate": (*_WARPS, "evaluate.cuh"),
    "measures": (*_WARPS, "behaviour.h", "measures.cuh"),
    "mutants": (*_THREADS, "mutants.cuh"),
    "ranks": (*_THREADS, "ranks.cuh"),
    "identities": (*_THREADS, "identities.cuh"),
    **dict.fromkeys(("judgements", "additions"), (*_THREADS, "judgements.cuh")),
    **dict.fromkeys(("copies", "tallies"), (*_THREADS, "waves.cuh")),
    **dict.fromkeys(STRICT, (*_PROGRAMS, "strict.cuh")),
    "unpacked": (*_PROGRAMS, "words.h", "unpacked.cuh"),
    **dict.fromkeys(
        ("programs", "types", "function_sieve", "family_sieve", "numbers"),
        (*_PROGRAMS, "elements.h", "field.h", "family.h", "words.h", "degrees.h", "enumerate.h", "sieve.cuh"),
    ),
}
"""The files that each kernel is made of, some of which are generated."""


class Device(Protocol):
    """Where kernels run: a GPU, or a stand-in for it in the tests."""

    name: str
    arrays: Any
    """NumPy's functions for arrays on the device."""

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device."""
        ...

    def get(self, array: Any, into: np.ndarray | None = None) -> np.ndarray:
        """A copy here, once all launches are done; into an array that there is."""
        ...

    def address(self, array: Any) -> int:
        """Where a device array's data lie."""
        ...

    def free(self) -> int:
        """Bytes of memory that are."""
        ...

    def prepare(self, kernels: list[tuple[str, int]]) -> None:
        """Begins to compile kernels, by name and size, beside what else is done; launches wait for theirs."""
        ...

    def warps(
        self, kernel: str, size: int, shared: int, job: ctypes.Structure, todo: int, *more: int
    ) -> None:
        """Starts a kernel on as many warps as there is room for, at most `todo`; returns before it is done.

        Args:
            kernel: its name.
            size: its compile-time size.
            shared: bytes of shared memory a warp.
            job: its first argument, by address.
            more: further ones.
        """
        ...

    def threads(self, kernel: str, size: int, todo: int, *arguments: int) -> None:
        """Runs a kernel on as many threads as there is room for, at most `todo`; calls run in their order."""
        ...


@cache
def source(kernel: str, size: int = 0) -> str:
    """CUDA C++ of a kernel for a size: constants of `fit`, most ops and constants of what makes offspring."""
    generated = generated_headers()
    defines = [f"#define UNKNOWNS {size}"] if kernel == "fit" else []
    if PARTS[kernel][: len(_PROGRAMS)] == _PROGRAMS:
        defines = [f"#define MAX_OPS {size}", f"#define MAX_CONSTANTS {size}"]
    texts = (generated.get(part) or (SOURCES / part).read_text() for part in PARTS[kernel])
    lines = (line for text in texts for line in text.splitlines() if not line.startswith("#include"))
    return "\n".join([*defines, *lines, ""])


def options(kernel: str) -> tuple[str, ...]:
    """For the compiler of a kernel."""
    return (*OPTIONS, *(("--fmad=false",) if kernel in STRICT else ()))


def strict_module(code: str, given: Sequence[str]) -> Any:
    """A module compiled by NVRTC itself: CuPy's own call adds -ftz=true, which loses float32's subnormals.

    Raises:
        BackendError: NVRTC refuses; what it said.
    """
    cuda = import_module("cupy.cuda")
    program = cuda.nvrtc.createProgram(code, "evonum.cu", (), ())
    try:
        architecture = f"--gpu-architecture=sm_{cuda.Device().compute_capability}"
        cuda.nvrtc.compileProgram(program, (architecture, *given))
    except cuda.nvrtc.NVRTCError:
        raise BackendError(f"CUDA's compiler: {cuda.nvrtc.getProgramLog(program)}") from None
    module = cuda.function.Module()
    module.load(cuda.nvrtc.getCUBIN(program))
    return module


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
                f"The cuda backend needs CuPy ({error}): pip install -e '.[gpu]' in the project's folder."
            ) from None
        try:
            device = self._cupy.cuda.Device()
            properties = self._cupy.cuda.runtime.getDeviceProperties(device.id)
        except Exception as error:  # CuPy's own classes, by version
            reason = str(error).strip().splitlines()[-1]
            raise BackendError(f"The cuda backend found no usable NVIDIA GPU: {reason}") from None
        self.name: str = properties["name"].decode()
        self.arrays = self._cupy
        self._multiprocessors = int(properties["multiProcessorCount"])
        self._kernels: dict[tuple[str, int], Future[Any]] = {}
        self._compilers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="evonum-nvrtc")
        self._streams: dict[int, Any] = {}
        self._alive: list[Any] = []

    def put(self, array: np.ndarray) -> Any:
        """See `Device.put`."""
        return self._cupy.asarray(array)

    def get(self, array: Any, into: np.ndarray | None = None) -> np.ndarray:
        """See `Device.get`."""
        for stream in self._streams.values():
            stream.synchronize()
        self._alive.clear()
        got: np.ndarray = self._cupy.asnumpy(array, out=into)
        return got

    def address(self, array: Any) -> int:
        """See `Device.address`."""
        return int(array.data.ptr)

    def free(self) -> int:
        """See `Device.free`."""
        self._cupy.get_default_memory_pool().free_all_blocks()
        return int(self._cupy.cuda.runtime.memGetInfo()[0])

    def prepare(self, kernels: list[tuple[str, int]]) -> None:
        """See `Device.prepare`."""
        for key in kernels:
            if key not in self._kernels:
                self._kernels[key] = self._compilers.submit(self._compile, key)

    def _kernel(self, name: str, size: int) -> Any:
        self.prepare([(name, size)])
        return self._kernels[name, size].result()

    def _compile(self, key: tuple[str, int]) -> Any:
        with self._cupy.cuda.Device():
            if key[0] in STRICT:
                return strict_module(source(*key), options(key[0])).get_function(key[0])
            module = self._cupy.RawModule(code=source(*key), options=OPTIONS, backend="nvrtc")
            return module.get_function(key[0])

    def warps(
        self, kernel: str, size: int, shared: int, job: ctypes.Structure, todo: int, *more: int
    ) -> None:
        """See `Device.warps`; kernels of different sizes run side by side."""
        made = self._kernel(kernel, size)
        made.max_dynamic_shared_size_bytes = shared
        fitting = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
            made.kernel.ptr, WARP, shared
        )
        blocks = min(max(fitting, 1) * self._multiprocessors, todo)
        given = self.put(np.frombuffer(bytes(job), np.uint8))
        self._alive.append(given)
        if size not in self._streams:
            self._streams[size] = self._cupy.cuda.Stream(non_blocking=True)
        self._cupy.cuda.get_current_stream().synchronize()
        with self._streams[size]:
            made((blocks,), (WARP,), (given, *map(np.uint64, more)), shared_mem=shared)

    def threads(self, kernel: str, size: int, todo: int, *arguments: int) -> None:
        """See `Device.threads`."""
        made = self._kernel(kernel, size)
        fitting = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
            getattr(made, "kernel", made).ptr, BLOCK, 0
        )
        blocks = min(max(fitting, 1) * self._multiprocessors, -(-todo // BLOCK))
        made((blocks,), (BLOCK,), tuple(map(np.uint64, arguments)))
