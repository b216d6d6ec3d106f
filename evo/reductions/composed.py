"""Functions of several cores: softplus, gelu, erf.

softplus x = max(x, 0) + v L(v) with v = e^-|x| and L(v) = log(1 + v)/v. gelu x = x/(1 + e^-w), w = x Q(|x|),
where Q(t) is the logit of the normal distribution function over t, a smooth function that grows as t/2, and
so nothing is lost in the left tail. By pieces it is x P(x), P = 1/2 + x C(x^2) near 0, else e^(-t Q(t)) or 1
less that, t Q(t) = -log P(-t); beyond t = 6 the tail is only small. erf is piecewise: x + x C(x^2) near 0 and
1 - e^(-t Q(t)) for t = |x| beyond, where t Q(t) = -log erfc t; both are computed, and one is chosen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import with_sign_of_x
from evo.reductions.reduction import Core, Reduction, Tail, written
from evo.reductions.rules import (
    Rule,
    bits,
    largest,
    magic,
    negative,
    number,
    part,
    value,
    whole_below,
)
from evo.reductions.steps import Step

_SHIFT = 32
"""Powers are computed 2^-32 times: those of gelu overflow where its results are subnormal."""
POWER: dict[str, Rule] = {
    "MAGIC": magic,
    "INVERSE": number("1/log(2)"),
    "MINUS_FIRST": negative(part("log(2)", 0)),
    "MINUS_SECOND": negative(part("log(2)", 1)),
    "OFFSET": lambda fmt: int(bits(magic)(fmt)) - 2 * fmt.bias,
    "ZERO": value(0.0),
    "LEAST": lambda fmt: whole_below("log(2)", fmt.emin - fmt.digits - 1),
}
REDUCED = """
    scaled = mul t INVERSE
    shifted = add scaled MAGIC
    n = sub shifted MAGIC
    r1 = fma n MINUS_FIRST t
    r = fma n MINUS_SECOND r1
"""
"""t less n log 2."""
SCALED = """
    bits_of_n = bits shifted
    sum = minus bits_of_n OFFSET
    h = half sum
    g = minus sum h
    first = power h
    second = power g
    partly = mul y first
    v = mul partly second
"""
"""y 2^n, rounded once."""
VECTOR_REDUCED = """
    scaled = mul t INVERSE
    n = nearest scaled
    r1 = fma n MINUS_FIRST t
    r = fma n MINUS_SECOND r1
"""
_CORE = "y = core.exp r"
EXP_CORE = Core("exp", "-log(2)/2", "log(2)/2", "exp")


def both_ways(text: str, **words: str) -> tuple[tuple[Step, ...], ...]:
    """Steps with {reduced} and {scaled}, and those with the same bits by instructions of AVX-512."""
    ways = ((REDUCED, SCALED), (VECTOR_REDUCED, "v = scale y n"))
    return tuple(written(text.format(reduced=reduced, scaled=scaled, **words)) for reduced, scaled in ways)


_SOFTPLUS = """
    absolute = size x
    opposite = sub ZERO absolute
    bound = atmost x MINUS_FAR
    least = atleast bound LEAST
    t = atleast opposite least
    {power}
    l = core.log1p v
    top = atleast x ZERO
    result = fma v l top
"""
_GELU = """
    finite = atleast x LOWEST
    absolute = size finite
    size = atmost absolute FAR
    q = core.logit size
    opposite = sub ZERO finite
    lifted = atleast opposite MINUS_FAR
    turned = atmost lifted FAR
    t = mul turned q
    {power}
    under = add v SCALE
    part = div SCALE under
    result = mul finite part
