"""The modified Bessel function I0, an even function.

Near 0 it is 1 + x^2 N(x^2); beyond, with t = |x|, e^t G(1/t)/sqrt(t), G a smooth function. What 1/t and its
root are off, relatively, is known by multiply-adds and goes into the argument of the exponential's core. Both
are computed, and one is chosen; the power of 2 comes last, so that nothing overflows before the result does.

Source: DLMF 10.40.1.
"""

from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.composed import EXP_CORE, POWER, REDUCED, SCALED, VECTOR_REDUCED
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import length, number, value, whole_above

_BORDER, _FURTHEST = "4", "95"
"""Where the pieces meet; beyond what results are infinite in float32."""
_STEPS = """
    absolute = size x
    near = below absolute BORDER
    square = mul x x
    close = atmost square BORDER_SQUARED
    c = core.near close
    inner = fma close c ONE
    raised = atleast absolute BORDER
    t = atmost raised MOST
    {reduced}
    z = div ONE t
    root = sqrt z
    opposite_z = sub ZERO z
    missed = fma opposite_z t ONE
    opposite_root = sub ZERO root
    squared_less = fma opposite_root root z
    off = fma squared_less t missed
    argument = fma off HALF r
    e = core.exp argument
    shape = core.far z
    part = mul shape root
    y = mul e part
    {scaled}
    result = choose near inner v
"""


def _bessel_i0(x: Any) -> Any:
    from scipy.special import i0  # type: ignore[import-untyped]

    return np.where(np.isinf(x), np.inf, i0(x))


def _span(fmt: FloatFormat) -> tuple[float, float]:
    """I0(t) is e^t/sqrt(2 pi t), and t is below 1000: e^4.5 is more than that root."""
    beyond = (fmt.bias + 1) * length("log(2)") + 4.5
    return -beyond, beyond


BESSEL = (
    Reduction(
        "bessel_i0", "pieces", (
            Core("(bessel_i(0,sqrt(x))-1)/x", "0", f"({_BORDER})^2", "near"),
            Core("bessel_i(0,1/x)*exp(-1/x)/sqrt(x)", f"1/{_FURTHEST}", f"1/({_BORDER})", "far"),
            EXP_CORE,
        ), written(_STEPS.format(reduced=REDUCED, scaled=SCALED)), {
            **POWER, "BORDER": number(_BORDER), "BORDER_SQUARED": number(f"({_BORDER})^2"),
            "ONE": value(1.0), "HALF": value(0.5), "MOST": lambda fmt: whole_above("log(2)", fmt.bias + 8),
        }, _span, _bessel_i0,
        vector=written(_STEPS.format(reduced=VECTOR_REDUCED, scaled="v = scale y n")),
    ),
)  # fmt: skip
"""Rows."""
