"""Exact real numbers: rational functions of pi, e and square roots, and a ball at any precision always.

A ball cannot tell that sin(pi) or 0.8/1 - 0.8 is zero; a form can. Numbers such as 1/3, pi/4, 0.8 or
sqrt(2)/2 have a form: an element of Q(pi, e, sqrt(2), sqrt(3), ...), where a number is zero if its form is
(the converse would take a proof that pi and e are algebraically independent, and nothing here relies on it).
A form has each root at most once in a product, and none below the line, so that equal numbers have equal
forms. Other numbers, such as exp(2), have only their ball: they are never taken for zero.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import flint
from flint import Ordering, arb, fmpq, fmpq_mpoly_ctx

from evo.numbers.functions import kind_of_number

PRIMES = (2, 3, 5, 7)
"""Whose square roots have a form, and those of products of them."""
NAMES = ("pi", "e", *(f"sqrt({prime})" for prime in PRIMES))
"""Of the generators, in the order in which rings have them."""
_RING = fmpq_mpoly_ctx.get(NAMES, Ordering.lex)
_GENERATORS: tuple[Callable[[], Any], ...] = (
    arb.pi, arb.const_e, *(partial(arb.sqrt, arb(prime)) for prime in PRIMES)
)  # fmt: skip
_ROOTS = tuple(zip(range(2, 2 + len(PRIMES)), PRIMES, strict=True))
"""Each root's place among the generators, and the prime."""
_NOTHING = (0,) * len(_GENERATORS)  # the powers of a constant
_MOST_TERMS, _MOST_BELOW = 32, 8
"""Of a form: larger ones take longer with every operation; such a number is known by its ball."""
_MOST_OF_ROOT = 2**1000
"""Of numerator and denominator: a float's root finds the whole root."""
_MOST_OF_POWER = 2000
_PRECISIONS = (128, 256, 512, 1024, 2048, 4096)


class UndecidedError(ArithmeticError):
    """Two numbers that 4096 bits cannot tell apart, and whose forms do not either."""


