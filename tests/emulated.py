"""The CUDA kernels on this processor: a device for the cuda backend whose warps and threads are emulated."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from evo.backends.backend import BackendError, backend
from evo.backends.cuda import CudaBackend
from evo.backends.device import source
from evo.kernels.build import cache_folder

HERE = Path(__file__).parent
CALLS = {
    "fit": 'extern "C" void launch(const Job *job) { run_warp([&] { fit(job); }); }',
    "evaluate": 'extern "C" void launch(const Job *job, double *values, double *jacobian)'
    " { run_warp([&] { evaluate(job, values, jacobian); }); }",
    "measures": 'extern "C" void launch(const Job *job, uint64_t probes, double *worst, uint64_t *behaviour,'
    " double *curve) { run_warp([&] { measures(job, probes, worst, behaviour, curve); }); }",
}


class EmulatedGpu:
    """One warp, or one thread, at a time; compiled kernels stay in the cache folder."""

    name = "emulated warp"
    arrays = np

    def __init__(self) -> None:
        self._folder = cache_folder() / "emulated"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._kernels: dict[tuple[str, int], ctypes.CDLL] = {}

    def put(self, array: np.ndarray) -> np.ndarray:
        return np.array(array, order="C")

    def get(self, array: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
        if into is not None:
            into[...] = array
        return array

    def address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def free(self) -> int:
        return 1 << 26

    def prepare(self, kernels: list[tuple[str, int]]) -> None:
        pass  # a kernel that is never launched is not compiled

    def _kernel(self, name: str, size: int) -> ctypes.CDLL:
        if (name, size) not in self._kernels:
            self._kernels[name, size] = ctypes.CDLL(str(self._build(name, size)))
        return self._kernels[name, size]

    def warps(
        self, kernel: str, size: int, shared: int, job: ctypes.Structure, todo: int, *more: int
    ) -> None:
        assert shared <= 232448, "more shared memory than a multiprocessor has"
        self._kernel(kernel, size).launch(ctypes.byref(job), *map(ctypes.c_void_p, more))

    def threads(self, kernel: str, size: int, todo: int, *arguments: int) -> None:
        getattr(self._kernel(kernel, size), kernel)(*map(ctypes.c_void_p, arguments))

    def _build(self, kernel: str, size: int) -> Path:
        text = "\n".join([(HERE / "emulate_warp.h").read_text(), source(kernel, size), CALLS.get(kernel, "")])
        library = self._folder / f"{kernel}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.so"
        if not library.exists():
            code = library.with_suffix(f".{os.getpid()}.cpp")  # another process may be at the same kernel
            made = code.with_suffix(".so")
            code.write_text(text)
            flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-Wno-unknown-pragmas"]
            subprocess.run(["g++", *flags, "-o", str(made), str(code)], check=True)
            made.replace(library)
        return library


@cache
def engine_of(name: str):
    """The backend of that name; of a GPU that is not here, its kernels on an emulated warp."""
    try:
        return backend(name)
    except BackendError as error:
        if name != "cuda" or not shutil.which("g++"):
            pytest.skip(str(error))
        return CudaBackend(EmulatedGpu())
