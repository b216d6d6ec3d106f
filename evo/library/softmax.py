"""Softmax by the most accurate exponential that is shipped: a header in C, nothing of arrays in Python."""

from dataclasses import replace

from evo.exports.softmax import FUNCTION, render
from evo.library.shelf import ShelfError, find, formula_of

SOFTMAX = "softmax"


def softmax(to: str, dtype: str = "float32") -> str:
    """The header.

    Raises:
        ShelfError: another language than C.
    """
    if to != "c":
        raise ShelfError(f"{SOFTMAX} is made in c, not in {to}.")
    return render(replace(formula_of(find(FUNCTION, dtype).point()), to=to))
