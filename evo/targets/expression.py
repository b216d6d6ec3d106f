"""User expressions: a safe parser to a small immutable tree, and its rigorous meaning on balls.

The text is split by one regular expression and parsed by precedence climbing. Nothing is ever passed to
`eval`, `ast` or `getattr`: a name is a row of `FUNCTIONS` or `LEAVES`, or an error. Limits on the length,
the nesting, the size of numbers and of integer powers keep hostile text cheap.

Numbers stay exact as written (rationals), and an arithmetic of numbers alone is folded exactly. The tree
is stored flat, operands before their operator, so that evaluation is a loop and never recursion.

Precedence, tightest first: `^` or `**` (from the right), unary minus, `*` `/`, `+` `-`; so `-x^2` is
`-(x^2)`. An integer power is repeated multiplication and takes negative bases; any other power `a^b`
is exp(b log a), for a > 0. `cbrt` takes negative numbers; `lgamma` takes positive numbers only.

Sources: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Trans. Comput. 66 (2017), for the balls; the Taylor enclosures are Lagrange's form of the remainder.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from math import comb
from typing import Any, NamedTuple

import flint
from flint import arb, arb_series, fmpq

from evo.errors import EvonumError
from evo.targets.functions import FUNCTIONS, MACROS

MAX_LENGTH = 1000
MAX_DEPTH = 100
MAX_NODES = 2000
MAX_POWER = 1000
MAX_EXPONENT10 = 400
MAX_ORDER = 100
_MAX_FOLDED_BITS = 4096


class ExpressionError(EvonumError, ValueError):
    """Text that is not an expression; one line that names the position, counted from 1."""


LEAVES: dict[str, Callable[[], Any]] = {"pi": arb.pi, "e": arb.const_e}
"""The named numbers."""

_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "neg": operator.neg,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: _divide(a, b),
}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_UNARY = 3
_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(
    rf"[ \t]*(?:(?P<number>{_NUMBER})|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<mark>\*\*|[-+*/^(),]))"
)


class Node(NamedTuple):
    """One step: `op` is "x", "number", a leaf, an operator, "neg", "power" or a function.

    `args` are the positions of the operands among the nodes; `number` is the exact value of a "number"
    and the exponent (an integer) of a "power".
    """

    op: str
    args: tuple[int, ...] = ()
    number: Any = None


@dataclass(frozen=True)
class Expression:
    """A parsed expression in x.

    Attributes:
        text: the source with its spaces removed and `**` written `^`; parses to the same tree.
        nodes: the tree, operands before operators; the last node is the value.
    """

    text: str
    nodes: tuple[Node, ...]

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Pickles as text: flint numbers do not pickle everywhere."""
        return parse_expression, (self.text,)

    @property
    def depends_on_x(self) -> bool:
        """Whether x occurs."""
        return any(node.op == "x" for node in self.nodes)

    def ball(self, x: Any) -> Any:
        """Rigorous enclosure of the values on `x`, at the current `flint.ctx.prec`.

        Args:
            x: an arb; or an arb_series, for the truncated Taylor series in the same number of terms
                (flint keeps no more than `flint.ctx.cap` of them).

        Returns:
            A ball (or series of balls) that contains the exact value for every x in the ball; not
            finite where the expression is undefined, or where that could not be excluded.
        """
        values: list[Any] = []
        if isinstance(x, arb_series):
            for node in self.nodes:
                values.append(apply_node(node, x, [values[k] for k in node.args]))
            return arb_series([values[-1]], x.prec) if isinstance(values[-1], arb) else values[-1]
        for function, args in self._steps:
            values.append(function(*[values[k] for k in args]) if args else function(x))
        return values[-1]

    @cached_property
    def _steps(self) -> list[tuple[Callable[..., Any], tuple[int, ...]]]:
        """Each node's function on arbs and its operands: looked up once, not at every point."""
        return [(_function(node, series=False), node.args) for node in self.nodes]

    def enclose(self, box: Any, terms: int = 6) -> Any:
        """Like `ball`, for wide boxes: a tighter enclosure, about ten times slower.

        Every node is enclosed by its Taylor series about the middle with `terms` terms and the
        remainder over the box, or by plain ball arithmetic, whichever is narrower. Unlike `ball` it
        shows that 1 - cos(x) has no zero in [1e-9, 2e-9].

        Args:
            box: a finite arb.
            terms: at least 1; cancellation to the order `terms - 1` at a zero is seen through.
        """
        cap = flint.ctx.cap
        flint.ctx.cap = max(cap, terms + 1)
        try:
            middle = box.mid()
            step = box - middle
            points: list[Any] = []
            wides: list[Any] = []
            point_x, wide_x = (arb_series([value, 1], terms + 1) for value in (middle, box))
            for node in self.nodes:
                points.append(apply_node(node, point_x, [points[k] for k in node.args]))
                wide = apply_node(node, wide_x, [wides[k] for k in node.args])
                wides.append(_narrowed(points[-1], wide, step) if isinstance(wide, arb_series) else wide)
            return wides[-1][0] if isinstance(wides[-1], arb_series) else wides[-1]
        finally:
            flint.ctx.cap = cap


