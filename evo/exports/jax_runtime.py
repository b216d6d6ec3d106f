"""What exported JAX code needs of float arithmetic: products that stay rounded, and fma; JAX alone.

XLA contracts a product and a sum into one rounding, on CPU whatever its flags say, and rewrites quotients:
`once` puts a selection between two operations, which neither XLA nor LLVM looks through. There is no fma in
StableHLO: `fma` emulates it with one rounding, by exact products and rounding to odd. XLA on CPU flushes
subnormal numbers to zero; so does this.

Source: S. Boldo, G. Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using rounding
to odd, IEEE Trans. Computers 57 (2008).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def once(p: jax.Array) -> jax.Array:
    """The product, quotient or root p, rounded as it stands."""
    return jnp.where(p == p, p, jnp.nan)


def fixed(c: jax.Array, x: jax.Array) -> jax.Array:
    """c wherever x is a number: XLA takes reciprocals of constants, drops + 0.0, sums constants first."""
    return jnp.where(x == x, c, jnp.nan)


def fma(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """The correctly rounded a * b + c; subnormal operands and results count as zero."""
    a, b, c = jnp.broadcast_arrays(a, b, c)
    c = fixed(c, a)
    far = 120 if a.dtype == jnp.float64 else 60
    (ma, ea, oka), (mb, eb, okb), (mc, ec, okc) = _parts(a), _parts(b), _parts(c)
    shift = jnp.clip(ec - ea - eb, -far, far)
    scale = jnp.where(ec - ea - eb > far, ec - far, ea + eb)
    high, low = _two_product(ma, mb)
    inner, inner_lost = _two_sum(mc * _power(shift, a.dtype), low)
    outer, outer_lost = _two_sum(high, inner)
    near = outer + _to_odd(*_two_sum(outer_lost, inner_lost))
    scale = jnp.clip(scale, *((-2044, 2046) if far == 120 else (-250, 254)))  # beyond, it is 0 or infinite
    half = scale >> 1
    scaled = near * _power(half, a.dtype) * _power(scale - half, a.dtype)
    product = once(a * b)
    finite = jnp.isfinite(a) & jnp.isfinite(b)
    other = jnp.where(finite & jnp.isinf(c), c, jnp.where(oka & okb & (c == 0), product, product + c))
    return jnp.where(oka & okb & okc, scaled, other)


def residual(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """a * b + c, c the rounded product's opposite."""
    return fma(a, b, c)


def _layout(dtype: Any) -> tuple[Any, int, int, int]:
    """(unsigned type, bits of the fraction, bias + 1, exponent mask)."""
    return (jnp.uint64, 52, 1022, 0x7FF) if dtype == jnp.float64 else (jnp.uint32, 23, 126, 0xFF)


def _parts(v: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Significand in [1/2, 1) with the sign, exponent, and whether v is a normal number."""
    unsigned, fraction, middle, mask = _layout(v.dtype)
    bits = lax.bitcast_convert_type(v, unsigned)
    exponent = (bits >> fraction) & mask
    kept = bits & ~(jnp.asarray(mask, unsigned) << fraction)
    significand = lax.bitcast_convert_type(kept | (jnp.asarray(middle, unsigned) << fraction), v.dtype)
    return significand, exponent.astype(jnp.int32) - middle, (exponent != 0) & (exponent != mask)


def _power(k: jax.Array, dtype: Any) -> jax.Array:
    unsigned, fraction, middle, _ = _layout(dtype)
    return lax.bitcast_convert_type((k + middle + 1).astype(unsigned) << fraction, dtype)


def _two_sum(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    total = a + b
    shift = total - a
    return total, (a - (total - shift)) + (b - shift)


def _two_product(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    splitter = 134217729.0 if a.dtype == jnp.float64 else 4097.0
    product, a_wide, b_wide = once(a * b), once(splitter * a), once(splitter * b)
    a_high, b_high = a_wide - (a_wide - a), b_wide - (b_wide - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _to_odd(total: jax.Array, lost: jax.Array) -> jax.Array:
    unsigned = _layout(total.dtype)[0]
    bits = lax.bitcast_convert_type(total, unsigned)
    outwards = (lost > 0) == (total > 0)
    moved = jnp.where(outwards, bits + 1, bits - 1)
    return jnp.where((lost != 0) & (bits % 2 == 0), lax.bitcast_convert_type(moved, total.dtype), total)
