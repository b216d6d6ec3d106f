"""Shipped functions on JAX arrays, as XLA compiles them: products and sums are contracted where it contracts.

What that gives is asked for every input, at several lengths and in a fusion (tests/test_library.py). XLA
flushes subnormal numbers to zero on CPU. For the bits of the other exports take `evonum export --to jax`,
which emulates fma and is tens of times slower.
"""

from typing import Any

import jax
import jax.numpy as jnp

from evo.library.arrays import Function, attribute, casting, names

_MADE = casting(jax.jit)


def __getattr__(name: str) -> Function:
    return attribute(__name__, name, "jax-fast", jnp.asarray, _MADE)


def __dir__() -> Any:
    return names()
