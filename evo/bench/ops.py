"""What every operation takes on a platform: `evonum bench ops`.

Loops in C, compiled like exports, hold chains of one operation. Throughput is that of several independent
chains over an array in the cache, latency that of one chain through a vector. Each is timed with short and
with long chains; the difference leaves out loads, stores and the loop. All loops run in turns, in an order
drawn anew each round, by processor time.

Some operations cannot follow themselves: a compiler folds them, or they give another kind of value. Those
are measured with others, whose own time is subtracted; where two go together only, each has half.
"""

import ctypes
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evo.bench.compiled import STRICT, library
from evo.bench.kernels import machine
from evo.bench.platforms import Platform, usable
from evo.costs.model import CostModel, Figure, OpCost
from evo.exports.languages import C, letters
from evo.numbers.formats import FLOAT_FORMATS, FloatFormat
from evo.programs.operation import BITS, FLOAT, TRUTH
from evo.programs.ops import OPS
from evo.reductions.steps import FREE, STEPS, find_step

ROUNDS = 41
_IN_ORDER = ("-fno-tree-ter",)
"""For gcc: otherwise it puts one chain after the other, more than a processor looks ahead."""
MEASURED = tuple(row.name for row in (*OPS, *STEPS) if row.name not in (*FREE, "core"))
_CHAINS = 8
"""Independent ones: a multiply-add takes four cycles, and two begin in each."""
_SHORT, _LONG = 4, 12
"""Operations of a chain, for throughput."""
_BRIEF, _DEEP = 16, 48
"""The same for latency."""
_SIZE = 512
"""Elements of an array in the cache."""
_FLOOR_SIZE = 8192
"""Elements of x + 1, as `evonum time` has them."""
_PASSES, _TURNS = 256, 4096
"""Passes over the array, and of the one vector, in a round: some tenths of a millisecond."""
_LEAST = 1e-5
"""What differences of times cannot tell from nothing [ns]."""


class _Measured(NamedTuple):
    """What an operation is measured by.

    Attributes:
        chain: operations in turn.
        less: those whose own time is subtracted.
        share: operations that have equal parts of the rest.
    """

    chain: tuple[str, ...]
    less: tuple[str, ...] = ()
    share: int = 1


_BY_PLUS = ("half", "lift", "sink", "sign", "power")
_MEASURED: Mapping[str, _Measured] = {
    "floor": _Measured(("floor", "add"), ("add",)),
    **{name: _Measured(("neg", "size"), share=2) for name in ("neg", "size")},
    **{name: _Measured((name, "plus"), ("plus",)) for name in _BY_PLUS},
    **{name: _Measured((name, "flip"), share=2) for name in ("plus", "minus")},
    "flip": _Measured(("plus", "flip"), share=2),
    **{name: _Measured(("atleast", "atmost"), share=2) for name in ("atleast", "atmost")},
    **{name: _Measured((name, "choose", "atmost"), ("atmost",), 2) for name in ("below", "odd", "less")},
    "choose": _Measured(("below", "choose", "atmost"), ("atmost",), 2),
}
"""Of operations that cannot follow themselves."""

Times = Mapping[str, np.ndarray]
"""Of each loop, by its name, the time of each round [ns an element, or a pass]."""


def bench_ops(
    platform: str | None = None,
    dtype: str = "float32",
    rounds: int = ROUNDS,
    names: Sequence[str] | None = None,
) -> CostModel:
    """Measures ops and steps of range reductions on this machine.

    Args:
        platform: a row of `PLATFORMS`; the widest vectors of this machine by default.
        dtype: of `DTYPES`.
        rounds: each times every loop once.
        names: of ops and steps; all by default.

    Raises:
        PlatformError: unknown, or this machine is another one.
        BuildError: no compiler, or it refuses.
    """
    row = usable(platform, dtype)
    fmt = FLOAT_FORMATS[dtype]
    names = names or MEASURED
    with tempfile.TemporaryDirectory() as folder:
        flags = (*STRICT, *row.flags, *_IN_ORDER)
        made = library(source(names, fmt), Path(folder) / "ops", flags, ("-lm",))
        times = _timed(_calls(made, _chains(names), row, fmt), rounds)
    costs = {}
    for name in names:
        wide, deep = (
            _figure(name, times, kind, length)
            for kind, length in (("wide", _CHAINS * (_LONG - _SHORT)), ("deep", _DEEP - _BRIEF))
        )
        costs[name] = OpCost(pipe=row.pipe(name), throughput=wide, latency=deep)
    said = {key: value for key, value in machine().items() if key != "kernels"}
    entries = {
        "platform": row.name,
        "dtype": fmt.name,
        "machine": {**said, "rounds": rounds},
        "floor": _quantiles(times["plain_loop"]),
        "ops": costs,
    }
    return CostModel.model_validate(entries)


