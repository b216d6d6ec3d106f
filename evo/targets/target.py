"""Targets: a real function with an interval and a metric, of the catalogue or a user's own expression.

The error of an approximation p of a target f is the supremum over the OPEN interval (lo, hi) of
|p - f| (metric "absolute") or |p - f| / |f| ("relative"). So f need not exist at an end: sin(x)/x on
(0, 1) is a target. f must be finite inside and bounded towards both ends, and for the relative metric
without a zero inside (one at an end is fine, such as that of sin at 0).

`make_target` checks this with balls: on [lo + s, hi - s], s = (hi - lo) 2^-60, the inside is covered by
boxes, geometrically finer towards the ends, on each of which finiteness (and the absence of zeros) is
proved; it refuses where that fails. In the two strips of width s only a few points are examined.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.numbers.reals import Number, UndecidedError
from evo.targets.catalogue import CATALOGUE
from evo.targets.ends import TargetError, end_value
from evo.targets.expression import LEAVES, Expression, ExpressionError, parse_expression
from evo.targets.functions import FUNCTIONS
from evo.targets.metric import METRICS, Metric, find_metric

_PRECISIONS = (128, 256, 512, 1024, 2048, 4096)
_REMEMBERED = 4096
"""Most points whose values are kept for the next who asks for all of them."""


@dataclass(frozen=True)
class Target:
    """A function on an open interval, with the metric of its approximations.

    Made by `make_target`, which also checks that the function is fit for it. Pickles and compares as
    its four texts.

    Attributes:
        name: a catalogue name or the text of an expression in x.
        lo: lower end, a decimal string or a constant expression, exact as written.
        hi: upper end, likewise.
        metric: one of `METRICS`.

    Raises:
        TargetError: unknown name or metric, ends that are not decimal numbers with lo < hi.
    """

    name: str
    lo: str
    hi: str
    metric: str

    def __post_init__(self) -> None:
        """Cheap checks only: workers rebuild targets."""
        expression_of(self.name)
        find_metric(self.metric)
        lo, hi = self.ends
        try:
            wrong = lo >= hi
        except UndecidedError:
            raise TargetError(
                f"The ends of the interval ({self.lo}, {self.hi}) cannot be told apart; is it empty?"
            ) from None
        if wrong:
            kind = "empty" if lo == hi else "reversed"
            raise TargetError(f"The interval ({self.lo}, {self.hi}) is {kind}; give the lower end first.")

    @property
    def measure(self) -> Metric:
        """The metric's row: what an error is."""
        return METRICS[self.metric]

    @property
    def interval(self) -> tuple[str, str]:
        """The ends as decimal strings."""
        return self.lo, self.hi

    @property
    def ends(self) -> tuple[Number, Number]:
        """The ends as exact numbers."""
        return end_value(self.lo), end_value(self.hi)

    @property
    def span(self) -> tuple[float, float]:
        """The smallest and the largest float64 strictly inside the interval."""
        lo, hi = self.ends
        first, last = float(lo), float(hi)
        if Fraction(first) <= lo:
            first = float(np.nextafter(first, np.inf))
        if Fraction(last) >= hi:
            last = float(np.nextafter(last, -np.inf))
        return first, last

    @property
    def expression(self) -> Expression:
        """The function as a tree, found by name."""
        return expression_of(self.name)

    def ball(self, x: Any) -> Any:
        """Rigorous enclosure of the function on the arb (or arb_series) `x`; see `Expression.ball`."""
        return self.expression.ball(x)

    def exact(self, x: np.ndarray) -> np.ndarray:
        """The function's values, correctly rounded to float64.

        The precision is raised until both ends of the ball round to one number; only at an exact tie
        that the balls cannot decide with 4096 bits is it one of the two neighbours.

        Args:
            x: float64[n], inside the interval (not checked).

        Returns:
            float64[n], finite.

        Raises:
            TargetError: no finite value at some x, or one beyond float64.
        """
        x = np.asarray(x, float)
        found = _remembered_values if len(x) <= _REMEMBERED else _values
        return np.array(found(self, tuple(x.tolist())), float)

    def weights(self, x: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """What turns a difference into an error of the target's metric: 1/|exact| or 1, float64[n].

        Raises:
            TargetError: relative, and 1/|exact| overflows somewhere.
        """
        if not self.measure.divides:
            return np.ones_like(exact)
        size = np.abs(exact)
        if (bad := size < 1e-307).any():
            k = int(np.argmax(bad))
            raise TargetError(
                f"{self.name} is {exact[k]:.3g} at x = {x[k]:.6g}, too small for a relative error in float64;"
                " use --metric absolute or narrow the interval."
            )
        return np.abs(self.measure.scale(exact, 1.0))

    def to_json(self) -> dict[str, Any]:
        """The members "target", "interval" and "metric" of a front.json entry."""
        return {"target": self.name, "interval": [self.lo, self.hi], "metric": self.metric}


@lru_cache(maxsize=256)
def expression_of(name: str) -> Expression:
    """The tree of a catalogue name or of an expression's text."""
    if name in CATALOGUE:
        return parse_expression(CATALOGUE[name].expression)
    if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) and name != "x" and name not in LEAVES:
        if name in FUNCTIONS:
            args = "1/2, x" if FUNCTIONS[name].arity == 2 else "x"
            hint = f" As an expression write {name}({args})."
        else:
            near = get_close_matches(name, list(CATALOGUE), n=3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise TargetError(f"Unknown target {name[:40]!r}; the catalogue has {', '.join(CATALOGUE)}.{hint}")
    try:
        expression = parse_expression(name)
    except ExpressionError as error:
        raise TargetError(f"{name[:60]!r} is neither a catalogue name nor an expression. {error}") from error
    if not expression.depends_on_x:
        raise TargetError(f"The expression {name[:60]!r} does not depend on x.")
    return expression


def _values(target: Target, x: tuple[float, ...]) -> tuple[float, ...]:
    """At a precision, those that no lower one decides."""
    function, found = target.expression.ball, [0.0] * len(x)
    pending: Sequence[int] = range(len(x))
    for precision in _PRECISIONS:
        with flint.ctx.workprec(precision):
            pending = [k for k in pending if not _decided(function(arb(x[k])), found, k)]
    with flint.ctx.workprec(_PRECISIONS[-1]):
        for k in pending:
            found[k] = _undecided(function(arb(x[k])), x[k], target)
    return tuple(found)


def _decided(ball: Any, found: list[float], k: int) -> bool:
    """Whether all of a ball rounds to one float64, which becomes `found[k]`."""
    if not ball.is_finite():
        return False
    found[k] = float(ball.lower())
    return found[k] == float(ball.upper()) and abs(found[k]) != np.inf


_remembered_values = lru_cache(maxsize=32)(_values)
"""A target is asked for its values at the same points again and again."""


def _undecided(ball: Any, x: float, target: Target) -> float:
    """What a ball with most bits says."""
    if not ball.is_finite():
        raise TargetError(
            f"{target.name} has no finite value at x = {x!r}; narrow the interval ({target.lo}, {target.hi})."
        )
    low, high = float(ball.lower()), float(ball.upper())
    if max(abs(low), abs(high)) == np.inf:
        raise TargetError(
            f"{target.name} at x = {x!r} is beyond the largest float64; narrow the interval"
            f" ({target.lo}, {target.hi})."
        )
    if high - low > 1e-15 * abs(low + high) + 1e-300:
        raise TargetError(f"{target.name} at x = {x!r} cannot be resolved with {_PRECISIONS[-1]} bits.")
    return float(ball)
