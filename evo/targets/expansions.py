"""Exact Taylor coefficients of the functions of expressions, at the points where they have any.

A row of `EXPANSIONS` takes a point and a count and gives the coefficients f(a), f'(a), f''(a)/2, ... that are
exact numbers, None for each of the others: log at 2 has (None, 1/2, -1/8, ...), erf at 0 has (0, None, 0,
None, ...). Where no coefficient is exact it gives None for all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import comb, factorial

from evo.numbers.reals import PI, E, Real

Coefficients = Sequence[Real | None]

_MOST_OF_E = 20
"""Largest whole power of e that is looked for."""
_ROOT2, _ROOT3, _ROOT6 = (Real.of(number).sqrt() for number in (2, 3, 6))
_SINES = (
    Real.of(0),
    (_ROOT6 - _ROOT2) / 4,
    Real.of(Fraction(1, 2)),
    _ROOT2 / 2,
    _ROOT3 / 2,
    (_ROOT6 + _ROOT2) / 4,
    Real.of(1),
)
"""Of n pi/12."""
_TURNS = range(-6, 7)
_ARCSINES = {_SINES[abs(n)] * (1 if n > 0 else -1): PI * Fraction(n, 12) for n in _TURNS}
_ARCTANGENTS = {
    _SINES[abs(n)] / _SINES[6 - abs(n)] * (1 if n > 0 else -1): PI * Fraction(n, 12) for n in _TURNS[1:-1]
}
"""The points n pi/12 by sine and by tangent."""


def expansion(name: str, at: Real, count: int) -> Coefficients:
    """The exact coefficients of the function `name` at a point, None for those that are not exact."""
    rule = EXPANSIONS.get(name)
    found = rule(at, count) if rule is not None and at.form is not None else []
    return [*found, *[None] * (count - len(found))][:count]


def quarter_turns(at: Real) -> int | None:
    """n if the point is n pi/2, else None."""
    turns = twelfths(at)
    return turns // 6 if turns is not None and turns % 6 == 0 else None


def twelfths(at: Real) -> int | None:
    """n if the point is n pi/12, else None."""
    turns = (at * 12 / PI).rational
    return int(turns) if turns is not None and turns.denominator == 1 else None


def _exp(at: Real, count: int) -> list[Real]:
    n = at.rational
    if n is None or n.denominator != 1 or abs(n) > _MOST_OF_E:
        return []
    return [E ** int(n) * Fraction(1, factorial(k)) for k in range(count)]


def _expm1(at: Real, count: int) -> Coefficients:
    found = _exp(at, count)
    return [found[0] - 1, *found[1:]] if found else []


def _power_of(base: int) -> Callable[[Real, int], Coefficients]:
    """base^x at rational numbers: where the value has a form, it alone is exact."""

    def rule(at: Real, count: int) -> Coefficients:
        exponent = at.rational
        value = None if exponent is None else Real.of(base).power(exponent)
        return [] if value is None else [value]

    return rule


def _log(at: Real, count: int) -> Coefficients:
    if at.is_zero:
        return []
    n = round(math.log(size)) if 0 < (size := float(at)) < math.inf else 0
    first = Real.of(n) if abs(n) <= _MOST_OF_E and at == E**n else None
    return [first, *(Real.of(Fraction(-((-1) ** k), k)) / at**k for k in range(1, count))]


def _log1p(at: Real, count: int) -> Coefficients:
    return _log(at + 1, count)


def _logarithm_to(base: int) -> Callable[[Real, int], Coefficients]:
    """log_base at powers of the base and at their square roots: the value alone is rational."""

    def rule(at: Real, count: int) -> Coefficients:
        value = (at * at).rational
        if value is None or float(at) <= 0:
            return []
        n, top = 0, value if value >= 1 else 1 / value
        while top > 1:
            top, n = top / base, n + 1
        return [Real.of(Fraction(n if value >= 1 else -n, 2))] if top == 1 else []

    return rule


def _sin(at: Real, count: int) -> Coefficients:
    turns = twelfths(at)
    if turns is None:
        return []
    cycle = [_sine(turns + 6 * k) for k in range(4)]
    return [cycle[k % 4] * Fraction(1, factorial(k)) for k in range(count)]


def _sine(turns: int) -> Real:
    """sin(n pi/12)."""
    n = turns % 12
    size = _SINES[min(n, 12 - n)]
    return size if turns % 24 < 12 else -size


def _cos(at: Real, count: int) -> Coefficients:
    return _sin(at + PI / 2, count)


def _tan(at: Real, count: int) -> Coefficients:
    turns = twelfths(at)
    if turns is None or turns % 12 == 6:
        return []
    return _tangent(count, 1, _sine(turns) / _sine(turns + 6))


def _inverse(values: Mapping[Real, Real], at: Real) -> list[Real]:
    """The value alone, where the point is in a table."""
    return [value for point, value in values.items() if point == at][:1]


def _tangent(count: int, sign: int, value: Real) -> list[Real]:
    """By y' = 1 + sign y^2: the tangent, or with -1 the hyperbolic one, from its value on."""
    y = [value]
    for k in range(count - 1):
        square = sum((y[i] * y[k - i] for i in range(k + 1)), Real.of(0))
        y.append((square * sign + (k == 0)) * Fraction(1, k + 1))
    return y


