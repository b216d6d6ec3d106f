"""The float formats, and what a program means on them: op by op, each op rounded once, fma included.

This is the meaning that every export has to reproduce bit for bit (apart from the sign and payload of NaN,
which IEEE 754 leaves open). Constants are rounded once from their decimal strings.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from evo.fma import fma
from evo.ops import BY_TEXT, function_module
from evo.program import Program, ProgramError

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
MAX_DIGITS = 5000
"""Characters of a constant."""


class FloatError(ValueError):
    """A constant that a format cannot hold, or an unknown format; one line."""


@dataclass(frozen=True)
class Format:
    """A binary float format.

    Attributes:
        name: as NumPy has it.
        bits: in all.
        digits: of the significand, the hidden one included.
        emin: exponent of the smallest normal number.
    """

    name: str
    bits: int
    digits: int
    emin: int

    @property
    def type(self) -> Any:
        """NumPy's scalar type."""
        return getattr(np, self.name)

    @property
    def unsigned(self) -> Any:
        """NumPy's unsigned integer of the same size."""
        return getattr(np, f"uint{self.bits}")

    @property
    def bias(self) -> int:
        """Of the exponent; also the largest exponent."""
        return 1 - self.emin


FORMATS = {f.name: f for f in (Format("float64", 64, 53, -1022), Format("float32", 32, 24, -126))}

NUMPY = function_module(sqrt=np.sqrt, fma=fma)
"""The functions of `Op.rounded` on NumPy's floats."""


def find_format(name: str) -> Format:
    """The format of a name.

    Raises:
        FloatError: unknown; the message lists the known ones.
    """
    if name not in FORMATS:
        raise FloatError(f"Unknown dtype {name!r}; known are {', '.join(FORMATS)}.")
    return FORMATS[name]


def round_decimal(text: str, fmt: Format) -> float:
    """The number of a decimal string, rounded once and correctly to `fmt`, as a Python float.

    Raises:
        FloatError: not a decimal number, too large for `fmt`, or rounded to zero without being zero.
    """
    if not _DECIMAL.fullmatch(text) or len(text) > MAX_DIGITS:
        raise FloatError(f"The constant {text[:40]!r} is not a finite decimal number.")
    exact, wide = Fraction(text), float(text)
    if fmt.digits == 53 or not math.isfinite(wide):
        value = wide
    else:  # rounded to odd first: then the second rounding is the only one that counts
        if Fraction(wide) != exact and np.float64(wide).view(np.int64) % 2 == 0:
            wide = math.nextafter(wide, math.inf if exact > Fraction(wide) else -math.inf)
        with np.errstate(all="ignore"):
            value = float(fmt.type(wide))
    if not math.isfinite(value):
        raise FloatError(f"The constant {text[:40]} is beyond the largest {fmt.name}.")
    if value == 0 and exact != 0:
        raise FloatError(f"The constant {text[:40]} is not zero but rounds to zero in {fmt.name}.")
    return value


def evaluate(
    program: Program, constants: Sequence[str | float], x: Any, fmt: Format, flush: bool = False
) -> np.ndarray:
    """The program in float arithmetic, op by op.

    Args:
        program: fma rounds once, every other op as written.
        constants: decimal strings, or numbers that `fmt` holds.
        x: of any shape; rounded to `fmt`.
        fmt: the format of every value.
        flush: subnormal operands and results of arithmetic become zeros of their sign, as XLA on CPU
            has it.

    Returns:
        `fmt`'s values in the shape of `x`; nan and inf where arithmetic gives them.

    Raises:
        FloatError: a constant that `fmt` cannot hold.
        ProgramError: fewer constants than the program uses.
    """
    if len(constants) < program.n_constants:
        raise ProgramError(f"The program uses {program.n_constants} constants, got {len(constants)}.")
    numbers = [fmt.type(round_decimal(c, fmt) if isinstance(c, str) else c) for c in constants]
    point = np.asarray(x, fmt.type)
    values: list[Any] = []
    spaces: dict[str, Sequence[Any]] = {"x": (point,), "c": numbers, "v": values}
    with np.errstate(all="ignore"):
        for op, args in program.instructions:
            row = BY_TEXT[op]
            operands = [spaces[a.kind][a.index] for a in args]
            if flush and row.arithmetic:
                operands = [flushed(o, fmt) for o in operands]
            value = (row.rounded or row.real)(NUMPY, *operands)
            values.append(flushed(value, fmt) if flush and row.arithmetic else value)
    return np.array(np.broadcast_to(values[-1], point.shape), fmt.type)


def flushed(value: Any, fmt: Format) -> Any:
    """Subnormals as zeros of their sign."""
    return np.where(np.abs(value) < fmt.type(2.0**fmt.emin), np.copysign(fmt.type(0), value), value)


def ulp(exact: np.ndarray, fmt: Format) -> np.ndarray:
    """Spacing of `fmt` at a real value, float64[n]: that below a power of two is the smaller one.

    Args:
        exact: the real value or its float64 rounding, not an `fmt` rounding of it.

    Source: J.-M. Muller, On the definition of ulp(x), INRIA RR-5504 (2005).
    """
    _, exponent = np.frexp(np.abs(np.asarray(exact, np.float64)))
    exponent = np.where(np.asarray(exact) == 0, fmt.emin, exponent - 1)
    return np.ldexp(1.0, np.maximum(exponent, fmt.emin) - (fmt.digits - 1))
