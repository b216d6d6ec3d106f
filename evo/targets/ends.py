"""The ends of a target's interval: constant expressions, exact as written.

An end is kept as its text: a decimal, or an expression such as `pi/4` or `log(2)/2`. So the zero of a sine at
pi lies at the end and not 1e-16 beside it.
"""

import re
from functools import lru_cache

import flint
from flint import arb

from evo.errors import EvonumError
from evo.numbers.reals import PI, E, Number, Real, UndecidedError
from evo.targets.expansions import expansion
from evo.targets.expression import Expression, ExpressionError, Node, apply_node, parse_expression
from evo.targets.functions import FUNCTIONS

_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LEAVES = {"pi": PI, "e": E}


class TargetError(EvonumError, ValueError):
    """A function, interval or metric that cannot be a target; one line with the reason."""


@lru_cache(maxsize=256)
def end_value(text: str) -> Number:
    """The exact value of an end: a Fraction if it is rational.

    Raises:
        TargetError: no constant expression, no finite value, beyond float64, or a number that cannot be told
            from a float64 next to it.
    """
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        what = "is out of range" if _DECIMAL.fullmatch(text) else "is not a constant"
        raise TargetError(f"The interval's end {text[:40]!r} {what}. {error}") from error
    if expression.depends_on_x:
        raise TargetError(f"The interval's end {text[:40]!r} must be a constant, but has x in it.")
    value = constant(expression)
    with flint.ctx.workprec(320):
        ball = value.ball()
        if not (ball.is_finite() and ball.rad() < 1e-16 * (1 + ball.abs_upper())):
            raise TargetError(f"The interval's end {text[:40]!r} is not finite.")
        if not ball.abs_upper() < 1e308:
            raise TargetError(f"The interval's end {text[:40]!r} is beyond 1e308.")
    exact = value.rational
    if exact is not None:
        return exact
    try:
        value < float(value)  # noqa: B015
    except UndecidedError:
        raise TargetError(
            f"The interval's end {text[:40]!r} cannot be told from {float(value)!r}; write that number."
        ) from None
    return value


def constant(expression: Expression) -> Real:
    """The value of an expression without x."""
    values: list[Real] = []
    for node in expression.nodes:
        values.append(_node_value(node, [values[k] for k in node.args]))
    return values[-1]


def _node_value(node: Node, args: list[Real]) -> Real:
    if node.op == "number":
        return Real.of(node.number)
    if node.op in _LEAVES:
        return _LEAVES[node.op]
    if node.op in FUNCTIONS and len(args) == 1:
        known = args[0].sqrt() if node.op == "sqrt" else expansion(node.op, args[0], 1)[0]
        if known is not None:
            return known
    if node.op == "power":
        return args[0] ** int(node.number)
    if node.op in FUNCTIONS or node.op == "^":
        return Real.known_by(lambda: apply_node(node, arb(0), [arg.ball() for arg in args]))
    value: Real = apply_node(node, arb(0), args)
    return value


def end_text(text: str) -> str:
    """How a user's end is kept: a decimal as short as its value allows, else the expression without spaces.

    Raises:
        TargetError: as `end_value`.
    """
    text = text.strip()
    if text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        raise TargetError(f"The interval's end {text!r} is not finite; searches need a bounded interval.")
    value = end_value(text)
    if isinstance(value, Real) or not _DECIMAL.fullmatch(text):
        return parse_expression(text).text
    short = repr(float(value)).removesuffix(".0")
    return short if end_value(short) == value else text
