"""Inverse hyperbolic functions, by log(1 + v) with v made so that it keeps the digits of a small argument.

asinh x = log(1 + v) with v = |x| + x^2/(1 + sqrt(1 + x^2)); acosh x with v = t + sqrt(t^2 + 2t), t = x - 1;
atanh x is half of it with v = 2|x| + 2|x| |x|/(1 - |x|), which rounds once where x is small. Where |x| or t
is so large that squares add nothing, and might overflow, v is |x| or t, and another log 2 is added.
"""

from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import everywhere, with_sign_of_x
from evo.reductions.logarithms import LOG_ENDS, LOG_RULES, LONG, SUM_RULES, of_sum, parts
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, value

_CORE = Core("(log1p(x)-x)/x^2", *LOG_ENDS)
_FINITE = """
    before = minus pattern LEAST_BITS
    proper = less before ROOM
    logarithm = choose proper inside u
"""
"""The logarithm of u = 1 + v; u itself where it is infinite or NaN."""
_LOGARITHM = f"""
    {of_sum("v", "whole")}
    extra = choose wide ONE ZERO
    e = add whole extra
    {LONG}
    {_FINITE}
"""
_SMALL = f"""
    tiny = below absolute TINY
    found = choose tiny absolute logarithm
    {with_sign_of_x("found")}
"""
_RULES: dict[str, Rule] = {
    **LOG_RULES,
    **SUM_RULES,
    **parts("log(2)"),
    "LARGE": lambda fmt: 2.0**fmt.digits,
    "HALF": value(0.5),
    "TINY": lambda fmt: 2.0 ** -(fmt.digits // 2 + 1),
}


def _acosh(x: Any) -> Any:
    return np.arccosh(x)


def _from_one(fmt: FloatFormat) -> tuple[float, float]:
    """1 is an input that counts."""
    return 1 - 2.0**-fmt.digits, float("inf")


def _inside(fmt: FloatFormat) -> tuple[float, float]:
    """Infinite at both ends."""
    return -1.0, 1.0


HYPERBOLIC = (
    Reduction(
        "asinh", "sum", (_CORE,), written(f"""
        absolute = size x
        wide = below LARGE absolute
        bound = atmost absolute LARGE
        radicand = fma bound bound ONE
        root = sqrt radicand
        under_square = add root ONE
        squared = mul bound bound
        more = div squared under_square
        sum = add bound more
        v = choose wide absolute sum
        {_LOGARITHM}
        {_SMALL}
        """), _RULES, everywhere, np.arcsinh,
    ),
    Reduction(
        "acosh", "sum", (_CORE,), written(f"""
        t = sub x ONE
        wide = below LARGE t
        bound = atmost t LARGE
        twice = add bound bound
        radicand = fma bound bound twice
        root = sqrt radicand
        sum = add bound root
        v = choose wide t sum
        {_LOGARITHM}
        outside = below x ONE
        result = choose outside NOTHING logarithm
        """), _RULES, _from_one, np.arccosh,
    ),
    Reduction(
        "atanh", "sum", (_CORE,), written(f"""
        absolute = size x
        less = sub ONE absolute
        ratio = div absolute less
        twice = add absolute absolute
        v = fma twice ratio twice
        {of_sum("v")}
        {LONG}
        {_FINITE.replace("logarithm", "doubled")}
        outside = below ONE absolute
        within = choose outside NOTHING doubled
        logarithm = mul within HALF
        {_SMALL}
        """), _RULES, _inside, np.arctanh,
    ),
)  # fmt: skip
"""Rows."""
