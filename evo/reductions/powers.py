"""Exponentials b^x, and functions of one: the core is a power on an interval of the length of a period.

With P = log_b 2, n the integer nearest to x/P (or below, for cores on (0, P)) and r = x - nP:

    b^x = core(r) 2^n

n comes from adding 1.5 2^(p-1), whose lowest bits then hold it. x is first clamped to where the result is
still neither certainly 0 nor infinity, so that n stays small; comparisons let NaN pass. For P = ln 2 the
product n P is taken in two parts: the upper one short enough for the product to be exact (Cody and Waite), or
each by a multiply-add, of which the first is exact. 2^n is two factors 2^h 2^g, made from their exponent
bits: both are normal numbers, the first product is exact, and the second rounds once, also where the result
is subnormal; it overflows where the result does. Unsigned integers only, so that nothing is undefined where x
is NaN. AVX-512 has an instruction for the product with 2^n.

Source: W. J. Cody, W. Waite, Software Manual for the Elementary Functions, Prentice-Hall (1980).
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from evo.numbers.formats import FloatFormat
from evo.reductions.reduction import Core, Reduction, Tail, written
from evo.reductions.rules import (
    Rule,
    bits,
    largest,
    length,
    magic,
    negative,
    number,
    part,
    rest,
    rounded,
    value,
    whole_above,
    whole_below,
)
from evo.reductions.steps import Step

WAYS = ("nearest", "below", "fused")
"""Cores around 0; above 0; around 0, with multiply-adds."""


class Power(NamedTuple):
    """A function of b^x.

    Attributes:
        name: of the catalogue.
        period: P = log_b 2, an expression.
        float64: as `Reduction` has it.
        core: b^x in the catalogue; the function itself by default.
        before: steps from x to `start`, whose power it is; x itself without any.
        after: steps from `whole`, the power, to `result`; the power itself without any.
        reach: inputs beyond which results are one number on either side; by the power's exponents without.
        shift: `whole` is the power times SCALE = 2^-shift: powers so much larger do not overflow.
        least: exponent of the powers that are taken for all smaller ones, which change no result: steps on
            subnormal numbers take a hundred cycles on some processors.
        tail: as `Reduction` has it.
        rules: of further constants.
    """

    name: str
    period: str
    float64: Callable[[Any], Any]
    core: str = ""
    before: str = ""
    after: str = ""
    reach: tuple[float, float] | None = None
    shift: int = 0
    least: int | None = None
    tail: Tail | None = None
    rules: Mapping[str, Rule] = MappingProxyType({})

    @property
    def exact(self) -> bool:
        """Whether P = 1: no product, no rounding in r."""
        return length(self.period) == 1

    def ways(self) -> tuple[Reduction, ...]:
        """A reduction for each of `WAYS`."""
        return tuple(self._way(way) for way in WAYS if not (self.exact and way == "fused"))

    def _way(self, way: str) -> Reduction:
        ends = ("0", self.period) if way == "below" else (f"-({self.period})/2", f"({self.period})/2")
        return Reduction(
            self.name, way, (Core(self.core or self.name, *ends),), tuple(self._steps(way)),
            {**_rules(self.period, self.shift, self.least), **self.rules}, self._span, self.float64,
            vector=tuple(self._vector(way)), tail=self.tail,
        )  # fmt: skip

    def _span(self, fmt: FloatFormat) -> tuple[float, float]:
        if self.reach is not None:
            return self.reach
        period = length(self.period)
        return (fmt.emin - fmt.digits - 1) * period, (fmt.bias + 1) * period

    def _clamped(self) -> Iterator[Step]:
        yield from written(self.before)
        yield "lifted", "atleast", ("start" if self.before else "x", "LEAST")
        yield "t", "atmost", ("lifted", "MOST")

    def _steps(self, way: str) -> Iterator[Step]:
        yield from self._clamped()
        yield from self._to_core("t", way)
        yield "bits", "bits", ("shifted",)
        yield "sum", "minus", ("bits", "OFFSET")
        yield "h", "half", ("sum",)
        yield "g", "minus", ("sum", "h")
        yield "first", "power", ("h",)
        yield "second", "power", ("g",)
        yield "partly", "mul", ("y", "first")
        yield "whole" if self.after else "result", "mul", ("partly", "second")
        yield from written(self.after)

    def _vector(self, way: str) -> Iterator[Step]:
        """By `scale`; where P = 1, no x is too large for any step."""
        if self.exact and way == "nearest":
            yield from written("""
            n = nearest x
            r = apart x
            y = core r
            result = scale y n
            """)
            return
        yield from self._clamped()
        if self.exact:
            yield "n", "floor", ("t",)
            yield from self._rest("t", way)
            yield "result", "scale", ("y", "n")
            return
        yield "scaled", "mul", ("t", "INVERSE")
        yield "n", "floor" if way == "below" else "nearest", ("scaled",)
        yield from self._rest("t", way)
        if self.shift:
            yield "m", "sub", ("n", "SHIFT")
        yield "whole" if self.after else "result", "scale", ("y", "m" if self.shift else "n")
        yield from written(self.after)

    def _to_core(self, t: str, way: str) -> Iterator[Step]:
        whole = t
        if not self.exact:
            yield "scaled", "mul", (t, "INVERSE")
            whole = "scaled"
        if way == "below":
            yield "below", "floor", (whole,)
            whole = "below"
        yield "shifted", "add", (whole, "MAGIC")
        yield "n", "sub", ("shifted", "MAGIC")
        yield from self._rest(t, way)

    def _rest(self, t: str, way: str) -> Iterator[Step]:
        if self.exact:
            yield "r", "sub", (t, "n")
        elif way == "fused":
            yield "rest", "fma", ("n", "MINUS_FIRST", t)
            yield "r", "fma", ("n", "MINUS_SECOND", "rest")
        else:
            yield "upper", "mul", ("n", "UPPER")
            yield "rest", "sub", (t, "upper")
            yield "lower", "mul", ("n", "LOWER")
            yield "r", "sub", ("rest", "lower")
        yield "y", "core", ("r",)


def _rules(period: str, shift: int, least: int | None) -> dict[str, Rule]:
    """2^lowest is a quarter of the smallest subnormal: it rounds to 0; 2^(bias + 2) is infinite, even times
    1/2. e^-FAR is a normal number, times SCALE, too."""

    def lowest(fmt: FloatFormat) -> int:
        return fmt.emin - fmt.digits - 1

    def short(fmt: FloatFormat) -> int:
        """Digits of UPPER: times n it is exact."""
        return fmt.digits - (-lowest(fmt)).bit_length()

    return {
        "LEAST": lambda fmt: whole_below(period, lowest(fmt) if least is None else least),
        "MOST": lambda fmt: whole_above(period, fmt.bias + 2 + shift),
        "MAGIC": magic,
        "OFFSET": lambda fmt: int(bits(magic)(fmt)) - 2 * fmt.bias + shift,
        "SCALE": value(2.0**-shift),
        "MINUS_SCALE": value(-(2.0**-shift)),
        "FAR": value(64.0),
        "SHIFT": value(float(shift)),
        "ZERO": value(0.0),
        "ONE": value(1.0),
        "LOWEST": negative(largest),
        "INVERSE": number(f"1/({period})"),
        "UPPER": lambda fmt: rounded(period, short(fmt)),
        "LOWER": lambda fmt: rest(period, rounded(period, short(fmt)), fmt.digits),
        "MINUS_FIRST": negative(part(period, 0)),
        "MINUS_SECOND": negative(part(period, 1)),
    }
