"""Reductions by single instructions of NVIDIA's GPUs: 2^x, 1/x and log2 x beside the pipe of multiply-adds.

A row takes the place of a portable reduction's cores and steps (evo/reductions/table.py); span and value in
float64 are those of that. 2^y is `ex2_approx`: with n next to t/log 2, r = t - n log 2 in two parts, and a
core that scales r,

    e^t = ex2_approx(core(r)) 2^n,

where n is kept between two bounds by a saturated multiply-add; beyond them ex2_approx has infinity, zero and
NaN by itself. The core is nearly log2(e) r: a search gives it the constants with which the instruction's own
errors do the least harm. A quotient is a product with `rcp_approx`.

Results that hold are those of GPUs whose instructions give what evo/numbers/approximate.py has.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from evo.numbers.formats import FloatFormat
from evo.reductions.common import with_sign_of_x
from evo.reductions.reduction import Core, Reduction, written
from evo.reductions.rules import Rule, largest, magic, negative, number, part, value

WAY = "nvidia"
ONLY = ("cuda", "triton")
"""Exports that have these instructions."""
SCALED = Core("x/log(2)", "-log(2)/2", "log(2)/2", "scaled")


class Variant(NamedTuple):
    """A row.

    Attributes:
        name: of the function.
        cores: what programs approximate.
        text: the steps.
        rules: of their constants.
        bounds: of n, where there is an exponential.
        shift: its power of two is 2^-shift times.
    """

    name: str
    cores: tuple[Core, ...]
    text: str
    rules: Mapping[str, Rule] = MappingProxyType({})
    bounds: tuple[int, int] = (-126, 0)
    shift: int = 0

    def of(self, usual: Reduction) -> Reduction:
        """The reduction, where this is the portable one."""
        rules = {**_power_rules(*self.bounds, self.shift), **self.rules}
        return replace(
            usual, way=WAY, cores=self.cores, steps=written(self.text), rules=rules, vector=(),
            only=ONLY,
        )  # fmt: skip


def _power_rules(least: int, most: int, shift: int) -> dict[str, Rule]:
    """Of `POWER`: n is from `least` to `most`, and p is 2^(n - shift)."""
    width = most - least

    def start(fmt: FloatFormat) -> float:
        """An n of 0 added to it leaves the exponent bits of p in its lowest ones."""
        return magic(fmt) + fmt.bias - shift

    return {
        "SLOPE": number(f"1/(log(2)*{width})"),
        "SHARE": lambda fmt: float(fmt.type(-least / width)),
        "WIDTH": value(float(width)),
        "LEAST_N": lambda fmt: start(fmt) + least,
        "NO_N": start,
        "MINUS_FIRST": negative(part("log(2)", 0)),
        "MINUS_SECOND": negative(part("log(2)", 1)),
        "ONE": value(1.0),
        "HALF": value(0.5),
        "TWO": value(2.0),
        "SCALE": value(2.0**-shift),
        "ZERO": value(0.0),
        "LOWEST": negative(largest),
    }


REDUCED = """
    within = fma_sat t SLOPE SHARE
    shifted = fma within WIDTH LEAST_N
    n = sub shifted NO_N
    r1 = fma n MINUS_FIRST t
    r = fma n MINUS_SECOND r1
    bits_of_n = bits shifted
    p = power bits_of_n
"""
POWER = f"""
    {REDUCED}
    y = core.scaled r
    e = ex2_approx y
