"""Models: functions near a point as t^v times a polynomial with ball coefficients; nothing is left out.

A model over the box T (an interval with 0 in it) says: for every t in T except 0 there are numbers a_k in
the balls A_k with g(t) = t^v (a_0 + a_1 t + ... + a_n t^n). They may differ from one t to the next, so the
last ball takes whatever the terms before it do not hold, and each rule below is a statement about numbers.
A power of t beyond n is folded into the last ball as (a_n + a_(n+1) T + ...).

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

from evo.numbers.functions import function_module
from evo.targets.expression import Expression, apply_node
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
    """

    __slots__ = ("box", "order", "poly", "positive", "shift")

    def __init__(self, box: Any, order: int, poly: Any, shift: int = 0, positive: bool = False) -> None:
        self.box = box
        self.positive = positive
        self.order = order
        self.shift = shift
        self.poly = poly if poly.degree() <= order else _folded(poly, order, box)

    def _new(self, poly: Any, shift: int = 0) -> "TaylorModel":
        return TaylorModel(self.box, self.order, poly, shift, self.positive)

    def _lifted(self, other: Any) -> "TaylorModel":
        if isinstance(other, TaylorModel):
            return other
        number = arb(other)
        if not number.is_finite():
            raise UndefinedError("undefined", "an op on constants alone has no finite value")
        return self._new(arb_poly([number]))

    def __add__(self, other: Any) -> "TaylorModel":
        other = self._lifted(other)
        shift = min(self.shift, other.shift)
        return self._new(self._over(shift) + other._over(shift), shift)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "TaylorModel":
        return self + -self._lifted(other)

    def __rsub__(self, other: Any) -> "TaylorModel":
        return -self + other

    def __neg__(self) -> "TaylorModel":
        return self._new(-self.poly, self.shift)

    def __mul__(self, other: Any) -> "TaylorModel":
        other = self._lifted(other)
        return self._new(self.poly * other.poly, self.shift + other.shift)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "TaylorModel":
        """With q = a/b cut after t^n: a - q b = t^(n+1) r(t), so that a/b - q is t^(n+1) r(t)/b(t)."""
        other = self._lifted(other)._stripped("pole", "a denominator is zero")
        size = other.poly(self.box)
        if not size.is_finite() or size.contains(0):
            raise UndefinedError("pole", "a denominator is zero or cannot be told from zero")
        if self.poly.length() == 0:
            return self
        n = self.order
        quotient = _padded(_series(self.poly, n) / _series(other.poly, n), n)
        rest = arb_poly((arb_poly(quotient) * other.poly).coeffs()[n + 1 :])
        quotient[n] -= self.box * rest(self.box) / size
        return self._new(arb_poly(quotient), self.shift - other.shift)

    def __rtruediv__(self, other: Any) -> "TaylorModel":
        return self._lifted(other) / self

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
        plain = self._new(unit.poly)
        size = plain.range()
        if odd and size < 0:
            return -(-self).power(exponent)
        if not size > 0:
            raise UndefinedError("undefined", "a root of a number not proved positive")
        roots = plain._compose(lambda z, n: _power_series(z, exponent, n))
        return self._new(roots.poly, int(shift))

    def sqrt(self) -> "TaylorModel":
        """The square root."""
        return self.power(Fraction(1, 2))

    def function(self, row: Function, order: Sequence[Any] = ()) -> "TaylorModel":
        """A function of the expression table, with the arguments `order` before this one."""
        if row.name in ("sqrt", "cbrt"):
            return self.power(Fraction(1, 2 if row.name == "sqrt" else 3), odd=row.name == "cbrt")
        inner = self.bounded(f"the argument of {row.name}")
        if row.name == "bessel_i" and inner.poly[0].is_zero():
            return inner._bessel(order[0])
        return inner._compose(lambda z, n: _padded(row.series(*order, arb_series([z, 1], n + 1)), n))

    def bounded(self, what: str = "the function") -> "TaylorModel":
        """The same with v = 0.

        Raises:
            UndefinedError: "pole" if it grows without bound towards t = 0, "undecided" if it may.
        """
        lead = self
        while lead.shift < 0 and lead.poly[0].is_zero() and lead.poly.length():
            lead = self._new(arb_poly(lead.poly.coeffs()[1:]), lead.shift + 1)
        if lead.shift < 0 and lead.poly.length():
            sure = not lead.poly[0].contains(0)
            if not sure:
                raise UndefinedError("undecided", f"{what} may grow without bound")
            raise UndefinedError("pole", f"{what} grows without bound")
        return self._new(lead._over(0)) if lead.poly.length() else self._new(arb_poly())

    def range(self) -> Any:
        """A ball that contains all values of a model with v >= 0."""
        return self.bounded().poly(self.box)

    def _over(self, shift: int) -> Any:
        """The polynomial of the same function over t^shift, not yet folded."""
        return self.poly.left_shift(self.shift - shift)

    def _stripped(self, kind: str, what: str) -> "TaylorModel":
        """Without the leading coefficients that are exactly zero.

        Only where t = 0 is left out: elsewhere it is a point where the program fails (and the root of
        t^2 would be |t|).
        """
        coefficients = self.poly.coeffs()
        k = next((k for k, a in enumerate(coefficients) if not a.is_zero()), None)
        if k is None or (self.shift + k and not self.positive):
            raise UndefinedError(kind, what)
        return self._new(arb_poly(coefficients[k:]), self.shift + k) if k else self

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

    def _bessel(self, order: Any) -> "TaylorModel":
        """I_order where the argument is 0 at t = 0: (z/2)^order / Gamma(order + 1) 0F1(order + 1; z^2/4)."""
        half = self * arb(fmpq(1, 2))
        order = abs(order) if order.q == 1 else order
        entire = (half * half)._compose(lambda z, n: _bessel_terms(order, z, n))
        rational = Fraction(int(order.p), int(order.q))
        if rational.denominator > 1:
            return half.power(rational) * entire
        for _ in range(int(rational)):
            entire = entire * half
        return entire


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


MODELS = function_module(sqrt=_sqrt)
"""The functions of models (and of the balls among their operands) for `Program.evaluate`."""


def expression_model(expression: Expression, x: TaylorModel) -> TaylorModel:
    """A user's expression of the model `x`.

    Raises:
        UndefinedError: as the operations of `TaylorModel`.
    """
    values: list[Any] = []
    for node in expression.nodes:
        args = [values[k] for k in node.args]
        if not any(isinstance(arg, TaylorModel) for arg in args):
            values.append(apply_node(node, x, args))
        elif node.op in FUNCTIONS:
            orders = [expression.nodes[k].number for k in node.args[:-1]]
            values.append(args[-1].function(FUNCTIONS[node.op], orders))
        elif node.op == "^":
            values.append(_general_power(args, expression.nodes[node.args[1]].number))
        else:
            values.append(apply_node(node, x, args))
    return x._lifted(values[-1])


def _general_power(args: Sequence[Any], exponent: Any) -> TaylorModel:
    """a^b for a > 0: a model to a rational power, or exp(b log a)."""
    if exponent is not None:
        return args[0].power(Fraction(int(exponent.p), int(exponent.q)))
    base = args[0].function(FUNCTIONS["log"]) if isinstance(args[0], TaylorModel) else args[0].log()
    return (args[1] * base).function(FUNCTIONS["exp"])
