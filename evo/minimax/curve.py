"""Error curves in multiple precision: one program on one target, at any constants.

The error in the target's metric is known on a fixed grid, where the target is evaluated once, and at its
extrema between grid points, found by successive parabolas. With x = lo + (hi - lo) sin^2(theta / 2) the
grid is uniform in theta, like the extrema of minimax errors, and goes on geometrically towards both ends.
The interval is open: the ends stand for the points 2^-60 of its width inside.

Poles between the points are looked for in float64 by the compiled kernels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from evo.backends.native import NativeBackend
from evo.kernels.effort import Effort
from evo.kernels.layout import POLE
from evo.numbers.balls import BALLS
from evo.numbers.constants import exact
from evo.numbers.duals import DUALS, Dual, floats, middles
from evo.numbers.reals import ball
from evo.programs.batch import MAX_CONSTANTS, MAX_OPS, Batch
from evo.programs.program import Program
from evo.targets.axis import is_logarithmic
from evo.targets.checks import anchors
from evo.targets.expression import Expression
from evo.targets.points import Points, fit_points, select_points
from evo.targets.sampled import undefined_at_zero
from evo.targets.target import Target

_STRIP = 2.0**-60
_FIRST_PRECISION, _LAST_PRECISION = 160, 1280
_GUARD, _SPARE = 2.0**-64, 32
_ROUNDS = 4

NONE = 1e-60
"""An error that counts as none, in units of the target's size in the metric."""

_REFIT = Effort(starts=8, clear_steps=20, finalists=8, first_steps=20, final_steps=100)
_FLIPS = 40
_NATIVE = NativeBackend()


class Samples(NamedTuple):
    """Points and what the target is there: object arrays of exact arb, `theta` float64, all [n].

    `scale` turns a difference into an error: the metric's 1/target or 1, times the weight.
    """

    theta: np.ndarray
    x: np.ndarray
    exact: np.ndarray
    scale: np.ndarray

    def take(self, rows: np.ndarray) -> "Samples":
        """These rows."""
        return Samples(*(array[rows] for array in self))

    def where(self, chosen: np.ndarray, other: "Samples") -> "Samples":
        """These where `chosen`, the other's elsewhere."""
        return Samples(*(np.where(chosen, a, b) for a, b in zip(self, other, strict=True)))

    def merged(self, other: "Samples") -> "Samples":
        """Both, from left to right."""
        both = Samples(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))
        return both.take(np.unique(both.theta, return_index=True)[1])


class Curve(NamedTuple):
    """The error curve of some constants.

    Attributes:
        constants: exact arb.
        peaks: the largest local extrema.
        noise: radius of the errors by rounding, inf where that is why one is not finite.
        error: largest |error|, inf where one is not finite.
        worst_x: where, a float64 inside the interval.
    """

    constants: list[Any]
    peaks: Samples
    noise: float
    error: float
    worst_x: float

    @property
    def vague(self) -> bool:
        """Whether a higher precision would tell more."""
        return self.noise == math.inf or self.noise > self.error * _GUARD


