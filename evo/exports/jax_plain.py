"""Float arithmetic as XLA likes it: whether a product and a sum round once or twice is its choice; JAX alone.

A constant is hidden from XLA, which has x for (x + c) - c; that costs no time.
"""

import jax
import jax.numpy as jnp  # noqa: F401 - of the functions below
from jax import lax


def once(p: jax.Array) -> jax.Array:
    """The product, quotient or root p."""
    return p


def fixed(c: jax.Array, x: jax.Array) -> jax.Array:
    """The constant c, unknown to the compiler."""
    return lax.optimization_barrier(c)


def fma(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """a * b + c, which XLA rounds once on CPUs and GPUs, as a rule."""
    return a * b + c
