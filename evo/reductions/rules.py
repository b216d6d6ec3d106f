"""Constants of steps: rules that give a number for a format. Floats, and integers where bits are meant."""

from collections.abc import Callable, Mapping
from math import ceil, floor

import flint
import numpy as np
from flint import arb

from evo.numbers.formats import FloatFormat
from evo.targets.expression import parse_expression

Rule = Callable[[FloatFormat], float | int]
"""What a constant is in a format."""
_PRECISION = 300


def number(text: str) -> Rule:
    """The number of the format nearest to a constant expression."""
    return lambda fmt: rounded(text, fmt.digits)


def part(text: str, index: int) -> Rule:
    """One of the numbers that add up to an expression: each is what is left, rounded."""

    def rule(fmt: FloatFormat) -> float:
        with flint.ctx.workprec(_PRECISION):
            rest = _ball(text)
            for _ in range(index):
                rest -= arb(_nearest(rest, fmt.digits))
            return _nearest(rest, fmt.digits)

    return rule


def negative(rule: Rule) -> Rule:
    """The opposite number."""
    return lambda fmt: -rule(fmt)


def value(known: float) -> Rule:
    """A number that every format has."""
    return lambda fmt: known


def magic(fmt: FloatFormat) -> float:
    """1.5 2^(p-1): a small number added to it is rounded to an integer, which its lowest bits then hold."""
    return 1.5 * 2.0 ** (fmt.digits - 1)


def bits(rule: Rule) -> Rule:
    """The bits of a number, as an integer."""
    return lambda fmt: int(np.asarray(fmt.type(rule(fmt))).view(fmt.unsigned))


def smallest(fmt: FloatFormat) -> float:
    """The smallest normal number."""
    return 2.0**fmt.emin


def infinity(fmt: FloatFormat) -> float:
    """Infinity."""
    return float("inf")


def nothing(fmt: FloatFormat) -> float:
    """NaN."""
    return float("nan")


def largest(fmt: FloatFormat) -> float:
    """The largest finite number."""
    return (2 - 2.0 ** (1 - fmt.digits)) * 2.0**fmt.bias


def length(text: str) -> float:
    """An expression's value in float64."""
    with flint.ctx.workprec(_PRECISION):
        return float(_ball(text))


def whole_below(text: str, times: int) -> float:
    """The integer below a multiple of an expression, which may be that multiple."""
    with flint.ctx.workprec(_PRECISION):
        return float(floor(float(_ball(text) * times)))


def whole_above(text: str, times: int) -> float:
    """The integer above, likewise."""
    with flint.ctx.workprec(_PRECISION):
        return float(ceil(float(_ball(text) * times)))


def rounded(text: str, digits: int) -> float:
    """The number of so many bits nearest to an expression."""
    with flint.ctx.workprec(_PRECISION):
        return _nearest(_ball(text), digits)


def rest(text: str, first: float, digits: int) -> float:
    """The number of so many bits nearest to what an expression is more than a number."""
    with flint.ctx.workprec(_PRECISION):
        return _nearest(_ball(text) - arb(first), digits)


def numbers(rules: Mapping[str, Rule], fmt: FloatFormat) -> dict[str, float | int]:
    """All constants of a format."""
    return {name: rule(fmt) for name, rule in rules.items()}


def _ball(text: str) -> arb:
    return parse_expression(text).ball(arb(0))


def _nearest(value: arb, digits: int) -> float:
    exponent = int(np.frexp(float(value))[1])
    scaled = value * arb(2) ** (digits - exponent) + arb(0.5)
    return float(np.ldexp(float(scaled.floor().unique_fmpz()), exponent - digits))
