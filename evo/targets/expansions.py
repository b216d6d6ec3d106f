"""Exact Taylor coefficients of the functions of expressions, at the points where they have any.

A row of `EXPANSIONS` takes a point and a count and gives the coefficients f(a), f'(a), f''(a)/2, ... that are
exact numbers, None for each of the others: log at 2 has (None, 1/2, -1/8, ...), erf at 0 has (0, None, 0,
None, ...). Where no coefficient is exact it gives None for all.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial

from evo.numbers.reals import PI, Real

Coefficients = list[Real | None]


def expansion(name: str, at: Real, count: int) -> Coefficients:
    """The exact coefficients of the function `name` at a point, None for those that are not exact."""
    rule = EXPANSIONS.get(name)
    found = rule(at, count) if rule is not None and at.form is not None else []
    return [*found, *[None] * (count - len(found))][:count]


def quarter_turns(at: Real) -> int | None:
    """n if the point is n pi/2, else None."""
    turns = (at * 2 / PI).rational
    return int(turns) if turns is not None and turns.denominator == 1 else None


def _exp(at: Real, count: int) -> Coefficients:
    return [Real.of(Fraction(1, factorial(k))) for k in range(count)] if at.is_zero else []


def _expm1(at: Real, count: int) -> Coefficients:
    return [Real.of(0), *_exp(at, count)[1:]] if at.is_zero else []


def _whole_power(base: int) -> Callable[[Real, int], Coefficients]:
    """base^x at whole numbers: the value alone is rational."""

    def rule(at: Real, count: int) -> Coefficients:
        n = at.rational
        whole = n is not None and n.denominator == 1 and abs(n) <= 1000
        return [Real.of(Fraction(base) ** int(n))] if n is not None and whole else []

    return rule


def _log(at: Real, count: int) -> Coefficients:
    if at.is_zero:
        return []
    first = Real.of(0) if at == 1 else None
    return [first, *(Real.of(Fraction(-((-1) ** k), k)) / at**k for k in range(1, count))]


def _log1p(at: Real, count: int) -> Coefficients:
    return _log(at + 1, count)


def _logarithm_to(base: int) -> Callable[[Real, int], Coefficients]:
    """log_base at powers of the base: the value alone is rational."""

    def rule(at: Real, count: int) -> Coefficients:
        value = at.rational
        if value is None or value <= 0:
            return []
        n, top = 0, value if value >= 1 else 1 / value
        while top > 1:
            top, n = top / base, n + 1
        return [Real.of(n if value >= 1 else -n)] if top == 1 else []

    return rule


def _sin_of_turns(turns: int, count: int) -> Coefficients:
    cycle = (0, 1, 0, -1)
    return [Real.of(Fraction(cycle[(turns + k) % 4], factorial(k))) for k in range(count)]


def _sin(at: Real, count: int) -> Coefficients:
    turns = quarter_turns(at)
    if turns is not None:
        return _sin_of_turns(turns, count)
    twelfths = (at * 6 / PI).rational
    if twelfths is not None and twelfths.denominator == 1 and int(twelfths) % 6 in (1, 5):
        return [Real.of(Fraction(1 if int(twelfths) % 12 < 6 else -1, 2))]
    return []


def _cos(at: Real, count: int) -> Coefficients:
    return _sin(at + PI / 2, count)


def _tan(at: Real, count: int) -> Coefficients:
    turns = quarter_turns(at)
    return _tangent(count, 1) if turns is not None and turns % 2 == 0 else []


def _tangent(count: int, sign: int) -> Coefficients:
    """At 0, by y' = 1 + sign y^2: the tangent, or with -1 the hyperbolic one."""
    y = [Fraction(0)]
    for k in range(count - 1):
        y.append(((k == 0) + sign * sum(y[i] * y[k - i] for i in range(k + 1))) / Fraction(k + 1))
    return [Real.of(c) for c in y]


def _at_zero(coefficient: Callable[[int], Fraction]) -> Callable[[Real, int], Coefficients]:
    """A row of a function that has rational coefficients at 0."""
    return lambda at, count: [Real.of(coefficient(k)) for k in range(count)] if at.is_zero else []


def _arcsine(k: int, sign: int = 1) -> Fraction:
    if k % 2 == 0:
        return Fraction(0)
    n = k // 2
    return Fraction(sign**n * comb(2 * n, n), 4**n * k)


def _acos(at: Real, count: int) -> Coefficients:
    if not at.is_zero:
        return [Real.of(0)] if at == 1 else [PI] if at == -1 else []
    return [PI / 2, *(Real.of(-_arcsine(k)) for k in range(1, count))]


def _atan(at: Real, count: int) -> Coefficients:
    """The derivative 1/(1 + (at + t)^2) by long division."""
    value = Real.of(0) if at.is_zero else PI / 4 if at == 1 else -PI / 4 if at == -1 else None
    a, b = at * at + 1, at * 2
    slope: list[Real] = [1 / a]
    while len(slope) < count - 1:
        before = slope[-2] if len(slope) > 1 else Real.of(0)
        slope.append(-(b * slope[-1] + before) / a)
    return [value, *(c / (k + 1) for k, c in enumerate(slope))]


def _tanh(at: Real, count: int) -> Coefficients:
    return _tangent(count, -1) if at.is_zero else []


def _erf(at: Real, count: int) -> Coefficients:
    return [Real.of(0) if k % 2 == 0 else None for k in range(count)] if at.is_zero else []


def _erfc(at: Real, count: int) -> Coefficients:
    return [Real.of(1), *_erf(at, count)[1:]] if at.is_zero else []


def _gamma(at: Real, count: int) -> Coefficients:
    n = at.rational
    return [Real.of(factorial(int(n) - 1))] if n is not None and n.denominator == 1 and 0 < n < 100 else []


def _lgamma(at: Real, count: int) -> Coefficients:
    return [Real.of(0)] if at in (1, 2) else []


EXPANSIONS: dict[str, Callable[[Real, int], Coefficients]] = {
    "exp": _exp,
    "expm1": _expm1,
    "exp2": _whole_power(2),
    "exp10": _whole_power(10),
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
    "asin": _at_zero(_arcsine),
    "acos": _acos,
    "atan": _atan,
    "asinh": _at_zero(lambda k: _arcsine(k, -1)),
    "atanh": _at_zero(lambda k: Fraction(1, k) if k % 2 else Fraction(0)),
    "erf": _erf,
    "erfc": _erfc,
    "gamma": _gamma,
    "lgamma": _lgamma,
}
"""The exact coefficients by function; a function without a row has none."""
