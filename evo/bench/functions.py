"""Exported functions in C against what people use: libm, its vectors, SLEEF, NumPy; x + 1 is the floor.

All contestants run in one process on one core, in an order drawn anew each round, over one array; processor
time, per element. Only ratios within one run hold. SLEEF takes part where its header is (Debian:
libsleef-dev), with the vectors that the processor has. A function of 16 bits is timed in float32, before its
last rounding. Errors of functions of all floats stand beside: ours of every input, as checked, the others'
those of a sample.
"""

import ctypes
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evo.bench.compiled import STRICT, library
from evo.bench.predicted import predictions
from evo.costs.model import CostModel
from evo.exports.export import export
from evo.fronts.front import Member
from evo.kernels.build import BuildError
from evo.kernels.processor import LEVELS, supports
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.numbers.formats import FLOAT_FORMATS, FloatFormat
from evo.reductions.table import find_reduction

ROUNDS, SIZE = 41, 8192
FLOOR = "x + 1 (floor)"
_USUAL = 100.0
"""Size of the largest inputs of functions of all floats."""
_SAMPLE = 1 << 18
"""Inputs at which the others' errors are looked for."""
_ELEMENTS = 1 << 19
"""Elements of a contestant in a round: about a tenth of a millisecond and more."""
_STRICT = (*STRICT, "-march=native")
_FAST = ("-std=gnu11", "-O3", "-march=native")
_ALIKE = (
    *("exp", "exp2", "exp10", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos"),
    *("atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "cbrt", "sqrt", "lgamma"),
    "tgamma",
)
"""Functions that libm has under these names; NumPy some of them, a few under another name."""
_WRITTEN = {
    "sigmoid": "1 / (1 + exp{f}(-x[i]))",
    "silu": "x[i] / (1 + exp{f}(-x[i]))",
    "softplus": "fmax{f}(x[i], 0) + log1p{f}(exp{f}(-fabs{f}(x[i])))",
    "gelu": "x[i] * erfc{f}(x[i] * ({kind})-0.70710678118654752) / 2",
    "gelu_tanh": "x[i] * ({kind})0.5 * (1 + tanh{f}(x[i] * ({kind})0.79788456080286536"
    " * (1 + ({kind})0.044715 * x[i] * x[i])))",
    "rsqrt": "1 / sqrt{f}(x[i])",
    "mish": "x[i] * tanh{f}(fmax{f}(x[i], 0) + log1p{f}(exp{f}(-fabs{f}(x[i]))))",
    "normcdf": "erfc{f}(x[i] * ({kind})-0.70710678118654752) / 2",
    "bessel_j0": "j0{f}(x[i])",
    "srgb_power": "pow{f}(x[i], ({kind})0.41666666666666667)",
}
"""Functions that no library has under these names, as people write them with what it has."""
_SCIPY = {
    "erf": "erf",
    "erfc": "erfc",
    "erfinv": "erfinv",
    "lgamma": "gammaln",
    "normcdf": "ndtr",
    "bessel_i0": "i0",
    "bessel_j0": "j0",
    "tgamma": "gamma",
}
"""What NumPy lacks."""
_NUMPY = {f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}


Call = Callable[[int, np.ndarray, np.ndarray], Any]
"""Fills the second array from the first, so many times."""


class Timing(NamedTuple):
    """A contestant's row.

    Attributes:
        name: who.
        median: processor time [ns an element].
        tenth: the tenth percentile of the rounds [ns an element].
        ratio: of the medians, to that of the first contestant.
        error: largest known error [ulp], of a function of all floats; None where nobody asked.
        predicted: by a cost model, loads and stores left out [ns an element]; None where there is none.
    """

    name: str
    median: float
    tenth: float
    ratio: float
    error: float | None = None
    predicted: float | None = None


def race(
    member: Member, size: int = SIZE, rounds: int = ROUNDS, interval: tuple[float, float] | None = None
) -> Sequence[Timing]:
    """The member's export beside the library's functions of the same name; see `race_front`."""
    return race_front([member], size, rounds, interval)


def race_front(
    members: Sequence[Member],
    size: int = SIZE,
    rounds: int = ROUNDS,
    interval: tuple[float, float] | None = None,
    model: CostModel | None = None,
) -> Sequence[Timing]:
    """Members' exports beside the library's functions of the same name, fastest first.

    Args:
        members: of one function and arithmetic, on its interval, or on a usual part of all floats with normal
            results: subnormal ones take a hundred cycles on some processors, whoever makes them.
        size: elements of the array: 8,192 stay in the cache, 2^22 do not.
        rounds: each times every contestant once.
        interval: where inputs are drawn from, in place of that.
        model: what predicts the members' times, in place of what they say themselves.

    Raises:
        BuildError: no compiler, or it refuses.
        CostError: the model is of another format, or lacks an operation.
    """
    first = members[0]
    computes = "float64" if first.dtype == REAL else find_arithmetic(first.dtype).computes.name
    said = dict(zip((named(m, members) for m in members), predictions(members, computes, model), strict=True))
    fmt, rng = FLOAT_FORMATS[computes], np.random.default_rng(0)
    if interval is None:
        x, sample = (_usual(first, rng, n, fmt) for n in (size, _SAMPLE))
    else:
        x, sample = (rng.uniform(*interval, n).astype(fmt.type) for n in (size, _SAMPLE))
    with tempfile.TemporaryDirectory() as folder:
        calls = _contestants(members, computes, _Workshop(fmt.type == np.float32, Path(folder)))
        times = _timed(calls, x, rounds)
        errors = _errors(calls, first, [sample]) if first.full else {}
    errors |= {named(m, members): m.sampled_error for m in members if m.full and first.dtype == computes}
    unit = float(np.median(times[named(first, members)]))
    rows = []
    for n, t in times.items():
        median, tenth = float(np.median(t)), float(np.percentile(t, 10))
        rows.append(Timing(n, median, tenth, median / unit, errors.get(n), said.get(n)))
    return sorted(rows, key=lambda row: row.median)


def named(member: Member, members: Sequence[Member]) -> str:
    """A member's name among contestants."""
    if len(members) == 1:
        return "evonum"
    return f"evonum, {member.ops} ops" + ("" if member.cost is None else f", {member.cost:.4g} ns")


def errors_of_others(member: Member, inputs: Iterable[np.ndarray]) -> dict[str, float]:
    """Largest errors of the library's functions of the same name at these inputs [ulp].

    Args:
        member: of a function of all floats.
        inputs: float32 or float64, as the member computes; results that are not normal do not count.

    Raises:
        BuildError: no compiler, or it refuses.
    """
    computes = find_arithmetic(member.dtype).computes
    with tempfile.TemporaryDirectory() as folder:
        calls = _contestants([member], computes.name, _Workshop(computes.type == np.float32, Path(folder)))
        return _errors(calls, member, inputs)


def _errors(calls: Mapping[str, Call], member: Member, inputs: Iterable[np.ndarray]) -> dict[str, float]:
    """Largest errors of the others [ulp]."""
    reduction = find_reduction(member.function, member.way, member.core)
    others = {name: call for name, call in calls.items() if not name.startswith(("evonum", "x + 1"))}
    found = dict.fromkeys(others, 0.0)
    for x in inputs:
        with np.errstate(all="ignore"):
            exact = reduction.float64_at(x)
            fmt, y = FLOAT_FORMATS[x.dtype.name], np.empty_like(x)
            normal = _is_normal(exact, fmt)
            unit = reduction.unit(x, np.where(normal, exact, 0), fmt)
            for name, call in others.items():
                call(1, x, y)
                off = np.abs(y.astype(float) - exact) / unit
                found[name] = max(
                    found[name], float(np.where(np.isnan(off), np.inf, off)[normal].max(initial=0))
                )
    return found


def _is_normal(exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    return np.isfinite(exact) & (np.abs(exact) >= 2.0**fmt.emin) & (np.abs(exact) < 2.0**fmt.bias)


def _usual(member: Member, rng: np.random.Generator, count: int, fmt: FloatFormat) -> np.ndarray:
    """Inputs on a usual part of the domain; of a function of all floats, those with normal results."""
    lo, hi = member.function.span
    if not member.full:
        return rng.uniform(lo, hi, count).astype(fmt.type)
    reduction = find_reduction(member.function, member.way, member.core)
    lo, hi = reduction.span(find_arithmetic(member.dtype).computes)
    x = rng.uniform(max(0.8 * lo, -_USUAL), min(0.95 * hi, _USUAL), 4 * count).astype(fmt.type)
    return np.resize(x[_is_normal(reduction.float64_at(x), fmt)], count)


class _Workshop:
    """Compiles contestants: loops over an array, repeated."""

    def __init__(self, single: bool, folder: Path) -> None:
        self._folder, self._made, self.single = folder, 0, single

    def loop(self, flags: Sequence[str], head: str, body: str, *libraries: str) -> Call:
        """A contestant whose `body` fills y[0] to y[n - 1] from x.

        Raises:
            BuildError: it cannot be compiled here.
        """
        self._made += 1
        name, kind = f"contestant_{self._made}", "float" if self.single else "double"
        source = _LOOP.format(name=name, kind=kind, head=head, body=body)
        function = getattr(library(source, self._folder / name, flags, libraries), name)

        def call(times: int, x: np.ndarray, y: np.ndarray) -> None:
            sizes = ctypes.c_size_t(times), ctypes.c_size_t(len(x))
            function(*sizes, ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))

        return call


def _numpy(function: Callable[..., Any]) -> Call:
    """A contestant of NumPy's."""
    return lambda times, x, y: [function(x, out=y) for _ in range(times)]


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
_WIDE = "-mprefer-vector-width=512"
_VECTORS = {"AVX2": (256, "avx2"), "AVX-512": (512, "avx512f")}
"""Of SLEEF: bits, and how its functions' names end."""


def _contestants(members: Sequence[Member], computes: str, shop: _Workshop) -> Mapping[str, Call]:
    """Ours first; what this machine lacks is left out."""
    found = {}
    for m in members:
        ours = export(m, "c", dtype=computes, full=m.full, name="ours")
        found[named(m, members)] = shop.loop(_STRICT, ours, "ours_array(n, x, y);", "-lm")
    found[FLOOR] = shop.loop((*_FAST, _WIDE), "", _EACH.format(value="x[i] + 1"))
    name = members[0].target
    if known := _SCIPY.get(name):
        from scipy import special  # type: ignore[import-untyped]

        found["SciPy"] = _numpy(getattr(special, known))
    if name not in (*_ALIKE, *_WRITTEN):
        return found
    words = {"f": "f", "kind": "float"} if shop.single else {"f": "", "kind": "double"}
    value = _EACH.format(value=_WRITTEN.get(name, name + "{f}(x[i])").format(**words))
    found["libm"] = shop.loop(_FAST, _GNU, value, "-lm")
    wide = supports(LEVELS[0])
    for width, more in (("256", ()), ("512", (_WIDE,)))[: 1 + wide]:
        with suppress(BuildError):
            flags = (*_FAST, "-ffast-math", *more)
            found[f"libmvec, {width} bits"] = shop.loop(flags, _GNU, value, "-lmvec", "-lm")
    if name in _WRITTEN:
        return found
    for vectors in _VECTORS if wide else ("AVX2",):
        for digits in ("u10", "u35"):
            with suppress(BuildError):
                body = _sleef(name, digits, shop.single, vectors)
                found[f"SLEEF {digits}, {vectors}"] = shop.loop(_FAST, _SLEEF_HEAD, body, "-lsleef", "-lm")
    if function := getattr(np, _NUMPY.get(name, name), None):
        found["NumPy"] = _numpy(function)
    return found


def _sleef(name: str, digits: str, single: bool, vectors: str) -> str:
    bits, ending = _VECTORS[vectors]
    letter, step, end = ("f", bits // 32, "s") if single else ("d", bits // 64, "d")
    function = f"Sleef_{name}{letter}{step}_{digits}{ending}"
    load, store = (f"_mm{bits}_{word}_p{end}" for word in ("loadu", "storeu"))
    return _SLEEF.format(step=step, function=function, load=load, store=store)


def _timed(calls: Mapping[str, Call], x: np.ndarray, rounds: int) -> Mapping[str, list[float]]:
    """Processor time of each round [ns an element]."""
    rng, times = np.random.default_rng(1), {name: list[float]() for name in calls}
    y, repeats = np.empty_like(x), max(1, _ELEMENTS // len(x))
    for turn in range(rounds + 1):
        for name in rng.permutation(list(calls)).tolist():
            began = time.thread_time_ns()
            with np.errstate(all="ignore"):
                calls[name](repeats, x, y)
            if turn:  # the first touches everything once
                times[name].append((time.thread_time_ns() - began) / (repeats * len(x)))
    return times
