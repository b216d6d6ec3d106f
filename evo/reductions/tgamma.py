"""The gamma function, for positive numbers.

Up to 47/32 it is 1/(x + x^2 T(x)). Beyond it is Stirling's with y = x - 1/2, which has no square root of x:
sqrt(2 pi) (y/e)^y 2^(z S(z^2)) with z = 1/y. With y = m 2^k and v = m - 1,

    y (log2 y - 1/log 2) = k y + 2^k (v^2 N(v) - 1/log 2),

where k y less 2^k times some digits of 1/log 2, less the integer nearest to the sum, is exact. What is left,
2^k v^2 N, is at most 2.5, and what v^2 loses by rounding is known.

Source: DLMF 5.11.1.
"""

from functools import lru_cache
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.numbers.formats import FloatFormat
from evo.reductions.common import parted
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import bits, magic, nothing, number, rest, rounded, value

_BEGIN, _LEAST_M, _RATIO = "47/32", "45/64", "1/log(2)"
"""Where the pieces meet; below the least m; what v^2 N is less by."""
_BEND = "1/(2*log(2))"
"""N at 0, of which products are rounded apart."""
_SHORT, _SPARE = 17, 64
"""Digits of the ratio whose products with 2^k are exact; powers are 2^-64 times as large until the end."""
_CENTRE = "9/10"
"""What x has less in the first core, near the zero of T, so that little is lost; no number of any format."""
_NEAR = f"(1/gamma(1+x+{_CENTRE})-1)/(x+{_CENTRE})"
_OF_Y = "(lgamma(1/sqrt(x)+1/2)-(log(1/sqrt(x))-1)/sqrt(x)-log(2*pi)/2)/sqrt(x)"
_TGAMMA = f"""
    near = below x BEGIN
    finite = atmost x MOST
    y = sub finite HALF
    away = sub x CENTRE
    c = core.near away
    absolute = size x
    first = mul absolute x
    product = fma first c x
    under = choose near product y
    z = rcp under
    {parted("y")}
    bits_of_power = plus lifted BITS_OF_ONE
    p = float bits_of_power
    k = count exponent
    v = sub m ONE
    curve = core.curve v
    square = mul v v
    bend = mul p square
    bend_more = mul bend v
    straight = mul k y
    lower = fma p MINUS_SHORT straight
    most = fma bend BEND lower
    about = fma bend_more curve most
    shifted = add about MAGIC
    back = sub MAGIC shifted
    whole = fma p MINUS_SHORT back
    exact = residual k y whole
    start = fma bend BEND exact
    bent = fma bend_more curve start
    opposite = sub ZERO square
    lost = residual v v opposite
    bend_lost = mul p lost
    whole_bend = fma bend_lost BEND bent
    part = fma p MINUS_REST whole_bend
    s = mul z z
    tail = core.stirling s
    r = fma z tail part
    e = core.exp r
    bits_of_n = bits shifted
    scale = power bits_of_n
    small = mul e scale
    far = mul small SPARE
    found = choose near z far
    negative = below x ZERO
    result = choose negative NOTHING found
"""


def _tgamma(x: Any) -> Any:
    from scipy.special import gamma  # type: ignore[import-untyped]

    return np.where(x < 0, np.nan, np.where(x == 0, 1 / x, gamma(x)))


@lru_cache
def _beyond(fmt: FloatFormat) -> float:
    """An integer whose gamma function is infinite, not far beyond the first such number."""
    with flint.ctx.workprec(64):
        x, power = arb(2), (fmt.bias + 1) * arb(2).log()
        while x.lgamma() < power:
            x *= 1 + arb(2) ** -10
        return float(int(float(x)) + 1)


TGAMMA = (
    Reduction(
        "tgamma", "pieces", (
            Core(_NEAR, f"-{_CENTRE}", f"{_BEGIN}-{_CENTRE}", "near"),
            Core("((1+x)*log1p(x)-x-x^2/2)/(x^3*log(2))", f"{_LEAST_M}-1", f"2*{_LEAST_M}-1", "curve"),
            Core(f"({_OF_Y})/log(2)", "0", f"1/({_BEGIN}-1/2)^2", "stirling"),
            Core("sqrt(2*pi)*exp2(x)", "-9/16", "1/2", "exp"),
        ), written(_TGAMMA), {
            "ZERO": value(0.0), "ONE": value(1.0), "HALF": value(0.5), "NOTHING": nothing,
            "BEGIN": number(_BEGIN), "CENTRE": number(_CENTRE), "MOST": _beyond,
            "BORDER": bits(number(_LEAST_M)), "BITS_OF_ONE": bits(value(1.0)), "BEND": number(_BEND),
            "SPARE": value(2.0**_SPARE),
            "MAGIC": lambda fmt: magic(fmt) + fmt.bias - _SPARE,
            "MINUS_SHORT": lambda fmt: -rounded(_RATIO, _SHORT),
            "MINUS_REST": lambda fmt: -rest(_RATIO, rounded(_RATIO, _SHORT), fmt.digits),
        }, lambda fmt: (0.0, _beyond(fmt)), _tgamma, remark="for x >= 0, NaN below",
    ),
)  # fmt: skip
"""Rows."""