def _at_zero(coefficient: Callable[[int], Fraction]) -> Callable[[Real, int], Coefficients]:
    """A row of a function that has rational coefficients at 0."""
    return lambda at, count: [Real.of(coefficient(k)) for k in range(count)] if at.is_zero else []


def _arcsine(k: int, sign: int = 1) -> Fraction:
    if k % 2 == 0:
        return Fraction(0)
    n = k // 2
    return Fraction(sign**n * comb(2 * n, n), 4**n * k)


def _asin(at: Real, count: int) -> list[Real]:
    if not at.is_zero:
        return _inverse(_ARCSINES, at)
    return [Real.of(_arcsine(k)) for k in range(count)]


def _acos(at: Real, count: int) -> Coefficients:
    found = _asin(at, count)
    return [PI / 2 - found[0], *(-c for c in found[1:])] if found else []


def _atan(at: Real, count: int) -> Coefficients:
    """The derivative 1/(1 + (at + t)^2) by long division."""
    value = next(iter(_inverse(_ARCTANGENTS, at)), None)
    a, b = at * at + 1, at * 2
    slope: list[Real] = [1 / a]
    while len(slope) < count - 1:
        before = slope[-2] if len(slope) > 1 else Real.of(0)
        slope.append(-(b * slope[-1] + before) / a)
    return [value, *(c / (k + 1) for k, c in enumerate(slope))]


def _tanh(at: Real, count: int) -> Coefficients:
    return _tangent(count, -1, at) if at.is_zero else []


def _erf(at: Real, count: int) -> Coefficients:
    return [Real.of(0) if k % 2 == 0 else None for k in range(count)] if at.is_zero else []


def _erfc(at: Real, count: int) -> Coefficients:
    return [Real.of(1), *_erf(at, count)[1:]] if at.is_zero else []


def _gamma(at: Real, count: int) -> Coefficients:
    n = at.rational
    return [Real.of(factorial(int(n) - 1))] if n is not None and n.denominator == 1 and 0 < n < 100 else []


def _lgamma(at: Real, count: int) -> Coefficients:
    return [Real.of(0)] if at in (1, 2) else []


def _sqrt(at: Real, count: int) -> Coefficients:
    root = at.sqrt()
    return [] if root.form is None else [root]


EXPANSIONS: dict[str, Callable[[Real, int], Coefficients]] = {
    "exp": _exp,
    "expm1": _expm1,
    "exp2": _power_of(2),
    "exp10": _power_of(10),
    "log": _log,
    "log1p": _log1p,
    "log2": _logarithm_to(2),
    "log10": _logarithm_to(10),
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "sinh": _at_zero(lambda k: Fraction(k % 2, factorial(k))),
    "cosh": _at_zero(lambda k: Fraction(1 - k % 2, factorial(k))),
    "tanh": _tanh,
    "asin": _asin,
    "acos": _acos,
    "atan": _atan,
    "asinh": _at_zero(lambda k: _arcsine(k, -1)),
    "atanh": _at_zero(lambda k: Fraction(1, k) if k % 2 else Fraction(0)),
    "erf": _erf,
    "erfc": _erfc,
    "gamma": _gamma,
    "lgamma": _lgamma,
    "sqrt": _sqrt,
}
"""The exact coefficients by function; a function without a row has none."""
