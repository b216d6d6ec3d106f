"""A Python module for SymPy: exact constants, exact arithmetic; for study, not for speed."""

import re
from collections.abc import Sequence
from fractions import Fraction

from evo.exports.comments import comment_block, summary
from evo.exports.formula import Formula
from evo.numbers.constants import exact, text_of

NEEDS = "SymPy 1.12 or newer; real arithmetic, the constants as given, not rounded"


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions, each on a symbol or on any exact number."""
    lines = [*comment_block(formulas, NEEDS, "#"), "", "from sympy import Rational, Symbol, sqrt, sympify"]
    for formula in formulas:
        lines += [
            "",
            "",
            f'def {formula.name}(x=Symbol("x", real=True)):',
            f'    """{summary(formula, formula.name)} Exact: an expression of x."""',
            "    x = sympify(x)",
            *(f"    {name} = {_number(text)}" for name, _, text in formula.used_constants()),
            *(f"    {v} = {text}" for v, text in formula.lines("sympy")),
            f"    return {formula.result}",
        ]
    if not any("sqrt(" in line for line in lines[lines.index("") + 2 :]):
        lines = [line.replace("Symbol, sqrt, sympify", "Symbol, sympify") for line in lines]
    return "\n".join([*lines, ""])


def _number(text: str) -> str:
    """An exact number: a rational one from decimals or a fraction, or an expression with pi, e or roots."""
    number = exact(text)
    return f'Rational("{text_of(number)}")' if isinstance(number, Fraction) else f'sympify("{_form(text)}")'


def _form(text: str) -> str:
    return re.sub(r"\be\b", "E", text)
