"""Checks that a function is fit to be a target: finite inside, bounded at the ends, its zeros in their place.

On [lo + s, hi - s], s = (hi - lo) 2^-60, the inside is covered by boxes, geometrically finer towards the
ends, on each of which finiteness (and, in the relative metric, the absence of zeros) is proved. Where that
fails on a small box, an exact point is looked for at which a zero or a removable singularity can lie (an
anchor). Towards the ends the function is a model, or, where it has none, is looked at in a few points.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from threading import Timer

import flint
import numpy as np
from flint import arb

from evo.numbers.reals import Number, ball, fraction
from evo.targets.anchors import Anchor, candidates, local
from evo.targets.ends import TargetError
from evo.targets.expression import Expression
from evo.targets.target import Target

MIN_FLOATS = 1 << 16
"""Fewest float64 inside an interval: with fewer the sampling points would run into each other."""

_WIDEST = Fraction(float(np.finfo(float).max))
PATIENCE = 1.0
"""Seconds of a check after which a word is said; users who see no log see it on stderr."""
_LOG = logging.getLogger(__name__)

_PRECISIONS = (512, 1024, 2048, 4096, 16384)
_STRIP = 60
_MAX_BOXES = 3000
_MAX_DEPTH = 40
_LOOK = 12  # every so many halvings of a box an anchor is looked for in it
_MAX_LOOKS = 40
_COARSE, _FINE = 128, 384  # bits; the fine ones for boxes within 2^-20 of an end, where terms cancel


def check_target(target: Target) -> None:
    """Refuses a target that is not fit.

    Raises:
        TargetError: one line with the reason and the place.
    """
    lo, hi = target.ends
    if not fraction(ball(hi - lo).mid()) <= _WIDEST:
        raise TargetError(
            f"The interval ({target.lo}, {target.hi}) is too wide: it spans more than float64's largest"
            f" number, {float(_WIDEST):.4g}."
        )
    first, last = target.span
    if (inside := _ordinal(last) - _ordinal(first) + 1) < MIN_FLOATS:
        raise TargetError(
            f"The interval ({target.lo}, {target.hi}) is too narrow: it holds {max(inside, 0)} float64"
            f" numbers, sampling needs {MIN_FLOATS}."
        )
    with _a_word_if_long(target):
        _check(target)


def _check(target: Target) -> None:
    (lo, hi), (first, last) = target.ends, target.span
    anchors(target)
    near = float(hi - lo) * 2.0 ** -np.arange(4, 41, 4)
    x = np.clip(np.concatenate([float(lo) + near, float(hi) - near]), first, last)
    target.weights(x, target.exact(x))


@contextmanager
def _a_word_if_long(target: Target) -> Iterator[None]:
    """Logs that the check is at work, once it has been for `PATIENCE` seconds."""
    ends = f"({target.lo}, {target.hi})"
    word = (
        f"Checking {target.name} on {ends}: that it is finite, and where its zeros are. This takes a while."
    )
    timer = Timer(PATIENCE, _LOG.warning, ("%s", word))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@lru_cache(maxsize=256)
def anchors(target: Target) -> tuple[Anchor, ...]:
    """The points where an approximation has to be exact, from left to right.

    Raises:
        TargetError: the function is not finite inside, or grows without bound towards an end.
    """
    lo, hi = target.ends
    ends = [_at_end(target, lo, hi - lo, 1), _at_end(target, hi, hi - lo, -1)]
    inside = _Inside(target, target.expression, target.measure.divides).run()
    known = {str(anchor.at) for anchor in inside}
    inside += [kink for kink in _kinks(target) if str(kink.at) not in known]
    ordered = sorted((a for a in (*ends, *inside) if a), key=lambda anchor: float(anchor.at))
    return tuple(ordered)


def _kinks(target: Target) -> list[Anchor]:
    """Exact places inside where a magnitude in the expression bends: its argument changes its sign there."""
    found: dict[str, Anchor] = {}
    nodes = target.expression.nodes
    for node in nodes:
        if node.op == "abs":
            argument = Expression("", nodes[: node.args[0] + 1])
            with suppress(TargetError):
                for anchor in _Inside(target, argument, True).run():
                    found[str(anchor.at)] = anchor._replace(order=Fraction(0))
    return list(found.values())


def _at_end(target: Target, end: Number, width: Number, side: int) -> Anchor | None:
    """The anchor at an end, if it is one.

    Raises:
        TargetError: the function is not finite or keeps growing towards it.
    """
    near = local(target.expression, end, side, width)
    if near is None:
        _check_growth(target, end, width * side)
        _check_zero(target, end, width * side)
        return None
    if near.order < 0 and not target.measure.divides:
        raise TargetError(
            f"{target.name} grows without bound towards the end x = {float(end):.5g} of"
            f" ({target.lo}, {target.hi}); move that end inwards, or take --metric relative."
        )
    return Anchor(end, near.order, inner=False, side=side) if target.measure.divides and near.order else None


def _check_growth(target: Target, end: Number, width: Number) -> None:
    """Refuses a function that is not finite or keeps growing towards `end` (`width` points inside).

    Growth is judged at the distances 2^-50, 2^-100, 2^-200 and 2^-400 of the width: a function that
    converges has shrinking increments there, while those of log log(1/distance) are still equal.
    """
    where = f"towards the end x = {float(end):.5g} of ({target.lo}, {target.hi})"
    sizes = []
    for k in (50, 100, 200, 400):
        for precision in _PRECISIONS:
            with flint.ctx.workprec(precision):
                value = target.ball(ball(end + width / 2**k))
                if value.is_finite() and value.rel_accuracy_bits() > 30:
                    break
        if not value.is_finite():
            raise TargetError(f"{target.name} has no finite value {where}; narrow the interval.")
        sizes.append(abs(value))
    steps = [after - before for before, after in pairwise(sizes)]
    growing = steps[0] > 0 and steps[1] > 0.9 * steps[0] and steps[2] > 0.9 * steps[1]
    if growing and steps[2] > 1e-6 * sizes[-1]:
        if end and abs(width) > abs(end) * 2**_STRIP:
            raise TargetError(
                f"{target.name} cannot be followed {where}, an interval more than 2^{_log2(abs(width / end))}"
                f" times as long as that end is large: at most 2^{_STRIP} times can be told apart; narrow it."
            )
        raise TargetError(f"{target.name} grows without bound {where}; move that end inwards.")


def _check_zero(target: Target, end: Number, width: Number) -> None:
    """Refuses a function that vanishes at an end where no model says how: all errors are infinite."""
    if not target.measure.divides:
        return
    with flint.ctx.workprec(_PRECISIONS[-1]):
        value = target.ball(ball(end))
    if not value.is_finite() or not value.contains(0):
        return
    side = 1 if width > 0 else -1
    length: Number = width if width > 0 else -width
    near = length / 2 ** max(_log2(length), 0)  # of a wide interval a model sees too much
    if local(target.expression, end, side, near) is None:
        raise TargetError(
            f"{target.name} has a zero (or cannot be told from zero) at the end x = {float(end):.5g} of"
            f" ({target.lo}, {target.hi}), and no exact number is known for the place or for what the"
            " function is made of there (known are pi/12 and its multiples, powers of e, roots and powers of"
            f" fractions); move that end inwards, such as to {float(end + width / 1000):.12g},"
            " or use --metric absolute."
        )


class _Inside:
    """The cover of the interval less its end strips, and the anchors found in it."""

    def __init__(self, target: Target, expression: Expression, relative: bool) -> None:
        self._target, self._expression = target, expression
        self._relative = relative
        self._looks = 0

    def run(self) -> list[Anchor]:
        """The inner anchors, from left to right.

        Raises:
            TargetError: a place where the function has no finite value, or no limit of the relative error.
        """
        lo, hi = self._target.ends
        width = hi - lo
        cuts = [lo + width / 2**k for k in range(_STRIP, 0, -1)]
        cuts += [hi - width / 2**k for k in range(2, _STRIP + 1)]
        boxes = [(a, b, 0) for a, b in zip(cuts[-2::-1], cuts[:0:-1], strict=True)]
        found: list[Anchor] = []
        tried = 0
        while boxes:
            a, b, depth = boxes.pop()
            tried += 1
            if self._behaves(a, b, width):
                continue
            if depth and depth % _LOOK == 0 and (inner := self._anchor(a, b, width)):
                anchor, left, right = inner
                found.append(anchor)
                boxes = [(max(right, c), d, e) for c, d, e in boxes if d > right]
                boxes += [(right, b, depth)] if right < b else []
                boxes += [(a, left, depth)] if a < left else []
                continue
            if tried > _MAX_BOXES:
                self._give_up(a)
            if depth == _MAX_DEPTH:
                self._refuse(a, b)
            boxes += [((a + b) / 2, b, depth + 1), (a, (a + b) / 2, depth + 1)]
        return sorted(found, key=lambda anchor: float(anchor.at))

    def _behaves(self, a: Number, b: Number, width: Number) -> bool:
        fine = float((b - a) / width) < 2.0**-20
        with flint.ctx.workprec(_FINE if fine else _COARSE):
            box = ball(a).union(ball(b))
            for enclose in (self._expression.ball, self._expression.enclose):
                value = enclose(box)
                if value.is_finite() and not (self._relative and value.contains(0)):
                    return True
        return False

    def _anchor(self, a: Number, b: Number, width: Number) -> tuple[Anchor, Number, Number] | None:
        """An anchor in or next to [a, b], and up to where on both sides it answers for the function."""
        self._looks += 1
        if self._looks > _MAX_LOOKS:
            return None
        slack = (b - a) / 64
        with flint.ctx.workprec(_FINE):
            low, high = (fraction(ball(end).mid()) for end in (a - slack, b + slack))
        lo, hi = self._target.ends
        for at in candidates(low, high):
            if not lo < at < hi:
                continue
            sides = [local(self._expression, at, side, width) for side in (1, -1)]
            right, left = sides
            if right is None or left is None or right.order < 0 or left.order != right.order:
                continue
            if right.order == 0 and self._expression.ball(ball(at)).is_finite():
                continue
            return Anchor(at, right.order, inner=True), at - left.reach, at + right.reach
        return None

    def _give_up(self, a: Number) -> None:
        """Says that there are too many pieces; the rest begins at `a`."""
        target = self._target
        first, last = target.span
        x = np.array([min(max(float(a), first), last)])
        target.weights(x, target.exact(x))  # beyond float64? then that is what is wrong
        raise TargetError(
            f"{target.name} has too many poles, zeros or bends in ({target.lo}, {target.hi}): given up at"
            f" x = {x[0]:.5g} after {_MAX_BOXES} pieces; narrow or split the interval."
        )

    def _refuse(self, a: Number, b: Number) -> None:
        """Says what is wrong in [a, b]."""
        target = self._target
        lo, hi = target.ends
        middle = float((a + b) / 2)
        place = 0.0 if lo < 0 < hi and abs(middle) < 1e-9 * float(hi - lo) else middle
        where = f"near x = {place:.5g} inside ({target.lo}, {target.hi})"
        with flint.ctx.workprec(_FINE):
            finite = target.expression.enclose(ball(a).union(ball(b))).is_finite()
        if not finite:
            raise TargetError(f"{target.name} has no finite value {where}; narrow or split the interval.")
        raise TargetError(
            f"{target.name} has a zero (or cannot be told from zero) {where}, and no exact point was found"
            " where a relative error has a limit; use --metric absolute, or an interval that ends before it"
            f" or begins after it, such as {_either_side(target, place)}."
        )


def _either_side(target: Target, place: float) -> str:
    """The intervals on both sides of a place, without a thousandth next to it."""
    lo, hi = (float(end) for end in target.ends)
    margin = (hi - lo) / 1000
    sides = []
    if place - 2 * margin > lo:
        sides.append(f"({target.lo}, {place - margin:.12g})")
    if place + 2 * margin < hi:
        sides.append(f"({place + margin:.12g}, {target.hi})")
    return " or ".join(sides)


def _log2(number: Number) -> int:
    """The whole part of the binary logarithm, of a number of any size."""
    with flint.ctx.workprec(64):
        return int(float((ball(number).log() / arb(2).log()).floor()))


def _ordinal(x: float) -> int:
    """Position among the float64 numbers, 0 for zero."""
    bits = int(np.float64(x).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)
