"""Constants that make a program vanish exactly where its target does.

In the relative metric the error at a zero of the target is finite only if the program is 0 there, exactly (at
a pole: infinite). Polished constants are within rounding of that; this solves for one of them. Evaluated at
the zero, a program is a fraction (a c + b)/(c' c + d) of each constant c that it uses once, so the solution
is an exact number again: a decimal, a fraction, or one with pi if the zero is at pi. Several zeros take as
many constants, one after the other, or together (evo/minimax/elimination.py).
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from typing import Any

from flint import arb

from evo.minimax.elimination import MOST, Place, solutions
from evo.numbers.constants import exact, text_of
from evo.numbers.functions import kind_of_number
from evo.numbers.reals import Number, Real
from evo.programs.program import Program
from evo.targets.anchors import Anchor
from evo.targets.checks import anchors
from evo.targets.target import Target
from evo.targets.taylor import MODELS, UndefinedError, model_at, working

NEAR = 1e-6
"""Relative change of a constant up to which it is the same solution."""
FAR = 0.02
"""The same of a constant that may move to where the target's zeros are met, before it is polished."""
_PRECISION, _ORDER, _SIZE = 256, 10, 2.0**-60
ZERO, ONE = Real.of(0), Real.of(1)


class Line:
    """(a c + b) / (e c + d) in an unknown constant c; a value that does not depend on it has a = e = 0.

    Attributes:
        parts: a, b, e, d; None where the value depends on c in another way.
        factors: values whose zeros and poles are those of this one, where `parts` is None.
    """

    __slots__ = ("factors", "parts")

    def __init__(self, parts: tuple[Real, Real, Real, Real] | None, factors: "tuple[Line, ...]" = ()) -> None:
        self.parts = parts
        self.factors = factors

    @classmethod
    def number(cls, value: Number) -> "Line":
        """A known number."""
        return cls((ZERO, Real.of(value), ZERO, ONE))

    @property
    def depends(self) -> bool:
        """Whether it depends on c."""
        return self.parts is None or not (self.parts[0].is_zero and self.parts[2].is_zero)

    def lines(self) -> "Iterator[Line]":
        """Those fractions of c whose zeros and poles this one has."""
        if self.parts is not None:
            yield self
        for factor in self.factors:
            yield from factor.lines()

    def __neg__(self) -> "Line":
        return self * Line.number(Fraction(-1))

    def __add__(self, other: "Line") -> "Line":
        if self.parts is None or other.parts is None or (self.depends and other.depends):
            return Line(None)
        (a, b, e, d), (p, q, r, s) = self.parts, other.parts
        if self.depends:
            return Line((a * s + q * e, b * s + q * d, e * s, d * s))
        return Line((p * d + b * r, q * d + b * s, r * d, s * d))

    def __sub__(self, other: "Line") -> "Line":
        return self + -other

    def __mul__(self, other: "Line") -> "Line":
        if self.parts is None or other.parts is None or (self.depends and other.depends):
            return Line(None, (self, other))
        (a, b, e, d), (p, q, r, s) = self.parts, other.parts
        if self.depends:
            return Line((a * q, b * q, e * s, d * s))
        return Line((p * b, q * b, r * d, s * d))

    def __truediv__(self, other: "Line") -> "Line":
        return self * other.inverse()

    def inverse(self) -> "Line":
        """1 / self; its factors are their inverses."""
        if self.parts is None:
            return Line(None, tuple(factor.inverse() for factor in self.factors))
        a, b, e, d = self.parts
        return Line((e, d, a, b))

    def __rtruediv__(self, other: Any) -> "Line":
        return Line.number(other) * self.inverse()

    def sqrt(self) -> "Line":
        """The root, where it is a number with a form; else only its zeros are known."""
        if self.parts is not None and not self.depends:
            roots = [part.sqrt() for part in (self.parts[1], self.parts[3])]
            if all(root.form is not None for root in roots):
                return Line((ZERO, roots[0], ZERO, roots[1]))
        return Line(None, (self,))


LINES = kind_of_number(
    "lines",
    lambda number: Line.number(Fraction(number)),
    lambda line: float(line.parts[1] / line.parts[3]),
    sqrt=lambda a: a.sqrt(),
)
"""The functions of lines for `Program.evaluate`."""


