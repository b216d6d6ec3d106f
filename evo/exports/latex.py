"""LaTeX (amsmath): the formula step by step, its constants, and the statement of its error."""

import re
from collections.abc import Sequence

from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.programs.ops import BY_TEXT
from evo.targets.metric import METRICS

NEEDS = "\\usepackage{amsmath}"


def render(formulas: Sequence[Formula]) -> str:
    """A fragment: aligned values, constants as decimals, max error."""
    (formula,) = formulas
    m, last = formula.member, len(formula.program.instructions)
    rows = [f"v_{{{n + 1}}} &= {text}" for n, text in enumerate(_values(formula))]
    rows[-1] = f"p(x) &= {rows[-1].split('&= ', 1)[1]}" if last else rows[-1]
    lines = [*comment_block(formulas, NEEDS, "%"), "\\[", "\\begin{aligned}"]
    lines += [" \\\\\n".join(rows), "\\end{aligned}", "\\]"]
    constants = [f"{_name(c)} &= {decimal(text)}" for c, _, text in formula.used_constants()]
    if constants:
        lines += ["with", "\\[", "\\begin{aligned}", " \\\\\n".join(constants), "\\end{aligned}", "\\]"]
    lo, hi = (decimal(end) for end in m.interval)
    f = f"\\mathrm{{{m.target}}}(x)" if m.target.isalnum() else f"f(x) = \\texttt{{{_escaped(m.target)}}}"
    short = "f(x)" if not m.target.isalnum() else f
    error = _error(m.metric, short)
    if m.proved_bound:
        claim = f"{error} \\le {decimal(f'{m.proved_bound:.7g}')}"
        words = "proved for all"
    else:
        claim, words = f"{error} \\lesssim {decimal(f'{m.sampled_error:.4e}')}", "found (not proved) for"
    lines += [
        f"The error against ${f}$ in real arithmetic is ${claim}$, {words} ${lo} < x < {hi}$;",
        f"the largest error found is ${decimal(f'{m.sampled_error:.4e}')}$,",
        f"at $x = {decimal(repr(m.worst_x))}$.",
    ]
    return "\n".join([*lines, ""])


def _error(metric: str, f: str) -> str:
    """The error of p beside f; of a metric with a unit of its own, its name."""
    row = METRICS.get(metric)
    if row is None or not row.divides:
        return f"|p(x) - {f}|"
    return (
        f"\\left|\\frac{{p(x) - {f}}}{{{f}}}\\right|"
        if row.by_target
        else f"\\text{{{_escaped(metric)} error}}"
    )


def decimal(text: str) -> str:
    """A decimal string as LaTeX has it; an expression such as pi/4 likewise."""
    if not re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", text):
        return re.sub(r"\bpi\b", r"\\pi ", _escaped(text)).replace("*", r" \cdot ")
    digits, _, exponent = text.lower().removeprefix("+").partition("e")
    return f"{digits} \\cdot 10^{{{int(exponent)}}}" if exponent else digits


def _values(formula: Formula) -> list[str]:
    found = []
    for op, args in formula.program.instructions:
        words = dict(zip("abc", (_name(str(a)) for a in args), strict=False))
        found.append(BY_TEXT[op].template("latex").format(**words))
    return found


def _name(word: str) -> str:
    return re.sub(r"([cv])([0-9]+)", r"\1_{\2}", word)


def _escaped(text: str) -> str:
    return re.sub(
        r"([\\_^{}#$%&~])", lambda m: {"^": "\\^{}", "\\": "", "~": ""}.get(m[1], f"\\{m[1]}"), text
    )
