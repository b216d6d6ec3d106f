"""Reads FPCore: straight-line arithmetic of one argument, as a program with constants.

`:evo-target` names the target, else `:spec` is taken where this project's expressions have its functions;
`:pre` such as (< 0 x 1) gives the interval. Constants are exact: hexadecimal numbers become their decimals.

Source: FPCore 2.0, https://fpbench.org/spec/fpcore-2.0.html
"""

import re
from collections.abc import Iterator
from decimal import Context
from typing import Any

from evo.errors import EvonumError
from evo.fronts.front import FrontError
from evo.numbers.constants import exact, text_of
from evo.programs.ops import BY_TEXT
from evo.programs.program import Instruction, Operand, Program, X
from evo.targets.ends import end_text, end_value
from evo.targets.functions import FUNCTIONS, MACROS

MAX_DEPTH = 200
_TOKEN = re.compile(r'\s+|;[^\n]*|(?P<mark>[()\[\]])|(?P<string>"(?:[^"\\]|\\.)*")|(?P<atom>[^\s()\[\];"]+)')
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_HEX = re.compile(r"[+-]?0x(?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]+)?|\.[0-9a-fA-F]+)(?:p[+-]?[0-9]{1,4})?")
_RATIONAL = re.compile(r"([+-]?[0-9]{1,300})/(0*[1-9][0-9]{0,300})")
NAMED = {
    "E": "e", "PI": "pi", "PI_2": "pi/2", "PI_4": "pi/4", "M_1_PI": "1/pi", "M_2_PI": "2/pi",
    "M_2_SQRTPI": "2/sqrt(pi)", "SQRT2": "sqrt(2)", "SQRT1_2": "sqrt(1/2)",
    "LN2": "log(2)", "LN10": "log(10)", "LOG2E": "1/log(2)", "LOG10E": "1/log(10)",
}  # fmt: skip
"""FPCore's constants as expressions."""
FORMS = {"E": "e", "PI": "pi", "PI_2": "1/2*pi", "PI_4": "1/4*pi", "M_1_PI": "(1)/(pi)", "M_2_PI": "(2)/(pi)"}
"""Those that are exact constants of a program, as evo/numbers/constants.py reads them."""
WRITTEN = {
    "pow": (2, "({0})^({1})"),
    "fabs": (1, "abs({0})"),
    "fma": (3, "({0}*{1} + {2})"),
    "fmin": (2, "min({0}, {1})"),
    "fmax": (2, "max({0}, {1})"),
    "tgamma": (1, "gamma({0})"),
    "hypot": (2, "sqrt({0}^2 + {1}^2)"),
    "fdim": (2, "max({0} - {1}, 0)"),
}
"""FPCore's functions that have another name or none here: number of arguments, and how they are written."""
_EXACT = Context(prec=1200, Emin=-9999, Emax=9999)


def read_fpcores(text: str) -> list[dict[str, Any]]:
    """The objects of `evo.fronts.reading`, one for each FPCore of a text.

    Returns:
        program, constants, interval (None without a `:pre`), and target and metric where they are said; and
        as "core" how a message about it begins.

    Raises:
        FrontError: not FPCore, or more than straight-line arithmetic of one argument; one line, which names
            the core by its name or number where there are several.
    """
    trees = _parse(text)
    found = []
    for number, tree in enumerate(trees, start=1):
        label = _label(tree, number, len(trees))
        try:
            found.append({**_read(tree), "core": label})
        except EvonumError as error:
            raise FrontError(f"{label}{error}") from None
    return found


def _label(tree: Any, number: int, count: int) -> str:
    """Begins a message about a core: its name, or its number where there are several."""
    name = _name(tree)
    several = f" of {count}" if count > 1 else ""
    return f"Core {name or number}{several}: " if name or several else ""


def _name(tree: Any) -> str:
    """What a core is called: its symbol, or its :name."""
    if isinstance(tree, list) and len(tree) > 1:
        if isinstance(tree[1], str):
            return tree[1]
        if ":name" in tree[:-1]:
            return str(tree[tree.index(":name") + 1])
    return ""