def apply_node(node: Node, x: Any, args: list[Any]) -> Any:
    """The value of one node from those of its operands."""
    if not args:
        return _function(node, series=False)(x)
    return _function(node, isinstance(args[-1], arb_series))(*args)


def _function(node: Node, series: bool) -> Callable[..., Any]:
    """A node's function of its operands; of x, if it has none.

    Args:
        series: whether the last operand is one.
    """
    op, number = node.op, node.number
    if op == "x":
        return lambda x: x
    if op == "number":
        return lambda x: arb(number)
    if op in LEAVES:
        return lambda x: LEAVES[op]()
    if op in _ARITHMETIC:
        return _ARITHMETIC[op]
    if op == "power":
        return lambda a: _power(a, number)
    if op == "^":
        return lambda a, b: (b * a.log()).exp()
    return FUNCTIONS[op].series if series else FUNCTIONS[op].ball


def _power(base: Any, exponent: int) -> Any:
    """By squaring: `arb(0, 1) ** 2` is nan in python-flint 0.9."""
    if exponent < 0:
        return _divide(arb(1), _power(base, -exponent))
    n, result = exponent, arb(1)
    while n:
        if n & 1:
            result = base * result
        n >>= 1
        if n:
            base = base * base
    return result


def _divide(a: Any, b: Any) -> Any:
    series = b if isinstance(b, arb_series) else a
    if isinstance(series, arb_series) and (b[0] if series is b else b).contains(0):
        return arb_series([arb.nan()] * series.prec, series.prec)
    return a / b


def _narrowed(point: Any, wide: Any, step: Any) -> Any:
    """The coefficients of `wide`, each replaced by its Taylor enclosure from `point` where narrower.

    Args:
        point: series at the middle of the box, n + 1 terms.
        wide: series over the whole box, n + 1 terms; its last is that of the remainder.
        step: the box less its middle.
    """
    n = wide.prec - 1
    powers = [_power(step, k) for k in range(n + 1)]
    coefficients = [wide[k] for k in range(n + 1)]
    for k in range(n):
        taylor = coefficients[n] * powers[n - k] * comb(n, k)
        for j in range(n - 1, k - 1, -1):
            taylor += point[j] * powers[j - k] * comb(j, k)
        if taylor.is_finite() and not (coefficients[k].is_finite() and coefficients[k].rad() < taylor.rad()):
            coefficients[k] = taylor
    return arb_series(coefficients, n + 1)


