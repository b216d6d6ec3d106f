"""Logarithms: x = m 2^e with m from 3/4 to below 3/2, and f = m - 1, which is exact.

e comes from the exponent bits of x over 3/4, taken apart as signed integers; subnormal x are first multiplied
by 2^p. Next to 1, e is 0 and log x = log(1 + f) is the core's alone, so that its zero is kept. Two cores
compete: log(1 + x)/x, times f by the multiply-add that adds e; and what is left of it after x, times f^2,
which rounds once where e = 0. 0, infinity and NaN are chosen at the end by unsigned comparison of bits.
log(1 + x) takes e from the rounded sum, and f = x 2^-e + (2^-e - 1) by one multiply-add.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import take_apart, take_apart_by_instructions
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, bits, infinity, negative, nothing, number, part, smallest, value
from evo.reductions.steps import Step

_SPLIT = written(
    f"""
    {take_apart("x")}
    down = choose small MINUS_DIGITS ZERO
    e = add whole down
    f = sub m ONE
    y = core f
    """
)
_VECTOR = written(
    f"""
    {take_apart_by_instructions("x")}
    f = sub m ONE
    y = core f
    """
)


def specials(x: str = "x", result: str = "result", pole: str = "MINUS_INFINITY") -> Iterator[Step]:
    """A result from `inside`: `pole` at zeros, NaN below, `x` itself at infinity and NaN."""
    yield from written(
        f"""
        bits_of_x = bits {x}
        before = minus bits_of_x LEAST_BITS
        proper = less before ROOM
        bits_of_size = plus bits_of_x bits_of_x
        zero = less bits_of_size LEAST_BITS
        negative = below {x} ZERO
        below_zero = choose negative NOTHING {x}
        beside = choose zero {pole} below_zero
        {result} = choose proper inside beside
        """
    )


LOG_RULES: dict[str, Rule] = {
    "SMALLEST": smallest,
    "UP": lambda fmt: 2.0**fmt.digits,
    "MINUS_DIGITS": lambda fmt: float(-fmt.digits),
    "BORDER": bits(value(0.75)),
    "LEAST_BITS": lambda fmt: 1,
    "ROOM": lambda fmt: int(bits(infinity)(fmt)) - 1,
    "ONE": value(1.0),
    "ZERO": value(0.0),
    "NOTHING": nothing,
    "MINUS_INFINITY": negative(infinity),
}
LOG_ENDS = ("-1/4", "1/2")


def _span(fmt: FloatFormat) -> tuple[float, float]:
    return 0.0, float("inf")


def _logarithm(
    name: str, way: str, core: str, inside: str, float64: Callable[[Any], Any], **rules: Rule
) -> Reduction:
    """One from its core and the steps to `inside`."""
    tail = written(inside)
    return Reduction(
        name, way, (Core(core, *LOG_ENDS),), (*_SPLIT, *tail, *specials()), {**LOG_RULES, **rules}, _span,
        float64, vector=(*_VECTOR, *tail, *written("result = ends inside x")),
    )  # fmt: skip


def parts(unit: str) -> dict[str, Rule]:
    """What e is multiplied by."""
    return {"UNIT": number(unit), "UNIT_REST": part(unit, 1)}


_SHORT = """
    rest = mul f y
    low = fma e UNIT_REST rest
    inside = fma e UNIT low
"""
LONG = """
    square = mul f f
    low = fma e UNIT_REST f
    rest = fma square y low
    inside = fma e UNIT rest
"""


def of_sum(x: str, e: str = "e") -> str:
    """From 1 + x its exponent and f; 2^-e is subnormal where x is largest, 4 2^-e is not."""
    return f"""
    u = add {x} ONE
    pattern = bits u
    over = minus pattern BORDER
    exponent = sink over
    {e} = count exponent
    lifted = lift exponent
    bits_of_scale = minus FOUR_BITS lifted
    scale = float bits_of_scale
    less_one = fma scale QUARTER MINUS_ONE
    part = mul {x} QUARTER
    f = fma part scale less_one
    y = core f
    """


SUM_RULES: dict[str, Rule] = {
    "FOUR_BITS": bits(value(4.0)),
    "QUARTER": value(0.25),
    "MINUS_ONE": value(-1.0),
}
_OF_SUM_VECTOR = written(
    f"""
    u = add x ONE
    {take_apart_by_instructions("u")}
    minus_e = sub ZERO e
    scale = scale ONE minus_e
    less_one = sub scale ONE
    f = fma x scale less_one
    y = core f
    """
)
_SMALL = written(
    """
    absolute = size x
    tiny = below absolute TINY
    result = choose tiny x found
    """
)


def _log1p(way: str, core: str, inside: str) -> Reduction:
    """As `_logarithm`; x itself where it is the result."""
    tail = written(inside)
    rules: dict[str, Rule] = {**SUM_RULES, "TINY": lambda fmt: 2.0 ** -(fmt.digits + 2)}
    bounds = written("""
    ended = ends inside u
    negative = below u ZERO
    found = choose negative NOTHING ended
    """)
    return Reduction(
        "log1p", way, (Core(core, *LOG_ENDS),),
        (*written(of_sum("x")), *tail, *specials("u", "found"), *_SMALL),
        {**LOG_RULES, **parts("log(2)"), **rules}, lambda fmt: (-1.0, float("inf")), np.log1p,
        vector=(*_OF_SUM_VECTOR, *tail, *bounds, *_SMALL),
    )  # fmt: skip


LOGARITHMS = (
    _logarithm("log2", "short", "log2(1+x)/x", "inside = fma f y e", np.log2),
    _logarithm(
        "log2", "long", "log2(1+x)/x-1", """
        start = add f e
        inside = fma f y start
        """, np.log2,
    ),
    _logarithm("log", "long", "(log1p(x)-x)/x^2", LONG, np.log, **parts("log(2)")),
    _logarithm("log", "short", "log1p(x)/x", _SHORT, np.log, **parts("log(2)")),
    _logarithm("log10", "short", "log1p(x)/(x*log(10))", _SHORT, np.log10, **parts("log(2)/log(10)")),
    _log1p("long", "(log1p(x)-x)/x^2", LONG),
    _log1p("short", "log1p(x)/x", _SHORT),
)  # fmt: skip
"""Rows."""
