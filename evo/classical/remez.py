"""Best rational functions in multi-precision: interpolation, Padé, and the minimax by Remez exchange.

A rational function r(u) = p(u) / q(u), u in [-1, 1], q(0) = 1, is fitted to a `Goal`, which says at each of
its points what r would have to be for a signed error of e there. Goals may thus be nonlinear: the goal of
(u(x) r)^2 ~ f, or of (r + x) / (r - x) ~ f, asks for the r that gives f (1 + e) exactly. Levelled errors at
m + n + 2 points are linear equations in p and q once the level is known, and Newton's method finds the level
with them.

Source: W. J. Cody, W. Fraser, J. F. Hart, Rational Chebyshev approximation using linear equations, Numer.
Math. 12 (1968).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flint import arb, arb_mat

_ROUNDS = 12
_NEWTON = 8
_LEVELLED = 1e-5
_STRIDE = 5
_CONVERGED = 1e-12
_REWEIGHTED = 30
_NEAR_POLE = 1e-6
_STEP = 2.0**-100
_PARABOLAS = 2
_FIRST_SHARE, _LEAST_STEP = 0.125, 0.004
_PART_POINTS = 64


class FitError(ValueError):
    """No rational function of these degrees was found; one phrase says why."""


@dataclass(frozen=True)
class Goal:
    """What to approximate, at the current `flint.ctx.prec`.

    Attributes:
        wanted: `wanted(u, e)` is the value of r at u that makes the signed error e (arb or 0); not finite
            where there is none.
        error: `error(u, r)` is the signed error that the value r makes at u.
        points: ascending u that find the extrema of the error; the first and last are the ends.
        place: the u at a place in [-1, 1] on the axis' own scale, which may be logarithmic.
    """

    wanted: Callable[[Any, Any], Any]
    error: Callable[[Any, Any], Any]
    points: Sequence[Any]
    place: Callable[[Any], Any] = lambda s: s


@dataclass(frozen=True)
class Rational:
    """p(u) / q(u), coefficients from u^0 up, q[0] = 1; `error` is the largest |error| that was seen."""

    p: tuple[Any, ...]
    q: tuple[Any, ...]
    error: float

    def __call__(self, u: Any) -> Any:
        """The value at u."""
        return horner(self.p, u) / horner(self.q, u)


def horner(coefficients: Sequence[Any], u: Any) -> Any:
    """The polynomial with these coefficients, from u^0 up."""
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * u + c
    return value


def substituted(coefficients: Sequence[Any], a: Any, b: Any) -> list[Any]:
    """The coefficients of p(a + b t), from t^0 up."""
    out = [coefficients[-1]]
    for c in coefficients[-2::-1]:
        shifted = [arb(0), *(b * d for d in out)]
        out = [a * d + e for d, e in zip([*out, arb(0)], shifted, strict=True)]
        out[0] += c
    return out


def through(x: Sequence[Any], y: Sequence[Any], m: int, n: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """p and q, degrees m and n, q[0] = 1, of the rational function through m + n + 1 points.

    Raises:
        FitError: singular equations.
    """
    p, q, _ = _solve(
        [[*_powers(a, m, 1), *_powers(a, n, -b)[1:]] for a, b in zip(x, y, strict=True)], list(y), m, n
    )
    return p, q


def interpolate(goal: Goal, m: int, n: int) -> Rational:
    """The rational function (m, n) without error at the Chebyshev points.

    Raises:
        FitError: singular equations, or a pole.
    """
    nodes = [goal.place(s) for s in chebyshev(m + n + 1)]
    return _seen(goal, *through(nodes, [goal.wanted(u, 0) for u in nodes], m, n))


def widened(goal: Goal, m: int, n: int) -> Rational:
    """The minimax over many decades: of a part of them around the middle, then of a longer one, up to all.

    On all decades at once, what interpolates is negative somewhere between the nodes, or has a pole.

    Raises:
        FitError: a part has none that is found.
    """
    share, step = _FIRST_SHARE, _FIRST_SHARE
    found = minimax(_part(goal, share), m, n, interpolate(_part(goal, share), m, n))
    while share < 1:
        try:
            longer = min(share + step, 1.0)
            found = minimax(goal if longer == 1 else _part(goal, longer), m, n, found)
        except FitError:
            step /= 2
            if step < _LEAST_STEP:
                raise
        else:
            share, step = longer, 1.5 * step
    return found


def _part(goal: Goal, share: float) -> Goal:
    """The goal on so much of the axis, around its middle."""
    places = [arb(s) for s in (-np.cos(np.arange(_PART_POINTS) * np.pi / (_PART_POINTS - 1))).tolist()]
    return replace(
        goal, points=[goal.place(share * s) for s in places], place=lambda s: goal.place(share * s)
    )


def pade(series: Sequence[Any], m: int, n: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """p and q of the Padé approximant (m, n) of a power series with m + n + 1 known terms.

    Raises:
        FitError: singular equations.
    """
    q: list[Any] = [arb(1)]
    if n:
        rows = [
            [series[k - j] if k >= j else arb(0) for j in range(1, n + 1)] for k in range(m + 1, m + n + 1)
        ]
        q += _linear(rows, [-series[k] for k in range(m + 1, m + n + 1)])
    p = [sum((series[k - j] * q[j] for j in range(min(k, n) + 1)), arb(0)).mid() for k in range(m + 1)]
    return tuple(p), tuple(q)


def minimax(goal: Goal, m: int, n: int, start: Rational) -> Rational:
    """The rational function (m, n) whose errors alternate at m + n + 2 points.

    Args:
        start: begins the exchange, if its errors alternate so often.

    Raises:
        FitError: the exchange does not converge, or a pole appears.
    """
    best = start
    try:
        peaks = _alternation(goal, start, m + n + 2)
    except FitError:
        extrema = _extrema_of_chebyshev(m + n + 2)
        peaks = [(goal.place(s).mid(), arb((-1) ** k)) for k, s in enumerate(extrema)]
    for _ in range(_ROUNDS):
        best = _levelled(goal, best, peaks, m, n)
        peaks = _alternation(goal, best, m + n + 2)
        sizes = [abs(float(e)) for _, e in peaks]
        if max(sizes) <= min(sizes) * (1 + _LEVELLED):
            return replace(best, error=max(sizes))
    raise FitError(f"not levelled after {_ROUNDS} exchanges")


@np.errstate(all="ignore")  # poles and exact fits divide by zero, and are told by what comes out
def least_squares(goal: Goal, m: int, n: int) -> Rational:
    """A start where interpolation fails: linearised least squares, reweighted, in float64.

    The weights divide by the last denominator (Sanathanan and Koerner), then grow with the error (Lawson).

    Raises:
        FitError: every denominator had a pole.
    """
    points = goal.points
    u = np.array([float(a) for a in points])
    exact = [goal.wanted(a, 0) for a in points]
    r = np.array([float(a) for a in exact])
    slope = [
        float(goal.error(a, b + _STEP * (abs(b) + 1)) / (_STEP * (abs(b) + 1)))
        for a, b in zip(points, exact, strict=True)
    ]
    unit = np.abs(slope)
    if not (np.isfinite(r).all() and np.isfinite(unit).all()):
        raise FitError("the goal has no value somewhere")
    top, below = np.vander(u, m + 1, increasing=True), np.vander(u, n + 1, increasing=True)
    q, share = np.ones_like(u), np.ones_like(u)
    best: tuple[float, Any, Any] = (np.inf, None, None)
    for k in range(_REWEIGHTED):
        weight = unit * np.sqrt(share) / np.abs(q)
        rows = np.hstack([top, -r[:, None] * below[:, 1:]]) * weight[:, None]
        if not np.isfinite(rows).all():  # an exact fit has no errors to weigh
            break
        x = np.linalg.lstsq(rows, r * weight, rcond=None)[0]
        q = below @ np.append(1.0, x[m + 1 :])
        size = np.abs(top @ x[: m + 1] / q - r) * unit
        if (q > 0).all() and size.max() < best[0]:
            best = (float(size.max()), x[: m + 1], x[m + 1 :])
        q = np.where(np.abs(q) > _NEAR_POLE, q, _NEAR_POLE)
        if k >= _REWEIGHTED // 3:
            share = share * np.minimum(size / size.mean(), 10.0) + 1e-12
            share /= share.mean()
    if best[1] is None:
        raise FitError("a pole in every least-squares fit")
    return _seen(goal, [arb(c) for c in best[1]], [arb(1), *(arb(c) for c in best[2])])


def _extrema_of_chebyshev(n: int) -> list[Any]:
    return [-(arb(k) / (n - 1)).cos_pi() for k in range(n)]


def chebyshev(n: int) -> list[Any]:
    """The zeros of T_n, ascending."""
    return [-(arb(2 * k + 1) / (2 * n)).cos_pi().mid() for k in range(n)]


def _levelled(goal: Goal, start: Rational, peaks: list[tuple[Any, Any]], m: int, n: int) -> Rational:
    """Equal errors of alternating sign at the peaks."""
    points = [u for u, _ in peaks]
    signs = [1 if e > 0 else -1 for _, e in peaks]
    level = sum((abs(e) for _, e in peaks), arb(0)).mid() / len(peaks)
    q = start.q
    step = level * _STEP
    for _ in range(_NEWTON):
        wanted = [goal.wanted(u, s * level) for u, s in zip(points, signs, strict=True)]
        moved = [goal.wanted(u, s * (level + step)) for u, s in zip(points, signs, strict=True)]
        slopes = [(b - a) / step for a, b in zip(wanted, moved, strict=True)]
        rows = [
            [*_powers(u, m, 1), *_powers(u, n, -r)[1:], -slope * horner(q, u)]
            for u, r, slope in zip(points, wanted, slopes, strict=True)
        ]
        p, q, (change,) = _solve(rows, wanted, m, n)
        level = level + change
        if abs(change) <= abs(level) * _CONVERGED:
            return _seen(goal, p, q)
    raise FitError("the level does not converge")


def _alternation(goal: Goal, r: Rational, count: int) -> list[tuple[Any, Any]]:
    """`count` extrema (u, error) of alternating sign."""
    points = goal.points
    errors = [goal.error(u, r(u)) for u in points]
    sizes = np.array([float(e) for e in errors])
    if not np.isfinite(sizes).all():
        raise FitError("an error is not finite")
    peaks = []
    for run in np.split(np.arange(len(points)), np.flatnonzero(np.diff(np.sign(sizes))) + 1):
        k = int(run[np.argmax(np.abs(sizes[run]))])
        peaks.append(_refined(goal, r, points, errors, k))
    while len(peaks) > count:
        peaks.pop(0 if abs(float(peaks[0][1])) < abs(float(peaks[-1][1])) else -1)
    if len(peaks) < count:
        raise FitError(f"the error alternates {len(peaks)} times, {count} are needed")
    return peaks


def _refined(
    goal: Goal, r: Rational, points: Sequence[Any], errors: Sequence[Any], k: int
) -> tuple[Any, Any]:
    """The extremum near grid point k, by parabolas."""
    if not 0 < k < len(points) - 1:
        return points[k], errors[k]
    (a, u, b), (at_a, best, at_b) = points[k - 1 : k + 2], errors[k - 1 : k + 2]
    for _ in range(_PARABOLAS):
        right, left = (u - a) * (best - at_b), (u - b) * (best - at_a)
        if (right - left).contains(0):
            break
        v = (u - ((u - a) * right - (u - b) * left) / (right - left) / 2).mid()
        if not a < v < b or v == u:
            break
        got = goal.error(v, r(v))
        if not abs(got) > abs(best):
            break
        (a, at_a), (b, at_b) = ((u, best), (b, at_b)) if v > u else ((a, at_a), (u, best))
        u, best = v, got
    return u, best


def _seen(goal: Goal, p: Sequence[Any], q: Sequence[Any]) -> Rational:
    points = goal.points
    below = [horner(q, u) for u in points]
    if not (all(v > 0 for v in below) or all(v < 0 for v in below)):
        raise FitError("a pole inside")
    r = Rational(tuple(p), tuple(q), 0.0)
    error = max(abs(float(goal.error(u, r(u)))) for u in points[::_STRIDE])
    if not error < np.inf:
        raise FitError("an error is not finite")
    return Rational(r.p, r.q, error)


def _powers(u: Any, degree: int, factor: Any) -> list[Any]:
    out = [factor * arb(1)]
    for _ in range(degree):
        out.append(out[-1] * u)
    return out


def _solve(
    rows: list[list[Any]], right: list[Any], m: int, n: int
) -> tuple[tuple[Any, ...], tuple[Any, ...], list[Any]]:
    """(p, q, what else the rows have columns for)."""
    x = _linear(rows, right)
    return tuple(x[: m + 1]), (arb(1), *x[m + 1 : m + n + 1]), x[m + n + 1 :]


def _linear(rows: list[list[Any]], right: list[Any]) -> list[Any]:
    if not all(r.is_finite() for r in right):
        raise FitError("the goal has no value somewhere")
    n = len(rows)
    try:
        x = arb_mat(n, n, [e for row in rows for e in row]).solve(arb_mat(n, 1, right))
    except ZeroDivisionError:
        raise FitError("singular equations") from None
    out = [e.mid() for e in x.entries()]
    if not all(e.is_finite() for e in out):
        raise FitError("singular equations")
    return out
