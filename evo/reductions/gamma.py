"""The logarithm of the gamma function, for positive numbers.

Near its zeros it is v (v - 1) C(z) with v = x - 1 and z = 1/(v + 21/10), which keeps both: what v - 1 and the
product lose by rounding is known exactly. So is what z is off, relatively, of which C changes by 0.7 to 1.03
times as much. Below 7/10 it is the same with v = x, less log x, for lgamma x = lgamma(1 + x) - log x. From
5/2 on it is Stirling's (x - 1/2) (log x - 1) + (log(2 pi) - 1)/2 + z S(z^2) with z = 1/x. log x comes from
x = m 2^e, f = m - 1: of e log 2 a few digits are multiplied exactly, and less 1 where that is wanted. All is
computed everywhere, and one is chosen.

Source: DLMF 5.11.1.
"""

from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import reciprocal, take_apart
from evo.reductions.logarithms import LOG_ENDS, LOG_RULES
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import infinity, number, rest, rounded, value

_NEAR, _FAR, _SHIFT = "7/10", "5/2", "21/10"
"""Borders of the pieces; what v gets, so that neither zero is at a number of any format."""
_V = f"(1/x-{_SHIFT})"
_QUOTIENT = f"lgamma(1+{_V})/({_V}*({_V}-1))"
_STIRLING = "(lgamma(1/sqrt(x))-(1/sqrt(x)-1/2)*(log(1/sqrt(x))-1)-(log(2*pi)-1)/2)/sqrt(x)"
_STEPS = f"""
    {take_apart("x")}
    down = choose small MINUS_DIGITS ZERO
    e = add whole down
    f = sub m ONE
    l = core.log f
    below_near = below x NEAR
    beyond = below FAR x
    base = choose beyond MINUS_ONE ZERO
    upper = fma e UNIT base
    first = add upper f
    square = mul f f
    low = mul e UNIT_REST
    second = fma square l low
    logarithm = add first second
    less = sub x ONE
    v = choose below_near x less
    other = sub v ONE
    restored = add other ONE
    missing = sub v restored
    away = add v SHIFT
    under = choose beyond x away
    {reciprocal("under")}
    c = core.near z
    product = mul v other
    start = choose below_near logarithm ZERO
    opposite = sub ZERO start
    back = sub away SHIFT
    more = sub v back
    off = fma opposite_z more missed
    slope = mul off SLOPE
    turned = sub ZERO product
    rounded = residual v other turned
    lost = fma v missing rounded
    change = fma product slope lost
    rest = fma c change opposite
    close = fma product c rest
    s = mul z z
    y = core.stirling s
    tail = fma z y CONSTANT
    lower = fma logarithm MINUS_HALF tail
    distant = fma x logarithm lower
    inside = choose beyond distant close
    bits_of_x = bits x
    before = minus bits_of_x LEAST_BITS
    proper = less before ROOM
    bits_of_size = plus bits_of_x bits_of_x
    zero = less bits_of_size LEAST_BITS
    negative = below x ZERO
    below_zero = choose negative NOTHING x
    end = choose zero POLE below_zero
    result = choose proper inside end
"""


def _short(fmt: FloatFormat) -> int:
    """Digits of UNIT: times e it is exact, and so is that less 1."""
    return fmt.digits - (fmt.digits - fmt.emin).bit_length()


def _lgamma(x: Any) -> Any:
    from scipy.special import gammaln  # type: ignore[import-untyped]

    return np.where(x < 0, np.nan, gammaln(x))


GAMMA = (
    Reduction(
        "lgamma", "pieces", (
            Core(_QUOTIENT, f"1/({_FAR}-1+{_SHIFT})", f"1/({_NEAR}-1+{_SHIFT})", "near"),
            Core(_STIRLING, "0", f"1/({_FAR})^2", "stirling"),
            Core("(log1p(x)-x)/x^2", *LOG_ENDS, "log"),
        ), written(_STEPS), {
            **LOG_RULES, "NEAR": number(_NEAR), "FAR": number(_FAR), "SHIFT": number(_SHIFT),
            "MINUS_ONE": value(-1.0), "MINUS_HALF": value(-0.5), "CONSTANT": number("(log(2*pi)-1)/2"),
            "POLE": infinity, "SLOPE": number("7/8"), "UNIT": lambda fmt: rounded("log(2)", _short(fmt)),
            "UNIT_REST": lambda fmt: rest("log(2)", rounded("log(2)", _short(fmt)), fmt.digits),
        }, lambda fmt: (0.0, float("inf")), _lgamma, remark="for x >= 0, NaN below",
    ),
)  # fmt: skip
"""Rows."""