"""


def _pieces(x: str, middle: str) -> str:
    """Near 0 `inner` is x C(x^2) + middle, beyond BORDER `q` is that of |x|; both are computed."""
    return f"""
    absolute = size {x}
    near = below absolute BORDER
    square = mul {x} {x}
    s = atmost square BORDER_SQUARED
    c = core.near s
    inner = fma {x} c {middle}
    size = atmost absolute FAR
    q = core.far size
    """


_GELU_BY_PIECES = f"""
    finite = atleast x LOWEST
    {_pieces("finite", "HALF")}
    turned = atmost absolute FARTHEST
    opposite = sub ZERO turned
    raw = mul opposite q
    t = atleast raw LEAST
    {{power}}
    rest = sub ONE v
    left = below x ZERO
    outer = choose left v rest
    part = choose near inner outer
    result = mul finite part
"""
_ERF = f"""
    {_pieces("x", "x")}
    opposite = sub ZERO size
    t = mul opposite q
    {{power}}
    outer = sub ONE v
    {with_sign_of_x("outer", "beyond")}
    result = choose near inner beyond
"""


def _softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def _gelu(x: Any) -> Any:
    from scipy.special import ndtr  # type: ignore[import-untyped]

    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(x), -0.0, x * ndtr(x))


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


def _composed(
    name: str, way: str, steps: str, cores: tuple[Core, ...], rules: dict[str, Rule],
    span: Callable[[FloatFormat], tuple[float, float]], float64: Callable[[Any], Any], scaled: bool = False,
    tail: Tail | None = None,
) -> Reduction:  # fmt: skip
    """One with an exponential inside, written both ways."""
    last = "m = sub n SHIFT\nv = scale y m" if scaled else "v = scale y n"
    vector = written(steps.format(power=f"{VECTOR_REDUCED}{_CORE}\n{last}"))
    return Reduction(
        name, way, (*cores, EXP_CORE), written(steps.format(power=REDUCED + _CORE + SCALED)),
        {**POWER, **rules}, span, float64,
        vector=vector, tail=tail,
    )  # fmt: skip


_NEAR = "0.9"
"""Border of the pieces of erf, and of gelu."""
COMPOSED = (
    _composed(
        "softplus", "two cores", _SOFTPLUS, (Core("log1p(x)/x", "0", "1", "log1p"),),
        {"MINUS_FAR": value(-44.0)},
        lambda fmt: (POWER["LEAST"](fmt), float("inf")), _softplus,
    ),
    _composed(
        "gelu", "logit", _GELU,
        (Core("log(erfc(-x/sqrt(2))/erfc(x/sqrt(2)))/x", "0", "14.5", "logit"),), {
            "FAR": value(14.5), "MINUS_FAR": value(-14.5), "SCALE": value(2.0**-_SHIFT),
            "SHIFT": value(float(_SHIFT)), "LOWEST": negative(largest),
            "OFFSET": lambda fmt: int(bits(magic)(fmt)) - 2 * fmt.bias + _SHIFT,
        }, lambda fmt: (-14.4, float("inf")), _gelu, scaled=True, tail=Tail(-1.0, 0.125),
    ),
    _composed(
        "gelu", "pieces", _GELU_BY_PIECES, (
            Core("erf(sqrt(x/2))/(2*sqrt(x))", "0", f"({_NEAR})^2", "near"),
            Core("-log(erfc(x/sqrt(2))/2)/x", _NEAR, "6", "far"),
        ), {
            "BORDER": number(_NEAR), "BORDER_SQUARED": number(f"({_NEAR})^2"), "FAR": value(6.0),
            "FARTHEST": value(32.0), "HALF": value(0.5), "ONE": value(1.0), "LOWEST": negative(largest),
        }, lambda fmt: (-32.0, float("inf")), _gelu, tail=Tail(-1.0, 0.125),
    ),
    _composed(
        "erf", "pieces", _ERF, (
            Core("erf(sqrt(x))/sqrt(x)-1", "0", f"({_NEAR})^2", "near"),
            Core("-log(erfc(x))/x", _NEAR, "4", "far"),
        ), {
            "BORDER": number(_NEAR), "BORDER_SQUARED": number(f"({_NEAR})^2"), "FAR": value(4.0),
            "ONE": value(1.0),
        }, lambda fmt: (-float("inf"), float("inf")), _erf,
    ),
)  # fmt: skip
"""Rows."""
