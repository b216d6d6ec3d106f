"""Shipped functions on JAX arrays, as XLA compiles them: products and sums are contracted where it contracts.

What that gives is asked for every input, at several lengths and in a fusion (tests/test_library.py). XLA
flushes subnormal numbers to zero on CPU. For the bits of the other exports take `evonum export --to jax`,
which emulates fma and is tens of times slower.
"""

from typing import Any

import jax
import jax.numpy as jnp

from evo.library.arrays import Function, attribute, names


def __getattr__(name: str) -> Function:
    return attribute(__name__, name, "jax-fast", jnp.asarray, jax.jit)


def __dir__() -> Any:
    return names()
