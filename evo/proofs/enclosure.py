"""The error of a candidate on a piece of its interval: enclosed by one Taylor model, and bounded.

On a piece x = middle + t with t in [-r, r]. On the two at the ends x = lo + t^m or hi - t^m with t > 0, so
that the open end is the point t = 0, left out: terms c/x, a zero of the target there and, with m > 1, roots
of x cancel exactly. The error (p - f)/f or p - f is a polynomial in t plus a radius; the size of the
polynomial is bounded by bisection, each part expanded about its own middle.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
from flint import arb, arb_poly

from evo.numbers.balls import BALLS
from evo.numbers.constants import ConstantError, exact
from evo.numbers.known import LENGTH, ZERO
from evo.numbers.reals import REALS, Number, Real, ball
from evo.programs.program import Program
from evo.proofs.certificate import Piece
from evo.targets.checks import anchors
from evo.targets.models import expression_model
from evo.targets.target import Target
from evo.targets.taylor import MODELS, BranchError, TaylorModel, UndefinedError

_MAX_BOXES = 4000
_SAMPLES = 12


class WideError(Exception):
    """The piece is too wide for its order."""


class AboveError(Exception):
    """A point whose error exceeds the bound under test."""

    def __init__(self, error: Any, x: float) -> None:
        super().__init__(f"the error is at least {float(error):.6g} near x = {x:.6g}")
        self.error = error
        self.x = x


@dataclass(frozen=True)
class Candidate:
    """What is proved: a program with exact constants, and the target it stands for.

    Attributes:
        program: the code.
        constants: exact numbers, c1 first.
        target: function, interval and metric.
        cuts: places inside the interval where it is cut into sections, ascending.
    """

    program: Program
    constants: tuple[Number, ...]
    target: Target
    cuts: tuple[Number, ...] = ()

    def section(self, number: int) -> tuple[Number, Number]:
        """The ends of a section."""
        lo, hi = self.target.ends
        places = (lo, *self.cuts, hi)
        return places[number], places[number + 1]

    def on_models(self, x: TaylorModel) -> TaylorModel:
        """The error in the target's metric."""
        try:
            exact = expression_model(self.target.expression, x)
        except BranchError:
            raise
        except UndefinedError as error:
            raise UndefinedError(error.kind, f"{error} in the target") from None
        got = self.program.evaluate(MODELS, x, self._numbers())
        difference: TaylorModel = self.target.measure.error(got, exact)
        return difference.bounded("the error")

    def on_ball(self, x: Any) -> Any:
        """The program on an arb."""
        return self._evaluator(x)

    def error_at(self, x: float) -> Any:
        """The error at a point, a ball."""
        exact = self.target.ball(arb(x))
        return self.target.measure.error(self.on_ball(arb(x)), exact)

    @cached_property
    def _evaluator(self) -> Callable[[Any], Any]:
        return _on_balls(self.program, self.constants)

    def _numbers(self) -> list[Real]:
        return [Real.of(c) for c in self.constants]


def make_candidate(program: Program, constants: Sequence[str], target: Target) -> Candidate:
    """The candidate with its constants read exactly.

    Raises:
        ValueError: a constant that is no exact number, or too few of them.
    """
    if len(constants) < program.n_constants:
        raise ValueError(f"the program uses {program.n_constants} constants, got {len(constants)}")
    numbers: list[Number] = []
    for k, text in enumerate(constants):
        try:
            numbers.append(exact(text))
        except ConstantError as error:
            raise ValueError(f"constant c{k + 1} = {error}") from None
    return Candidate(program, tuple(numbers), target, inner_places(target))


def inner_places(target: Target) -> tuple[Number, ...]:
    """Where the target has zeros or removable singularities inside its interval, ascending."""
    return tuple(anchor.at for anchor in anchors(target) if anchor.inner)