def pinned(
    program: Program, constants: Sequence[str], target: Target, near: float = NEAR
) -> tuple[str, ...] | None:
    """The constants, as few as needed moved, so that the error has a limit at every zero of the target.

    Args:
        program: the code.
        constants: exact numbers, near a solution.
        target: the function, interval and metric.
        near: how far a constant may move, relatively.

    Returns:
        Exact texts, the given ones where nothing has to move; None if no solution was found.
    """
    places = [anchor for anchor in anchors(target) if anchor.order]
    numbers = [exact(c) for c in constants]
    missed = [anchor for anchor in places if not matches(program, numbers, anchor)]
    if not missed:
        return tuple(constants)
    if len(missed) > MOST:
        return None
    one_by_one = (
        moved
        for chosen in permutations(range(program.n_constants), len(missed))
        if (moved := _moved(program, numbers, missed, chosen, near))
    )
    found = [moved for moved in one_by_one if all(matches(program, moved, anchor) for anchor in places)]
    if not found:
        together = _moved_together(program, numbers, missed, near)
        found = [moved for moved in together if all(matches(program, moved, anchor) for anchor in places)]
    if not found:
        return None
    texts = [
        tuple(
            old if number == before else text_of(number)
            for old, before, number in zip(constants, numbers, one, strict=True)
        )
        for one in found
    ]
    return min(
        texts, key=lambda words: (sum("/" in w or "pi" in w for w in words), sum(map(len, words)), words)
    )


def holds(program: Program, constants: Sequence[str], target: Target) -> bool:
    """Whether some constants near these have an error with a limit at every zero of the target."""
    return pinned(program, constants, target, FAR) is not None


def matches(program: Program, constants: Sequence[Number], anchor: Anchor) -> bool:
    """Whether the program's error has a limit at an anchor: there it vanishes to the target's order, or more.

    At a pole of the target it has to have that pole; else the error is 1 at least, whatever its constants
    are.
    """
    at, reals = Line.number(anchor.at), [Line.number(c) for c in constants]
    value = program.evaluate(LINES, at, reals)
    if value.parts is not None:
        _, top, _, below = value.parts
        if top.is_zero != below.is_zero and abs(anchor.order) <= 1:
            return bool(top.is_zero if anchor.order > 0 else below.is_zero)
        if not top.is_zero and not below.is_zero:
            return False
    return _leads(program, constants, anchor)


def _leads(program: Program, constants: Sequence[Number], anchor: Anchor) -> bool:
    """The same by models, where terms cancel or the order is above 1."""
    root = anchor.order.denominator
    for side in (1, -1) if anchor.inner else (anchor.side,):
        with working(_PRECISION, _ORDER):
            x = model_at(anchor.at, side, root, arb(_SIZE), max(_ORDER, 2 * root))
            try:
                model = program.evaluate(MODELS, x, [Real.of(c) for c in constants])
                leading = model.leading() if hasattr(model, "leading") else 0
            except (UndefinedError, ZeroDivisionError):
                return False
        order = Fraction(leading, root)
        if not (order >= anchor.order if anchor.order > 0 else order == anchor.order):
            return False
    return True


def _moved(
    program: Program,
    constants: Sequence[Number],
    missed: Sequence[Anchor],
    chosen: Sequence[int],
    near: float,
) -> list[Number] | None:
    """The constants with the chosen ones solved for, one for each anchor in turn."""
    numbers = list(constants)
    for anchor, j in zip(missed, chosen, strict=True):
        words = [Line.number(c) for c in numbers]
        words[j] = Line((ONE, ZERO, ZERO, ONE))
        value = program.evaluate(LINES, Line.number(anchor.at), words)
        solved = next(_solutions(value, anchor.order > 0, numbers[j], near), None)
        if solved is None:
            return None
        numbers[j] = solved
    return numbers


def _moved_together(
    program: Program, constants: Sequence[Number], missed: Sequence[Anchor], near: float
) -> Iterator[list[Number]]:
    """The constants with as many as anchors solved for at once, where one by one they spoil each other."""
    places = [Place(anchor.at, anchor.order > 0) for anchor in missed]
    for chosen in combinations(range(program.n_constants), len(missed)):
        yield from solutions(program, constants, places, chosen, near)


def _solutions(value: Line, zero: bool, old: Number, near: float) -> Iterator[Number]:
    """Exact numbers next to the old one at which the value is 0 (or infinite)."""
    for line in value.lines():
        assert line.parts is not None
        a, b, e, d = line.parts
        slope, rest = (a, b) if zero else (e, d)
        if slope.is_zero:
            continue
        solved = -(rest / slope)
        change = float(solved) - float(old)
        if solved.form is not None and abs(change) <= near * max(abs(float(old)), 1e-300):
            rational = solved.rational
            yield solved if rational is None else rational
