"""CUDA sources compiled by NVIDIA's compiler, which needs no GPU: what an emulated warp cannot tell."""

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from evo.backends.device import OPTIONS, PARTS, source

QUICK = {"judge_float32", "evaluate", "measures", "judgements", "additions", "copies", "tallies"}
"""Kernels that are compiled in about a second."""
FOR_AN_H100 = (*OPTIONS, "--gpu-architecture=sm_90")


@cache
def nvrtc() -> ctypes.CDLL:
    """NVIDIA's compiler, of the package nvidia-cuda-nvrtc."""
    (root,) = find_spec("nvidia.cu13").submodule_search_locations
    libraries = Path(root) / "lib"
    ctypes.CDLL(str(next(libraries.glob("libnvrtc-builtins.so.*"))), ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(next(libraries.glob("libnvrtc.so.*"))))


def errors(text: str, *more: str) -> list[str]:
    """What the compiler, with these options more, says is wrong with a source; nothing if it compiles."""
    library, program, size = nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    given = [option.encode() for option in (*FOR_AN_H100, *more)]
    options = (ctypes.c_char_p * len(given))(*given)
    assert library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None) == 0
    failed = library.nvrtcCompileProgram(program, len(given), options)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    said = [line for line in log.value.decode().splitlines() if "error" in line]
    return said or ([log.value.decode()] if failed else [])


@pytest.mark.parametrize(
    "kernel", [pytest.param(k, marks=() if k in QUICK else pytest.mark.slow) for k in PARTS]
)
def test_every_kernel_is_compiled_for_a_gpu(kernel):
    assert errors(source(kernel, 10)) == []


def test_a_type_that_a_gpu_does_not_know_is_found():
    assert "uint16_t" in errors(source("tallies", 10).replace("typedef unsigned short uint16_t;", ""))[0]