def parse_expression(text: str) -> Expression:
    """The expression that `text` writes.

    Raises:
        ExpressionError: not an expression, or beyond a limit (`MAX_LENGTH` characters, `MAX_DEPTH`
            nested parts, integer powers up to `MAX_POWER`, decimal exponents up to `MAX_EXPONENT10`).
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"An expression has at most {MAX_LENGTH} characters; this one has {len(text)}.")
    parser = _Parser(_tokens(text))
    parser.parse()
    words = (word for _, word, _ in parser.tokens)
    return Expression("".join({"**": "^", ",": ", "}.get(word, word) for word in words), tuple(parser.nodes))


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """(kind, word, position) each; the last has the kind "end"."""
    tokens: list[tuple[str, str, int]] = []
    at, end = 0, len(text.rstrip(" \t"))
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at = len(text) - len(text[at:].lstrip(" \t"))
            raise ExpressionError(f"Unexpected character {text[at]!r} at position {at + 1}.")
        kind = str(match.lastgroup)
        tokens.append((kind, match[kind], match.start(kind) + 1))
        at = match.end()
    tokens.append(("end", "", end + 1))
    return tokens


class _Parser:
    """Precedence climbing over tokens; fills `nodes`, operands first."""

    def __init__(self, tokens: list[tuple[str, str, int]], names: tuple[str, ...] = ("x",)) -> None:
        self.tokens = tokens
        self.names = names
        self.at = 0
        self.depth = 0
        self.nodes: list[Node] = []

    def parse(self) -> None:
        self.binary(1)
        kind, word, position = self.tokens[self.at]
        if kind != "end":
            raise ExpressionError(
                f"Expected an operator or the end at position {position}, got {word[:30]!r}."
            )

    def next(self) -> tuple[str, str, int]:
        token = self.tokens[self.at]
        self.at += token[0] != "end"
        return token

    def expect(self, mark: str, where: str) -> None:
        _, word, position = self.next()
        if word != mark:
            got = repr(word[:30]) if word else "the end"
            raise ExpressionError(f"Expected {mark!r} {where} at position {position}, got {got}.")

    def nested(self, minimum: int, position: int) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"Nested deeper than {MAX_DEPTH} at position {position}.")
        result = self.binary(minimum)
        self.depth -= 1
        return result

    def binary(self, minimum: int) -> int:
        left = self.unary()
        while True:
            _, op, position = self.tokens[self.at]
            op = "^" if op == "**" else op
            if _PRECEDENCE.get(op, 0) < minimum:
                return left
            self.at += 1
            if op == "^":
                left = self.power(left, self.nested(_PRECEDENCE["^"], position), position)
            else:
                left = self.add(op, (left, self.binary(_PRECEDENCE[op] + 1)), position)

    def unary(self) -> int:
        kind, word, position = self.next()
        if kind == "number":
            return self.push(Node("number", (), _number(word, position)))
        if kind == "name":
            return self.name(word, position)
        if word == "+":
            return self.nested(_UNARY, position)
        if word == "-":
            return self.add("neg", (self.nested(_UNARY, position),), position)
        if word == "(":
            inner = self.nested(1, position)
            self.expect(")", f"to close the one at position {position}")
            return inner
        got = repr(word) if word else "the end"
        raise ExpressionError(f"Expected a number, x or a function at position {position}, got {got}.")

    def name(self, word: str, position: int) -> int:
        if word in self.names or word in LEAVES:
            return self.push(Node(word))
        if word in MACROS:
            return self.macro(word, position)
        if word not in FUNCTIONS:
            known = ["x", *LEAVES, *FUNCTIONS, *MACROS]
            near = get_close_matches(word, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ExpressionError(
                f"Unknown name {word[:30]!r} at position {position}; known are {', '.join(known)}.{hint}"
            )
        arity = FUNCTIONS[word].arity
        args = self.arguments(word, arity, position)
        if arity > 1:
            order = self.nodes[args[0]]
            if order.op != "number" or abs(order.number) > MAX_ORDER:
                raise ExpressionError(
                    f"The order of {word} at position {position} must be a rational number"
                    f" from -{MAX_ORDER} to {MAX_ORDER}."
                )
        return self.push(Node(word, tuple(args)))

    def arguments(self, word: str, arity: int, position: int) -> list[int]:
        self.expect("(", f"after {word}")
        args = [self.nested(1, position)]
        while len(args) < arity:
            self.expect(",", f"in {word}, which takes {arity} arguments,")
            args.append(self.nested(1, position))
        self.expect(")", f"to close {word}, which takes {arity} argument{'s' * (arity > 1)},")
        return args

    def macro(self, word: str, position: int) -> int:
        """The nodes of what the name stands for, the arguments in the places of x and y."""
        arity, text = MACROS[word]
        given = dict(zip(("x", "y"), self.arguments(word, arity, position), strict=False))
        body = _Parser(_tokens(text), names=("x", "y"))
        body.parse()
        placed: list[int] = []
        for node in body.nodes:
            if node.op in given:
                placed.append(given[node.op])
            else:
                placed.append(self.push(node._replace(args=tuple(placed[k] for k in node.args))))
        return placed[-1]

    def push(self, node: Node) -> int:
        if len(self.nodes) >= MAX_NODES:
            raise ExpressionError(f"The expression has more than {MAX_NODES} parts.")
        self.nodes.append(node)
        return len(self.nodes) - 1

    def add(self, op: str, args: tuple[int, ...], position: int) -> int:
        """A node for `op`, or one number where all operands are numbers."""
        numbers = [self.nodes[k].number if self.nodes[k].op == "number" else None for k in args]
        if op == "/" and numbers[1] == 0:
            raise ExpressionError(f"Division by zero at position {position}.")
        if any(number is None for number in numbers):
            return self.push(Node(op, args))
        return self.replace(len(args), _ARITHMETIC[op](*numbers))

    def replace(self, count: int, number: Any) -> int:
        """One number in place of the last `count` nodes, which are its operands."""
        del self.nodes[len(self.nodes) - count :]
        return self.push(Node("number", (), number))

    def power(self, base: int, exponent: int, position: int) -> int:
        power = self.nodes[exponent]
        if power.op != "number" or power.number.q != 1:
            return self.push(Node("^", (base, exponent)))
        n = int(power.number.p)
        value = self.nodes[base].number if self.nodes[base].op == "number" else None
        if value is not None and value == 0 and n < 0:
            raise ExpressionError(f"Division by zero at position {position}.")
        if value is not None and _bits(value) * abs(n) <= _MAX_FOLDED_BITS:
            return self.replace(2, value**n)
        if abs(n) > MAX_POWER:
            raise ExpressionError(f"The integer power at position {position} exceeds {MAX_POWER}.")
        del self.nodes[exponent]
        return self.push(Node("power", (base,), n))


def _number(word: str, position: int) -> Any:
    mantissa, _, exponent = word.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    power = int(exponent or "0")
    if abs(power) > MAX_EXPONENT10:
        raise ExpressionError(f"The exponent at position {position} exceeds {MAX_EXPONENT10}: {word[:30]!r}.")
    power -= len(part)
    digits = int(whole + part)
    return fmpq(digits * 10**power) if power >= 0 else fmpq(digits, 10**-power)


def _bits(number: Any) -> int:
    return int(number.p).bit_length() + int(number.q).bit_length()
