"""Float arithmetic as XLA likes it: whether a product and a sum round once or twice is its choice; JAX alone.

A constant is hidden from XLA, which has x for (x + c) - c; that costs no time.
"""

import jax
import jax.numpy as jnp
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


def residual(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """a * b + c, c near the product's opposite, whatever XLA contracts: products of halves are exact.

    As `fma` it would be 0: XLA has a * b once, rounded. The sum of the mixed products is exact where a is b.
    """
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high + c) + (a_high * b_low + a_low * b_high)) + a_low * b_low


def _high(v: jax.Array) -> jax.Array:
    """v without the lower half of its bits."""
    unsigned, half = (jnp.uint64, 27) if v.dtype == jnp.float64 else (jnp.uint32, 12)
    bits = lax.bitcast_convert_type(v, unsigned)
    return lax.bitcast_convert_type(bits >> half << half, v.dtype)