class Real:
    """An exact real number.

    Attributes:
        form: (numerator, denominator) polynomials without a common factor; None where the number is known by
            its ball alone.
    """

    __slots__ = ("_ball", "form")

    def __init__(self, form: tuple[Any, Any] | None, ball: Callable[[], Any] | None = None) -> None:
        self.form = form
        self._ball = ball

    @classmethod
    def of(cls, number: Any) -> "Real":
        """The number itself: an int, a Fraction, an fmpq, or a finite float (all its bits)."""
        if isinstance(number, Real):
            return number
        exact = number if isinstance(number, fmpq) else Fraction(number)
        value = exact if isinstance(exact, fmpq) else fmpq(exact.numerator, exact.denominator)
        return cls((_RING.constant(value), _RING.constant(1)))

    @classmethod
    def of_terms(cls, terms: Mapping[tuple[int, ...], Any]) -> "Real":
        """A polynomial in the generators, of its coefficients by their powers (`NAMES` has their order)."""
        return cls((_RING.from_dict(dict(terms)), _RING.constant(1)))

    @classmethod
    def known_by(cls, ball: Callable[[], Any]) -> "Real":
        """A number without a form; `ball` encloses it at the current precision, ever closer as that grows."""
        found: dict[int, Any] = {}

        def remembered() -> Any:
            """A power is a product of itself: each factor would be asked again and again."""
            precision = flint.ctx.prec
            if precision not in found:
                found[precision] = ball()
            return found[precision]

        return cls(None, remembered)

    @property
    def is_zero(self) -> bool:
        """Whether the form says that it is 0; False may mean that nobody knows."""
        return self.form is not None and self.form[0].is_zero()

    @property
    def rational(self) -> Fraction | None:
        """The number as a Fraction, if its form is one."""
        if self.form is None or not all(part.is_constant() for part in self.form):
            return None
        top, below = (part.to_dict().get(_NOTHING, fmpq(0)) for part in self.form)
        ratio = top / below
        return Fraction(int(ratio.p), int(ratio.q))

    def ball(self) -> Any:
        """An arb that contains the number, at the current precision."""
        if self.form is None:
            assert self._ball is not None
            return self._ball()
        top, below = (_value(part) for part in self.form)
        return top if self.form[1].is_one() else top / below

    def sign(self) -> int:
        """-1, 0 or 1.

        Raises:
            UndecidedError: the ball contains 0 at every precision, and the form does not say that it is 0.
        """
        if self.is_zero:
            return 0
        for precision in _PRECISIONS:
            with flint.ctx.workprec(precision):
                ball = self.ball()
                if ball > 0:
                    return 1
                if ball < 0:
                    return -1
        raise UndecidedError(f"{float(self.ball()):.6g} cannot be told from zero with {_PRECISIONS[-1]} bits")

    def __float__(self) -> float:
        """The nearest float64; at an exact tie one of the two neighbours."""
        exact = self.rational
        if exact is not None:
            return exact.numerator / exact.denominator
        for precision in _PRECISIONS:
            with flint.ctx.workprec(precision):
                ball = self.ball()
                low, high = float(ball.lower()), float(ball.upper())
                if low == high:
                    return low
        return float(ball.mid())

    def sqrt(self) -> "Real":
        """The square root; with a form where it is one of rationals and of roots of small primes.

        A negative number's is known by a ball that is nan.
        """
        exact = self.rational
        if exact is not None and exact >= 0:
            rest, root = exact, _RING.constant(1)
            for place, prime in _ROOTS:
                if _is_odd(rest, prime):
                    rest, root = rest / prime, root * _RING.gens()[place]
            whole = Fraction(math.isqrt(rest.numerator), math.isqrt(rest.denominator))
            if whole * whole == rest:
                return Real((root, _RING.constant(1))) * whole
        return Real.known_by(lambda: self.ball().sqrt())

    def root(self, degree: int) -> "Real | None":
        """The root of a degree, of a number that is not negative; None where it has no form."""
        exact = self.rational
        if exact is not None and exact >= 0:
            parts = [round(part ** (1 / degree)) for part in exact.as_integer_ratio() if part < _MOST_OF_ROOT]
            if len(parts) == 2 and Fraction(parts[0], parts[1]) ** degree == exact:
                return Real.of(Fraction(*parts))
        if degree % 2:
            return self if degree == 1 else None
        square = self.sqrt()
        return square.root(degree // 2) if square.form is not None else None

    def power(self, exponent: Fraction) -> "Real | None":
        """A positive number to an exponent; None where that has no form."""
        if abs(exponent.numerator) > _MOST_OF_POWER or (root := self.root(exponent.denominator)) is None:
            return None
        found = root**exponent.numerator
        return found if found.form is not None else None

    def __neg__(self) -> "Real":
        return self._joined(Real.of(0), lambda a, b: -a, lambda a, b: (-a[0], a[1]))

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a + b, _sum)

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a - b, lambda a, b: _sum(a, (-b[0], b[1])))

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a * b, lambda a, b: _reduced(a[0] * b[0], a[1] * b[1]))

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __truediv__(self, other: Any) -> Any:
        """The quotient; by a form that is 0 a number whose ball is nan."""
        return self._with(other, lambda a, b: a / b, _quotient)

    def __rtruediv__(self, other: Any) -> Any:
        return _lifted(other) / self if _is_number(other) else other / self.ball()

    def __pow__(self, exponent: int) -> "Real":
        """A power by a whole number."""
        result, base, n = Real.of(1), self if exponent >= 0 else Real.of(1) / self, abs(exponent)
        while n:
            if n % 2:
                result = result * base
            if n := n // 2:
                base = base * base
        return result

    def __abs__(self) -> "Real":
        return -self if self.sign() < 0 else self

    def __lt__(self, other: Any) -> bool:
        return (self - _lifted(other)).sign() < 0

    def __le__(self, other: Any) -> bool:
        return (self - _lifted(other)).sign() <= 0

    def __gt__(self, other: Any) -> bool:
        return (self - _lifted(other)).sign() > 0

    def __ge__(self, other: Any) -> bool:
        return (self - _lifted(other)).sign() >= 0

    def __eq__(self, other: object) -> bool:
        """Whether the forms are equal, or the very same number without one."""
        if not _is_number(other):
            return NotImplemented
        return self is other or (self - _lifted(other)).is_zero

    def __hash__(self) -> int:
        return id(self) if self.form is None else hash(str(self))

    def __str__(self) -> str:
        """The form as an expression that evo/targets/expression.py reads."""
        if self.form is None:
            return f"[{float(self):.17g}...]"
        top, below = (str(part) for part in self.form)
        return top if below == "1" else f"({top})/({below})"

    def __repr__(self) -> str:
        return f"Real({self})"

    def _with(self, other: Any, by_ball: Callable[..., Any], by_form: Callable[..., Any]) -> Any:
        if isinstance(other, arb):
            return by_ball(self.ball(), other)
        if not _is_number(other):
            return NotImplemented
        return self._joined(_lifted(other), by_ball, by_form)

    def _joined(self, other: "Real", by_ball: Callable[..., Any], by_form: Callable[..., Any]) -> "Real":
        if self.form is not None and other.form is not None and not _is_large(self.form, other.form):
            form = by_form(self.form, other.form)
            if form is not None and not _is_large(form):
                return Real(form)
        return Real.known_by(lambda: by_ball(self.ball(), other.ball()))


