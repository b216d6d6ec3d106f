"""The classical forms of an approximation, written as programs.

A *shape* is a rational function r of degrees (m, n), written with the fewest ops: Horner's scheme, or a
polynomial part and the continued fraction a1/(t + b1 + a2/(t + b2 + ...)), 2 max(m, n) + min(m, n) ops. A
*frame* is what stands around r: a factor x or sqrt(x), the argument x^2 instead of x, the symmetric quotient
(r + x)/(r - x), squarings. `traits` finds, with balls, which frames a target can have.

A function with f(x) f(-x) = 1, or in general with a symmetric bilinear relation between f(x) and f(-x), is a
Möbius function c + d/(e + o(x)) of an odd function o, because the relation is an involution, and every
involution z -> Mz is -z in the coordinate (z - p)/(z - q), p and q its fixed points. An odd continued
fraction x + a1/(x + a2/(x + ...)), ending in aj/x, needs 2j ops.
A function with f(x) + f(c^2/x) = 2 f(c), such as a logarithm, is f(c) + an odd function of
s = (x - c)/(x + c), which changes its sign with x -> c^2/x.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat

from evo.numbers.reals import ball
from evo.programs.program import Instruction, Operand, Program, X
from evo.targets.target import Target

MAX_SQUARINGS = 6
_PROBES = tuple(Fraction(k, 1009) for k in (111, 270, 456, 625, 803, 977))
_SMALL = 1e-40
_TINY = 60


@dataclass
class Builder:
    """A program under construction."""

    instructions: list[Instruction] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def op(self, name: str, *args: Any) -> Operand:
        """Appends an op; operands that are numbers become constants."""
        words = tuple(a if isinstance(a, Operand) else self._constant(a) for a in args)
        self.instructions.append(Instruction(name, words))
        return Operand("v", len(self.instructions) - 1)

    def _constant(self, value: Any) -> Operand:
        self.constants.append(value)
        return Operand("c", len(self.constants) - 1)

    @property
    def program(self) -> Program:
        """What was appended."""
        return Program(tuple(self.instructions))


@dataclass(frozen=True)
class Frame:
    """What stands around a rational function r: factor * (offset + x r(t) or quotient or r(t))^(2^squarings).

    Attributes:
        factor: "", "x" or "sqrt(x)".
        even: whether t is x^2, else x.
        quotient: whether (r + x)/(r - x) takes the place of r.
        offset: whether c + x r(t) does, c = f(0).
        ratio: if given, s = (x - ratio)/(x + ratio) takes the place of x everywhere, but for the factor.
        squarings: how often that is squared.
    """

    factor: str = ""
    even: bool = False
    quotient: bool = False
    offset: Any = None
    ratio: Any = None
    squarings: int = 0

    def name(self, m: int, n: int) -> str:
        """Such as "x*J(1,1)(x^2)" or "S(2,2)+1"."""
        shape = f"({m},{n})" if m < n or (m != n and n) else f"J({m},{n})" if n else f"P({m})"
        if self.quotient:
            shape = f"S({m},{n})"
        elif self.even:
            shape += "(x^2)"
        if self.offset is not None:
            shape = f"c+x*{shape}"
            shape = f"({shape})" if self.factor else shape
        name = (f"{self.factor}*" if self.factor else "") + shape + self.suffix
        return name if self.ratio is None else name.replace("x", "s")

    @property
    def suffix(self) -> str:
        """The squarings in a form's name."""
        return f"+{self.squarings}" if self.squarings else ""

    def wanted(self, x: Any, y: Any) -> Any:
        """The r that makes the whole be y at x; on balls, without squarings also on series."""
        if self.factor:
            y = y / (x if self.factor == "x" else x.sqrt())
        for _ in range(self.squarings):
            y = y.sqrt()
        x = self.inner(x)
        if self.offset is not None:
            return (y - self.offset) / x
        return x * (y + 1) / (y - 1) if self.quotient else y

    def inner(self, x: Any) -> Any:
        """x, or s in its place."""
        return x if self.ratio is None else (x - self.ratio) / (x + self.ratio)

    def value(self, x: Any, r: Any) -> Any:
        """The whole at x, on balls."""
        s = self.inner(x)
        if self.quotient:
            r = (r + s) / (r - s)
        elif self.offset is not None:
            r = self.offset + s * r
        for _ in range(self.squarings):
            r = r * r
        return r * (x if self.factor == "x" else x.sqrt()) if self.factor else r

    def write(self, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Builder:
        """The program of r = p / q, coefficients from t^0 up.

        Args:
            pole: whether 1/x may be used, the interval having no 0 inside.
        """
        code = Builder()
        s = X
        if self.ratio is not None:
            s = code.op("div", code.op("sub", X, self.ratio), code.op("add", X, self.ratio))
        if pole and self.ratio is None and self.even and (len(p), len(q)) == (1, 2) and self._odd_core:
            v = code.op("div", p[0] / q[1], code.op("add", X, code.op("div", q[0] / q[1], X)))
        else:
            t = code.op("mul", s, s) if self.even else s
            v = write_rational(code, t, p, q)
            if self.quotient:
                v = code.op("div", code.op("add", v, s), code.op("sub", v, s))
            elif self._odd_core:
                v = code.op("mul", v, s)
        if self.offset is not None:
            v = code.op("add", v, self.offset)
        for _ in range(self.squarings):
            v = code.op("mul", v, v)
        if self.factor == "sqrt(x)":
            v = code.op("mul", v, code.op("sqrt", X))
        elif self.factor and not (self._odd_core and self.offset is None):
            v = code.op("mul", v, X)
        return code

    @property
    def _odd_core(self) -> bool:
        return self.offset is not None or (self.factor == "x" and not self.squarings)


def write_rational(code: Builder, t: Operand, p: Sequence[Any], q: Sequence[Any]) -> Operand:
    """r(t) = p(t) / q(t) as polynomial part and continued fraction."""
    if len(p) < len(q):
        scale = p[-1] / q[-1]
        return code.op("div", scale, _expanded(code, t, [c * scale for c in q], p))
    return _expanded(code, t, p, q)


def _expanded(code: Builder, t: Operand, p: Sequence[Any], q: Sequence[Any]) -> Operand:
    """p / q with deg p >= deg q; a leading coefficient that is 1 costs nothing."""
    quotient, rest = divide(p, q)
    monic = len(quotient) > 1 and abs(quotient[-1] - 1) < _SMALL
    v: Any = code.op("add", t, quotient[-2]) if monic else quotient[-1]
    for c in quotient[-3 if monic else -2 :: -1]:
        v = code.op("add", code.op("mul", v, t), c)
    if len(q) == 1:
        return v
    return code.op("add", _fraction(code, t, rest, q), v)


def _fraction(code: Builder, t: Operand, p: Sequence[Any], q: Sequence[Any]) -> Operand:
    """p / q with deg p = deg q - 1: a1/(t + b1 + a2/(t + b2 + ...))."""
    (b, s), rest = divide(q, p)
    below = code.op("add", t, b / s)
    if len(p) > 1:
        below = code.op("add", below, _fraction(code, t, [c / s for c in rest], p))
    return code.op("div", 1 / s, below)


def divide(p: Sequence[Any], q: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Quotient and remainder, coefficients from t^0 up; q's leading coefficient must not vanish."""
    rest = list(p)
    quotient = []
    for k in range(len(p) - len(q), -1, -1):
        c = rest[k + len(q) - 1] / q[-1]
        quotient.append(c)
        for j, d in enumerate(q):
            rest[k + j] -= c * d
    return quotient[::-1], rest[: len(q) - 1]


def write_odd(constants: Sequence[Any], c: Any, d: Any, e: Any, squarings: int) -> Builder:
    """(c + d/(e + x + a1/(x + a2/(... + aj/x))))^(2^squarings)."""
    code = Builder()
    v = X
    for a in reversed(constants):
        v = code.op("add", X, code.op("div", a, v))
    v = code.op("add", c, code.op("div", d, code.op("add", e, v)))
    for _ in range(squarings):
        v = code.op("mul", v, v)
    return code


def odd_fraction(top: Sequence[Any], below: Sequence[Any]) -> tuple[Any, list[Any]]:
    """s and a1 ... aj of top / below = s (x + a1/(x + a2/(... + aj/x))).

    Args:
        top: coefficients of every second power of x, from the lowest, of degree j + 1.
        below: likewise, of degree j, in the other powers.
    """
    scale = top[-1] / below[-1]
    rest = [a - scale * b for a, b in zip(top, below if len(top) == len(below) else [0, *below], strict=True)]
    if len(rest) == 1:
        return scale, []
    s, constants = odd_fraction(below, [c / scale for c in rest[:-1]])
    return scale, [1 / s, *constants]


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
        frames.append(Frame(even=True, quotient=True))
    if lo > 0 and not target.measure.divides and (frame := _logarithmic(target, x)):
        frames.append(frame)
    pole = not lo < 0 < hi
    return Traits(tuple(frames), _involutions(right, left) if pole else {}, pole)


def _factors(target: Target, right: Sequence[Any], left: Sequence[Any]) -> list[str]:
    """What f may be divided by: x or sqrt(x) where it vanishes so at 0, x where it is odd."""
    lo, hi = target.ends
    if not lo <= 0 <= hi:
        return ["", "x"] if _vanish([a + b for a, b in zip(right, left, strict=True)], right) else [""]
    power = _power_at_zero(target)
    factor = "x" if power == 1 else "sqrt(x)" if power == 0.5 and lo == 0 else ""
    return ["", factor] if factor and not target.measure.divides else [factor]


def _frames(factor: str, x: Sequence[Any], right: Sequence[Any], left: Sequence[Any]) -> Iterator[Frame]:
    """The frames with this factor; what is left of f may be even, or odd but for a constant."""
    plain = Frame(factor)
    yield plain
    if factor == "sqrt(x)":  # not real on the other side of 0, where symmetry would show: try both
        yield Frame(factor, even=True)
        return
    f = [plain.wanted(a, b) for a, b in zip(x, right, strict=True)]
    g = [plain.wanted(-a, b) for a, b in zip(x, left, strict=True)]
    if _vanish([a - b for a, b in zip(f, g, strict=True)], f):
        yield Frame(factor, even=True)
    twice = [a + b for a, b in zip(f, g, strict=True)]
    if _vanish([a - twice[0] for a in twice], twice) and not _vanish(twice, f):
        yield Frame(factor, even=True, offset=(twice[0] / 2).mid())


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
    return Frame(even=True, offset=offset.mid(), ratio=c) if _vanish(rest, [arb(1)] * len(x)) else None


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
