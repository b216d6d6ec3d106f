"""Chains of operations in CUDA: in registers of all threads that a GPU has room for, or of one warp."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from evo.backends.backend import BackendError
from evo.backends.device import Gpu
from evo.bench.chains import Loops, Measured, chains, turn
from evo.exports.languages import CUDA, letters
from evo.kernels.layout import WARP
from evo.numbers.formats import FloatFormat
from evo.programs.operation import BITS

_CHAINS = 4
"""Independent ones of a thread; a processor has 16 warps of such threads for each of its schedulers."""
_SHORT, _LONG = 4, 12
"""Operations of a chain, for throughput."""
_BRIEF, _DEEP = 16, 48
"""The same for latency."""
_PASSES, _TURNS = 64, 512
"""Through a chain, in a round: some tenths of a millisecond."""
_BLOCK = 256
_BLOCKS = 64
"""Of each multiprocessor: eight times as many as run at once."""
_OPTIONS = ("--std=c++17", "--fmad=false")


def loops_in_cuda(names: Sequence[str], fmt: FloatFormat) -> Loops:
    """What times the chains of some operations.

    Raises:
        BackendError: no CuPy, or no GPU.
    """
    gpu = Gpu()
    cupy: Any = import_module("cupy")
    made = cupy.RawModule(code=source(names, fmt), options=_OPTIONS, backend="nvrtc")
    calls = _calls(cupy, made, [one.word for one in chains(names)], fmt)
    return Loops(calls, _CHAINS * (_LONG - _SHORT), _DEEP - _BRIEF, {"device": gpu.name})


def lacking() -> str:
    """What this machine lacks for it, in words; nothing: "" alone."""
    try:
        Gpu()
    except BackendError as error:
        return f"this machine lacks a GPU to measure: {error}"
    return ""


def source(names: Sequence[str], fmt: FloatFormat) -> str:
    """The loops of some operations, in CUDA."""
    t, u = CUDA.type(fmt), CUDA.type(fmt, BITS)
    to_bits, to_float = (
        ("__double_as_longlong", "__longlong_as_double")
        if fmt.bits == 64
        else ("__float_as_uint", "__uint_as_float")
    )
    head = f"""
static __device__ __forceinline__ {u} op_bits({t} a) {{ return {to_bits}(a); }}
static __device__ __forceinline__ {t} op_float({u} a) {{ return {to_float}(a); }}
extern "C" __global__ void plain_loop(int times, const {t} *x, {t} *y, {t} c, {t} d, {u} e)
{{
    const unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    y[i] = x[i] + 1;
}}"""
    return "\n".join([head, *(text for chain in chains(names) for text in _loops(chain, fmt))])


_LOOP = """
extern "C" __global__ void {name}(int times, const {t} *x, {t} *y, {t} c, {t} d, {u} e)
{{
    const unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    {t} {starts};
    #pragma unroll 1
    for (int k = 0; k < times; k++) {{
        {body}
    }}
    y[i] = {sum};
}}"""


def _loops(one: Measured, fmt: FloatFormat) -> list[str]:
    """The four loops of a chain, in CUDA."""
    made = []
    for kind, count, lengths in (("wide", _CHAINS, (_SHORT, _LONG)), ("deep", 1, (_BRIEF, _DEEP))):
        for which, length in zip(("short", "long"), lengths, strict=True):
            lines = []
            for step in range(length):
                for k in range(count):
                    *before, last = turn(one.chain, f"r{k}", f"{step}_{k}", fmt, CUDA)
                    lines.append(f"{{ {' '.join(before)} {last}; }}")
            text = _LOOP.format(
                name=f"{kind}_{which}_{one.word}", t=CUDA.type(fmt), u=CUDA.type(fmt, BITS),
                starts=", ".join(f"r{k} = x[i] + {k}{letters(fmt)['f'] and '.0f'}" for k in range(count)),
                body="\n        ".join(lines), sum=" + ".join(f"r{k}" for k in range(count)),
            )  # fmt: skip
            made.append(text)
    return made


def _calls(cupy: Any, made: Any, words: Sequence[str], fmt: FloatFormat) -> dict[str, Callable[[], float]]:
    """What times each loop once, by the GPU's events."""
    blocks = _BLOCKS * int(cupy.cuda.Device().attributes["MultiProcessorCount"])
    given = cupy.asarray(np.random.default_rng(0).uniform(1, 2, blocks * _BLOCK).astype(fmt.type))
    result = cupy.empty_like(given)
    whole = np.uint64 if fmt.bits == 64 else np.uint32
    c = fmt.type(1) - fmt.type(np.finfo(fmt.type).epsneg)

    def call(name: str, times: int, grid: tuple[int, int], passes: int) -> Callable[[], float]:
        function = made.get_function(name)
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        arguments = (np.int32(times), given, result, c, fmt.type(0.001), whole(3))

        def timed() -> float:
            begin.record()
            function((grid[0],), (grid[1],), arguments)
            end.record()
            end.synchronize()
            return float(cupy.cuda.get_elapsed_time(begin, end)) * 1e6 / passes

        return timed

    everywhere, one_warp = (blocks, _BLOCK), (1, WARP)
    calls = {"plain_loop": call("plain_loop", 1, everywhere, blocks * _BLOCK)}
    for word in words:
        for which in ("short", "long"):
            wide, deep = f"wide_{which}_{word}", f"deep_{which}_{word}"
            calls[wide] = call(wide, _PASSES, everywhere, blocks * _BLOCK * _PASSES)
            calls[deep] = call(deep, _TURNS, one_warp, _TURNS)
    return calls
