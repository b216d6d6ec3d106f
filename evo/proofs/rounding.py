"""The error of a candidate evaluated in floats, op by op and unfused: sampled, and in float64 bounded.

The bound is a running error analysis in balls. On a box of inputs each value is enclosed as in real
arithmetic, together with a bound of how far the computed number is from it: what the operands' errors do
to the result, and the rounding of the op itself, at most u |result| + eta with u = 2^-53 and, where products
and quotients may underflow, eta = 2^-1075. Constants start with the error of their rounding to float64. The
input is a float64, exact. The largest sum over the boxes comes on top of the proved error in real arithmetic.

Towards an open end where the program has terms such as c/x, boxes shrink with the distance from it and stop
where the rounding error starts to grow: the bound then holds from there on only, and says so.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM (2002), sections 2.2, 3.3.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.numbers.formats import FLOAT_FORMATS, FloatFormat
from evo.numbers.functions import kind_of_number
from evo.numbers.reals import Number, ball
from evo.programs.floats import evaluate
from evo.programs.program import Program
from evo.proofs.certificate import Certificate
from evo.proofs.enclosure import Candidate, float_above, make_candidate
from evo.proofs.prove import Refusal, prove
from evo.targets.sampled import sampled_error_at
from evo.targets.target import Target, TargetError

PRECISION = 128
_UNIT = arb(2) ** -53
_ETA = arb(2) ** -1075
_LARGEST = arb(2) ** 1023
_NEAR = 20
_FAR = 60
_PARTS = 8
_MAX_BOXES = 3000
_SLACK = 1.1
_GROWTH = 2.0


def sampled_float_error(
    program: Program,
    constants: Sequence[str],
    target: Target,
    x: np.ndarray,
    fmt: FloatFormat = FLOAT_FORMATS["float64"],
) -> tuple[float, float]:
    """Largest error at the given points of the program in float arithmetic, and where.

    A relative error at a result that is subnormal in `fmt` says nothing about the formula, and is left out.

    Args:
        program: evaluated op by op; an fma rounds once.
        constants: decimal strings, rounded to `fmt` as a user's code has them.
        target: the function and metric.
        x: numbers of `fmt` as float64[n], inside the interval; at least one.
        fmt: of the arithmetic.

    Returns:
        (error, worst_x); `inf` where the result is not finite.

    Raises:
        FloatError: a constant that `fmt` cannot hold.
    """
    x = np.asarray(x, float)
    got = evaluate(program, constants, x, fmt).astype(float)
    worst = (-1.0, math.nan)
    for value, point in zip(got.tolist(), x.tolist(), strict=True):
        error = _error_of(value, point, target, fmt)
        worst = max(worst, (error, point), key=lambda pair: pair[0])
    return worst


def _error_of(value: float, x: float, target: Target, fmt: FloatFormat) -> float:
    if not math.isfinite(value):
        return math.inf
    if target.measure.divides and abs(target.ball(arb(x))) < arb(2) ** fmt.emin:
        return 0.0
    return sampled_error_at(lambda _: arb(value), target, x)


@dataclass(frozen=True)
class RoundingBound:
    """A rigorous bound of the error in float64 arithmetic.

    Attributes:
        bound: of the whole error against the real target, for all float64 x in [from_x, to_x].
        rounding: the part due to float64.
        real: the part in real arithmetic, as proved.
        from_x, to_x: where `bound` holds.
        whole: whether those are all float64 inside the interval.
    """

    bound: float
    rounding: float
    real: float
    from_x: float
    to_x: float
    whole: bool


def bound_float64_error(
    program: Program, constants: Sequence[str], target: Target, certificate: Certificate | None = None
) -> RoundingBound | Refusal:
    """Proves a bound of the float64 error, within about 10 % of what the analysis can give.

    Args:
        program, constants, target: as in `evo.proofs.prove.prove`.
        certificate: of this candidate, if there is one already.

    Returns:
        The bound, or why there is none.
    """
    proof = certificate or prove(program, constants, target)
    if isinstance(proof, Refusal):
        return proof
    try:
        analysis = _Analysis(make_candidate(program, constants, target))
    except (ValueError, OverflowError) as error:
        return Refusal("invalid", f"{error}.", None)
    with flint.ctx.workprec(PRECISION):
        found = analysis.run()
        if isinstance(found, Refusal):
            return found
        rounding, from_x, to_x = found
        real = ball(Fraction(proof.bound))
        return RoundingBound(
            bound=float_above(real + arb(rounding)),
            rounding=rounding,
            real=float_above(real),
            from_x=from_x,
            to_x=to_x,
            whole=(from_x, to_x) == target.span,
        )


class Rounded:
    """A value in real arithmetic over a box, and how far the computed one is from it at most.

    Attributes:
        value: ball over the box.
        error: arb; not finite where nothing is known.
    """

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: Any) -> None:
        self.value = value
        self.error = error

    def _op(self, value: Any, error: Any, underflow: bool = False) -> "Rounded":
        """`error` is that of the exact op on computed operands; adds the rounding."""
        size = value.abs_upper() + error
        if not size < _LARGEST:
            return Rounded(value, arb.nan())
        return Rounded(value, error + size * _UNIT + (_ETA if underflow else 0))

    def __add__(self, other: "Rounded") -> "Rounded":
        return self._op(self.value + other.value, self.error + other.error)

    def __sub__(self, other: "Rounded") -> "Rounded":
        return self._op(self.value - other.value, self.error + other.error)

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, self.error)

    def __mul__(self, other: "Rounded") -> "Rounded":
        error = self.value.abs_upper() * other.error + other.value.abs_upper() * self.error
        return self._op(self.value * other.value, error + self.error * other.error, underflow=True)

    def __truediv__(self, other: "Rounded") -> "Rounded":
        """(a + da)/(b + db) - a/b = (da - (a/b) db)/(b + db)."""
        value, least = self.value / other.value, other.value.abs_lower() - other.error
        if not (least > 0 and value.is_finite()):
            return Rounded(arb.nan(), arb.nan())
        return self._op(value, (self.error + value.abs_upper() * other.error) / least, underflow=True)

    def __rtruediv__(self, other: int) -> "Rounded":
        return Rounded(arb(other), arb(0)) / self

    def sqrt(self) -> "Rounded":
        """sqrt(a + da) - sqrt(a) = da/(sqrt(a + da) + sqrt(a))."""
        least = arb((self.value - self.error).lower())
        if not least > 0:
            return Rounded(arb.nan(), arb.nan())
        root = self.value.sqrt()
        return self._op(root, self.error / (least.sqrt() + arb(root.lower())))


ROUNDED = kind_of_number(
    "rounded",
    lambda number: Rounded(arb(number), arb(0)),
    lambda rounded: float(rounded.value),
    sqrt=lambda a: a.sqrt(),
)
"""The functions of `Rounded` for `Program.evaluate`."""

Box = tuple[Number, Number]


class _Analysis:
    """The rounding error of one candidate over boxes of inputs, in the target's metric."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._target = candidate.target
        self._lo, self._hi = candidate.target.ends
        self._floats = [Fraction(float(c)) for c in candidate.constants]

    def run(self) -> tuple[float, float, float] | Refusal:
        """(rounding error, from_x, to_x)."""
        width = self._hi - self._lo
        cuts = [self._lo + width / 2**k for k in range(_NEAR, 0, -1)]
        cuts += [self._hi - width / 2**k for k in range(2, _NEAR + 1)]
        inside = self._largest(pairwise(cuts))
        if isinstance(inside, Refusal):
            return inside
        low, size_low = self._towards(self._lo, width, inside)
        high, size_high = self._towards(self._hi, -width, inside)
        first, last = self._target.span
        from_x = first if low is None else _inwards(low, 1)
        to_x = last if high is None else _inwards(high, -1)
        return max(inside, size_low, size_high), from_x, to_x

    def _largest(self, boxes: Iterable[Box]) -> float | Refusal:
        """A bound over the boxes, at most `_SLACK` times what the analysis gives at some point."""
        heap: list[tuple[float, Box]] = []
        peak = 0.0

        def push(box: Box) -> None:
            nonlocal peak
            middle = (box[0] + box[1]) / 2
            at = self._on((middle, middle))
            peak = max(peak, at if at < math.inf else 0.0)
            heapq.heappush(heap, (-self._on(box), box))

        for box in boxes:
            push(box)
        for _ in range(_MAX_BOXES):
            worst, (a, b) = heap[0]
            if -worst <= _SLACK * peak:
                break
            heapq.heappop(heap)
            push((a, (a + b) / 2))
            push(((a + b) / 2, b))
        worst, (a, b) = heap[0]
        if worst == -math.inf:
            x = float((a + b) / 2)
            return Refusal("undecided", f"The rounding error has no finite bound near x = {x:.9g}.", x)
        return -worst

    def _towards(self, end: Number, width: Number, limit: float) -> tuple[Number | None, float]:
        """How near to the end the error stays below `_GROWTH` times `limit`: (place, error there).

        The place is None if that is all the way.
        """
        limit, most = _GROWTH * limit, 0.0
        for k in range(_NEAR, _FAR + 1):
            place = end + width / 2**k
            if (strip := self._on(_ordered(end, place))) <= limit:
                return None, max(most, strip)
            if k == _FAR:
                break
            octave = [place - width * j / 2**k / (2 * _PARTS) for j in range(_PARTS + 1)]
            size = max(self._on(_ordered(a, b)) for a, b in pairwise(octave))
            if size > limit:
                break
            most = max(most, size)
        return place, most

    def _on(self, box: Box) -> float:
        """A bound over a box; `inf` where there is none."""
        x = ball(box[0]).union(ball(box[1]))
        zero = arb(0)
        pairs = zip(self._candidate.constants, self._floats, strict=True)
        constants = [Rounded(ball(c), abs(ball(c - f)) if c != f else zero) for c, f in pairs]
        try:
            result = self._candidate.program.evaluate(ROUNDED, Rounded(x, zero), constants)
        except ZeroDivisionError:
            return math.inf
        error = result.error
        measure = self._target.measure
        return float_above(measure.scaled(error, self._least(x)) if measure.divides else error)

    def _least(self, x: Any) -> Any:
        """|f| on the box, from below; nan where it is not told from zero."""
        try:
            exact = self._target.ball(x)
        except TargetError:
            return arb.nan()
        least = arb(exact.abs_lower()) if exact.is_finite() else arb.nan()
        return least if least > 0 else arb.nan()


def _ordered(a: Number, b: Number) -> Box:
    return min(a, b), max(a, b)


def _inwards(place: Number, sign: int) -> float:
    """The next float64 on that side, or `place` itself."""
    x = float(place)
    return x if (Fraction(x) - place) * sign >= 0 else math.nextafter(x, sign * math.inf)