def _read(tree: Any) -> dict[str, Any]:
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
    if reader.read(rest[at]).kind != "v":
        reader.read(["*", "1", rest[at]])  # a body that is its argument, or a number
    target, spec = properties.get(":evo-target"), properties.get(":spec")
    if not isinstance(target, str) and spec is None:
        raise FrontError("The FPCore does not say what it approximates: add it, such as :spec (sin x).")
    return {
        "program": str(reader.program()),
        "constants": reader.constants,
        "interval": interval_of(properties[":pre"], argument) if ":pre" in properties else None,
        "target": target.strip('"') if isinstance(target, str) else _infix(spec, argument),
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
        value = _number(text)
        if value is None:
            raise FrontError(f"The FPCore's {text[:40]!r} is no number, argument or bound name.")
        if value not in self.constants:
            self.constants.append(value)
        return Operand("c", self.constants.index(value))


def _number(text: str) -> str | None:
    """The text of an exact constant; None if it is no number.

    Raises:
        FrontError: a named constant that is no fraction of pi or e: a program's constants are exact.
    """
    if text in FORMS:
        return FORMS[text]
    if text in NAMED:
        raise FrontError(
            f"The FPCore's {text} has no exact text here: write its decimals, as many as the formula has."
        )
    if _HEX.fullmatch(text):
        return _decimal(text)
    if _RATIONAL.fullmatch(text):
        return text_of(exact(text))
    return text if _DECIMAL.fullmatch(text) else None


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


def interval_of(pre: Any, argument: str) -> list[str]:
    """The interval on which a precondition holds: comparisons of the argument with numbers, intersected.

    Raises:
        FrontError: anything else, or no two ends; the precondition is shown.
    """
    lows: list[str] = []
    highs: list[str] = []
    _bounds(pre, argument, lows, highs)
    if not lows or not highs:
        side = "lower" if not lows else "upper"
        raise FrontError(f"The FPCore's :pre {_shown(pre)} gives no {side} end for {argument}.")
    return [max(lows, key=_size), min(highs, key=_size)]


def _bounds(pre: Any, argument: str, lows: list[str], highs: list[str]) -> None:
    """Adds the ends that a comparison, or all of an `and`, give."""
    words = list(pre) if isinstance(pre, list) else [pre]
    if words and words[0] == "and" and len(words) > 1:
        for part in words[1:]:
            if part == "TRUE":
                continue
            _bounds(part, argument, lows, highs)
        return
    if len(words) > 2 and words[0] in (">", ">="):
        words = [{">": "<", ">=": "<="}[words[0]], *reversed(words[1:])]
    chain = words[1:]
    ends = [_end(w, argument) for w in chain] if words[0] in ("<", "<=") else []
    if (
        len(ends) < 2
        or chain.count(argument) != 1
        or any("x" in e.replace("exp", "") for e in ends if e != argument)
    ):
        raise FrontError(
            f"The FPCore's :pre has {_shown(pre)}, which is no comparison of {argument} with numbers."
        )
    at = chain.index(argument)
    lows += ends[at - 1 : at] if at else []
    highs += ends[at + 1 : at + 2]


def _end(tree: Any, argument: str) -> str:
    """The argument, a decimal number as it stands, or a constant expression."""
    if isinstance(tree, str) and (tree == argument or _DECIMAL.fullmatch(tree.removeprefix("-"))):
        return tree
    return _infix(tree, argument)


def _size(end: str) -> float:
    return float(end_value(end_text(end)))


def _shown(tree: Any) -> str:
    text = f"({' '.join(map(_shown, tree))})" if isinstance(tree, list) else str(tree)
    return text if len(text) <= 80 else text[:77] + "..."


def _infix(tree: Any, argument: str) -> str:
    """An expression of evo/targets/expression.py."""
    if isinstance(tree, str):
        return "x" if tree == argument else _leaf(tree)
    name = str(tree[0]) if tree else ""
    if name in ("let", "let*") and len(tree) == 3 and isinstance(tree[1], list):
        return _infix(_substituted(tree), argument)
    parts = [_infix(t, argument) for t in (tree[-1:] if name == "!" else tree[1:])]
    if name == "!" and parts:
        return parts[0]
    if name == "-" and len(parts) == 1:
        return f"(-{parts[0]})"
    if name in "+-*/" and parts:
        return f"({f' {name} '.join(parts)})"
    if name in WRITTEN and len(parts) == WRITTEN[name][0]:
        return WRITTEN[name][1].format(*parts)
    if name in FUNCTIONS or name in MACROS:
        return f"{name}({', '.join(parts)})"
    raise FrontError(f"The FPCore's :spec has {name[:30]!r}; name a target by :evo-target instead.")


def _leaf(text: str) -> str:
    """A number or a named constant; a rational one in brackets, as 2/1/2 would be another number."""
    if text in NAMED:
        return f"({NAMED[text]})"
    if _HEX.fullmatch(text):
        return _decimal(text)
    if _RATIONAL.fullmatch(text):
        return f"({text})"
    if _DECIMAL.fullmatch(text):
        return f"({text})" if text.startswith(("-", "+")) else text
    raise FrontError(f"The FPCore's {text[:40]!r} is no number, argument or constant that is known here.")


def _substituted(tree: Any) -> Any:
    """The body of a let with the names replaced by what they stand for."""
    known: dict[str, Any] = {}
    for pair in tree[1]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise FrontError("The FPCore has a let of another form than (let ([name value] ...) body).")
        value = _replaced(pair[1], known) if tree[0] == "let*" else pair[1]
        known[_symbol(pair[0])] = value
    return _replaced(tree[2], known)


def _replaced(tree: Any, known: dict[str, Any]) -> Any:
    if isinstance(tree, str):
        return known.get(tree, tree)
    if tree and tree[0] in ("let", "let*"):
        return _replaced(_substituted(tree), known)
    return [tree[0], *(_replaced(part, known) for part in tree[1:])] if tree else tree


def _parse(text: str) -> list[Any]:
    """Nested lists of atoms: all trees."""
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
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise FrontError("The FPCore ends before its last bracket closes.")
    if not stack[0]:
        raise FrontError("The text holds no FPCore.")
    return stack[0]


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise FrontError(f"The FPCore has {text[at : at + 20]!r}, which is no token.")
        at = found.end()
        if found.lastgroup:
            yield found[found.lastgroup]
