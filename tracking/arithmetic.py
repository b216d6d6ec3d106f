"""What ops mean on NumPy arrays; made by `make generate` from the op table."""

from typing import Any

import numpy as np

_FAR = 120
"""Exponent difference beyond which only the sign of the smaller term matters: over twice 53 bits."""


def fma(a: Any, b: Any, c: Any) -> Any:
    """The correctly rounded a * b + c.

    Args:
        a, b, c: arrays or scalars of one type: float64, float32, float16 or bfloat16 (of ml_dtypes).

    Returns:
        The same type, the operands' common shape.

    Raises:
        TypeError: another type, such as a longer float or a complex one.
    """
    kind = np.result_type(a, b, c)
    with np.errstate(all="ignore"):
        if kind in (np.float32, np.float16) or kind.name == "bfloat16":
            wide = np.asarray(a, np.float64) * np.asarray(b, np.float64)
            total, lost = _two_sum(wide, np.asarray(c, np.float64))
            total = np.where(np.isfinite(total), _to_odd(total, lost), total)
            return (_to_odd_float32(total) if kind.name == "bfloat16" else total).astype(kind)[()]
        if kind == np.float64:
            return _fma64(*np.broadcast_arrays(a, b, c))[()]
    raise TypeError(f"fma takes float64, float32, float16 or bfloat16, not {kind}.")


def _fma64(a: Any, b: Any, c: Any) -> Any:
    (ma, ea), (mb, eb), (mc, ec) = np.frexp(a), np.frexp(b), np.frexp(c)
    product, addend = ea.astype(np.int64) + eb, ec.astype(np.int64)
    shift = np.clip(addend - product, -_FAR, _FAR)
    scale = np.where(addend - product > _FAR, addend - _FAR, product)
    high, low = _two_product(ma, mb)
    inner, inner_lost = _two_sum(np.ldexp(mc, shift), low)
    outer, outer_lost = _two_sum(high, inner)
    rest, lost = _two_sum(outer_lost, inner_lost)
    near, near_lost = _two_sum(outer, _to_odd(rest, lost))
    side = np.where(near_lost != 0, near_lost, lost)
    scaled = np.ldexp(near, scale)
    step = np.ldexp(0.5, np.maximum(-1074 - scale, -1074))  # half the spacing of subnormals, as `near` has it
    tie = (np.abs(near - np.ldexp(scaled, -scale)) == step) & (side != 0) & (np.abs(scaled) < 2.0**-1021)
    scaled = np.where(tie, np.ldexp(near + np.copysign(step, side), scale), scaled)
    scaled = np.where(near == 0, near, scaled)
    plain = a * b + c
    usual = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & (a != 0) & (b != 0) & (c != 0)
    finite = np.isfinite(a) & np.isfinite(b)
    other = np.where(finite & np.isinf(c), c, np.where(finite & (c == 0) & (a != 0) & (b != 0), a * b, plain))
    return np.where(usual, scaled, other)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b rounded, and what the rounding lost (Knuth)."""
    total = a + b
    shift = total - a
    return total, (a - (total - shift)) + (b - shift)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a * b rounded, and what the rounding lost (Dekker)."""
    product = a * b
    a_high = 134217729.0 * a - (134217729.0 * a - a)
    b_high = 134217729.0 * b - (134217729.0 * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _to_odd(total: Any, lost: Any) -> Any:
    """Rounded to odd: an even `total` that lost something moves to its neighbour on that side."""
    total = np.asarray(total)
    infinity = total.dtype.type(np.inf)
    even = total.view(f"i{total.itemsize}") % 2 == 0
    away = np.nextafter(total, np.where(lost > 0, infinity, -infinity))
    return np.where((lost != 0) & even, away, total)


def _to_odd_float32(wide: Any) -> Any:
    """float64 as float32, rounded to odd: ml_dtypes itself would round twice on its way to bfloat16."""
    near = wide.astype(np.float32)
    return np.where(np.isfinite(wide), _to_odd(near, wide - near), near)


def add(a: Any, b: Any) -> Any:
    return a + b


def sub(a: Any, b: Any) -> Any:
    return a - b


def mul(a: Any, b: Any) -> Any:
    return a * b


def div(a: Any, b: Any) -> Any:
    return a / b


def neg(a: Any) -> Any:
    return -a


def sqrt(a: Any) -> Any:
    return np.sqrt(a)


def rcp(a: Any) -> Any:
    return 1.0 / a


OPS = {
    "+": (2, add),
    "-": (2, sub),
    "*": (2, mul),
    "/": (2, div),
    "neg": (1, neg),
    "sqrt": (1, sqrt),
    "fma": (3, fma),
    "rcp": (1, rcp),
}
