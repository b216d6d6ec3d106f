"""A target on a piece of its interval, as a model: the functions of expressions, and their branch points.

Where the argument of a function is a branch point or a zero at t = 0, the function is made otherwise:
acos(1 - w) is 2 asin(sqrt(w/2)), the logarithm of t^v u is v log t + log u, |a| is a or -a.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from flint import arb

from evo.numbers.reals import PI, E, Real
from evo.targets.expansions import expansion, quarter_turns
from evo.targets.expression import Expression, Node, apply_node
from evo.targets.functions import FUNCTIONS, Function
from evo.targets.logarithms import LogModel
from evo.targets.taylor import TaylorModel

LOGARITHMS: dict[str, Callable[[], Any]] = {
    "log": lambda: arb(1),
    "log2": arb.const_log2,
    "log10": arb.const_log10,
}
"""What divides log, by the name of the logarithm."""

MAX_POLE = 100
"""Poles of gamma that are told, at 0, -1, ..."""

Branch = Callable[[TaylorModel], TaylorModel]


def find_branch(name: str, inner: TaylorModel) -> Branch | None:
    """How a function is made where its argument at t = 0 is a branch point or a pole of it, if it is."""
    at = inner.known[0] if inner.known else None
    if at is None:
        return None
    turns = quarter_turns(at) if name == "tan" else None
    if turns is not None and turns % 2:
        return lambda a: a.function(FUNCTIONS["sin"]) / a.function(FUNCTIONS["cos"])
    if name == "gamma" and at.rational is not None and at.rational.denominator == 1:
        return _gamma_at_pole(-int(at.rational)) if -MAX_POLE <= at.rational <= 0 else None
    return BRANCHES.get((name, at.rational)) if at in (1, -1) else None


def _gamma_at_pole(n: int) -> Branch:
    """gamma(a) next to a = -n: gamma(a + n + 1) / (a (a + 1) ... (a + n)), DLMF 5.5.1."""

    def branch(a: TaylorModel) -> TaylorModel:
        value = (a + (n + 1)).function(FUNCTIONS["gamma"])
        for k in range(n + 1):
            value = value / (a + k)
        return value

    return branch


def _arc(towards: TaylorModel) -> TaylorModel:
    """2 asin(sqrt(w/2)), which is acos(1 - w)."""
    return (towards / 2).sqrt().function(FUNCTIONS["asin"]) * 2


BRANCHES: dict[tuple[str, Fraction | None], Branch] = {
    ("acos", Fraction(1)): lambda a: _arc(1 - a),
    ("acos", Fraction(-1)): lambda a: PI - _arc(1 + a),
    ("asin", Fraction(1)): lambda a: PI / 2 - _arc(1 - a),
    ("asin", Fraction(-1)): lambda a: _arc(1 + a) - PI / 2,
    ("acosh", Fraction(1)): lambda a: ((a - 1) / 2).sqrt().function(FUNCTIONS["asinh"]) * 2,
    ("log1p", Fraction(-1)): lambda a: function_model(FUNCTIONS["log"], 1 + a),
}
"""The functions with a root's branch point, by name and place."""


def function_model(row: Function, argument: TaylorModel, order: Sequence[Any] = ()) -> TaylorModel:
    """A function of the expression table, with the arguments `order` before this one.

    Raises:
        UndefinedError: as the operations of `TaylorModel`.
    """
    if row.name in ("sqrt", "cbrt"):
        return argument.function(row)
    inner = argument.bounded(f"the argument of {row.name}")
    if row.name == "abs":
        return inner.magnitude()
    if branch := find_branch(row.name, inner):
        return branch(inner)
    if row.name in LOGARITHMS and inner.positive and inner.poly.length() and inner.poly[0].is_zero():
        return _logarithm(inner) / LOGARITHMS[row.name]()
    return inner.function(row, order)


def _logarithm(inner: TaylorModel) -> TaylorModel:
    """log of a model t^v u, u > 0: v log t + log u."""
    unit, power = inner.unit("a logarithm of zero")
    plain = unit.function(FUNCTIONS["log"])
    return LogModel([plain, plain._lifted(power)]) if power else plain


def expression_model(expression: Expression, x: TaylorModel) -> TaylorModel:
    """A user's expression of the model `x`.

    Raises:
        UndefinedError: as the operations of `TaylorModel`.
    """
    values: list[Any] = []
    for node in expression.nodes:
        values.append(_node_model(expression, node, x, [values[k] for k in node.args]))
    return x._lifted(values[-1])


def _node_model(expression: Expression, node: Node, x: TaylorModel, args: list[Any]) -> Any:
    """One node's value: a model, or a number that does not depend on x."""
    if node.op == "number":
        return Real.of(node.number)
    if node.op in EXACT_LEAVES:
        return EXACT_LEAVES[node.op]
    if not any(isinstance(arg, TaylorModel) for arg in args):
        if node.op == "power" and isinstance(args[0], Real):
            return args[0] ** int(node.number)
        if node.op == "^" and (exact := _exact_power(*args)) is not None:
            return exact
        if x.known and node.op in FUNCTIONS and len(args) == 1:  # such as sin(pi), which is exactly 0
            value = _exact_value(node.op, args[0])
            if value is not None:
                return value
        if not all(isinstance(arg, Real) for arg in args) or node.op in (*FUNCTIONS, "^"):
            args = [arg.ball() if isinstance(arg, Real) else arg for arg in args]
        return apply_node(node, x, args)
    if node.op in FUNCTIONS:
        orders = [expression.nodes[k].number for k in node.args[:-1]]
        return function_model(FUNCTIONS[node.op], args[-1], orders)
    if node.op == "^":
        # Of x^(x^2) the exponent is a power, whose number is its own exponent.
        exponent = expression.nodes[node.args[1]]
        return _general_power(args, exponent.number if exponent.op == "number" else None)
    return apply_node(node, x, args)


EXACT_LEAVES = {"pi": PI, "e": E}


def _exact_value(name: str, argument: Any) -> Real | None:
    return expansion(name, argument, 1)[0] if isinstance(argument, Real) else None


def _general_power(args: Sequence[Any], exponent: Any) -> TaylorModel:
    """a^b for a > 0: a model to a rational power, or exp(b log a)."""
    if exponent is not None:
        return args[0].power(Fraction(int(exponent.p), int(exponent.q)))
    if isinstance(args[0], TaylorModel) and not isinstance(args[1], TaylorModel):
        return args[0].real_power(_as_ball(args[1]))
    base = (
        function_model(FUNCTIONS["log"], args[0])
        if isinstance(args[0], TaylorModel)
        else _as_ball(args[0]).log()
    )
    return function_model(FUNCTIONS["exp"], args[1] * base).beginning(_exact_power(*map(_first, args)))


def _first(value: Any) -> Any:
    """What is known of a value at t = 0: an exact number, or None."""
    if not isinstance(value, TaylorModel):
        return value
    return value.known[0] if value.known and not value.shift else None


def _exact_power(base: Any, exponent: Any) -> Real | None:
    """base^exponent where it is an exact number, such as 2^(1/2) or 8^(2/3)."""
    if not (isinstance(base, Real) and isinstance(exponent, Real)) or exponent.rational is None:
        return None
    return base.power(exponent.rational) if base.form is not None and float(base) > 0 else None


def _as_ball(value: Any) -> Any:
    return value.ball() if isinstance(value, Real) else value