def source(names: Sequence[str], fmt: FloatFormat) -> str:
    """The loops of some operations, in C."""
    loops = [text for chain in _chains(names) for text in _loops(chain, fmt)]
    return "\n".join([_head(fmt), _floor(fmt), *loops])


def _chains(names: Sequence[str]) -> Sequence[tuple[str, ...]]:
    """Those that some operations need, each once."""
    needed = (n for name in names for n in (name, *_measured(name).less))
    return list(dict.fromkeys(_measured(name).chain for name in needed))


def _measured(name: str) -> _Measured:
    return _MEASURED.get(name, _Measured((name,)))


def _word(chain: Sequence[str]) -> str:
    return "_".join(chain)


def _figure(name: str, times: Times, kind: str, length: int) -> Figure:
    """One operation's share of its chain."""
    found = _measured(name)
    word = _word(found.chain)
    own = (times[f"{kind}_long_{word}"], times[f"{kind}_short_{word}"])
    others = [_figure(other, times, kind, length) for other in found.less]

    def net(percent: float, of: Callable[[Figure], float]) -> float:
        long, short = (float(np.percentile(t, percent)) for t in own)
        return max(((long - short) / length - sum(map(of, others))) / found.share, _LEAST)

    return Figure(median=net(50, lambda f: f.median), tenth=net(10, lambda f: f.tenth))


def _quantiles(times: np.ndarray) -> Figure:
    return Figure(median=float(np.median(times)), tenth=float(np.percentile(times, 10)))


def _head(fmt: FloatFormat) -> str:
    t, u = C.type(fmt), C.type(fmt, BITS)
    f, n = letters(fmt)["f"], fmt.bits
    flip = f"{u} b; memcpy(&b, &a, sizeof b); b ^= ({u})1 << {n - 1}; memcpy(&a, &b, sizeof a);"
    return f"""#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
static inline {u} op_bits({t} a) {{ {u} b; memcpy(&b, &a, sizeof b); return b; }}
static inline {t} op_float({u} a) {{ {t} b; memcpy(&b, &a, sizeof b); return b; }}
static inline {t} evonum_neg{f}({t} a) {{ {flip} return a; }}
"""


def _floor(fmt: FloatFormat) -> str:
    return _LOOP.format(name="plain_loop", t=C.type(fmt), u=C.type(fmt, BITS), body="y[i] = x[i] + 1;")


_LOOP = """
void {name}(size_t times, size_t n, const {t} *restrict x, {t} *restrict y, {t} c, {t} d, {u} e)
{{
    for (size_t k = 0; k < times; k++) {{
        for (size_t i = 0; i < n; i++) {{
            {body}
        }}
        __asm__ volatile("" ::: "memory");
    }}
}}"""
_CHAIN = """
static __attribute__((noinline)) void
pass_{name}(size_t n, const {t} *restrict x, {t} *restrict y, {t} c, {t} d, {u} e)
{{
    for (size_t i = 0; i < n; i++) {{
        {body}
    }}
}}
void {name}(size_t times, size_t n, {t} *x, {t} *y, {t} c, {t} d, {u} e)
{{
    for (size_t k = 0; k < times; k++) {{
        pass_{name}(n, x, y, c, d, e);
        pass_{name}(n, y, x, c, d, e);
    }}
}}"""


