"""Exported functions in C against what people use: libm, its vectors, SLEEF, NumPy; x + 1 is the floor.

All contestants run in one process on one core, in an order drawn anew each round, over one array; processor
time, per element. Only ratios within one run hold. SLEEF takes part where its header is (Debian:
libsleef-dev). A function of 16 bits is timed in float32, before its last rounding.
"""

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evo.exports.export import export
from evo.fronts.front import Member
from evo.kernels.build import BuildError, find_compiler
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.reductions.reduction import find_reduction

ROUNDS, SIZE = 41, 8192
_ELEMENTS = 1 << 19
"""Elements of a contestant in a round: about a tenth of a millisecond and more."""
_STRICT = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=off")
_FAST = ("-std=gnu11", "-O3", "-march=native")
_ALIKE = (
    *("exp", "exp2", "exp10", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos"),
    *("atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "cbrt", "sqrt", "lgamma"),
)
"""Functions that libm has under these names; NumPy some of them, a few under another name."""
_NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


Call = Callable[[], Any]


class Timing(NamedTuple):
    """A contestant's row.

    Attributes:
        name: who.
        median: processor time [ns an element].
        tenth: the tenth percentile of the rounds [ns an element].
        ratio: of the medians, to that of the first contestant.
    """

    name: str
    median: float
    tenth: float
    ratio: float


def race(member: Member, size: int = SIZE, rounds: int = ROUNDS) -> Sequence[Timing]:
    """The member's export beside the library's functions of the same name, fastest first.

    Args:
        member: a function, on its interval, or on a part of all floats where results are normal.
        size: elements of the array: 8,192 stay in the cache, 2^22 do not.
        rounds: each times every contestant once.

    Raises:
        BuildError: no compiler, or it refuses.
    """
    computes = "float64" if member.dtype == REAL else find_arithmetic(member.dtype).computes.name
    kind = np.float32 if computes == "float32" else np.float64
    x = np.random.default_rng(0).uniform(*_domain(member), size).astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        times = _timed(_contestants(member, computes, _Workshop(x, Path(folder))), rounds)
    first = float(np.median(times["evonum"]))
    rows = [Timing(n, float(np.median(t)), float(np.percentile(t, 10)), float(np.median(t)) / first)
            for n, t in times.items()]  # fmt: skip
    return sorted(rows, key=lambda row: row.median)


def _domain(member: Member) -> tuple[float, float]:
    if not member.full:
        return member.function.span
    lo, hi = find_reduction(member.function).reach(find_arithmetic(member.dtype).computes)
    return 0.8 * lo, 0.95 * hi


class _Workshop:
    """Compiles contestants: loops over one array, repeated so often that a round has `_ELEMENTS` elements."""

    def __init__(self, x: np.ndarray, folder: Path) -> None:
        self._x, self._y, self._folder, self._made = x, np.empty_like(x), folder, 0
        self.single = x.dtype == np.float32
        self._repeats = max(1, _ELEMENTS // len(x))

    def loop(self, flags: Sequence[str], head: str, body: str, *libraries: str) -> Call:
        """A contestant whose `body` fills y[0] to y[n - 1] from x.

        Raises:
            BuildError: it cannot be compiled here.
        """
        self._made += 1
        name, kind = f"contestant_{self._made}", "float" if self.single else "double"
        source = _LOOP.format(name=name, kind=kind, head=head, body=body)
        function = getattr(_library(source, self._folder / name, flags, libraries), name)
        sizes = ctypes.c_size_t(self._repeats), ctypes.c_size_t(len(self._x))
        places = ctypes.c_void_p(self._x.ctypes.data), ctypes.c_void_p(self._y.ctypes.data)
        return lambda: function(*sizes, *places)

    def numpy(self, function: Callable[..., Any]) -> Call:
        """A contestant of NumPy's."""
        return lambda: [function(self._x, out=self._y) for _ in range(self._repeats)]


_LOOP = """{head}
#include <math.h>
#include <stddef.h>
void {name}(size_t times, size_t n, const {kind} *restrict x, {kind} *restrict y)
{{
    for (size_t k = 0; k < times; k++) {{
        {body}
        __asm__ volatile("" ::: "memory");
    }}
}}
"""
_EACH = "for (size_t i = 0; i < n; i++) y[i] = {value};"
_SLEEF = "for (size_t i = 0; i + {step} <= n; i += {step}) {store}(y + i, {function}({load}(x + i)));"
_SLEEF_HEAD = "#include <stddef.h>\n#include <immintrin.h>\n#include <sleef.h>"
_GNU = "#define _GNU_SOURCE"


def _contestants(member: Member, computes: str, shop: _Workshop) -> Mapping[str, Call]:
    """Ours first; what this machine lacks is left out."""
    ours = export(member, "c", dtype=computes, full=member.full, name="ours")
    found = {
        "evonum": shop.loop(_STRICT, ours, "ours_array(n, x, y);", "-lm"),
        "x + 1 (floor)": shop.loop(_FAST, "", _EACH.format(value="x[i] + 1")),
    }
    name = member.target
    if name not in _ALIKE:
        return found
    value = _EACH.format(value=f"{name}{'f' if shop.single else ''}(x[i])")
    found["libm"] = shop.loop(_FAST, _GNU, value, "-lm")
    with suppress(BuildError):
        found["libm, -ffast-math"] = shop.loop((*_FAST, "-ffast-math"), _GNU, value, "-lmvec", "-lm")
    for digits in ("u10", "u35"):
        with suppress(BuildError):
            body = _sleef(name, digits, shop.single)
            found[f"SLEEF {digits}, AVX2"] = shop.loop(_FAST, _SLEEF_HEAD, body, "-lsleef", "-lm")
    if function := getattr(np, _NUMPY.get(name, name), None):
        found["NumPy"] = shop.numpy(function)
    return found


def _sleef(name: str, digits: str, single: bool) -> str:
    letter, step, end = ("f", 8, "s") if single else ("d", 4, "d")
    function = f"Sleef_{name}{letter}{step}_{digits}avx2"
    load, store = f"_mm256_loadu_p{end}", f"_mm256_storeu_p{end}"
    return _SLEEF.format(step=step, function=function, load=load, store=store)


def _library(source: str, path: Path, flags: Sequence[str], libraries: Sequence[str]) -> ctypes.CDLL:
    """Compiled, and linked without -ffast-math, which would make the whole process flush subnormals."""
    path.with_suffix(".c").write_text(source)
    compiler, made = find_compiler(), path.with_suffix(".so")
    for command in (
        [*compiler, *flags, "-fPIC", "-c", f"{path}.c", "-o", f"{path}.o"],
        [*compiler, "-shared", f"{path}.o", "-o", str(made), *libraries],
    ):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise BuildError(f"{compiler[0]} could not compile a function to time:\n{run.stderr[-1000:]}")
    return ctypes.CDLL(str(made))


def _timed(calls: Mapping[str, Call], rounds: int) -> Mapping[str, list[float]]:
    """Processor time of each round [ns an element]."""
    rng, times = np.random.default_rng(1), {name: list[float]() for name in calls}
    for turn in range(rounds + 1):
        for name in rng.permutation(list(calls)).tolist():
            began = time.thread_time_ns()
            with np.errstate(all="ignore"):
                calls[name]()
            if turn:  # the first touches everything once
                times[name].append((time.thread_time_ns() - began) / _ELEMENTS)
    return times
