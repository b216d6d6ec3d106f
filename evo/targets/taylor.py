"""Models: functions near a point as t^v times a polynomial with ball coefficients; nothing is left out.

A model over the box T (an interval with 0 in it) says: for every t in T except 0 there are numbers a_k in
the balls A_k with g(t) = t^v (a_0 + a_1 t + ... + a_n t^n). They may differ from one t to the next, so the
last ball takes whatever the terms before it do not hold, and each rule below is a statement about numbers.
A power of t beyond n is folded into the last ball as (a_n + a_(n+1) T + ...).

Some coefficients are known exactly, too (evo/numbers/known.py): those of programs whose constants are exact
numbers, at a point that is one, and those of functions where they have exact values (sin at pi). So c/x - c
vanishes at 1 although no ball for c = 0.8 says so.

The power v may be negative. So on a piece that starts at an open end, x = t, the program x + c/x is
t^-1 (c + t^2), sin(x)/x is 1 - t^2/6 + ..., and neither blows up or loses the cancellation: a leading
coefficient that is exactly zero is dropped, one that merely contains zero is not.

Sources: K. Makino and M. Berz, Taylor models and other validated functional inclusion methods, Int. J.
Pure Appl. Math. 4 (2003); M. Joldes, Rigorous polynomial approximations and applications, ENS Lyon (2011).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint
from flint import arb, arb_poly, arb_series, fmpq

from evo.numbers import known as known_series
from evo.numbers.functions import kind_of_number
from evo.numbers.known import LENGTH, Known
from evo.numbers.reals import Number, Real, ball
from evo.targets.expansions import expansion
from evo.targets.functions import FUNCTIONS, Function

Taylor = Callable[[Any, int], Sequence[Any]]
"""The Taylor coefficients of a function on a ball, as many as the order and one more."""


class UndefinedError(ArithmeticError):
    """A model that cannot be made: the function is undefined in the box, or that could not be excluded.

    Attributes:
        kind: "pole", "undefined" or "undecided".
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class BranchError(UndefinedError):
    """A root of an odd power of t: with t = s^`degree` it is no root any more."""

    def __init__(self, degree: int) -> None:
        super().__init__("undefined", f"a branch point of degree {degree}")
        self.degree = degree


@contextmanager
def working(precision: int, order: int) -> Iterator[None]:
    """Sets `flint.ctx.prec`, and `flint.ctx.cap` so that series of this order keep all their terms."""
    cap = flint.ctx.cap
    flint.ctx.cap = max(cap, order + 2)
    try:
        with flint.ctx.workprec(precision):
            yield
    finally:
        flint.ctx.cap = cap


