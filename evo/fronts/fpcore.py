"""Reads FPCore: straight-line arithmetic of one argument, as a program with constants.

`:evo-target` names the target, else `:spec` is taken where this project's expressions have its functions;
`:pre` such as (< 0 x 1) gives the interval. Constants are exact: hexadecimal numbers become their decimals.

Source: FPCore 2.0, https://fpbench.org/spec/fpcore-2.0.html
"""

from contextlib import suppress
from typing import Any

from evo.errors import EvonumError
from evo.fronts.fpcore_words import infix, interval_of, number_of, parsed, symbol_of
from evo.fronts.front import FrontError
from evo.programs.ops import BY_TEXT, OPS
from evo.programs.program import Instruction, Operand, Program, X

_SAYS_NOTHING = (
    "The FPCore does not say what it approximates: add it, such as :spec (sin x); or approximate the function"
    " that it is by evonum search FILE.fpcore."
)
_MOST_NAMES = 12
"""Cores that a message names."""


def read_fpcores(text: str, only: str | None = None) -> list[dict[str, Any]]:
    """The objects of `evo.fronts.reading`, one for each FPCore of a text.

    Args:
        text: FPCore.
        only: the name, or the number from 1, of the one core to read; the others may be anything.

    Returns:
        program, constants, interval (None without a `:pre`), and target and metric where they are said; and
        as "core" how a message about it begins.

    Raises:
        FrontError: not FPCore, or more than straight-line arithmetic of one argument; one line, which names
            the core by its name or number where there are several; or there is no such core.
    """
    trees = parsed(text)
    numbers = range(len(trees)) if only is None else [_number_of_core(trees, only)]
    found = []
    for number in numbers:
        label = _label(trees[number], number + 1, len(trees))
        try:
            found.append({**_read(trees[number]), "core": label})
        except EvonumError as error:
            hint = " Read another one by --core NAME." if len(numbers) > 1 else ""
            raise FrontError(f"{label}{error}{hint}") from None
    return found


def read_function(text: str, only: str | None = None, bounded: bool = True) -> dict[str, Any]:
    """The function that a core is, for an approximation of it: its :spec, or its body.

    Args:
        text: FPCore.
        only: the name, or the number from 1, of the core; may be left out where there is one.
        bounded: whether its :pre is asked for the interval.

    Returns:
        target, interval (None without a `:pre`) and metric (None without an `:evo-metric`).

    Raises:
        FrontError: as `read_fpcores`; or none is named of several.
    """
    trees = parsed(text)
    if only is None and len(trees) > 1:
        raise FrontError(f"There are {len(trees)} cores: choose one by --core NAME, {_known(trees)}.")
    number = 0 if only is None else _number_of_core(trees, only)
    try:
        argument, properties, body = _parts(trees[number])
        pre, target = properties.get(":pre", "TRUE"), properties.get(":evo-target")
        return {
            "target": _text(target) if target else infix(properties.get(":spec", body), argument),
            "interval": interval_of(pre, argument) if bounded and pre != "TRUE" else None,
            "metric": _text(properties.get(":evo-metric")),
        }
    except EvonumError as error:
        raise FrontError(f"{_label(trees[number], number + 1, len(trees))}{error}") from None


def _number_of_core(trees: list[Any], name: str) -> int:
    """Where the core of that name, or of that number from 1, is.

    Raises:
        FrontError: there is none, or several have the name; says which there are.
    """
    names = [_name(tree).strip('"') for tree in trees]
    if found := [k for k, known in enumerate(names) if known == name]:
        if len(found) == 1:
            return found[0]
        numbers = ", ".join(str(k + 1) for k in found)
        raise FrontError(f"{len(found)} cores are named {name!r}: give --core one of the numbers {numbers}.")
    if name.isdecimal() and 0 < int(name) <= len(trees):
        return int(name) - 1
    raise FrontError(f"There is no core {name[:40]!r}; there are {_known(trees)}.")


def _known(trees: list[Any]) -> str:
    """The cores of a file by name or number, for a message."""
    known = [repr(_name(tree).strip('"') or k + 1) for k, tree in enumerate(trees)]
    more = f", and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"{', '.join(known[:_MOST_NAMES])}{more}"


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


