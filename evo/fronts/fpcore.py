"""Reads FPCore: straight-line arithmetic of one argument, as a program with constants.

`:evo-target` names the target, else `:spec` is taken where this project's expressions have its functions;
`:pre` such as (< 0 x 1) gives the interval. Constants are exact: hexadecimal numbers become their decimals.

Source: FPCore 2.0, https://fpbench.org/spec/fpcore-2.0.html
"""

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

from evo.fronts.front import FrontError
from evo.programs.ops import BY_TEXT
from evo.programs.program import Instruction, Operand, Program, X
from evo.targets.functions import FUNCTIONS

MAX_DEPTH = 200
_TOKEN = re.compile(r'\s+|;[^\n]*|(?P<mark>[()\[\]])|(?P<string>"(?:[^"\\]|\\.)*")|(?P<atom>[^\s()\[\];"]+)')
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_HEX = re.compile(r"[+-]?0x(?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]+)?|\.[0-9a-fA-F]+)(?:p[+-]?[0-9]{1,4})?")
_RATIONAL = re.compile(r"([+-]?[0-9]{1,300})/(0*[1-9][0-9]{0,300})")
_EXACT = Context(prec=1200, Emin=-9999, Emax=9999)


def read_fpcore(text: str) -> dict[str, Any]:
    """The object of `evo.fronts.reading` for the first FPCore of a text.

    Returns:
        program, constants, interval (None without a `:pre`), and target and metric where they are said.

    Raises:
        FrontError: not FPCore, or more than straight-line arithmetic of one argument; one line.
    """
    tree = _parse(text)
    if not (isinstance(tree, list) and tree and tree[0] == "FPCore"):
        raise FrontError("The text is no FPCore: it does not start with (FPCore.")
    rest = tree[1:] if len(tree) > 1 and isinstance(tree[1], list) else tree[2:]
    if not rest or not isinstance(rest[0], list) or len(rest[0]) != 1:
        raise FrontError("The FPCore must have one argument.")
    argument = _symbol(rest[0][0])
    properties: dict[str, Any] = {}
    at = 1
    while at + 1 < len(rest) and isinstance(rest[at], str) and rest[at].startswith(":"):
        properties[rest[at]] = rest[at + 1]
        at += 2
    if len(rest) != at + 1:
        raise FrontError("The FPCore must have one expression after its properties.")
    reader = _Reader(argument)
    reader.read(rest[at])
    target = properties.get(":evo-target")
    spec = properties.get(":spec")
    return {
        "program": str(reader.program()),
        "constants": reader.constants,
        "interval": _interval(properties.get(":pre"), argument),
        "target": target.strip('"')
        if isinstance(target, str)
        else (_infix(spec, argument) if spec else None),
        "metric": str(properties[":evo-metric"]).strip('"') if ":evo-metric" in properties else None,
    }


class _Reader:
    """Instructions and constants of an expression; numbers become constants in the order of their reading."""

    def __init__(self, argument: str) -> None:
        self.constants: list[str] = []
        self._instructions: list[Instruction] = []
        self._names: dict[str, Operand] = {argument: X}

    def program(self) -> Program:
        """What was read."""
        return Program(tuple(self._instructions))

    def read(self, tree: Any, names: dict[str, Operand] | None = None) -> Operand:
        """The operand that holds the value of `tree`."""
        known = self._names if names is None else names
        if isinstance(tree, str):
            return known[tree] if tree in known else self._constant(tree)
        if not tree or not isinstance(tree[0], str):
            raise FrontError(f"The FPCore has {str(tree)[:60]!r} where an operation is expected.")
        name, args = tree[0], tree[1:]
        if name in ("let", "let*"):
            return self._let(name, args, known)
        if name == "!" and args:
            return self.read(args[-1], known)
        if name == "-" and len(args) == 1:
            name = "neg"
        if name not in BY_TEXT or BY_TEXT[name].arity != len(args):
            raise FrontError(
                f"The FPCore's {name[:30]!r} of {len(args)} operands is none of evo/programs/ops.py."
            )
        operands = tuple(self.read(a, known) for a in args)
        self._instructions.append(Instruction(BY_TEXT[name].name, operands))
        return Operand("v", len(self._instructions) - 1)

    def _let(self, name: str, args: list[Any], known: dict[str, Operand]) -> Operand:
        pairs: list[Any] = args[0] if args and isinstance(args[0], list) else [None]
        if len(args) != 2 or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise FrontError("The FPCore has a let of another form than (let ([name value] ...) body).")
        inner = dict(known)
        for variable, value in pairs:
            inner[_symbol(variable)] = self.read(value, inner if name == "let*" else known)
        return self.read(args[1], inner)

    def _constant(self, text: str) -> Operand:
        if _HEX.fullmatch(text):
            value = _decimal(text)
        elif _DECIMAL.fullmatch(text):
            value = text
        elif found := _RATIONAL.fullmatch(text):
            value = str(Context(prec=60).divide(Decimal(found[1]), Decimal(found[2])))
        else:
            raise FrontError(f"The FPCore's {text[:40]!r} is no number, argument or bound name.")
        if value not in self.constants:
            self.constants.append(value)
        return Operand("c", self.constants.index(value))


