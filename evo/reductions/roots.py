"""Roots, and functions of a square root: cbrt, rsqrt, asin, acos; x^(5/12).

cbrt x = 2^k c (1 + f)^(1/3) with |x| = (1 + f) 2^(3k + j), f from -1/4 to below 1/2, j one of -1, 0, 1, and
c = 2^(j/3) in two parts, to which what the core adds to 1 is added last.

1/sqrt x = y + y t core(t) with t = x y^2 - 1, where y has a constant less half of the bits of x for its bits,
and is off by 3.5 % at most. asin x = pi/2 - 2 asin r with r^2 = (1 - |x|)/2 where |x| > 0.55; there and
elsewhere asin r = r + r^3 core(r^2).

x^(5/12), the power of sRGB's curve, is 2^(n + r) with n + r = 5/12 e + p, where x = (1 + f) 2^e and the first
core gives p/f: 5 e - 12 n is a small integer, so that r rounds once.

Source of y: C. Lomont, Fast Inverse Square Root, Purdue University (2003).
"""

from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import everywhere, take_apart, take_apart_by_instructions, with_sign_of_x
from evo.reductions.logarithms import LOG_ENDS, LOG_RULES, specials
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, bits, infinity, magic, nothing, number, part, smallest, value

_CUBE_ROOT = """
    f = sub m ONE
    y = core f
    raised = below ZERO j
    lowered = below j ZERO
    above = choose raised UPPER ONE
    c = choose lowered LOWER above
    rest_above = choose raised UPPER_REST ZERO
    d = choose lowered LOWER_REST rest_above
    cf = mul c f
    low = fma cf y d
    root = add c low
"""
_ROOT_IN_BITS = written(f"""
    absolute = size x
    {take_apart("absolute")}
    shifted = fma whole THIRD MAGIC
    k = sub shifted MAGIC
    j = fma k MINUS_THREE whole
    {_CUBE_ROOT}
    down = choose small MINUS_UP ZERO
    n = add shifted down
    bits_of_n = bits n
    exponent_of_root = lift bits_of_n
    bits_of_root = bits root
    sum = plus bits_of_root exponent_of_root
    found = float sum
    {with_sign_of_x("found", "with_sign")}
    before = minus bits_of_size LEAST_BITS
    proper = less before ROOM
    result = choose proper with_sign x
""")
_ROOT_BY_INSTRUCTIONS = written(f"""
    absolute = size x
    {take_apart_by_instructions("absolute")}
    third = mul e THIRD
    k = nearest third
    j = fma k MINUS_THREE e
    {_CUBE_ROOT}
    found = scale root k
    {with_sign_of_x("found")}
""")