def _parts(tree: Any) -> tuple[str, dict[str, Any], Any]:
    """Argument, properties and body of a core."""
    if not (isinstance(tree, list) and tree and tree[0] == "FPCore"):
        raise FrontError("The text is no FPCore: it does not start with (FPCore.")
    rest = tree[1:] if len(tree) > 1 and isinstance(tree[1], list) else tree[2:]
    if not rest or not isinstance(rest[0], list) or len(rest[0]) != 1:
        raise FrontError("The FPCore must have one argument.")
    argument = symbol_of(rest[0][0])
    properties: dict[str, Any] = {}
    at = 1
    while at + 1 < len(rest) and isinstance(rest[at], str) and rest[at].startswith(":"):
        properties[rest[at]] = rest[at + 1]
        at += 2
    if len(rest) != at + 1:
        raise FrontError("The FPCore must have one expression after its properties.")
    return argument, properties, rest[at]


def _read(tree: Any) -> dict[str, Any]:
    argument, properties, body = _parts(tree)
    target, spec = properties.get(":evo-target"), properties.get(":spec")
    says = isinstance(target, str) or spec is not None
    if not says and not _is_program(body, argument) and _is_function(body, argument):
        raise FrontError(_SAYS_NOTHING)
    reader = _Reader(argument)
    if reader.read(body).kind != "v":
        reader.read(["*", "1", body])  # a body that is its argument, or a number
    if not says:
        raise FrontError(_SAYS_NOTHING)
    pre = properties.get(":pre", "TRUE")
    return {
        "program": str(reader.program()),
        "constants": reader.constants,
        "interval": None if pre == "TRUE" else interval_of(pre, argument),
        "target": _text(target) if isinstance(target, str) else infix(spec, argument),
        "metric": _text(properties.get(":evo-metric")),
    }


def _is_program(body: Any, argument: str) -> bool:
    with suppress(FrontError):
        return bool(_Reader(argument).read(body))
    return False


def _is_function(body: Any, argument: str) -> bool:
    with suppress(FrontError):
        return bool(infix(body, argument))
    return False


def _text(word: Any) -> str | None:
    return None if word is None else str(word).strip('"')


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
        if name == "digits":
            return self._constant(tree)
        if name in ("let", "let*"):
            return self._let(name, args, known)
        if (name == "!" and args) or (name == "cast" and len(args) == 1):  # both are of floats
            return self.read(args[-1], known)
        if name == "-" and len(args) == 1:
            name = "neg"
        several = name in ("+", "-", "*", "/") and len(args) > 2  # as Herbie writes sums
        if name not in BY_TEXT or (BY_TEXT[name].arity != len(args) and not several):
            raise FrontError(
                f"The FPCore's {name[:30]!r} of {len(args)} operands is no operation of a formula: there are "
                f"{', '.join(op.symbol for op in OPS)}."
            )
        operands = [self.read(a, known) for a in args]
        first, rest = (operands[:2], operands[2:]) if several else (operands, [])
        value = self._of(name, first)
        for operand in rest:
            value = self._of(name, [value, operand])
        return value

    def _of(self, name: str, operands: list[Operand]) -> Operand:
        self._instructions.append(Instruction(BY_TEXT[name].name, tuple(operands)))
        return Operand("v", len(self._instructions) - 1)

    def _let(self, name: str, args: list[Any], known: dict[str, Operand]) -> Operand:
        pairs: list[Any] = args[0] if args and isinstance(args[0], list) else [None]
        if len(args) != 2 or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise FrontError("The FPCore has a let of another form than (let ([name value] ...) body).")
        inner = dict(known)
        for variable, value in pairs:
            inner[symbol_of(variable)] = self.read(value, inner if name == "let*" else known)
        return self.read(args[1], inner)

    def _constant(self, tree: Any) -> Operand:
        value = number_of(tree)
        if value is None:
            raise FrontError(f"The FPCore's {str(tree)[:40]!r} is no number, argument or bound name.")
        if value not in self.constants:
            self.constants.append(value)
        return Operand("c", self.constants.index(value))
