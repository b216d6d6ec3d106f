"""Sine, cosine and tangent: x less a multiple of pi (or pi/2), taken in three parts by multiply-adds.

r = x - n pi: the first multiply-add is exact, the others round once. |r| alone is reduced, and signs are put
back by their bits. The products are good for n below 2^(p-2); beyond |x| = 2^17 results are NaN.

The core is a function of r^2, without the part that the last steps add: sin r = r + r s core(s), s = r^2.

Source: N. Brisebarre, D. Defour, P. Kornerup, J.-M. Muller, N. Revol, A new range-reduction algorithm, IEEE
Trans. Computers 54 (2005).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import with_sign_of_x
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, magic, negative, nothing, number, part, value

LIMIT = 2.0**17
"""|x| up to which these functions are computed."""
_REMARK = "for |x| <= 2^17, NaN beyond"


def _within(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(np.where(np.abs(x) <= LIMIT, x, np.nan))


def _beyond(fmt: FloatFormat) -> float:
    """The number after the limit."""
    return LIMIT * (1 + 2.0 ** (1 - fmt.digits))


def _span(fmt: FloatFormat) -> tuple[float, float]:
    return -_beyond(fmt), _beyond(fmt)


def _parts(text: str) -> dict[str, Rule]:
    names = ("MINUS_FIRST", "MINUS_SECOND", "MINUS_THIRD")
    return {
        "INVERSE": number(f"1/({text})"),
        "BEYOND": _beyond,
        "NOTHING": nothing,
        **{name: negative(part(text, k)) for k, name in enumerate(names)},
    }


_START = """
    absolute = size x
    near = below absolute BEYOND
    t = choose near absolute NOTHING
"""
_REST = """
    r1 = fma n MINUS_FIRST t
    r2 = fma n MINUS_SECOND r1
    r = fma n MINUS_THIRD r2
    s = mul r r
    y = core s
    cube = mul r s
    p = fma cube y r
"""
_SINE = (
    Core("(sin(sqrt(x))/sqrt(x)-1)/x", "0", "(pi/2)^2"),
    Core("(tan(sqrt(x))/sqrt(x)-1)/x", "0", "(pi/4)^2"),
)

CIRCULAR = (
    Reduction(
        "sin", "three parts", (_SINE[0],), written(f"""
        {_START}
        shifted = fma t INVERSE MAGIC
        n = sub shifted MAGIC
        {_REST}
        bits_of_x = bits x
        bits_of_size = bits absolute
        own = flip bits_of_x bits_of_size
        parity = bits shifted
        other = sign parity
        signs = flip own other
        bits_of_p = bits p
        marked = flip bits_of_p signs
        result = float marked
        """), {**_parts("pi"), "MAGIC": magic}, _span, _within(np.sin), bends=True, remark=_REMARK,
    ),
    Reduction(
        "cos", "three parts", (_SINE[0],), written(f"""
        {_START}
        turns = fma t INVERSE MINUS_HALF
        shifted = add turns MAGIC
        whole = sub shifted MAGIC
        n = add whole HALF
        {_REST}
        parity = bits shifted
        signs = sign parity
        bits_of_p = bits p
        turned = minus signs TOP
        marked = flip bits_of_p turned
        result = float marked
        """), {
            **_parts("pi"), "MAGIC": magic, "HALF": value(0.5), "MINUS_HALF": value(-0.5),
            "TOP": lambda fmt: 1 << (fmt.bits - 1),
        }, _span, _within(np.cos), bends=True, remark=_REMARK,
    ),
    Reduction(
        "tan", "three parts", (_SINE[1],), written(f"""
        {_START}
        shifted = fma t INVERSE MAGIC
        n = sub shifted MAGIC
        {_REST}
        parity = bits shifted
        turned = odd parity
        above = choose turned MINUS_ONE p
        under = choose turned p ONE
        quotient = div above under
        {with_sign_of_x("quotient")}
        """), {
            **_parts("pi/2"), "MAGIC": magic, "ONE": value(1.0), "MINUS_ONE": value(-1.0),
        }, _span, _within(np.tan), bends=True, remark=_REMARK,
    ),
)  # fmt: skip
"""Rows."""