def _thirds(fmt: FloatFormat) -> int:
    """What subnormal numbers are raised by, so that they are normal: a power of 8."""
    return -(-fmt.digits // 3)


_OFFSET = 0.0454235
"""Log2 of a significand m is taken for m - 1 and this, which makes the largest |t| least."""
_SEEDED = """
    small = below x SMALLEST
    larger = mul x UP
    normal = choose small larger x
    pattern = bits normal
    halved = half pattern
    bits_of_seed = minus SEED halved
    seed = float bits_of_seed
    rooted = mul normal seed
"""
_INVERSE_ROOT = """
    y = core t
    change = mul seed t
    root = fma change y seed
    back = choose small UP_ROOT ONE
    found = mul root back
    bits_of_x = bits x
    before = minus bits_of_x LEAST_BITS
    proper = less before ROOM
    twice = plus bits_of_x bits_of_x
    zero = less twice LEAST_BITS
    turned = flip bits_of_x INFINITY_BITS
    pole = float turned
    positive = below ZERO x
    end = choose positive ZERO NOTHING
    other = choose zero pole end
    result = choose proper found other
"""
_SQUARED = "t = fma rooted seed MINUS_ONE"
_SQUARED_EXACTLY = """
    opposite = sub ZERO rooted
    lost = fma normal seed opposite
    rough = fma rooted seed MINUS_ONE
    t = fma lost seed rough
"""
"""With what the product before has lost: t rounds only at its end."""


def _doublings(fmt: FloatFormat) -> int:
    """Half of log2 of what subnormal numbers are raised by, so that they are normal."""
    return -(-fmt.digits // 2)


_RSQRT: dict[str, Rule] = {
    "SMALLEST": smallest,
    "UP": lambda fmt: 4.0 ** _doublings(fmt),
    "UP_ROOT": lambda fmt: 2.0 ** _doublings(fmt),
    "SEED": lambda fmt: int(1.5 * (fmt.bias - _OFFSET) * 2 ** (fmt.digits - 1)),
    "ZERO": value(0.0),
    "ONE": value(1.0),
    "MINUS_ONE": value(-1.0),
    "LEAST_BITS": lambda fmt: 1,
    "ROOM": lambda fmt: int(bits(infinity)(fmt)) - 1,
    "INFINITY_BITS": bits(infinity),
    "NOTHING": nothing,
}


def _inverse_root(x: Any) -> Any:
    return 1 / np.sqrt(x)


_BORDER = "0.55"
"""|x| beyond which there are halves: asin r is below 1/2 then, where its ulp is half of that above."""
_HALVES = """
    absolute = size x
    far = below BORDER absolute
    halved = fma absolute MINUS_HALF HALF
    square = mul x x
    s = choose far halved square
    root = sqrt halved
    y = core s
"""
_ASIN_CORE = Core("(asin(sqrt(x))/sqrt(x)-1)/x", "0", f"({_BORDER})^2")
_ASIN: dict[str, Rule] = {
    "BORDER": number(_BORDER),
    "HALF": value(0.5),
    "MINUS_HALF": value(-0.5),
    "TWO": value(2.0),
    "MINUS_TWO": value(-2.0),
    "ONE": value(1.0),
    "MINUS_ONE": value(-1.0),
    "ZERO": value(0.0),
    "UPPER": number("pi/2"),
    "REST": part("pi/2", 1),
    "PI": number("pi"),
    "PI_REST": part("pi", 1),
}

_FIVE_TWELFTHS = f"""
    {take_apart("x")}
    down = choose small MINUS_DIGITS ZERO
    e = add whole down
    f = sub m ONE
    l = core.log f
    p = mul f l
    five = mul e FIVE
    scaled = fma e RATIO p
    shifted = add scaled MAGIC
    n = sub shifted MAGIC
    twelfths = fma n MINUS_TWELVE five
    r = fma twelfths TWELFTH p
    y = core.exp2 r
    bits_of_n = bits shifted
    lifted_n = lift bits_of_n
    bits_of_y = bits y
    bits_of_power = plus bits_of_y lifted_n
    inside = float bits_of_power
"""


def _power(x: Any) -> Any:
    return np.where(x < 0, np.nan, np.power(x, 5 / 12))


def _to_one(fmt: FloatFormat) -> tuple[float, float]:
    """1 is an input that counts."""
    beyond = 1 + 2.0 ** (1 - fmt.digits)
    return -beyond, beyond


ROOTS = (
    Reduction(
        "cbrt", "thirds", (Core("(cbrt(1+x)-1)/x", "-1/4", "1/2"),), _ROOT_IN_BITS, {
            "SMALLEST": smallest, "UP": lambda fmt: 8.0 ** _thirds(fmt),
            "MINUS_UP": lambda fmt: float(-_thirds(fmt)), "BORDER": bits(value(0.75)),
            "LEAST_BITS": lambda fmt: 1, "ROOM": lambda fmt: int(bits(infinity)(fmt)) - 1, "MAGIC": magic,
            "THIRD": number("1/3"), "MINUS_THREE": value(-3.0), "ZERO": value(0.0), "ONE": value(1.0),
            "UPPER": number("cbrt(2)"), "UPPER_REST": part("cbrt(2)", 1),
            "LOWER": number("cbrt(1/2)"), "LOWER_REST": part("cbrt(1/2)", 1),
        }, everywhere, np.cbrt, vector=_ROOT_BY_INSTRUCTIONS,
    ),
    *(
        Reduction(
            "rsqrt", way, (Core("(1/sqrt(1+x)-1)/x", "-0.0682", "0.0682"),),
            written(_SEEDED + squared + _INVERSE_ROOT), _RSQRT,
            lambda fmt: (0.0, float("inf")), _inverse_root,
        )
        for way, squared in (("short", _SQUARED), ("long", _SQUARED_EXACTLY))
    ),
    Reduction(
        "srgb_power", "two cores", (
            Core("5/12*log2(1+x)/x", *LOG_ENDS, "log"), Core("exp2", "-201/400", "201/400", "exp2"),
        ), (*written(_FIVE_TWELFTHS), *specials(pole="ZERO")), {
            **LOG_RULES, "MAGIC": magic, "FIVE": value(5.0), "MINUS_TWELVE": value(-12.0),
            "RATIO": number("5/12"), "TWELFTH": number("1/12"),
        }, lambda fmt: (0.0, float("inf")), _power,
    ),
    Reduction(
        "asin", "halves", (_ASIN_CORE,), written(f"""
        {_HALVES}
        r = choose far root absolute
        cube = mul r s
        p = fma cube y r
        low = fma p MINUS_TWO REST
        complement = add UPPER low
        found = choose far complement p
        {with_sign_of_x("found")}
        """), _ASIN, _to_one, np.arcsin,
    ),
    Reduction(
        "acos", "halves", (_ASIN_CORE,), written(f"""
        {_HALVES}
        r = choose far root x
        cube = mul r s
        p = fma cube y r
        opposite = below x ZERO
        end = choose opposite PI ZERO
        end_rest = choose opposite PI_REST ZERO
        twice = choose opposite MINUS_TWO TWO
        start = choose far end UPPER
        rest = choose far end_rest REST
        factor = choose far twice MINUS_ONE
        low = fma p factor rest
        result = add start low
        """), _ASIN, _to_one, np.arccos,
    ),
)  # fmt: skip
"""Rows."""