def _loops(chain: Sequence[str], fmt: FloatFormat) -> list[str]:
    """The four loops of a chain, in C."""
    types = {"t": C.type(fmt), "u": C.type(fmt, BITS)}
    made = []
    for kind, lengths in (("wide", (_SHORT, _LONG)), ("deep", (_BRIEF, _DEEP))):
        count, text = (_CHAINS, _LOOP) if kind == "wide" else (1, _CHAIN)
        for which, length in zip(("short", "long"), lengths, strict=True):
            body = _body(chain, count, length, fmt)
            made.append(text.format(name=f"{kind}_{which}_{_word(chain)}", body=body, **types))
    return made


def _body(chain: Sequence[str], count: int, length: int, fmt: FloatFormat) -> str:
    """So many chains, each so often through its operations."""
    t = C.type(fmt)
    lines = [f"{t} r{k} = x[i + {k} * n];" for k in range(count)]
    for step in range(length):
        for k in range(count):
            lines.append("{ " + " ".join(_turn(chain, f"r{k}", f"{step}_{k}", fmt)) + " }")
    lines.append(f"y[i] = {' + '.join(f'r{k}' for k in range(count))};")
    return "\n            ".join(lines)


def _turn(chain: Sequence[str], value: str, mark: str, fmt: FloatFormat) -> list[str]:
    """Lines that put a value through the operations, and give it its new one."""
    words = {**letters(fmt), "name": "op"}
    lines, now, kind = [], value, FLOAT
    for place, name in enumerate(chain):
        row = find_step(name)
        operands = [_as(row.takes[0], now, kind)]
        for k, letter in enumerate(row.takes[1:]):
            operands.append(value if row.name == "choose" and k else "e" if letter == BITS else "cd"[k])
        now, kind = f"v{mark}_{place}", row.gives
        lines.append(C.define(now, row.write("c", operands, words), fmt, kind))
    return [*lines, f"{value} = {_as(FLOAT, now, kind)};"]


def _as(wanted: str, value: str, kind: str) -> str:
    """A value as another kind."""
    if wanted == kind or TRUTH in (wanted, kind):
        return value
    return f"op_{'bits' if wanted == BITS else 'float'}({value})"


def _calls(
    made: ctypes.CDLL, chains: Sequence[Sequence[str]], row: Platform, fmt: FloatFormat
) -> dict[str, Callable[[], float]]:
    """What times each loop once."""
    number = ctypes.c_float if fmt.bits == 32 else ctypes.c_double
    whole = ctypes.c_uint32 if fmt.bits == 32 else ctypes.c_uint64
    lanes = row.bits // fmt.bits
    given = np.random.default_rng(0).uniform(1, 2, max(_CHAINS * _SIZE, _FLOOR_SIZE)).astype(fmt.type)
    result = np.empty_like(given)
    c = float(fmt.type(1) - np.finfo(fmt.type).epsneg)

    def call(name: str, passes: int, size: int, elements: int) -> Callable[[], float]:
        function = getattr(made, name)
        function.argtypes = [ctypes.c_size_t] * 2 + [ctypes.c_void_p] * 2 + [number] * 2 + [whole]

        def timed() -> float:
            x = given.copy()
            began = time.thread_time_ns()
            function(passes, size, x.ctypes.data, result.ctypes.data, c, 0.001, 3)
            return (time.thread_time_ns() - began) / (passes * elements)

        return timed

    calls = {"plain_loop": call("plain_loop", _PASSES // 8, _FLOOR_SIZE, _FLOOR_SIZE)}
    for word in map(_word, chains):
        for which in ("short", "long"):
            calls[f"wide_{which}_{word}"] = call(f"wide_{which}_{word}", _PASSES, _SIZE, _SIZE)
            calls[f"deep_{which}_{word}"] = call(f"deep_{which}_{word}", _TURNS // 2, lanes, 2)
    return calls


def _timed(calls: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """The time of each round, by name; the first round, which touches everything once, is left out."""
    rng, found = np.random.default_rng(1), {name: list[float]() for name in calls}
    for turn in range(rounds + 1):
        for name in rng.permutation(list(calls)).tolist():
            taken = calls[name]()
            if turn:
                found[name].append(taken)
    return {name: np.array(times) for name, times in found.items()}
