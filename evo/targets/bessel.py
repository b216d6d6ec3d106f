"""Bessel functions on balls and power series, and J0 beyond its first zeros.

J0(sqrt s) is the product of 1 - s/z^2 over all zeros z > 0 of J0. Without the first n factors it is an entire
function, too, and where a ball is near one of those zeros its series is that of divided differences: the
coefficients over a hull of ball and zero, moved by one place for each such zero.

Source: DLMF 10.21.15, 10.27.1, 10.29.1, 10.6.1.
"""

from collections.abc import Callable
from functools import lru_cache
from math import comb
from typing import Any

import flint
from flint import arb, arb_series

_SPARE = 20
"""Bits of a zero beyond those that are asked for."""
_NEAR = 2
"""Radii of a ball that a zero beside it is away."""


def bessel_i(order: Any, x: Any) -> Any:
    """I_n = I_(-n) for whole n: FLINT finds the same ball, a wide one 5000 times as fast."""
    number = arb(order)
    return x.bessel_i(-abs(number) if number.is_integer() else number)


def bessel_j(order: Any, x: Any) -> Any:
    """J_n."""
    return x.bessel_j(arb(order))


def coefficients(ball: Callable[[Any, Any], Any], sign: int, order: Any, at: Any, count: int) -> list[Any]:
    """Of a power series at a ball: 2 I_n' = I_(n-1) + I_(n+1) and 2 J_n' = J_(n-1) - J_(n+1)."""
    values = [ball(order + shift, at) for shift in range(1 - count, count)]
    terms = []
    for k in range(count):
        derivative = sum((sign**j * comb(k, j) * values[count - 1 - k + 2 * j] for j in range(k + 1)), arb(0))
        terms.append(derivative / (arb(2) ** k * arb(k).fac()))
    return terms


def squared_zero(number: int) -> Any:
    """The square of a zero of J0, counted from 1, to the working precision."""
    return _squared_zero(number, flint.ctx.prec)


@lru_cache
def _squared_zero(number: int, precision: int) -> Any:
    """By Newton's method from McMahon's value; a change of sign proves it."""
    with flint.ctx.workprec(precision + _SPARE):
        zero = arb.pi() * (number - arb(1) / 4)
        zero += 1 / (8 * zero)
        for _ in range(precision.bit_length()):
            zero = (zero + zero.bessel_j(0) / zero.bessel_j(1)).mid()
        ends = zero - arb(2) ** -precision, zero + arb(2) ** -precision
        left, right = (end.bessel_j(0) for end in ends)
        assert left * right < 0, number
        return ends[0].union(ends[1]) ** 2


def j0_beyond(number: Any, at: Any, count: int) -> list[Any]:
    """Coefficients at a ball of the product of 1 - s/z^2 over the zeros of J0 but the first `number`."""
    left_out = arb(number).unique_fmpz()
    if left_out is None or left_out < 0:
        return [arb.nan()] * count
    zeros = [squared_zero(k) for k in range(1, int(left_out) + 1)]
    near = [zero for zero in zeros if abs(at - zero) <= _NEAR * at.rad()]
    for zero in near:
        at = at.union(zero)
    n = count + len(near)
    found = arb_series([_coefficient(k, at) for k in range(n)], n)
    for zero in zeros:
        if zero not in near:
            found /= arb_series([1 - at / zero, -1 / zero], n)
    for zero in near:
        found = -zero * arb_series([found[k] for k in range(1, n)], n - 1)
        n -= 1
    return [found[k] for k in range(count)]


def _coefficient(k: int, at: Any) -> Any:
    """Of J0(sqrt s) = 0F1(; 1; -s/4)."""
    return (arb(-1) / 4) ** k * (-at / 4).hypgeom_0f1(arb(k + 1)) / arb(k).fac() ** 2
