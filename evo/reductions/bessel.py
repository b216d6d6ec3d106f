"""The Bessel functions I0 and J0, even functions.

I0 near 0 is 1 + x^2 N(x^2); beyond, with t = |x|, e^t G(1/t)/sqrt(t), G a smooth function. What 1/t and its
root are off, relatively, is known by multiply-adds and goes into the argument of the exponential's core. Both
are computed, and one is chosen; the power of 2 comes last, so that nothing overflows before the result does.

J0 is computed for |x| < 8, where it has two zeros, a and b: it is (x^2 - a^2) (x^2 - b^2) Q(x^2 - 64). Each
difference is a multiply-add and what a^2 is more than a number of the format: two roundings, also next to the
zero. All zeros of Q are beyond the interval: its polynomial about 0, that end, adds numbers of one sign.

Source: DLMF 10.40.1, 10.21.
"""

from typing import Any

import flint
import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import reciprocal
from evo.reductions.composed import EXP_CORE, POWER, both_ways
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import length, negative, nothing, number, part, value, whole_above
from evo.targets.bessel import squared_zero

_BORDER, _FURTHEST = "4", "95"
"""Where the pieces meet; beyond what results are infinite in float32."""
_I0 = both_ways(f"""
    absolute = size x
    near = below absolute BORDER
    square = mul x x
    close = atmost square BORDER_SQUARED
    c = core.near close
    inner = fma close c ONE
    raised = atleast absolute BORDER
    t = atmost raised MOST
    {{reduced}}
    {reciprocal("t")}
    root = sqrt z
    opposite_root = sub ZERO root
    squared_less = fma opposite_root root z
    off = fma squared_less t missed
    argument = fma off HALF r
    e = core.exp argument
    shape = core.far z
    part = mul shape root
    y = mul e part
    {{scaled}}
    result = choose near inner v
""")


def _bessel_i0(x: Any) -> Any:
    from scipy.special import i0  # type: ignore[import-untyped]

    return np.where(np.isinf(x), np.inf, i0(x))


def _span(fmt: FloatFormat) -> tuple[float, float]:
    """I0(t) is e^t/sqrt(2 pi t), and t is below 1000: e^4.5 is more than that root."""
    beyond = (fmt.bias + 1) * length("log(2)") + 4.5
    return -beyond, beyond


_MOST = "8"
"""|x| below which J0 is computed."""
_DIGITS = 60
"""Decimals of what stands for the square of a zero."""


def _squared_zero(number: int) -> str:
    with flint.ctx.workprec(5 * _DIGITS):
        return str(squared_zero(number).str(_DIGITS, radius=False))


_ZEROS = [_squared_zero(number) for number in (1, 2)]
_BEYOND = f"bessel_j0_beyond(2,x+({_MOST})^2)/({_ZEROS[0]}*{_ZEROS[1]})"
_J0 = """
    u = fma x x MINUS_MOST
    first = residual x x MINUS_FIRST
    a = sub first FIRST_REST
    second = residual x x MINUS_SECOND
    b = sub second SECOND_REST
    zeros = mul a b
    q = core u
    y = mul zeros q
    inside = below u ZERO
    result = choose inside y NOTHING
"""


def _bessel_j0(x: Any) -> Any:
    from scipy.special import j0

    return j0(np.where(np.abs(x) < length(_MOST), x, np.nan))


BESSEL = (
    Reduction(
        "bessel_i0", "pieces", (
            Core("(bessel_i(0,sqrt(x))-1)/x", "0", f"({_BORDER})^2", "near"),
            Core("bessel_i(0,1/x)*exp(-1/x)/sqrt(x)", f"1/{_FURTHEST}", f"1/({_BORDER})", "far"),
            EXP_CORE,
        ), _I0[0], {
            **POWER, "BORDER": number(_BORDER), "BORDER_SQUARED": number(f"({_BORDER})^2"),
            "ONE": value(1.0), "HALF": value(0.5), "MOST": lambda fmt: whole_above("log(2)", fmt.bias + 8),
        }, _span, _bessel_i0, vector=_I0[1],
    ),
    Reduction(
        "bessel_j0", "zeros", (
            Core(_BEYOND, f"-({_MOST})^2", "0"),
        ), written(_J0), {
            "ZERO": value(0.0), "NOTHING": nothing, "MINUS_MOST": negative(number(f"({_MOST})^2")),
            "MINUS_FIRST": negative(part(_ZEROS[0], 0)), "FIRST_REST": part(_ZEROS[0], 1),
            "MINUS_SECOND": negative(part(_ZEROS[1], 0)), "SECOND_REST": part(_ZEROS[1], 1),
        }, lambda fmt: (-length(_MOST), length(_MOST)), _bessel_j0, remark=f"for |x| < {_MOST}, NaN beyond",
    ),
)  # fmt: skip
"""Rows."""
