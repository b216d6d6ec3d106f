"""Inputs with the results that an export must give: for self-tests and as examples."""

import numpy as np

from evo.exports.formula import Formula
from evo.programs.floats import evaluate

_FAR = 1e4
"""Where samples of functions without ends end."""
SPECIAL = (0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1.0, -1.0)


def samples(formula: Formula, count: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and the interpreter's results, both in the formula's format.

    Args:
        formula: of the core, or of the function on all floats.
        count: inputs inside the core's interval; special values and some far ones come on top.
    """
    m = formula.member
    lo, hi = (float(end) for end in m.function.ends)
    tiny = [s * 2.0 ** (formula.fmt.emin + k) for s in (1, -1) for k in (0, 1 - formula.fmt.digits)]
    x = np.concatenate([lo + (hi - lo) * (np.arange(count) + 0.5) / count, SPECIAL, tiny])
    if formula.reduction:
        first, last = np.clip(formula.reduction.span(formula.fmt), -_FAR, _FAR)
        x = np.concatenate([x, np.linspace(first, last, 41), [1e30, -1e30]])
    x = x.astype(formula.fmt.type)
    return x, results(formula, x)


def results(formula: Formula, x: np.ndarray) -> np.ndarray:
    """What the exported function has to return, bit for bit (any NaN for NaN)."""
    if formula.reduction:
        return formula.reduction.evaluate(formula.program, formula.numbers, x, formula.fmt)
    return evaluate(formula.program, formula.numbers, x, formula.fmt)