class ErrorModel:
    """The error on one piece: a polynomial with exact coefficients, and a radius around it.

    Attributes:
        radius: |error - polynomial| is at most that on the piece, arb.
        rounding: the part of it that more pieces would not lessen, arb.
    """

    def __init__(self, candidate: Candidate, piece: Piece) -> None:
        self._frame = _Frame(candidate, piece)
        model = candidate.on_models(self._frame.x)
        coefficients = model.poly.coeffs() or [arb(0)]
        if not all(a.is_finite() for a in coefficients):
            raise UndefinedError("undefined", "the error has no finite value")
        self._polynomial = arb_poly([a.mid() for a in coefficients])
        radii = arb_poly([arb(a.rad()) for a in coefficients])
        self.radius = arb(radii(arb(model.box.abs_upper())).upper())
        self.rounding = arb(coefficients[0].rad())

    def hold(self, bound: Any, level: Any) -> None:
        """Proves |error| <= bound on the piece.

        Raises:
            AboveError: a point where |error| exceeds `level`, at most `bound`, for sure.
            WideError: neither could be shown.
        """
        lo, hi = self._frame.ends
        step = (hi - lo) / _SAMPLES
        self._sample([lo + (k + 0.5) * step for k in range(_SAMPLES)], level)
        stack = [(lo, hi)]
        for _ in range(_MAX_BOXES):
            if not stack:
                return
            a, b = stack.pop()
            middle = (a + b) / 2
            half = (arb(b) - middle).max(middle - arb(a))
            local = self._polynomial(arb_poly([arb(middle), 1]))
            if local(arb(0, half.upper())).abs_upper() + self.radius <= bound:
                continue
            self._sample([middle], level)
            if not a < middle < b:
                break
            stack += [(middle, b), (a, middle)]
        raise WideError

    def _sample(self, points: list[float], level: Any) -> None:
        sizes = [self._polynomial(arb(t)).abs_lower() for t in points]
        size, t = max(zip(sizes, points, strict=True), key=lambda pair: float(pair[0]))
        if size - self.radius > level:
            raise AboveError(arb((size - self.radius).lower()), self._frame.place(t))


class _Frame:
    """The piece's variable t and x as a model of it.

    Attributes:
        x: the model.
        ends: float64 bounds of t, no tighter than the piece.
    """

    def __init__(self, candidate: Candidate, piece: Piece) -> None:
        lo, hi = candidate.section(piece.section)
        width = (piece.hi - piece.lo) * (hi - lo)
        self._span = candidate.target.span
        self._center: Number
        if piece.at_end:
            self._center, self._sign = (lo, 1) if piece.lo == 0 else (hi, -1)
            size = (ball(width).log() / piece.root).exp() if piece.root > 1 else ball(width)
        else:
            self._center, self._sign = lo + (hi - lo) * (piece.lo + piece.hi) / 2, 1
            size = ball(width / 2)
        self._root = piece.root
        most = float_above(size)
        self.ends = (0.0 if piece.at_end else -most, most)
        box = arb(self.ends[0]).union(arb(most))
        terms = [ball(self._center), *[arb(0)] * (piece.root - 1), arb(self._sign)]
        known = (Real.of(self._center), *[ZERO] * (piece.root - 1), Real.of(self._sign))
        known = (*known, *[ZERO] * LENGTH)[:LENGTH] if piece.at_end else ()
        self.x = TaylorModel(box, piece.order, arb_poly(terms), positive=piece.at_end, known=known)

    def place(self, t: float) -> float:
        """x as the nearest float64 inside the interval."""
        x = float(self._center + self._sign * Fraction(t) ** self._root)
        return min(max(x, self._span[0]), self._span[1])


def float_above(size: Any) -> float:
    """A float64 that is no smaller; `inf` beyond the largest, or where `size` is not finite."""
    if not size.is_finite():
        return math.inf
    most = float(size.upper())
    while not arb(most) >= size:
        most = math.nextafter(most, math.inf)
    return most


def evaluator(program: Program, constants: Sequence[str]) -> Callable[[Any], Any]:
    """The program on an arb, its constants exact to the current precision; on a `Real`, exactly."""
    return _on_balls(program, [exact(c) for c in constants])


def _on_balls(program: Program, constants: Sequence[Number]) -> Callable[[Any], Any]:
    """The program on an arb; each constant becomes a ball once for every precision.

    A cache keyed by the constants would be slower than none: the hash of a Fraction is a modular power.
    """
    balls: dict[int, list[Any]] = {}

    def value(x: Any) -> Any:
        if isinstance(x, Real):
            return program.evaluate(REALS, x, [Real.of(c) for c in constants])
        precision = flint.ctx.prec
        if precision not in balls:
            balls[precision] = [ball(c) for c in constants]
        return program.evaluate(BALLS, x, balls[precision])

    return value
