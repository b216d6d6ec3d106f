"""The arithmetics that a function may be computed in: one row each."""

from typing import NamedTuple

from evo.numbers.formats import BFLOAT16, FLOAT16, FLOAT_FORMATS, FloatError, FloatFormat

REAL = "real"
"""Exact arithmetic: no row, for nothing is rounded."""


class Arithmetic(NamedTuple):
    """A row. Every op rounds once to what computes, an fma (fused) too; the result once to what is given.

    Attributes:
        name: as users write it: the format that is given.
        computes: of inputs, constants and values.
        gives: of the result.
    """

    name: str
    computes: FloatFormat
    gives: FloatFormat


_SINGLE, _DOUBLE = FLOAT_FORMATS["float32"], FLOAT_FORMATS["float64"]
ARITHMETICS: dict[str, Arithmetic] = {
    row.name: row
    for row in (
        Arithmetic("float32", _SINGLE, _SINGLE),
        Arithmetic("bfloat16", _SINGLE, BFLOAT16),
        Arithmetic("float16", _SINGLE, FLOAT16),
        Arithmetic("float64", _DOUBLE, _DOUBLE),
    )
}
"""To add one, add a row."""


def find_arithmetic(name: str) -> Arithmetic:
    """The row of a name.

    Raises:
        FloatError: unknown; lists the known ones.
    """
    if name not in ARITHMETICS:
        raise FloatError(f"Unknown dtype {name!r}; known are {REAL}, {', '.join(ARITHMETICS)}.")
    return ARITHMETICS[name]