class TaylorModel:
    """One function over a box; see the module's docstring.

    Attributes:
        box: the arb T, which contains 0.
        order: n, at least 1; the same in all models that meet.
        shift: v.
        poly: the balls A_0 ... A_n as an arb_poly.
        positive: whether only the t > 0 of the box are meant.
        known: exact coefficients of t^v, t^(v+1), ..., as far as they are known.
        factors: of a product, which vanishes where one of them does.
    """

    __slots__ = ("box", "factors", "known", "order", "poly", "positive", "shift")

    def __init__(
        self, box: Any, order: int, poly: Any, shift: int = 0, positive: bool = False, known: Known = ()
    ) -> None:
        self.box = box
        self.positive = positive
        self.order = order
        self.shift = shift
        poly = poly if poly.degree() <= order else _folded(poly, order, box)
        zeros = [
            k for k, a in enumerate(known[:order]) if a is not None and a.is_zero and not poly[k].is_zero()
        ]
        if zeros:
            coefficients = poly.coeffs()
            for k in zeros:
                coefficients[k] = arb(0)
            poly = arb_poly(coefficients)
        self.poly = poly
        self.known = known
        self.factors: tuple[TaylorModel, ...] = ()

    def _new(self, poly: Any, shift: int = 0, known: Known = ()) -> "TaylorModel":
        return TaylorModel(self.box, self.order, poly, shift, self.positive, known)

    def constant(self, value: Real) -> "TaylorModel":
        """The model of an exact number, over the same box.

        Raises:
            UndefinedError: the number is none, such as the root of a negative one.
        """
        ball = value.ball()
        if not ball.is_finite():
            raise UndefinedError("undefined", "an op on constants alone has no finite value")
        return self._new(arb_poly([ball]), known=known_series.constant(value) if self.known else ())

    def _lifted(self, other: Any) -> "TaylorModel":
        if isinstance(other, TaylorModel):
            return other
        if isinstance(other, Real):
            return self.constant(other)
        number = arb(other)
        if not number.is_finite():
            raise UndefinedError("undefined", "an op on constants alone has no finite value")
        if self.known and number.is_integer():  # such as the 1 that a power begins with
            return self.constant(Real.of(int(number.unique_fmpz())))
        return self._new(arb_poly([number]))

    def __add__(self, other: Any) -> "TaylorModel":
        other = self._lifted(other)
        shift = min(self.shift, other.shift)
        known = known_series.plus(self._known_over(shift), other._known_over(shift))
        return self._new(self._over(shift) + other._over(shift), shift, known)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "TaylorModel":
        return self + -self._lifted(other)

    def __rsub__(self, other: Any) -> "TaylorModel":
        return -self + other

    def __neg__(self) -> "TaylorModel":
        return self._new(-self.poly, self.shift, known_series.minus(self.known))

    def __mul__(self, other: Any) -> "TaylorModel":
        other = self._lifted(other)
        known = known_series.times(self.known, other.known)
        result = self._new(self.poly * other.poly, self.shift + other.shift, known)
        result.factors = (self, other)
        return result

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "TaylorModel":
        """With q = a/b cut after t^n: a - q b = t^(n+1) r(t), so that a/b - q is t^(n+1) r(t)/b(t)."""
        other = self._lifted(other)._stripped("pole", "a denominator is zero")
        size = other.poly(self.box)
        if not size.is_finite() or size.contains(0):
            raise other._vanishing()
        if self.poly.length() == 0:
            return self
        n = self.order
        quotient = _padded(_series(self.poly, n) / _series(other.poly, n), n)
        rest = arb_poly((arb_poly(quotient) * other.poly).coeffs()[n + 1 :])
        quotient[n] -= self.box * rest(self.box) / size
        known = known_series.over(self.known, other.known)
        return self._new(arb_poly(quotient), self.shift - other.shift, known)

    def __rtruediv__(self, other: Any) -> "TaylorModel":
        return self._lifted(other) / self

    def _vanishing(self) -> UndefinedError:
        """What a denominator is refused for: a zero if values at both ends differ in sign, else doubt."""
        ends = [self.poly(arb(end)) for end in (self.box.lower(), self.box.upper())]
        crosses = any(a < 0 < b for a, b in (ends, ends[::-1]))
        if not self.positive and (crosses or any(f._vanishing().kind == "pole" for f in set(self.factors))):
            return UndefinedError("pole", "a denominator is zero")
        return UndefinedError("undecided", "a denominator cannot be told from zero")

    def power(self, exponent: Fraction, odd: bool = False) -> "TaylorModel":
        """self^exponent for positive values; with `odd`, -(-self)^exponent for negative ones.

        Raises:
            BranchError: t to a broken power is left.
            UndefinedError: a value that is negative, or not told from zero.
        """
        unit = self._stripped("undefined", "a root of zero")
        shift = unit.shift * exponent
        if shift.denominator > 1:
            raise BranchError(shift.denominator)
        plain = self._new(unit.poly, known=unit.known)
        size = plain.range()
        if odd and size < 0:
            return -(-self).power(exponent)
        if size < 0:
            raise UndefinedError("undefined", "a root of a negative number")
        if not size > 0:
            raise UndefinedError("undecided", "a root of a number not proved positive")
        roots = plain._compose(lambda z, n: _power_series(z, exponent, n))
        return self._new(roots.poly, int(shift), known_series.power(plain.known, exponent))

    def beginning(self, value: Real | None) -> "TaylorModel":
        """The same, where its value at t = 0 is known to be this exact number; None: as it is."""
        if value is None or self.shift or not self.poly.length():
            return self
        coefficients = [value.ball(), *self.poly.coeffs()[1:]]
        return self._new(arb_poly(coefficients), known=(value,))

    def real_power(self, exponent: Any) -> "TaylorModel":
        """self^exponent for positive values and a ball: t^(v b) is t^k times a number from 0 to h^(v b - k).

        Raises:
            UndefinedError: a value that is negative, or not told from zero; an exponent below 0 at a zero.
        """
        unit = self._stripped("undefined", "a root of zero")
        plain = self._new(unit.poly, known=unit.known)
        root = (plain.function(FUNCTIONS["log"]) * exponent).function(FUNCTIONS["exp"])
        if not unit.shift:
            return root
        total = exponent * unit.shift
        whole = total.floor().unique_fmpz()
        if whole is None:
            raise UndefinedError("undecided", "a power whose exponent cannot be told from a whole number")
        part = ((total - arb(whole)) * arb(self.box.upper()).log()).exp()
        return root * self._new(arb_poly([arb(0).union(part.max(arb(0)))]), int(whole))

    def sqrt(self) -> "TaylorModel":
        """The square root."""
        return self.power(Fraction(1, 2))

    def function(self, row: Function, order: Sequence[Any] = ()) -> "TaylorModel":
        """A function of the expression table, with the arguments `order` before this one."""
        if row.name in ("sqrt", "cbrt"):
            return self.power(Fraction(1, 2 if row.name == "sqrt" else 3), odd=row.name == "cbrt")
        inner = self.bounded(f"the argument of {row.name}")
        if row.name in BESSEL and inner.poly[0].is_zero():
            return inner._bessel(order[0], BESSEL[row.name])
        composed = inner._compose(lambda z, n: _padded(row.series(*order, arb_series([z, 1], n + 1)), n))
        if not inner.known or inner.known[0] is None or order:
            return composed
        outer = tuple(expansion(row.name, inner.known[0], known_series.LENGTH))
        return self._new(composed.poly, known=known_series.composed(outer, inner.known))

    def magnitude(self) -> "TaylorModel":
        """|self|, where all values have one sign (next to a zero at t = 0, too).

        Raises:
            UndefinedError: they may not.
        """
        size = self.poly(self.box)
        if size.contains(0) and self.positive:
            unit = self._stripped("undecided", "the function is zero")
            size = unit.poly(unit.box)
        if size.contains(0):
            raise UndefinedError("undecided", "the function bends where its sign may change")
        return self if size > 0 else -self

    def unit(self, what: str) -> tuple["TaylorModel", int]:
        """u and v of t^v u with u not 0 at t = 0; `what` is said where that is not so.

        Raises:
            UndefinedError: the model is exactly zero.
        """
        bare = self._stripped("undefined", what)
        return self._new(bare.poly, known=bare.known), bare.shift

    def leading(self) -> int:
        """The power of t that the function begins with, its coefficient and all values on the box not 0.

        Raises:
            UndefinedError: none is told from zero.
        """
        unit = self._stripped("undefined", "the function is zero")
        if unit.poly(unit.box).contains(0):
            raise UndefinedError("undecided", "the function cannot be told from zero")
        return unit.shift

    def bounded(self, what: str = "the function") -> "TaylorModel":
        """The same with v = 0.

        Raises:
            UndefinedError: "pole" if it grows without bound towards t = 0, "undecided" if it may.
        """
        lead = self
        while lead.shift < 0 and lead.poly[0].is_zero() and lead.poly.length():
            lead = self._new(arb_poly(lead.poly.coeffs()[1:]), lead.shift + 1, lead.known[1:])
        if lead.shift < 0 and lead.poly.length():
            sure = not lead.poly[0].contains(0)
            if not sure:
                raise UndefinedError("undecided", f"{what} may grow without bound")
            raise UndefinedError("pole", f"{what} grows without bound")
        if not lead.poly.length():
            return self._new(arb_poly(), known=lead.known)
        return self._new(lead._over(0), known=lead._known_over(0))

    def range(self) -> Any:
        """A ball that contains all values of a model with v >= 0."""
        return self.bounded().poly(self.box)

    def _over(self, shift: int) -> Any:
        """The polynomial of the same function over t^shift, not yet folded."""
        return self.poly.left_shift(self.shift - shift)

    def _known_over(self, shift: int) -> Known:
        return known_series.shifted(self.known, self.shift - shift) if self.known else ()

    def _stripped(self, kind: str, what: str) -> "TaylorModel":
        """Without the leading coefficients that are exactly zero.

        Only where t = 0 is left out: elsewhere it is a point where the program fails (and the root of
        t^2 would be |t|).
        """
        coefficients = self.poly.coeffs()
        k = next((k for k, a in enumerate(coefficients) if not a.is_zero()), None)
        if k is None or (self.shift + k and not self.positive):
            raise UndefinedError(kind, what)
        return self._new(arb_poly(coefficients[k:]), self.shift + k, self.known[k:]) if k else self

    def _compose(self, taylor: Taylor) -> "TaylorModel":
        """f(self) = sum_(k<n) f_k (self - a_0)^k + f_n(values of self) (self - a_0)^n, for v = 0."""
        n = self.order
        terms = [*taylor(self.poly[0], n)[:n], taylor(self.poly(self.box), n)[n]]
        if not all(term.is_finite() for term in terms):
            raise UndefinedError("undefined", "a function has no finite value")
        step = self.poly - arb_poly([self.poly[0]])
        tail = arb_poly([arb(0), *step.coeffs()[1:]])
        if tail.degree() <= 1:
            scale, factor = arb(1), tail[1]
            for k in range(n + 1):
                terms[k] *= scale
                scale *= factor
            return self._new(arb_poly(terms))
        inner, result = self._new(tail), self._new(arb_poly([terms[n]]))
        for term in reversed(terms[:n]):
            result = result * inner + term
        return result

    def _bessel(self, order: Any, sign: int) -> "TaylorModel":
        """Where the argument is 0 at t = 0: (z/2)^order / Gamma(order + 1) 0F1(order + 1; sign z^2/4)."""
        if order.q == 1 and order < 0:
            return self._bessel(-order, sign) * arb(sign ** -int(order.p))
        half = self * arb(fmpq(1, 2))
        entire = (half * half * arb(sign))._compose(lambda z, n: _bessel_terms(order, z, n))
        rational = Fraction(int(order.p), int(order.q))
        if rational.denominator > 1:
            return half.power(rational) * entire
        for _ in range(int(rational)):
            entire = entire * half
        return entire


