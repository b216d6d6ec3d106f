"""The complementary error function, the normal distribution function, the inverse of the error function.

erfc x = (1 - x) - x N(x^2) with N(x^2) = erf(x)/x - 1 near 0. Beyond, with t = |x|, it is e^(-t^2) G(z) with
G(z) = e^(t^2) erfc t and z = 1/(t + 3/2), and for negative x what that lacks of 2. What t^2 loses by its
rounding is known exactly, by a multiply-add, and leaves the argument of the exponential's core; so is what z
is off, relatively, of which G changes by 1.1 to 1.7 times as much. The power of 2 comes last, so that
subnormal results round once; below -5 there are none, which take a hundred cycles on some processors. The
normal distribution function is likewise 1/2 + x N(x^2) near 0 and e^(-t^2/2) G(z), z = 1/(t + 9/4), beyond.

erfinv x = x P(w) with w = -log(1 - x^2); where w is 5 or more, P is a function of sqrt(w). 1 - x^2 rounds
once, and its logarithm is that of m 2^e. All is computed everywhere, and one is chosen.

Source: M. Giles, Approximating the erfinv function, GPU Computing Gems (2011), for w.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.reductions.common import parted, reciprocal, with_sign_of_x
from evo.reductions.composed import EXP_CORE, POWER, both_ways
from evo.reductions.logarithms import LOG_ENDS
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, bits, infinity, length, nothing, number, value

_STEPS = f"""
    absolute = size x
    near = below absolute BORDER
    square = mul x x
    close = atmost square BORDER_SQUARED
    c = core.near close
    {{inner}}
    beyond = {{beyond}}
    bound = choose beyond ENOUGH FAR
    size = atmost absolute bound
    squared = mul size size
    {{turned}} = sub ZERO squared
    lost = residual size size {{turned}}
    {{exponent}}
    {{reduced}}
    lifted = add size SHIFT
    back = sub lifted SHIFT
    more = sub size back
    {reciprocal("lifted")}
    off = fma opposite_z more missed
    {{left}}
    argument = fma off SLOPE left
    power = core.exp argument
    e = core.far z
    y = mul power e
    {{scaled}}
    other = sub WHOLE v
    outer = choose beyond other v
    result = choose near inner outer
"""
_ERFC = {
    "inner": """
    opposite = sub ZERO x
    less = add opposite ONE
    inner = fma opposite c less
    """,
    "beyond": "below x ZERO",
    "turned": "t",
    "exponent": "",
    "left": "left = sub r lost",
}
_NORMCDF = {
    "inner": "inner = fma x c HALF",
    "beyond": "below ZERO x",
    "turned": "turned",
    "exponent": "t = mul squared MINUS_HALF",
    "left": "left = fma lost MINUS_HALF r",
}


def _by_squares(
    name: str, words: dict[str, str], near: str, far: str, border: str, furthest: str, shift: str,
    rules: dict[str, Rule], span: Callable[[FloatFormat], tuple[float, float]], float64: Callable[[Any], Any],
) -> Reduction:  # fmt: skip
    """One whose exponential is of a square.

    Args:
        words: steps in which they differ.
        near: the core up to `border`, of x^2.
        far: beyond, of t, to which `shift` is added before its reciprocal is taken.
        furthest: where results are 0 in float32.
    """
    steps, vector = both_ways(_STEPS, **words)
    cores = (
        Core(near, "0", f"({border})^2", "near"),
        Core(far.format(t=f"(1/x-{shift})"), f"1/({furthest}+{shift})", f"1/({border}+{shift})", "far"),
    )
    known = {
        **POWER, "BORDER": number(border), "BORDER_SQUARED": number(f"({border})^2"),
        "FAR": number(furthest), "SHIFT": number(shift), "ONE": value(1.0), **rules,
    }  # fmt: skip
    return Reduction(name, "pieces", (*cores, EXP_CORE), steps, known, span, float64, vector=vector)


def _erfc(x: Any) -> Any:
    from scipy.special import erfc  # type: ignore[import-untyped]

    return erfc(x)


def _normcdf(x: Any) -> Any:
    from scipy.special import ndtr

    return ndtr(x)


_BEND, _FURTHEST = "5", "16"
"""Where the pieces of erfinv meet; what w stays below in float32."""
_QUOTIENT = "erfinv(sqrt(-expm1(-{w})))/sqrt(-expm1(-{w}))"
_ERFINV = f"""
    opposite = sub ZERO x
    u = fma opposite x ONE
    {parted("u")}
    e = count exponent
    f = sub m ONE
    l = core.log f
    rest = mul f l
    logarithm = fma e UNIT rest
    w = sub ZERO logarithm
    inner = core.near w
    s = sqrt w
    outer = core.far s
    near = below w BEND
    p = choose near inner outer
    found = mul x p
    absolute = size x
    inside = below absolute ONE
    least = below absolute NEXT
    {with_sign_of_x("POLE", "pole")}
    beyond = choose least pole NOTHING
    result = choose inside found beyond
"""


def _next(fmt: FloatFormat) -> float:
    """The number after 1."""
    return 1 + 2.0 ** (1 - fmt.digits)


def _erfinv(x: Any) -> Any:
    from scipy.special import erfinv

    return np.where(x == 0, x, erfinv(x))


_LEAST, _HALVED_LEAST = "81/8", "57/4"
"""Beyond which results are 0 in float32: of erfc, and of the normal distribution function."""
GAUSSIAN = (
    _by_squares(
        "erfc", _ERFC, "erf(sqrt(x))/sqrt(x)-1", "exp({t}^2)*erfc{t}", "3/5", _LEAST, "3/2",
        {"SLOPE": number("7/5"), "ENOUGH": value(5.0), "WHOLE": value(2.0)},
        lambda fmt: (-float("inf"), length(_LEAST)), _erfc,
    ),
    _by_squares(
        "normcdf", _NORMCDF, "erf(sqrt(x/2))/(2*sqrt(x))", "exp({t}^2/2)*erfc({t}/sqrt(2))/2", "2/3",
        _HALVED_LEAST, "9/4", {
            "SLOPE": number("3/2"), "ENOUGH": value(6.0), "WHOLE": value(1.0),
            "HALF": value(0.5), "MINUS_HALF": value(-0.5),
        }, lambda fmt: (-length(_HALVED_LEAST), float("inf")), _normcdf,
    ),
    Reduction(
        "erfinv", "pieces", (
            Core(_QUOTIENT.format(w="x"), "0", _BEND, "near"),
            Core(_QUOTIENT.format(w="x^2"), f"sqrt({_BEND})", f"sqrt({_FURTHEST})", "far"),
            Core("log1p(x)/x", *LOG_ENDS, "log"),
        ), written(_ERFINV), {
            "ZERO": value(0.0), "ONE": value(1.0), "BORDER": bits(value(0.75)), "UNIT": number("log(2)"),
            "BEND": number(_BEND), "NEXT": _next, "POLE": infinity, "NOTHING": nothing,
        }, lambda fmt: (-_next(fmt), _next(fmt)), _erfinv,
    ),
)  # fmt: skip
"""Rows."""