def _symbol(tree: Any) -> str:
    """The name of an argument or of a let, annotated or not."""
    name = tree[-1] if isinstance(tree, list) and len(tree) > 1 and tree[0] == "!" else tree
    if not isinstance(name, str) or any(form.fullmatch(name) for form in (_DECIMAL, _HEX, _RATIONAL)):
        raise FrontError(f"The FPCore has {str(tree)[:60]!r} where a name is expected.")
    return name


def _decimal(text: str) -> str:
    """A hexadecimal number's decimals, all of them."""
    try:
        return format(_EXACT.create_decimal_from_float(float.fromhex(text)), "")
    except OverflowError:
        raise FrontError(f"The FPCore's {text[:40]!r} is beyond the largest float64.") from None


def _interval(pre: Any, argument: str) -> list[str] | None:
    """The ends of (< lo x hi) or (<= lo x hi), also within an `and`."""
    if isinstance(pre, list) and len(pre) == 4 and pre[0] in ("<", "<=") and pre[2] == argument:
        return [str(pre[1]), str(pre[3])]
    if isinstance(pre, list) and pre and pre[0] == "and":
        for part in pre[1:]:
            if found := _interval(part, argument):
                return found
    return None


def _infix(tree: Any, argument: str) -> str:
    """An expression of evo/targets/expression.py."""
    if isinstance(tree, str):
        return "x" if tree == argument else {"PI": "pi", "E": "e"}.get(tree, tree)
    parts = [_infix(t, argument) for t in tree[1:]]
    name = str(tree[0]) if tree else ""
    if name == "-" and len(parts) == 1:
        return f"(-{parts[0]})"
    if name in "+-*/" and parts:
        return f"({f' {name} '.join(parts)})"
    if name == "pow" and len(parts) == 2:
        return f"({parts[0]})^({parts[1]})"
    if name in FUNCTIONS:
        return f"{name}({', '.join(parts)})"
    raise FrontError(f"The FPCore's :spec has {name[:30]!r}; name a target by :evo-target instead.")


def _parse(text: str) -> Any:
    """Nested lists of atoms; the first tree only."""
    stack: list[list[Any]] = [[]]
    for token in _tokens(text):
        if token in "([":
            stack.append([])
            if len(stack) > MAX_DEPTH:
                raise FrontError(f"The FPCore is nested deeper than {MAX_DEPTH}.")
        elif token in ")]":
            if len(stack) == 1:
                raise FrontError("The FPCore closes a bracket that was not opened.")
            done = stack.pop()
            stack[-1].append(done)
            if len(stack) == 1:
                return done
        else:
            stack[-1].append(token)
    raise FrontError("The FPCore ends before its last bracket closes.")


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise FrontError(f"The FPCore has {text[at : at + 20]!r}, which is no token.")
        at = found.end()
        if found.lastgroup:
            yield found[found.lastgroup]
