"""Float formats: decimal strings rounded once to them, their spacing, their flushed subnormals."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import ml_dtypes
import numpy as np

from evo.errors import EvonumError
from evo.numbers.constants import ConstantError, exact
from evo.numbers.reals import Real, fraction


class FloatError(EvonumError, ValueError):
    """A constant that a format cannot hold, or an unknown format; one line."""


@dataclass(frozen=True)
class FloatFormat:
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
        return getattr(np, self.name, None) or getattr(ml_dtypes, self.name)

    @property
    def unsigned(self) -> Any:
        """NumPy's unsigned integer of the same size."""
        return getattr(np, f"uint{self.bits}")

    @property
    def bias(self) -> int:
        """Of the exponent; also the largest exponent."""
        return 1 - self.emin


FLOAT_FORMATS = {
    f.name: f for f in (FloatFormat("float64", 64, 53, -1022), FloatFormat("float32", 32, 24, -126))
}


BFLOAT16, FLOAT16 = FloatFormat("bfloat16", 16, 8, -126), FloatFormat("float16", 16, 11, -14)


def find_float_format(name: str) -> FloatFormat:
    """The format of a name.

    Raises:
        FloatError: unknown; the message lists the known ones.
    """
    if name not in FLOAT_FORMATS:
        raise FloatError(f"Unknown dtype {name!r}; known are {', '.join(FLOAT_FORMATS)}.")
    return FLOAT_FORMATS[name]


def round_decimal(text: str, fmt: FloatFormat) -> float:
    """The number that a constant's text means, rounded once and correctly to `fmt`, as a Python float.

    Raises:
        FloatError: no exact number, too large for `fmt`, or rounded to zero without being zero.
    """
    try:
        number = exact(text)
    except ConstantError as error:
        raise FloatError(f"The constant {error}.") from None
    value = _rounded(number if isinstance(number, Fraction) else _nearly(number), fmt)
    if not math.isfinite(value):
        raise FloatError(f"The constant {text[:40]} is beyond the largest {fmt.name}.")
    if value == 0 and number != 0:
        raise FloatError(f"The constant {text[:40]} is not zero but rounds to zero in {fmt.name}.")
    return -0.0 if number == 0 and text.lstrip().startswith("-") else value


def _nearly(number: Real) -> Fraction:
    """A rational number within 2^-1000, relatively: no number with pi or e is so near to a tie of floats."""
    with flint.ctx.workprec(1000):
        return fraction(number.ball().mid())


def _rounded(number: Fraction, fmt: FloatFormat) -> float:
    """To float64 by Python's division, which rounds once; to fewer digits from there, by way of odd."""
    try:
        wide = number.numerator / number.denominator
    except OverflowError:
        return math.inf
    if fmt.digits == 53:
        return wide
    if Fraction(wide) != number and np.float64(wide).view(np.int64) % 2 == 0:
        wide = math.nextafter(wide, math.inf if number > Fraction(wide) else -math.inf)
    with np.errstate(all="ignore"):
        return float(fmt.type(wide))


def flushed(value: Any, fmt: FloatFormat) -> Any:
    """Subnormals as zeros of their sign."""
    return np.where(np.abs(value) < fmt.type(2.0**fmt.emin), np.copysign(fmt.type(0), value), value)


def ulp(exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Spacing of `fmt` at a real value, float64[n]: that below a power of two is the smaller one.

    Args:
        exact: the real value or its float64 rounding, not an `fmt` rounding of it.

    Source: J.-M. Muller, On the definition of ulp(x), INRIA RR-5504 (2005).
    """
    _, exponent = np.frexp(np.abs(np.asarray(exact, np.float64)))
    exponent = np.where(np.asarray(exact) == 0, fmt.emin, exponent - 1)
    return np.ldexp(1.0, np.maximum(exponent, fmt.emin) - (fmt.digits - 1))