class Curves:
    """The error curves of one program on one target; `precision` [bits] grows with need."""

    def __init__(self, program: Program, target: Target, weight: Expression | None = None) -> None:
        self.program, self.target, self.weight = program, target, weight
        self.precision = _FIRST_PRECISION
        self._points = max(160, 16 * (program.n_constants + 2))
        small = max(len(program.instructions), program.n_constants) <= min(MAX_OPS, MAX_CONSTANTS)
        self._batch = Batch.of([program], [[]]) if small else None

    @property
    def grid(self) -> Samples:
        """The points that are always looked at, at the precision of now."""
        return _grid(self.target, self.weight, self._points, self.precision)

    @property
    def size(self) -> float:
        """The largest value of the target in the metric: 1 if relative."""
        return float(np.abs(floats(self.grid.exact * self.grid.scale)).max())

    def refitted(self, constants: Sequence[Any]) -> list[float]:
        """Other constants by least squares in float64, from several starts with up to two signs changed.

        Constants that run away to infinity want to come back from the other side.
        """
        numbers = [float(c) for c in constants]
        if not self._batch or not np.isfinite(numbers).all():
            return numbers
        k = len(numbers)
        flips = [pair for n in range(3) for pair in combinations(range(k), n)][:_FLIPS]
        rows = self._batch.take([0] * len(flips))
        for row, pair in enumerate(flips):
            rows.constants[row, :k] = [-c if i in pair else c for i, c in enumerate(numbers)]
        streams, worth = np.arange(len(flips)), np.full(len(flips), np.inf)
        fits = _NATIVE.fit(rows, _fit_points(self.target, self.weight), _REFIT, streams, worth)
        return [float(c) for c in fits.constants[np.argmin(fits.error), :k]]

    def pole(self, constants: Sequence[Any]) -> float | None:
        """A float64 next to a pole inside the interval, if float64 shows one, or 0 itself."""
        if undefined_at_zero(
            lambda x: self.program.evaluate(BALLS, x, [arb(c) for c in constants]), self.target
        ):
            return 0.0
        if not self._batch:
            return None
        self._batch.constants[0, : len(constants)] = [float(c) for c in constants]
        found = _NATIVE.measure(self._batch, np.arange(1), _select_points(self.target), 1)
        return float(found.worst_x[0]) if found.status[0] == POLE else None

    def measured(self, constants: Sequence[Any]) -> Curve:
        """The curve of these constants (texts, numbers) at a precision that shows it, closely refined."""
        before = self.precision
        while True:
            curve = self.of(constants, _ROUNDS)
            if not curve.vague or self.precision >= _LAST_PRECISION:
                self.precision = self.precision if curve.error < math.inf else before
                return curve
            missing = curve.noise / (_GUARD * max(curve.error, 1e-300))
            extra = math.log2(missing) if missing < math.inf else self.precision
            self.precision = min(self.precision + _SPARE + math.ceil(extra), _LAST_PRECISION)

    def of(self, constants: Sequence[Any], rounds: int = 1) -> Curve:
        """The curve of these constants at the precision of now, its extrema refined `rounds` times."""
        with flint.ctx.workprec(self.precision):
            numbers = [ball(exact(c)) if isinstance(c, str) else arb(c) for c in constants]
            balls = self.errors(self.grid, numbers)
            points, errors, noise = self.grid, floats(balls), math.inf
            if np.isfinite(errors).all():
                points, errors = self._peaks(errors, numbers, rounds)
                noise = max(float(ball.rad()) for ball in balls[:: max(len(balls) // 32, 1)])
            numbers = [c.mid() for c in numbers]
        size = np.where(np.isfinite(errors), np.abs(errors), np.inf)
        worst = int(np.argmax(size))
        pole = self.pole(numbers) if size[worst] < np.inf else None
        if pole is not None:
            return Curve(numbers, points, 0.0, math.inf, pole)
        first, last = self.target.span
        worst_x = min(max(float(points.x[worst]), first), last)
        return Curve(numbers, points, noise, float(size[worst]), worst_x)

    def errors(self, points: Samples, constants: Sequence[Any]) -> np.ndarray:
        """Errors as balls, object [n]."""
        value = self.program.evaluate(DUALS, Dual(points.x), [Dual(c) for c in constants]).value
        balls: np.ndarray = (value - points.exact) * points.scale
        return balls

    def derivatives(
        self, points: Samples, constants: Sequence[Any], units: Mapping[int, Any]
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Errors, and their derivatives by the constants of `units` times those units; exact, object [n]."""
        duals = [Dual(c, {k: units[k]} if k in units else None) for k, c in enumerate(constants)]
        result = self.program.evaluate(DUALS, Dual(points.x), duals)
        errors = middles((result.value - points.exact) * points.scale)
        return errors, {k: middles(d * points.scale) for k, d in result.partials.items()}

    def chebyshev(self, count: int) -> Samples:
        """The target at Chebyshev nodes."""
        return _samples(self.target, self.weight, np.pi * (2 * np.arange(count) + 1) / (2 * count))

    def _peaks(self, errors: np.ndarray, numbers: list[Any], rounds: int) -> tuple[Samples, np.ndarray]:
        """The largest local extrema, by parabolas through them and their neighbours on the grid."""
        middle = _local_maxima(np.abs(errors), 4 * (len(numbers) + 2))
        left, right = np.maximum(middle - 1, 0), np.minimum(middle + 1, len(errors) - 1)
        peaks, best = self.grid.take(middle), errors[middle]
        a, b, at_a, at_b = self.grid.theta[left], self.grid.theta[right], errors[left], errors[right]
        for _ in range(rounds):
            theta = _vertex(a, peaks.theta, b, at_a, best, at_b)
            tried = _samples(self.target, self.weight, theta)
            got = floats(self.errors(tried, numbers))
            better = ~(got * np.sign(best) < best * np.sign(best))  # also where it is nan
            side, at_side = np.where(better, peaks.theta, theta), np.where(better, best, got)
            to_left = (theta < peaks.theta) != better
            a, at_a = np.where(to_left, side, a), np.where(to_left, at_side, at_a)
            b, at_b = np.where(to_left, b, side), np.where(to_left, at_b, at_side)
            peaks, best = tried.where(better, peaks), np.where(better, got, best)
        return peaks, best


def _samples(target: Target, weight: Expression | None, theta: np.ndarray) -> Samples:
    """The target at the current precision; from the nearer end, so that no digits are lost there."""
    lo, hi = (ball(end) for end in target.ends)
    near = np.maximum(np.sin(np.minimum(theta, np.pi - theta) / 2) ** 2, _STRIP).tolist()
    left = (theta < np.pi / 2).tolist()
    places = [lo + (hi - lo) * s if side else hi - (hi - lo) * s for s, side in zip(near, left, strict=True)]
    if is_logarithmic(target):
        part = (np.sin(theta / 2) ** 2).tolist()
        ratio = (hi / lo).log()
        places = [lo * (ratio * min(max(s, _STRIP), 1 - 2.0**-53)).exp() for s in part]
    inner = [ball(anchor.at) for anchor in anchors(target) if anchor.inner]
    step = (hi - lo) * _STRIP
    places = [p + step if any(abs(p - a) < step for a in inner) else p for p in places]
    x = np.array([place.mid() for place in places], object)
    exact = np.array([_exact(target, point) for point in x], object)
    scale = target.measure.scale(exact, np.array([arb(1)] * len(x), object))
    if weight is not None:
        scale = scale * np.array([weight.ball(point) for point in x], object)
    return Samples(theta, x, exact, middles(scale))


def _exact(target: Target, x: Any) -> Any:
    """The target's value to nearly all digits of the current precision."""
    precision = flint.ctx.prec
    for factor in (1, 2, 4, 8):
        with flint.ctx.workprec(factor * precision):
            ball = target.ball(x)
        if ball.rel_accuracy_bits() > precision - _SPARE // 2:
            break
    return ball.mid()


@lru_cache(maxsize=64)
def _select_points(target: Target) -> Points:
    return select_points(target)


@lru_cache(maxsize=64)
def _fit_points(target: Target, weight: Expression | None) -> Points:
    points = fit_points(target)
    if weight is None:
        return points
    return replace(points, weight=points.weight * np.array([float(weight.ball(arb(x))) for x in points.x]))


@lru_cache(maxsize=64)
def _grid(target: Target, weight: Expression | None, points: int, precision: int) -> Samples:
    near = 2 * np.arcsin(2.0 ** (-np.arange(14, 58, 4) / 2))
    theta = np.concatenate([np.linspace(0, np.pi, points + 1), near, np.pi - near])
    with flint.ctx.workprec(precision):
        return _samples(target, weight, np.unique(theta))


def _local_maxima(size: np.ndarray, most: int) -> np.ndarray:
    """Where `size` has its largest local maxima, at most `most`, ascending."""
    padded = np.concatenate([[-1.0], size, [-1.0]])
    found = np.flatnonzero((size > padded[:-2]) & (size >= padded[2:]))
    return np.sort(found[np.argsort(-size[found], kind="stable")[:most]])


def _vertex(
    a: np.ndarray, m: np.ndarray, b: np.ndarray, at_a: np.ndarray, at_m: np.ndarray, at_b: np.ndarray
) -> np.ndarray:
    """Where the parabola through three points has its extremum; `m` where it has none inside (a, b)."""
    with np.errstate(all="ignore"):
        right, left = (m - a) * (at_m - at_b), (m - b) * (at_m - at_a)
        out = m - 0.5 * ((m - a) * right - (m - b) * left) / (right - left)
    return np.where((out > a) & (out < b), out, m)
