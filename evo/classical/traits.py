"""The symmetries of a target, which say what classical forms it can have; found with balls.

A function with f(x) f(-x) = 1, or in general with a symmetric bilinear relation between f(x) and f(-x), is a
Möbius function c + d/(e + o(x)) of an odd function o, because the relation is an involution, and every
involution z -> Mz is -z in the coordinate (z - p)/(z - q), p and q its fixed points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat

from evo.classical.frames import Factor, Frame, Plain, Quotient, Shifted
from evo.numbers.reals import ball
from evo.targets.target import Target

MAX_SQUARINGS = 6
"""Most squarings of a form that are tried."""
_PROBES = tuple(Fraction(k, 1009) for k in (111, 270, 456, 625, 803, 977))
"""Where symmetries are tested, as parts of the interval: at simple fractions functions meet by chance."""
_SMALL = 1e-40
"""Relative difference that counts as none, at 384 bits."""
_TINY = 60
"""The power at 0 is taken between 2^-60 and 2^-62 of the interval."""


@dataclass(frozen=True)
class Traits:
    """What forms a target can have.

    Attributes:
        frames: without squarings, simplest first.
        moebius: by squarings, the fixed points (p, q) of the involution f(x) -> f(-x), p = f(0).
        pole: whether 1/x may be used.
    """

    frames: tuple[Frame, ...]
    moebius: dict[int, tuple[Any, Any]]
    pole: bool


def traits(target: Target) -> Traits:
    """The target's symmetries, and its behaviour at 0."""
    lo, hi = target.ends
    x = [ball(lo + (hi - lo) * part) for part in _PROBES]
    right, left = [target.ball(a) for a in x], [target.ball(-a) for a in x]
    frames = [frame for factor in _factors(target, right, left) for frame in _frames(factor, x, right, left)]
    if _vanish([a * b - 1 for a, b in zip(right, left, strict=True)], [arb(1)] * len(x)):
        frames.append(Frame(core=Quotient()))
    if lo > 0 and not target.measure.divides and (frame := _logarithmic(target, x)):
        frames.append(frame)
    pole = not lo < 0 < hi
    return Traits(tuple(frames), _involutions(right, left) if pole else {}, pole)


def _factors(target: Target, right: Sequence[Any], left: Sequence[Any]) -> list[Factor]:
    """What f may be divided by: x or sqrt(x) where it vanishes so at 0, x where it is odd."""
    lo, hi = target.ends
    if not lo <= 0 <= hi:
        return ["", "x"] if _vanish([a + b for a, b in zip(right, left, strict=True)], right) else [""]
    power = _power_at_zero(target)
    factor: Factor = "x" if power == 1 else "sqrt(x)" if power == 0.5 and lo == 0 else ""
    return ["", factor] if factor and not target.measure.divides else [factor]


def _frames(factor: Factor, x: Sequence[Any], right: Sequence[Any], left: Sequence[Any]) -> Iterator[Frame]:
    """The frames with this factor; what is left of f may be even, or odd but for a constant."""
    plain = Frame(factor)
    yield plain
    if factor == "sqrt(x)":  # not real on the other side of 0, where symmetry would show: try both
        yield Frame(factor, Plain(even=True))
        return
    f = [plain.wanted(a, b) for a, b in zip(x, right, strict=True)]
    g = [plain.wanted(-a, b) for a, b in zip(x, left, strict=True)]
    if _vanish([a - b for a, b in zip(f, g, strict=True)], f):
        yield Frame(factor, Plain(even=True))
    twice = [a + b for a, b in zip(f, g, strict=True)]
    if _vanish([a - twice[0] for a in twice], twice) and not _vanish(twice, f):
        yield Frame(factor, Shifted((twice[0] / 2).mid()))


def _involutions(right: Sequence[Any], left: Sequence[Any]) -> dict[int, tuple[Any, Any]]:
    """The fixed points of f(x) -> f(-x), of f and of its square roots, as far as they are real."""
    found = {}
    for k in range(MAX_SQUARINGS + 1):
        if points := _fixed_points(right, left):
            found[k] = points
        if not all(a > 0 for a in (*right, *left)):
            break
        right, left = [a.sqrt() for a in right], [b.sqrt() for b in left]
    return found


def _logarithmic(target: Target, x: Sequence[Any]) -> Frame | None:
    """The frame of an f with f(x) + f(c^2/x) = 2 f(c), c^2 = lo hi: f(c) + an odd function of s."""
    lo, hi = (ball(end) for end in target.ends)
    c = (lo * hi).sqrt().mid()
    offset = target.ball(c)
    rest = [target.ball(a) + target.ball(c * c / a) - 2 * offset for a in x]
    return Frame(core=Shifted(offset.mid(), c)) if _vanish(rest, [arb(1)] * len(x)) else None


def _power_at_zero(target: Target) -> float:
    """The a of f ~ c x^a at 0, rounded; 0 if f has none or a value there."""
    lo, hi = target.ends
    h = ball((hi if hi > 0 else lo) / 2**_TINY)
    ratio = target.ball(h) / target.ball(h / 4)
    return round(float((abs(ratio)).log() / arb(4).log()), 6) if ratio.is_finite() and ratio != 0 else 0.0


def _fixed_points(f: Sequence[Any], g: Sequence[Any]) -> tuple[Any, Any] | None:
    """(p, q) of the involution that maps each f to its g and back, p nearest to them; None if there is none.

    The involution is a f g + b (f + g) + c = 0 with a != 0 and real fixed points.
    """
    if not all(v.is_finite() for v in (*f, *g)):
        return None
    rows = [(u * v, u + v, arb(1)) for u, v in zip(f, g, strict=True)]
    try:
        b, c = (
            arb_mat(2, 2, [rows[0][1], 1, rows[-1][1], 1])
            .solve(arb_mat(2, 1, [-rows[0][0], -rows[-1][0]]))
            .entries()
        )
    except ZeroDivisionError:
        return None
    if not _vanish([r[0] + b * r[1] + c for r in rows], [r[0] for r in rows]):
        return None
    spread = b * b - c
    if not spread > 0:
        return None
    points = [(-b + s * spread.sqrt()).mid() for s in (1, -1)]
    if not all(v.is_finite() for v in points):
        return None
    middle = (f[0] + g[0]) / 2
    return tuple(sorted(points, key=lambda z: float(abs(z - middle))))


def _vanish(values: Sequence[Any], scales: Sequence[Any]) -> bool:
    return all(
        v.is_finite() and abs(v).upper() < abs(s).upper() * _SMALL
        for v, s in zip(values, scales, strict=True)
    )