"""
"""e p is e^t."""

BORDER, SHIFT = "2/3", "9/4"
FAR_NORMAL = f"exp((1/x-{SHIFT})^2/2)*erfc((1/x-{SHIFT})/sqrt(2))/2"
"""As evo/reductions/gaussian.py has the normal distribution function."""
_QUOTIENT = "(log1p(x)-x)/x^2"
NVIDIA = (
    Variant("sigmoid", (SCALED,), f"""
        t = neg x
        {POWER}
        under = fma e p SCALE
        over = rcp_approx under
        result = mul over SCALE
    """, bounds=(-60, 152), shift=32),
    Variant("silu", (SCALED,), f"""
        t = neg x
        {POWER}
        under = fma e p SCALE
        over = rcp_approx under
        bound = higher x LEAST
        small = below x FOUR
        first = choose small ONE SCALE
        last = choose small SCALE ONE
        part = mul bound first
        product = mul part over
        result = mul product last
    """, {"LEAST": value(-128.0), "FOUR": value(4.0)}, (-60, 152), 32),
    Variant("gelu_tanh", (SCALED,), f"""
        finite = higher x LOWEST
        square = mul finite finite
        slope = fma square CUBIC LINEAR
        t = mul finite slope
        {POWER}
        under = fma e p ONE
        over = rcp_approx under
        result = mul finite over
    """, {"LINEAR": number("-sqrt(8/pi)"), "CUBIC": number("-0.044715*sqrt(8/pi)")}, (-60, 126)),
    Variant("mish", (SCALED,), f"""
        t = higher x LEAST
        {POWER}
        start = mul t e
        tail = mul start p
        u = mul e p
        v = fma u LOWERED TWO
        under = fma u v DOUBLED
        over = rcp_approx under
        part = mul v over
        found = mul tail part
        small = below x MOST
        result = choose small found x
    """, {"LEAST": value(-128.0), "MOST": value(20.0), "LOWERED": value(2.0**-16), "DOUBLED": value(2.0**17)},
            (-142, 60), -16),
    Variant("softplus", (SCALED, Core(_QUOTIENT, "0", "1", "log1p")), f"""
        absolute = size x
        t = neg absolute
        {POWER}
        u = mul e p
        c = core.log1p u
        square = mul u u
        rest = fma square c u
        top = higher x ZERO
        result = add top rest
    """),
    Variant("cosh", (SCALED,), f"""
        t = size x
        {POWER}
        v = mul e p
        under = rcp_approx v
        other = mul under EIGHTH
        result = fma v TWO other
    """, {"EIGHTH": value(0.125)}, (0, 129), 2),
    Variant("sinh", (SCALED, Core("(sinh(sqrt(x))/sqrt(x)-1)/x", "0", "1", "near")), f"""
        t = neg x
        {POWER}
        turned = neg y
        e_of_x = ex2_approx turned
        bits_of_p = bits p
        bits_of_q = minus BOTH bits_of_p
        q = float bits_of_q
        down = mul e p
        less = neg down
        outer = fma e_of_x q less
        square = mul x x
        c = core.near square
        cube = mul square x
        inner = fma cube c x
        absolute = size x
        near = below absolute ONE
        result = choose near inner outer
    """, {"BOTH": lambda fmt: 2 * (fmt.bias - 1) << fmt.digits - 1}, (-126, 126), 1),
    Variant("atanh", (Core("(atanh(sqrt(x))/sqrt(x)-1)/x", "0", "1/4", "near"),), f"""
        absolute = size x
        less = sub ONE absolute
        over = rcp_approx less
        ratio = fma over TWO MINUS_ONE
        l = lg2_approx ratio
        found = mul l HALVED
        {with_sign_of_x("found", "outer")}
        square = mul x x
        c = core.near square
        cube = mul square x
        inner = fma cube c x
        near = below absolute HALF
        result = choose near inner outer
    """, {"HALVED": number("log(2)/2"), "MINUS_ONE": value(-1.0)}),
    Variant("normcdf", (
        SCALED, Core("erf(sqrt(x/2))/(2*sqrt(x))", "0", f"({BORDER})^2", "near"),
        Core(FAR_NORMAL, f"1/(15+{SHIFT})", f"1/({BORDER}+{SHIFT})", "far"),
    ), f"""
        absolute = size x
        near = below absolute BORDER
        size = lower absolute FAR
        square = mul size size
        c = core.near square
        inner = fma x c HALF
        positive = below ZERO x
        t = mul square MINUS_HALF
        opposite = neg square
        lost = fma size size opposite
        {REDUCED}
        lifted = add size SHIFT
        z = rcp_approx lifted
        less = neg z
        missed = fma less lifted ONE
        left = fma lost MINUS_HALF r
        argument = fma missed SLOPE_OF_FAR left
        y = core.scaled argument
        e = ex2_approx y
        g = core.far z
        scaled = mul g e
        v = mul scaled p
        other = sub ONE v
        outer = choose positive other v
        result = choose near inner outer
    """, {
        "BORDER": number(BORDER), "FAR": value(15.0), "MINUS_HALF": value(-0.5), "SHIFT": number(SHIFT),
        "SLOPE_OF_FAR": number("3/2"),
    }),
)  # fmt: skip
"""Rows: to add one, add one."""
