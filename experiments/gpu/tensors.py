"""Shipped functions by Triton on PyTorch tensors: bits, times beside PyTorch's own, softmax beside a copy.

Without a GPU it takes TRITON_INTERPRET=1 and goes through the same lines with few elements.
"""

import importlib.util
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from gpu.parts import SAMPLE, STRIDE, digest

ON_GPU = torch.cuda.is_available()
WHERE = "cuda" if ON_GPU else "cpu"
ROWS, COLUMNS, ELEMENTS = (8192, 4096, 1 << 26) if ON_GPU else (4, 4096, 1 << 13)
OWN: dict[str, Callable[[Any], Any]] = {
    "exp": torch.exp, "exp2": torch.exp2, "expm1": torch.expm1, "log": torch.log, "log2": torch.log2,
    "log10": torch.log10, "log1p": torch.log1p, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan,
    "asin": torch.asin, "acos": torch.acos, "atan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh,
    "asinh": torch.asinh, "acosh": torch.acosh, "atanh": torch.atanh,
    "bessel_i0": torch.special.i0, "normcdf": torch.special.ndtr,
    "srgb_power": lambda x: torch.pow(x, 5 / 12), "tanh": torch.tanh,
    "erf": torch.erf, "erfc": torch.erfc, "rsqrt": torch.rsqrt, "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "softplus": torch.nn.functional.softplus, "mish": torch.nn.functional.mish,
}  # fmt: skip
TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load(path: Path) -> Any:
    """The exported module."""
    spec = importlib.util.spec_from_file_location("evomath", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs(dtype: str) -> Any:
    """Those whose results are compared: all of 16 bits, a sample of float32."""
    if dtype == "float32":
        bits = (np.arange(SAMPLE, dtype=np.uint64) * STRIDE).astype(np.uint32)
        return torch.from_numpy(bits.view(np.int32)).view(torch.float32)
    return torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(TYPES[dtype])


def bits(module: Any, functions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Digests beside those of the C export, rounded to the format."""
    rows = []
    for f in functions:
        if not ON_GPU and f["dtype"] == "float32":
            continue  # four million results by an interpreter take minutes
        y = getattr(module, f"{f['name']}_array")(inputs(f["dtype"]).to(WHERE))
        same = digest(y.float().cpu().numpy()) == f["digest"]
        rows.append({"name": f["name"], "same_bits_as_c": same})
    return rows


def milliseconds(call: Callable[[], Any]) -> float:
    """Of one call."""
    if not ON_GPU:
        start = time.process_time()
        call()
        return 1e3 * (time.process_time() - start)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def timed(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Interleaved; median and tenth percentile [ms]."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    order, rng = list(calls), random.Random(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            found[name].append(milliseconds(calls[name]))
    return {
        name: {"median": float(np.median(ms)), "p10": float(np.percentile(ms, 10))}
        for name, ms in found.items()
    }


def elementwise(module: Any, functions: Sequence[Mapping[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """Arrays in memory, beside PyTorch's own."""
    rows = []
    for dtype, kind in TYPES.items():
        x = torch.rand(ELEMENTS, device=WHERE).mul_(16).sub_(8).to(kind)
        positive = x.abs()
        own = [f for f in functions if f["dtype"] == dtype and f["function"] in OWN]
        calls: dict[str, Callable[[], Any]] = {"copy": x.clone}
        for f in own:
            at = positive if f["function"].startswith("log") else x
            calls[f["name"]] = lambda f=f, at=at: getattr(module, f"{f['name']}_array")(at)
            calls[f"torch {f['function']}"] = lambda f=f, at=at: OWN[f["function"]](at)
        times = timed(calls, rounds)
        rows += [{"name": name, "dtype": dtype, **ms} for name, ms in times.items()]
    return rows


@triton.jit
def rows_softmax(x, y, n, EXPONENTIAL: tl.constexpr, SCALE: tl.constexpr, BLOCK: tl.constexpr):
    """A fused softmax of rows, one program a row, by this exponential (of powers of 2, or of e)."""
    row = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, BLOCK)
    v = tl.load(x + row * n + i, mask=i < n, other=float("-inf"))
    e = EXPONENTIAL((v - tl.max(v, 0)) * SCALE)
    tl.store(y + row * n + i, e / tl.sum(e, 0), mask=i < n)


@triton.jit
def own_exp(x):
    """Triton's."""
    return tl.exp(x)


@triton.jit
def partial_softmax(x, high, total, n, EACH: tl.constexpr, BLOCK: tl.constexpr):
    """The largest element of a part, and the sum of exponentials less it, in one pass."""
    part = tl.program_id(0).to(tl.int64)
    i = part * EACH + tl.arange(0, BLOCK)
    most, sums = tl.full((BLOCK,), float("-inf"), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for _ in range(EACH // BLOCK):
        v = tl.load(x + i, mask=i < n, other=float("-inf"))
        larger = tl.maximum(most, v)
        safe = tl.where(larger == float("-inf"), 0.0, larger)
        sums = sums * tl.exp(most - safe) + tl.exp(v - safe)
        most = larger
        i += BLOCK
    top = tl.max(most, 0)
    safe = tl.where(top == float("-inf"), 0.0, top)
    tl.store(high + part, top)
    tl.store(total + part, tl.sum(sums * tl.exp(most - safe), 0))


@triton.jit
def whole_softmax(x, y, top, inverse, n, BLOCK: tl.constexpr):
    """The second pass."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n)
    tl.store(y + i, tl.exp(v - tl.load(top)) * tl.load(inverse), mask=i < n)


def two_passes(x: Any) -> Any:
    """Softmax of one long row."""
    each, block = 1 << 14, 1 << 11
    parts = triton.cdiv(x.numel(), each)
    high, total = (torch.empty(parts, device=WHERE) for _ in range(2))
    partial_softmax[(parts,)](x, high, total, x.numel(), EACH=each, BLOCK=block)
    top = high.max()
    inverse = 1 / (total * torch.exp(high - top)).sum()
    y = torch.empty_like(x)
    whole_softmax[(triton.cdiv(x.numel(), block),)](x, y, top, inverse, x.numel(), BLOCK=block)
    return y


def softmax(module: Any, functions: Sequence[Mapping[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """Of rows, and of one long row: times, share of a copy's rate, the largest error beside float64."""
    rows = []
    x = torch.randn(ROWS, COLUMNS, device=WHERE) * 4
    y = torch.empty_like(x)
    exact = torch.softmax(x[:64].double(), 1)
    choices = {"Triton, tl.exp": (own_exp, 1.0)}
    for f in functions:
        if f["function"] in ("exp", "exp2") and f["dtype"] in ("float32", "bfloat16"):
            scale = 1.0 if f["function"] == "exp" else 1.4426950408889634
            choices[f"Triton, {f['name']}"] = (getattr(module, f["name"]), scale)
    calls: dict[str, Callable[[], Any]] = {"copy": x.clone, "torch.softmax": lambda: torch.softmax(x, 1)}
    for name, (exponential, scale) in choices.items():

        def call(exponential: Any = exponential, scale: float = scale) -> Any:
            words = {"EXPONENTIAL": exponential, "SCALE": scale, "BLOCK": COLUMNS, "num_warps": 8}
            rows_softmax[(ROWS,)](x, y, COLUMNS, **words)
            return y

        calls[name] = call
    off = {name: float((call()[:64].double() - exact).abs().max()) for name, call in calls.items()}
    off["copy"] = 0.0
    times = timed(calls, rounds)
    for name, ms in times.items():
        share = times["copy"]["median"] / ms["median"]
        rows.append(
            {"of": f"{ROWS} x {COLUMNS}", "name": name, **ms, "of_copy_rate": share, "error": off[name]}
        )
    long = torch.randn(ELEMENTS, device=WHERE) * 4
    right = torch.softmax(long.double(), 0)
    whole = {"copy": long.clone, "torch.softmax": lambda: torch.softmax(long, 0),
             "Triton, two passes": lambda: two_passes(long)}  # fmt: skip
    error = {name: float((call().double() / right - 1).abs().max()) for name, call in whole.items()}
    error["copy"] = 0.0
    times = timed(whole, rounds)
    for name, ms in times.items():
        share = times["copy"]["median"] / ms["median"]
        rows.append({"of": f"one row of {ELEMENTS}", "name": name, **ms, "of_copy_rate": share,
                     "error": error[name]})  # fmt: skip
    return rows


def tensors(folder: Path, functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All of it; what fails is said, and the rest goes on."""
    module, rounds = load(folder / "evomath.py"), 15 if ON_GPU else 1
    found: dict[str, Any] = {"torch": torch.__version__, "triton": triton.__version__}
    for name, call in (
        ("bits", lambda: bits(module, functions)),
        ("softmax", lambda: softmax(module, functions, rounds)),
        ("elementwise", lambda: elementwise(module, functions, rounds)),
    ):
        try:
            found[name] = call()
        except Exception as error:
            found[name] = []
            found[f"{name}_failed"] = f"{type(error).__name__}: {error}"[:2000]
    return found
