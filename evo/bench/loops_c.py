"""Chains of operations in C, compiled like exports: several over an array in the cache, one in a vector."""

import ctypes
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evo.bench.chains import Loops, Measured, chains, turn
from evo.bench.compiled import STRICT, library
from evo.exports.languages import C, letters
from evo.numbers.formats import FloatFormat
from evo.programs.operation import BITS

_IN_ORDER = ("-fno-tree-ter",)
"""For gcc: otherwise it puts one chain after the other, more than a processor looks ahead."""
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


def loops_in_c(names: Sequence[str], fmt: FloatFormat, bits: int, flags: Sequence[str]) -> Loops:
    """What times the chains of some operations.

    Args:
        bits: of a vector.
        flags: for the compiler, besides those of exported C.

    Raises:
        BuildError: no compiler, or it refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        all_flags = (*STRICT, *flags, *_IN_ORDER)
        made = library(source(names, fmt), Path(folder) / "ops", all_flags, ("-lm",))
    calls = _calls(made, [one.word for one in chains(names)], bits // fmt.bits, fmt)
    return Loops(calls, _CHAINS * (_LONG - _SHORT), _DEEP - _BRIEF)


def source(names: Sequence[str], fmt: FloatFormat) -> str:
    """The loops of some operations, in C."""
    loops = [text for chain in chains(names) for text in _loops(chain, fmt)]
    return "\n".join([_head(fmt), _floor(fmt), *loops])


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


def _loops(one: Measured, fmt: FloatFormat) -> list[str]:
    """The four loops of a chain, in C."""
    types = {"t": C.type(fmt), "u": C.type(fmt, BITS)}
    made = []
    for kind, lengths in (("wide", (_SHORT, _LONG)), ("deep", (_BRIEF, _DEEP))):
        count, text = (_CHAINS, _LOOP) if kind == "wide" else (1, _CHAIN)
        for which, length in zip(("short", "long"), lengths, strict=True):
            body = _body(one.chain, count, length, fmt)
            made.append(text.format(name=f"{kind}_{which}_{one.word}", body=body, **types))
    return made


def _body(chain: Sequence[str], count: int, length: int, fmt: FloatFormat) -> str:
    """So many chains, each so often through its operations."""
    t = C.type(fmt)
    lines = [f"{t} r{k} = x[i + {k} * n];" for k in range(count)]
    for step in range(length):
        for k in range(count):
            *made, last = turn(chain, f"r{k}", f"{step}_{k}", fmt, C)
            lines.append(f"{{ {' '.join(made)} {last}; }}")
    lines.append(f"y[i] = {' + '.join(f'r{k}' for k in range(count))};")
    return "\n            ".join(lines)


def _calls(
    made: ctypes.CDLL, words: Sequence[str], lanes: int, fmt: FloatFormat
) -> dict[str, Callable[[], float]]:
    """What times each loop once."""
    number = ctypes.c_float if fmt.bits == 32 else ctypes.c_double
    whole = ctypes.c_uint32 if fmt.bits == 32 else ctypes.c_uint64
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
    for word in words:
        for which in ("short", "long"):
            calls[f"wide_{which}_{word}"] = call(f"wide_{which}_{word}", _PASSES, _SIZE, _SIZE)
            calls[f"deep_{which}_{word}"] = call(f"deep_{which}_{word}", _TURNS // 2, lanes, 2)
    return calls