PI = Real((_RING.gens()[0], _RING.constant(1)))
E = Real((_RING.gens()[1], _RING.constant(1)))

REALS = kind_of_number("reals", Real.of, float, sqrt=lambda a: a.sqrt())
"""The functions of exact numbers for `Program.evaluate`."""

Number = Fraction | Real
"""An exact number; a Fraction where it is rational."""


def ball(number: Number) -> Any:
    """An arb that contains the number, at the current precision."""
    return number.ball() if isinstance(number, Real) else arb(fmpq(number.numerator, number.denominator))


def fraction(point: Any) -> Fraction:
    """The exact value of a ball without a radius, be it beyond float64."""
    mantissa, exponent = (int(part) for part in point.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def _is_number(value: object) -> bool:
    return isinstance(value, Real | int | Fraction | fmpq | float)


def _lifted(value: Any) -> Real:
    return Real.of(value)


def _is_large(*forms: tuple[Any, Any]) -> bool:
    """Whether a form has too many terms."""
    return any(len(top) > _MOST_TERMS or len(below) > _MOST_BELOW for top, below in forms)


def _is_odd(number: Fraction, prime: int) -> bool:
    """Whether the prime divides numerator or denominator an odd number of times."""
    part, times = number.numerator or 1, 0
    part = part * number.denominator
    while part % prime == 0:
        part, times = part // prime, times + 1
    return times % 2 == 1


def folded(polynomial: Any) -> Any:
    """The same polynomial, each square of a root as its prime; its ring's generators begin with `NAMES`."""
    if polynomial.is_constant() or not any(degree > 1 for degree in polynomial.degrees()[2 : len(NAMES)]):
        return polynomial
    terms: dict[tuple[int, ...], Any] = {}
    for powers, coefficient in polynomial.to_dict().items():
        kept = list(powers)
        for place, prime in _ROOTS:
            coefficient *= prime ** (kept[place] // 2)
            kept[place] %= 2
        terms[tuple(kept)] = terms.get(tuple(kept), fmpq(0)) + coefficient
    return polynomial.context().from_dict(terms)


def _conjugate(polynomial: Any, place: int) -> Any:
    """The polynomial with the other sign of one root."""
    terms = polynomial.to_dict().items()
    return _RING.from_dict({powers: -c if powers[place] % 2 else c for powers, c in terms})


def _reduced(top: Any, below: Any) -> tuple[Any, Any]:
    """Without roots below, or a common factor, or squares of roots; the denominator's first coefficient 1."""
    top = folded(top)
    if below.is_one():
        return top, below
    below = folded(below)
    for place, _ in () if below.is_constant() else _ROOTS:
        if below.degrees()[place]:
            other = _conjugate(below, place)
            top, below = folded(top * other), folded(below * other)
    if top.is_zero():
        return top, _RING.constant(1)
    if not below.is_constant():
        common = top.gcd(below)
        top, below = top / common, below / common
    lead = below.leading_coefficient()
    return top / lead, below / lead


def _sum(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    if a[1] == b[1]:
        return _reduced(a[0] + b[0], a[1])
    return _reduced(a[0] * b[1] + b[0] * a[1], a[1] * b[1])


def _quotient(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any] | None:
    return None if b[0].is_zero() or len(b[0]) > _MOST_BELOW else _reduced(a[0] * b[1], a[1] * b[0])


def _value(polynomial: Any) -> Any:
    """A polynomial in pi and e as a ball."""
    total = arb(0)
    for powers, coefficient in polynomial.to_dict().items():
        term = arb(coefficient)
        for generator, power in zip(_GENERATORS, powers, strict=True):
            if power:
                term *= generator() ** int(power)
        total += term
    return total
