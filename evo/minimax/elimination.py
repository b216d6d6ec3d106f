"""Several constants that are solved for at once, exactly: for as many places where a program has to vanish.

Evaluated at an exact place, a program is a quotient of polynomials in its constants, with coefficients in
Q(pi, e, roots). One unknown after the other is eliminated by resultants; what is left has the unknown's value
as a linear factor, if that is such a number, too: (x - c1)^2 - c2 vanishes at pi and 2 pi where
c1 = 3/2 pi and c2 = 1/4 pi^2, of which no constant alone can be solved for.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from flint import Ordering, fmpq_mpoly_ctx

from evo.numbers.functions import kind_of_number
from evo.numbers.reals import NAMES, Number, Real, folded
from evo.programs.program import Program

MOST = 3
"""Unknowns that are solved for at once."""
_RING = fmpq_mpoly_ctx.get((*NAMES, *(f"u{k}" for k in range(MOST))), Ordering.lex)
_PADDING = (0,) * MOST
_MOST_TERMS, _MOST_DEGREE = 400, 8
"""Of a polynomial that is looked at: larger ones take long, and come from programs of many uses."""


class UnsolvableError(ArithmeticError):
    """The program's value is no quotient of small polynomials in the unknowns."""


class Quotient:
    """A value of a program, as numerator and denominator.

    Raises:
        UnsolvableError: by operations that lead out of these.
    """

    __slots__ = ("below", "top")

    def __init__(self, top: Any, below: Any) -> None:
        if len(top) > _MOST_TERMS or len(below) > _MOST_TERMS:
            raise UnsolvableError
        self.top, self.below = top, below

    @classmethod
    def number(cls, value: Number) -> "Quotient":
        """A known number.

        Raises:
            UnsolvableError: it has no form.
        """
        form = Real.of(value).form
        if form is None:
            raise UnsolvableError
        return cls(*(_RING.from_dict({(*m, *_PADDING): c for m, c in p.to_dict().items()}) for p in form))

    @classmethod
    def unknown(cls, k: int) -> "Quotient":
        """The unknown of number `k`."""
        return cls(_RING.gens()[len(NAMES) + k], _RING.constant(1))

    def __neg__(self) -> "Quotient":
        return Quotient(-self.top, self.below)

    def __add__(self, other: "Quotient") -> "Quotient":
        if self.below == other.below:
            return Quotient(self.top + other.top, self.below)
        return Quotient(
            folded(self.top * other.below + other.top * self.below), folded(self.below * other.below)
        )

    def __sub__(self, other: "Quotient") -> "Quotient":
        return self + -other

    def __mul__(self, other: "Quotient") -> "Quotient":
        return Quotient(folded(self.top * other.top), folded(self.below * other.below))

    def __truediv__(self, other: "Quotient") -> "Quotient":
        if other.top.is_zero():
            raise UnsolvableError
        return self * Quotient(other.below, other.top)

    def __rtruediv__(self, other: Any) -> "Quotient":
        return Quotient.number(other) / self

    def sqrt(self) -> "Quotient":
        """The root of a number, if it has a form."""
        if any(self.top.degrees()[len(NAMES) :]) or any(self.below.degrees()[len(NAMES) :]):
            raise UnsolvableError
        return Quotient.number((_real(self.top) / _real(self.below)).sqrt())


QUOTIENTS = kind_of_number(
    "quotients",
    lambda number: Quotient.number(Fraction(number)),
    lambda value: float(_real(value.top) / _real(value.below)),
    sqrt=lambda a: a.sqrt(),
)
"""The functions of quotients for `Program.evaluate`."""


class Place(NamedTuple):
    """Where a program has to be 0, or infinite."""

    at: Number
    zero: bool


def solutions(
    program: Program, constants: Sequence[Number], places: Sequence[Place], chosen: Sequence[int], near: float
) -> Iterator[list[Number]]:
    """The constants with the chosen ones, as many as places, solved for; others stay.

    Args:
        near: how far a constant may move, relatively.
    """
    words = [Quotient.number(c) for c in constants]
    for k, j in enumerate(chosen):
        words[j] = Quotient.unknown(k)
    try:
        values = [program.evaluate(QUOTIENTS, Quotient.number(place.at), words) for place in places]
        equations = [
            value.top if place.zero else value.below for value, place in zip(values, places, strict=True)
        ]
        old = [float(constants[j]) for j in chosen]
        for found in _solved(equations, tuple(range(len(chosen))), old, near):
            moved = list(constants)
            for k, j in enumerate(chosen):
                moved[j] = found[k]
            yield moved
    except UnsolvableError:
        return


def _solved(
    equations: Sequence[Any], unknowns: tuple[int, ...], old: Sequence[float], near: float
) -> Iterator[dict[int, Number]]:
    """Values of the unknowns at which all equations are 0."""
    if not unknowns:
        yield {}
        return
    place = len(NAMES) + unknowns[-1]
    having = sorted((e for e in equations if _degree(e, place)), key=lambda e: (_degree(e, place), len(e)))
    if not having:
        return
    pivot, rest = having[0], [e for e in equations if not _degree(e, place)]
    rest += [folded(pivot.resultant(e, place)) for e in having[1:]]
    for found in _solved(rest, unknowns[:-1], old, near):
        known = (_known(equation, found) for equation in having)
        left = next((equation for equation in known if not equation.is_zero()), pivot)
        for root in _roots(left, place):
            change = abs(float(root) - old[unknowns[-1]])
            if change <= near * max(abs(old[unknowns[-1]]), 1e-300):
                yield {**found, unknowns[-1]: root}


def _degree(polynomial: Any, place: int) -> int:
    """In one generator.

    Raises:
        UnsolvableError: it is large.
    """
    degree = 0 if polynomial.is_constant() else int(polynomial.degrees()[place])
    if degree > _MOST_DEGREE or len(polynomial) > _MOST_TERMS:
        raise UnsolvableError
    return degree


def _roots(polynomial: Any, place: int) -> Iterator[Number]:
    """Of a polynomial in one unknown: those of its linear factors."""
    if polynomial.is_zero() or not _degree(polynomial, place):
        return
    for factor, _ in polynomial.factor()[1]:
        if _degree(factor, place) == 1:
            rest = folded(_with(factor, place - len(NAMES), Fraction(0)))
            root = -(_real(rest) / _real(factor.derivative(place)))
            yield root if root.rational is None else root.rational


def _real(polynomial: Any) -> Real:
    """The number that a polynomial without unknowns is."""
    return Real.of_terms({powers[: len(NAMES)]: c for powers, c in polynomial.to_dict().items()})


def _known(polynomial: Any, found: Mapping[int, Number]) -> Any:
    """A multiple of the polynomial with the values that are found."""
    for k, value in found.items():
        polynomial = _with(polynomial, k, value)
    return polynomial


def _with(polynomial: Any, unknown: int, value: Number) -> Any:
    """A multiple of the polynomial with a value in place of an unknown."""
    place, number = len(NAMES) + unknown, Quotient.number(value)
    degree = _degree(polynomial, place)
    by_power: list[dict[Any, Any]] = [{} for _ in range(degree + 1)]
    for powers, coefficient in polynomial.to_dict().items():
        kept = (*powers[:place], 0, *powers[place + 1 :])
        by_power[powers[place]][kept] = coefficient
    total = _RING.constant(0)
    for power, terms in enumerate(by_power):
        total += _RING.from_dict(terms) * number.top**power * number.below ** (degree - power)
    return folded(total)
