"""Chains of operations as XLA compiles them for a processor: over an array in the cache, or of one number.

What a program takes there includes what XLA makes of it: a product and a sum are a multiply-add. Numbers that
C has in registers are arrays here, as XLA folds two steps that have one scalar.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from evo.backends.jax import double
from evo.bench.chains import Loops, Measured, chains, turn
from evo.bench.kernels import free_cores
from evo.exports import jax_plain
from evo.exports.languages import JAX
from evo.numbers.formats import FloatFormat

_CHAINS = 8
"""Independent ones: with more, LLVM runs out of registers."""
_SHORT, _LONG = 12, 36
"""Operations of a chain, for throughput."""
_BRIEF, _DEEP = 16, 48
"""The same for latency; XLA splits what is much longer."""
_BYTES = 8192
"""Of an array in the cache; latency is that of a single number, as XLA makes no vector of so few."""
_PASSES, _TURNS = 256, 4096
"""Of each, in a round: loops inside of XLA, as a call of a compiled function takes tens of microseconds."""


def loops_in_xla(names: Sequence[str], fmt: FloatFormat) -> Loops:
    """What times the chains of some operations."""
    size = 8 * _BYTES // fmt.bits
    calls: dict[str, Callable[[], float]] = {
        "plain_loop": _call(lambda x, c, d, e: x + 1, _PASSES, size, fmt)
    }
    for one in chains(names):
        for which, wide, deep in (("short", _SHORT, _BRIEF), ("long", _LONG, _DEEP)):
            calls[f"wide_{which}_{one.word}"] = _call(_several(link(one, wide, fmt)), _PASSES, size, fmt)
            calls[f"deep_{which}_{one.word}"] = _call(link(one, deep, fmt), _TURNS, 1, fmt)
    return Loops(calls, _CHAINS * (_LONG - _SHORT), _DEEP - _BRIEF)


def link(one: Measured, length: int, fmt: FloatFormat) -> Callable[..., Any]:
    """So often through the operations of a chain, of our own tables' words."""
    lines = [line for step in range(length) for line in turn(one.chain, "r", str(step), fmt, JAX)]
    names: dict[str, Any] = {
        **vars(jax_plain),
        "op_bits": lambda a: lax.bitcast_convert_type(a, jnp.dtype(f"uint{fmt.bits}")),
        "op_float": lambda a: lax.bitcast_convert_type(a, jnp.dtype(fmt.type)),
    }
    text = "\n    ".join(["def link(r, c, d, e):", *lines, "return r"])
    exec(compile(text, f"<{one.word}>", "exec"), names)
    made: Callable[..., Any] = names["link"]
    return made


def _several(link: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, c, d, e: sum(link(x + k, c, d, e) for k in range(_CHAINS))


def _call(of: Callable[..., Any], passes: int, size: int, fmt: FloatFormat) -> Callable[[], float]:
    """What times so many passes of a function through an array once, by the wall clock.

    XLA's own threads do the work, and their processor time is late in some virtual machines.

    Returns:
        time of an element [ns].
    """
    given = (
        np.random.default_rng(0).uniform(1, 2, size).astype(fmt.type),
        np.full(size, 1 - np.finfo(fmt.type).epsneg, fmt.type),
        np.full(size, 0.001, fmt.type),
        np.full(size, 3, f"uint{fmt.bits}"),
    )
    made = jax.jit(lambda x, *numbers: lax.fori_loop(0, passes, lambda _, r: of(r, *numbers), x))
    with _on_one_core():
        processor = jax.devices("cpu")[0]
    with double(), jax.default_device(processor):
        compiled = made.lower(*map(jnp.asarray, given)).compile()

    def timed() -> float:
        with double(), jax.default_device(processor):
            arguments = [jnp.asarray(array) for array in given]
            began = time.perf_counter_ns()
            compiled(*arguments).block_until_ready()
            return (time.perf_counter_ns() - began) / (passes * size)

    return timed


@contextmanager
def _on_one_core() -> Iterator[None]:
    """XLA that begins inside has threads for one alone; otherwise it shares loops out to all of them."""
    cores = free_cores()
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
