"""FPCore's notation: nested lists of words, numbers, expressions, preconditions.

Source: FPCore 2.0, https://fpbench.org/spec/fpcore-2.0.html
"""

import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from evo.fronts.front import FrontError
from evo.numbers.constants import MAX_LENGTH, exact, text_of
from evo.targets.ends import end_text, end_value
from evo.targets.functions import FUNCTIONS, MACROS

MAX_DEPTH = 200
_TOKEN = re.compile(r'\s+|;[^\n]*|(?P<mark>[()\[\]])|(?P<string>"(?:[^"\\]|\\.)*")|(?P<atom>[^\s()\[\];"]+)')
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_HEX = re.compile(r"[+-]?0x(?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]+)?|\.[0-9a-fA-F]+)(?:p[+-]?[0-9]{1,4})?")
_RATIONAL = re.compile(r"([+-]?[0-9]{1,300})/(0*[1-9][0-9]{0,300})")
_UNSIGNED = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_MOST_BITS = 2000
_LARGEST = sys.float_info.max
NAMED = {
    "E": "e", "PI": "pi", "PI_2": "pi/2", "PI_4": "pi/4", "M_1_PI": "1/pi", "M_2_PI": "2/pi",
    "M_2_SQRTPI": "2/sqrt(pi)", "SQRT2": "sqrt(2)", "SQRT1_2": "sqrt(1/2)",
    "LN2": "log(2)", "LN10": "log(10)", "LOG2E": "1/log(2)", "LOG10E": "1/log(10)",
}  # fmt: skip
"""FPCore's constants as expressions."""
FORMS = {
    "E": "e", "PI": "pi", "PI_2": "1/2*pi", "PI_4": "1/4*pi", "M_1_PI": "(1)/(pi)", "M_2_PI": "(2)/(pi)",
    "SQRT2": "sqrt(2)", "SQRT1_2": "1/2*sqrt(2)",
}  # fmt: skip
"""Those that are exact constants of a program, as evo/numbers/constants.py reads them."""
WRITTEN = {
    "pow": (2, "({0})^({1})"),
    "fabs": (1, "abs({0})"),
    "fma": (3, "({0}*{1} + {2})"),
    "fmin": (2, "min({0}, {1})"),
    "fmax": (2, "max({0}, {1})"),
    "tgamma": (1, "gamma({0})"),
    "copysign": (2, "(abs({0})*sign({1}))"),
    "hypot": (2, "sqrt({0}^2 + {1}^2)"),
    "fdim": (2, "max({0} - {1}, 0)"),
}
"""FPCore's functions that have another name or none here: number of arguments, and how they are written."""


def parsed(text: str) -> list[Any]:
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


def number_of(tree: Any) -> str | None:
    """The text of an exact constant: a word, or digits with their exponent and base; None if it is no number.

    Raises:
        FrontError: a named constant without a form: a program's constants are exact.
    """
    if isinstance(tree, list):
        return text_of(_of_digits(tree)) if tree[:1] == ["digits"] else None
    text: str = tree
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


def _of_digits(tree: list[Any]) -> Fraction:
    """The number (digits m e b): m times b to the power e."""
    words = [word for word in tree[1:] if isinstance(word, str) and _INTEGER.fullmatch(word)]
    m, e, b = map(int, words) if len(words) == len(tree) - 1 == 3 else (0, 0, 0)
    if b < 2 or abs(e) * b.bit_length() > _MOST_BITS:
        raise FrontError(
            f"The FPCore's {_shown(tree)} is no number: write (digits m e b), integers, for m times b^e, with"
            f" b at least 2 and b^e within 2^{_MOST_BITS}."
        )
    return m * Fraction(b) ** e


def _decimal(text: str) -> str:
    """A hexadecimal number's decimals, all of them: it may have more bits than a float64."""
    number = exact(text)
    if isinstance(number, Fraction) and abs(number) > _LARGEST:
        raise FrontError(f"The FPCore's {text[:40]!r} is beyond the largest float64.")
    if len(decimals := text_of(number)) > MAX_LENGTH:
        raise FrontError(f"The FPCore's {text[:40]!r} has more than {MAX_LENGTH} decimals.")
    return decimals


def symbol_of(tree: Any) -> str:
    """The name of an argument or of a let, annotated or not."""
    name = tree[-1] if isinstance(tree, list) and len(tree) > 1 and tree[0] == "!" else tree
    if not isinstance(name, str) or any(form.fullmatch(name) for form in (_DECIMAL, _HEX, _RATIONAL)):
        raise FrontError(f"The FPCore has {str(tree)[:60]!r} where a name is expected.")
    return name


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
    words = _without_magnitude(list(pre), argument) if isinstance(pre, list) else [pre]
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


def _without_magnitude(words: list[Any], argument: str) -> list[Any]:
    """(< (fabs x) c) as (< (- c) x c), and likewise the other comparisons that say so; all else as it is."""
    if len(words) == 3 and words[0] in (">", ">="):
        words = [{">": "<", ">=": "<="}[words[0]], words[2], words[1]]
    if len(words) == 3 and words[0] in ("<", "<=") and words[1] == ["fabs", argument]:
        return [words[0], ["-", words[2]], argument, words[2]]
    return words


def _end(tree: Any, argument: str) -> str:
    """The argument, a decimal number as it stands, or a constant expression."""
    if isinstance(tree, list) and len(tree) == 2 and tree[0] == "-" and _UNSIGNED.fullmatch(str(tree[1])):
        return f"-{tree[1]}"
    if isinstance(tree, str) and (tree == argument or _DECIMAL.fullmatch(tree.removeprefix("-"))):
        return tree
    return infix(tree, argument)


def _size(end: str) -> float:
    return float(end_value(end_text(end)))


def _shown(tree: Any) -> str:
    text = f"({' '.join(map(_shown, tree))})" if isinstance(tree, list) else str(tree)
    return text if len(text) <= 80 else text[:77] + "..."


def infix(tree: Any, argument: str) -> str:
    """An expression of evo/targets/expression.py."""
    if isinstance(tree, str):
        return "x" if tree == argument else _leaf(tree)
    name = str(tree[0]) if tree else ""
    if name == "digits":
        return f"({text_of(_of_digits(tree))})"
    if name in ("let", "let*") and len(tree) == 3 and isinstance(tree[1], list):
        return infix(_substituted(tree), argument)
    parts = [infix(t, argument) for t in (tree[-1:] if name == "!" else tree[1:])]
    if name in ("!", "cast") and parts:
        return parts[0]
    if name == "-" and len(parts) == 1:
        return f"(-{parts[0]})"
    if name in ("+", "-", "*", "/") and parts:
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
        known[symbol_of(pair[0])] = value
    return _replaced(tree[2], known)


def _replaced(tree: Any, known: dict[str, Any]) -> Any:
    if isinstance(tree, str):
        return known.get(tree, tree)
    if tree and tree[0] in ("let", "let*"):
        return _replaced(_substituted(tree), known)
    return [tree[0], *(_replaced(part, known) for part in tree[1:])] if tree else tree
