"""Rational functions and odd continued fractions as programs of the fewest ops.

A rational function r of degrees (m, n) is written by Horner's scheme, or as a polynomial part and the
continued fraction a1/(t + b1 + a2/(t + b2 + ...)): 2 max(m, n) + min(m, n) ops. An odd continued fraction
x + a1/(x + a2/(x + ...)), ending in aj/x, needs 2j ops.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evo.programs.program import Instruction, Operand, Program, X

_SMALL = 1e-40
"""Deviation from 1 of a leading coefficient that counts as 1, at 384 bits."""


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


def write_rational(code: Builder, t: Operand, p: Sequence[Any], q: Sequence[Any]) -> Operand:
    """r(t) = p(t) / q(t) as polynomial part and continued fraction."""
    if len(p) < len(q):
        scale = p[-1] / q[-1]
        return code.op("div", scale, _expanded(code, t, [c * scale for c in q], p))
    return _expanded(code, t, p, q)


def write_odd_rational(code: Builder, x: Operand, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Operand:
    """x r(x^2).

    Args:
        code: what to append to.
        x: a value.
        p: coefficients of r's numerator, from the lowest.
        q: of its denominator.
        pole: whether 1/x may be used, which saves an op where r is of degrees (0, 1).
    """
    if pole and (len(p), len(q)) == (1, 2):
        return code.op("div", p[0] / q[1], code.op("add", x, code.op("div", q[0] / q[1], x)))
    return code.op("mul", write_rational(code, code.op("mul", x, x), p, q), x)


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
