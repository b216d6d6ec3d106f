"""Where a target vanishes, grows or has no value: the points that an approximation has to match exactly.

In the relative metric (p - f)/f has a limit at a zero of f only if p vanishes there, too, exactly and to the
same order; so also at a pole at an end. An error sampled beside such a point says nothing about the point:
with a constant off by 1e-30 it is infinite. A removable singularity inside, such as that of (exp(x) - 1)/x,
has a limit but no value.

An anchor's place is an exact number: an end, 0, a simple fraction, the root of one, a multiple of pi/12, e
times a simple fraction, or a power of e. At it the function is c t^order (1 + ...) in t, the distance, by
Taylor models with exact coefficients (evo/targets/taylor.py).
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import flint
from flint import arb

from evo.numbers.reals import PI, E, Number, Real, ball, fraction
from evo.targets.expression import Expression
from evo.targets.models import expression_model
from evo.targets.taylor import BranchError, TaylorModel, UndefinedError, model_at, working

MAX_ROOT = 32
"""Of t in x = at + t^root: functions such as x^(1/13) bend like a root of that degree."""
MAX_DENOMINATOR = 1000
"""Of a fraction that somebody may have written."""
MAX_SQUARE = 12
"""Denominator of a square whose root is looked at, and of a multiple of e."""
MAX_OF_E = 20
"""Largest power of e."""
_PRECISION, _ORDER = 256, 10
_REACHES = (10, 25, 40, 55)  # the model is made on 2^-10 of the width, or on less


class Anchor(NamedTuple):
    """A point that takes exactness.

    Attributes:
        at: where.
        order: of the function there, in the distance; below 0 at a pole, 0 at a removable singularity.
        inner: whether it lies inside the interval.
        side: where the interval is, seen from an end: 1 above, -1 below.
    """

    at: Number
    order: Fraction
    inner: bool
    side: int = 1


class Local(NamedTuple):
    """A function next to a point: c t^order (1 + ...), without a zero up to the distance `reach`."""

    order: Fraction
    reach: Number


def local(expression: Expression, at: Number, side: int, width: Number) -> Local | None:
    """The function on one side of a point; None where no model shows it.

    Args:
        expression: the function.
        at: the point, exact.
        side: 1 above, -1 below.
        width: how far the interval goes there.
    """
    for halvings in _REACHES:
        reach = width / 2**halvings
        root = 1
        with working(_PRECISION, max(_ORDER, 2 * MAX_ROOT)):
            while root <= MAX_ROOT:
                try:
                    size = (ball(reach).log() / root).exp()
                    model = _model(expression, at, side, root, size)
                    return Local(Fraction(model.leading(), root), reach)
                except BranchError as error:
                    root *= error.degree
                except UndefinedError:
                    break
    return None


def _model(expression: Expression, at: Number, side: int, root: int, size: object) -> TaylorModel:
    return expression_model(expression, model_at(at, side, root, size, max(_ORDER, 2 * root)))


def candidates(a: Fraction, b: Fraction) -> Iterator[Number]:
    """Exact numbers in [a, b] that a function written by hand may vanish at: the simplest first."""
    plain = simplest(a, b)
    if plain.denominator <= MAX_DENOMINATOR:
        yield plain
    with flint.ctx.workprec(_PRECISION):
        units = (arb.pi() / 12, arb.const_e())
        counts = [(ball(a) / unit).union(ball(b) / unit) for unit in units]
        of_pi, of_e = (simplest(fraction(n.lower()), fraction(n.upper())) for n in counts)
    for number, whole in (
        (PI * of_pi / 12, of_pi.denominator == 1),
        (E * of_e, of_e.denominator <= MAX_SQUARE),
    ):
        if whole and not number.is_zero and Real.of(a) <= number <= Real.of(b):
            yield number
    if a > 0 and abs(n := round(math.log(a))) <= MAX_OF_E and Real.of(a) <= E**n <= Real.of(b):
        yield E**n
    if not a <= 0 <= b:
        square = simplest(*sorted((a * a, b * b)))
        root = Real.of(square).sqrt()
        if square.denominator <= MAX_SQUARE and root.form is not None and root.rational is None:
            yield root if a > 0 else -root


def simplest(a: Fraction, b: Fraction) -> Fraction:
    """The fraction of least denominator in [a, b] (Stern and Brocot)."""
    if a <= 0 <= b:
        return Fraction(0)
    if b < 0:
        return -simplest(-b, -a)
    whole = a.numerator // a.denominator
    if whole == a or whole + 1 <= b:
        return Fraction(whole if whole == a else whole + 1)
    return whole + 1 / simplest(1 / (b - whole), 1 / (a - whole))