def model_at(at: Number, side: int, root: int, size: Any, order: int) -> TaylorModel:
    """x = at + side t^root for t in (0, size], as a model that knows its coefficients exactly."""
    coefficients = [ball(at), *[arb(0)] * (root - 1), arb(side)]
    first = Real.of(at) if Real.of(at).form is not None else None
    known = (first, *[known_series.ZERO] * (root - 1), Real.of(side), *[known_series.ZERO] * LENGTH)[:LENGTH]
    box = arb(0).union(arb(size.upper()))
    return TaylorModel(box, order, arb_poly(coefficients), positive=True, known=known)


def _folded(poly: Any, order: int, box: Any) -> Any:
    coefficients = poly.coeffs()
    return arb_poly([*coefficients[:order], arb_poly(coefficients[order:])(box)])


def _series(poly: Any, order: int) -> Any:
    return arb_series(poly.coeffs(), order + 1)


def _padded(series: Any, order: int) -> list[Any]:
    """All coefficients up to t^order: flint leaves out zeros at the end."""
    coefficients = list(series)
    return coefficients + [arb(0)] * (order + 1 - len(coefficients))


def _power_series(z: Any, exponent: Fraction, order: int) -> list[Any]:
    """Coefficients binom(exponent, k) z^(exponent - k), each from one monotone function of z."""
    log, p = z.log(), arb(fmpq(exponent.numerator, exponent.denominator))
    binomial, terms = arb(1), []
    for k in range(order + 1):
        terms.append(binomial * ((p - k) * log).exp())
        binomial = binomial * (p - k) / (k + 1)
    return terms


def _bessel_terms(order: Any, z: Any, n: int) -> list[Any]:
    """0F1(; order + 1; z)/Gamma(order + 1) about 0, where |z| is all that matters.

    The last term stands for the whole tail: its terms shrink at least by q = |z|/((n+1) (order+1+n)) each.
    """
    start = arb(order) + 1
    terms = [start.rgamma()]
    for k in range(n):
        terms.append(terms[-1] / ((k + 1) * (start + k)))
    ratio = z.abs_upper() / ((n + 1) * (start + n))
    if not (start + n > 0 and ratio < 1):
        raise UndefinedError("undefined", "the series of bessel_i converges too slowly here")
    terms[n] *= 1 + arb(0, (ratio / (1 - ratio)).abs_upper())
    return terms


def _sqrt(a: Any) -> Any:
    return a.sqrt()


BESSEL = {"bessel_i": 1, "bessel_j": -1}
"""Signs in the series of the functions that have one at 0."""
MODELS = kind_of_number(
    "models",
    lambda number: TaylorModel(arb(0, 1e-9), 4, arb_poly([number])),
    lambda model: float(model.poly[0]),
    sqrt=_sqrt,
)
"""The functions of models (and of the balls among their operands) for `Program.evaluate`."""
