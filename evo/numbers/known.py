"""The first coefficients of a power series, as far as they are known exactly.

Balls cannot show that a difference vanishes; exact coefficients can. A series here is a tuple, coefficient of
t^0 first: a `Real` with a form where the coefficient is known, None where it is not. A product with an exact
zero is an exact zero, whatever the other factor is. What lies beyond a tuple's end is not known.
"""

from collections.abc import Iterable
from fractions import Fraction

from evo.numbers.reals import Real

LENGTH = 8
"""Coefficients that are kept: no formula in sight vanishes to a higher order where its target does."""

Coefficient = Real | None
Known = tuple[Coefficient, ...]

ZERO = Real.of(0)


def constant(value: Real) -> Known:
    """The series of a constant; nothing is known of a number without a form."""
    return (value, *[ZERO] * (LENGTH - 1)) if value.form is not None else (None, *[ZERO] * (LENGTH - 1))


def shifted(series: Known, by: int) -> Known:
    """Times t^by, by at least 0."""
    return (*[ZERO] * by, *series)[:LENGTH]


def plus(a: Known, b: Known) -> Known:
    """The sum."""
    return tuple(_sum(x, y) for x, y in zip(a, b, strict=False))


def minus(a: Known) -> Known:
    """The negative."""
    return tuple(None if x is None else -x for x in a)


def times(a: Known, b: Known) -> Known:
    """The product."""
    return tuple(_total(product(a[i], b[k - i]) for i in range(k + 1)) for k in range(min(len(a), len(b))))


def over(a: Known, b: Known) -> Known:
    """The quotient; b[0] is not zero, but perhaps not known: then only leading zeros are."""
    quotient: list[Coefficient] = []
    for k in range(min(len(a), len(b))):
        rest = _sum(a[k], _negative(_total(product(quotient[i], b[k - i]) for i in range(k))))
        quotient.append(ratio(rest, b[0]))
    return tuple(quotient)


def power(a: Known, exponent: Fraction) -> Known:
    """a^exponent, a[0] being positive: by k a0 p_k = sum_(0<j<=k) (exponent j - (k - j)) a_j p_(k-j)."""
    if not a:
        return ()
    result: list[Coefficient] = [_root(a[0], exponent)]
    for k in range(1, len(a)):
        terms = (
            product(product(Real.of(exponent * j - (k - j)), a[j]), result[k - j]) for j in range(1, k + 1)
        )
        below = None if a[0] is None else a[0] * k
        result.append(ratio(_total(terms), below))
    return tuple(result)


def composed(outer: Known, inner: Known) -> Known:
    """sum_k outer[k] (inner - inner[0])^k, by Horner's scheme."""
    step = (ZERO, *inner[1:])
    length = min(len(outer), len(inner))
    result: Known = (None,) * length
    if length:
        result = (outer[length - 1], *[ZERO] * (length - 1))
        for k in range(length - 2, -1, -1):
            result = plus(times(result, step), (outer[k], *[ZERO] * (length - 1)))
    return result


def product(a: Coefficient, b: Coefficient) -> Coefficient:
    """Of two coefficients; 0 if one is."""
    if (a is not None and a.is_zero) or (b is not None and b.is_zero):
        return ZERO
    return None if a is None or b is None else a * b


def ratio(a: Coefficient, b: Coefficient) -> Coefficient:
    """a / b for a b that is not zero; 0 if a is."""
    if a is not None and a.is_zero:
        return ZERO
    return None if a is None or b is None else a / b


def _sum(a: Coefficient, b: Coefficient) -> Coefficient:
    return None if a is None or b is None else a + b


def _negative(a: Coefficient) -> Coefficient:
    return None if a is None else -a


def _total(terms: Iterable[Coefficient]) -> Coefficient:
    total: Coefficient = ZERO
    for term in terms:
        total = _sum(total, term)
    return total


def _root(value: Coefficient, exponent: Fraction) -> Coefficient:
    """value^exponent where that is a number with a form."""
    return None if value is None else value.power(exponent)
