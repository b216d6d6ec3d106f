"""Functions with an exponential or a reciprocal before their core: tanh, expm1, sinh, cosh, atan.

tanh x = -m/(m + 2) with m = e^t - 1, t = -2|x|, which has no cancellation; e^t - 1 = 2^n q + (2^n - 1) with
q = e^r - 1 = r + r^2 core(r). expm1 takes half of 2^n, which is a number where 2^n is none any more.
With a quarter of 2^n, and of m, nothing of sinh and cosh overflows before they do. atan x = pi/2 - atan 1/x
where |x| > 1.
"""

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import everywhere, with_sign_of_x
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import (
    Rule,
    bits,
    length,
    magic,
    negative,
    number,
    part,
    rounded,
    value,
    whole_above,
)

_HALF_PERIOD = ("-log(2)/2", "log(2)/2")
_PERIOD: dict[str, Rule] = {
    "MAGIC": magic,
    "INVERSE": number("1/log(2)"),
    "MINUS_FIRST": negative(part("log(2)", 0)),
    "MINUS_SECOND": negative(part("log(2)", 1)),
    "ONE": value(1.0),
    "ONE_BITS": bits(value(1.0)),
}
_REDUCED = """
    shifted = fma t INVERSE MAGIC
    n = sub shifted MAGIC
    r1 = fma n MINUS_FIRST t
    r = fma n MINUS_SECOND r1
    y = core r
    square = mul r r
    q = fma square y r
    bits_of_n = bits shifted
    lifted = lift bits_of_n
"""


def _finite(fmt: FloatFormat) -> tuple[float, float]:
    """Where half of e^|x| is a number."""
    beyond = (fmt.bias + 2) * length("log(2)")
    return -beyond, beyond


def _far(fmt: FloatFormat) -> float:
    """e^-far is below half an ulp of 1."""
    return whole_above("log(2)", fmt.digits + 2)


_QUARTERS: dict[str, Rule] = {
    "QUARTER_BITS": bits(value(0.25)),
    "MOST": lambda fmt: rounded(f"{fmt.bias + 2}*log(2)+1/8", fmt.digits),  # no n above bias + 2
}
OTHERS = (
    Reduction(
        "tanh", "power", (Core("(expm1(x)-x)/x^2", *_HALF_PERIOD),), written(f"""
        absolute = size x
        doubled = mul absolute MINUS_TWO
        t = atleast doubled LEAST
        {_REDUCED}
        bits_of_power = plus lifted ONE_BITS
        power = float bits_of_power
        less = sub power ONE
        m = fma power q less
        under = add m TWO
        quotient = div m under
        found = sub ZERO quotient
        {with_sign_of_x("found")}
        """), {
            **_PERIOD, "MINUS_TWO": value(-2.0), "TWO": value(2.0), "ZERO": value(0.0),
            "LEAST": lambda fmt: -_far(fmt),
        }, everywhere, np.tanh,
    ),
    Reduction(
        "expm1", "power", (Core("(expm1(x)-x)/x^2", *_HALF_PERIOD),), written(f"""
        raised = atleast x LEAST
        t = atmost raised MOST
        {_REDUCED}
        bits_of_half = plus lifted HALF_BITS
        power = float bits_of_half
        less = sub power HALF
        m = fma power q less
        found = add m m
        absolute = size x
        tiny = below absolute TINY
        result = choose tiny x found
        """), {
            **_PERIOD, "HALF": value(0.5), "HALF_BITS": bits(value(0.5)),
            "TINY": lambda fmt: 2.0**-fmt.digits,  # x is right there, and half of it may be flushed to zero
            "LEAST": lambda fmt: -_far(fmt), "MOST": lambda fmt: whole_above("log(2)", fmt.bias + 1),
        }, lambda fmt: (-float("inf"), (fmt.bias + 1) * length("log(2)")), np.expm1,
    ),
    Reduction(
        "sinh", "power", (Core("(expm1(x)-x)/x^2", *_HALF_PERIOD),), written(f"""
        absolute = size x
        t = atmost absolute MOST
        {_REDUCED}
        bits_of_quarter = plus lifted QUARTER_BITS
        power = float bits_of_quarter
        less = sub power QUARTER
        m = fma power q less
        under = fma m FOUR ONE
        quotient = div m under
        sum = add m quotient
        twice = add sum sum
        tiny = below absolute TINY
        found = choose tiny absolute twice
        {with_sign_of_x("found")}
        """), {
            **_PERIOD, **_QUARTERS, "FOUR": value(4.0), "QUARTER": value(0.25),
            "TINY": lambda fmt: 2.0 ** -(fmt.digits // 2),
        }, _finite, np.sinh,
    ),
    Reduction(
        "cosh", "power", (Core("exp", *_HALF_PERIOD),), written("""
        absolute = size x
        t = atmost absolute MOST
        shifted = fma t INVERSE MAGIC
        n = sub shifted MAGIC
        r1 = fma n MINUS_FIRST t
        r = fma n MINUS_SECOND r1
        y = core r
        bits_of_n = bits shifted
        lifted = lift bits_of_n
        bits_of_quarter = plus lifted QUARTER_BITS
        power = float bits_of_quarter
        v = mul y power
        other = div EIGHTH v
        result = fma v TWO other
        """), {**_PERIOD, **_QUARTERS, "EIGHTH": value(0.125), "TWO": value(2.0)}, _finite, np.cosh,
    ),
    Reduction(
        "atan", "reciprocal", (Core("(atan(sqrt(x))/sqrt(x)-1)/x", "0", "1"),), written(f"""
        absolute = size x
        large = below ONE absolute
        above = choose large MINUS_ONE absolute
        under = choose large absolute ONE
        r = div above under
        s = mul r r
        y = core s
        cube = mul r s
        start = choose large UPPER ZERO
        rest = choose large LOWER ZERO
        p = fma cube y r
        q = add p rest
        found = add start q
        {with_sign_of_x("found")}
        """), {
            "ONE": value(1.0), "MINUS_ONE": value(-1.0), "ZERO": value(0.0),
            "UPPER": number("pi/2"), "LOWER": part("pi/2", 1),
        }, everywhere, np.arctan,
    ),
)  # fmt: skip
"""Rows."""
