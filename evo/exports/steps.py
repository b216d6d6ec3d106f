"""The one printer of function bodies: a core's instructions, and the steps of a range reduction."""

from collections.abc import Iterable, Iterator

from evo.exports.formula import Formula
from evo.exports.languages import Language, letters
from evo.programs.operation import BITS
from evo.reductions.steps import Step, find_step

INDENT = "    "


def core_constants(formula: Formula, language: Language) -> Iterator[str]:
    """Definitions of the constants that the program reads; each ends in the decimal that was rounded."""
    for name, number, text in formula.used_constants():
        line = language.define(name, language.number(number, formula.fmt), formula.fmt)
        yield f"{INDENT}{line}{language.remark.format(text=text)}"


def core_lines(formula: Formula, language: Language, indent: str = INDENT) -> Iterator[str]:
    """Definitions of v1, v2, ...; `formula.result` names the last."""
    for name, text in formula.lines(language.name):
        yield indent + language.define(name, text, formula.fmt)


def step_constants(formula: Formula, language: Language, steps: Iterable[Step]) -> Iterator[str]:
    """Definitions of the constants that these steps read."""
    assert formula.reduction is not None
    fmt = formula.fmt
    for name, number in formula.reduction.used_constants(fmt, steps).items():
        if isinstance(number, int):
            yield INDENT + language.define(name, language.whole(number, fmt), fmt, BITS)
        else:
            yield INDENT + language.define(name, language.number(number, fmt), fmt)


def step_lines(
    formula: Formula, language: Language, steps: Iterable[Step], name: str, indent: str = INDENT
) -> Iterator[str]:
    """Definitions of the steps' values; the last is `result`.

    Args:
        formula: with a range reduction.
        language: a row.
        steps: of evo/reductions/reduction.py.
        name: what the names of the core and of the casts begin with.
        indent: in front of each line.
    """
    for value, operation, args in steps:
        row = find_step(operation)
        words = {"name": name, "core": operation.rpartition(".")[2], **letters(formula.fmt)}
        text = row.write(language.name, args, words)
        yield indent + language.define(value, text, formula.fmt, row.gives)
