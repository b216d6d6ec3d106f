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
from evo.reductions.composed import EXP_CORE, POWER, REDUCED, SCALED, VECTOR_REDUCED
from evo.reductions.logarithms import LOG_ENDS
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, bits, infinity, length, nothing, number, value

_BORDER, _FAR, _SHIFT = "3/5", "81/8", "3/2"
"""Of the pieces of erfc; where its results are 0 in float32; what |x| gets before its reciprocal is taken."""
_FURTHER = f"exp((1/x-{_SHIFT})^2)*erfc(1/x-{_SHIFT})"
_RECIPROCAL = """
    lifted = add size SHIFT
    back = sub lifted SHIFT
    more = sub size back
    z = rcp lifted
    opposite_z = sub ZERO z
    missed = fma opposite_z lifted ONE
    off = fma opposite_z more missed
"""
"""z, and what it is off, relatively."""
_ERFC = """
    absolute = size x
    near = below absolute BORDER
    square = mul x x
    close = atmost square BORDER_SQUARED
    c = core.near close
    opposite = sub ZERO x
    less = add opposite ONE
    inner = fma opposite c less
    negative = below x ZERO
    bound = choose negative ENOUGH FAR
    size = atmost absolute bound
    squared = mul size size
    t = sub ZERO squared
    lost = residual size size t
    {reduced}
    {reciprocal}
    left = sub r lost
    argument = fma off SLOPE left
    power = core.exp argument
    e = core.far z
    y = mul power e
    {scaled}
    other = sub TWO v
    outer = choose negative other v
    result = choose near inner outer
"""


_HALVED_BORDER, _HALVED_FAR, _HALVED_SHIFT = "2/3", "57/4", "9/4"
"""The same of the normal distribution function."""
_NORMAL = f"exp((1/x-{_HALVED_SHIFT})^2/2)*erfc((1/x-{_HALVED_SHIFT})/sqrt(2))/2"
_NORMCDF = """
    absolute = size x
    near = below absolute BORDER
    square = mul x x
    close = atmost square BORDER_SQUARED
    c = core.near close
    inner = fma x c HALF
    positive = below ZERO x
    bound = choose positive ENOUGH FAR
    size = atmost absolute bound
    squared = mul size size
    t = mul squared MINUS_HALF
    opposite = sub ZERO squared
    lost = residual size size opposite
    {reduced}
    {reciprocal}
    left = fma lost MINUS_HALF r
    argument = fma off SLOPE left
    power = core.exp argument
    e = core.far z
    y = mul power e
    {scaled}
    other = sub ONE v
    outer = choose positive other v
    result = choose near inner outer
"""


def _normcdf(x: Any) -> Any:
    from scipy.special import ndtr  # type: ignore[import-untyped]

    return ndtr(x)


def _by_squares(
    name: str, text: str, cores: tuple[Core, ...], rules: dict[str, Rule],
    span: Callable[[FloatFormat], tuple[float, float]], float64: Callable[[Any], Any],
) -> Reduction:  # fmt: skip
    """One whose exponential is of a square, written both ways."""
    steps, vector = (
        written(text.format(reduced=reduced, scaled=scaled, reciprocal=_RECIPROCAL))
        for reduced, scaled in ((REDUCED, SCALED), (VECTOR_REDUCED, "v = scale y n"))
    )
    return Reduction(
        name, "pieces", (*cores, EXP_CORE), steps, {**POWER, **rules}, span, float64, vector=vector
    )


def _erfc(x: Any) -> Any:
    from scipy.special import erfc

    return erfc(x)


_BEND, _FURTHEST = "5", "16"
"""Where the pieces of erfinv meet; what w stays below in float32."""
_QUOTIENT = "erfinv(sqrt(-expm1(-{w})))/sqrt(-expm1(-{w}))"
_ERFINV = """
    opposite = sub ZERO x
    u = fma opposite x ONE
    pattern = bits u
    over = minus pattern QUARTERS
    exponent = sink over
    lifted = lift exponent
    bits_of_m = minus pattern lifted
    m = float bits_of_m
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
    end = choose least POLE NOTHING
    bits_of_x = bits x
    bits_of_size = bits absolute
    own = flip bits_of_x bits_of_size
    bits_of_end = bits end
    marked = flip bits_of_end own
    beyond = float marked
    result = choose inside found beyond
"""


def _next(fmt: FloatFormat) -> float:
    """The number after 1."""
    return 1 + 2.0 ** (1 - fmt.digits)


def _erfinv(x: Any) -> Any:
    from scipy.special import erfinv

    return np.where(x == 0, x, erfinv(x))


GAUSSIAN = (
    _by_squares(
        "erfc", _ERFC, (
            Core("erf(sqrt(x))/sqrt(x)-1", "0", f"({_BORDER})^2", "near"),
            Core(_FURTHER, f"1/({_FAR}+{_SHIFT})", f"1/({_BORDER}+{_SHIFT})", "far"),
        ), {
            "BORDER": number(_BORDER), "BORDER_SQUARED": number(f"({_BORDER})^2"), "FAR": number(_FAR),
            "SHIFT": number(_SHIFT), "SLOPE": number("7/5"), "ENOUGH": value(5.0), "ONE": value(1.0),
            "TWO": value(2.0),
        }, lambda fmt: (-float("inf"), length(_FAR)), _erfc,
    ),
    _by_squares(
        "normcdf", _NORMCDF, (
            Core("erf(sqrt(x/2))/(2*sqrt(x))", "0", f"({_HALVED_BORDER})^2", "near"),
            Core(
                _NORMAL, f"1/({_HALVED_FAR}+{_HALVED_SHIFT})", f"1/({_HALVED_BORDER}+{_HALVED_SHIFT})", "far"
            ),
        ), {
            "BORDER": number(_HALVED_BORDER), "BORDER_SQUARED": number(f"({_HALVED_BORDER})^2"),
            "FAR": number(_HALVED_FAR), "SHIFT": number(_HALVED_SHIFT), "SLOPE": number("3/2"),
            "ENOUGH": value(6.0), "ONE": value(1.0), "HALF": value(0.5), "MINUS_HALF": value(-0.5),
        }, lambda fmt: (-length(_HALVED_FAR), float("inf")), _normcdf,
    ),
    Reduction(
        "erfinv", "pieces", (
            Core(_QUOTIENT.format(w="x"), "0", _BEND, "near"),
            Core(_QUOTIENT.format(w="x^2"), f"sqrt({_BEND})", f"sqrt({_FURTHEST})", "far"),
            Core("log1p(x)/x", *LOG_ENDS, "log"),
        ), written(_ERFINV), {
            "ZERO": value(0.0), "ONE": value(1.0), "QUARTERS": bits(value(0.75)), "UNIT": number("log(2)"),
            "BEND": number(_BEND), "NEXT": _next, "POLE": infinity, "NOTHING": nothing,
        }, lambda fmt: (-_next(fmt), _next(fmt)), _erfinv,
    ),
)  # fmt: skip
"""Rows."""
