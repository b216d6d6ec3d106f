"""Arrays of Arb numbers with first derivatives, for `Program.evaluate`.

A dual is a value and its derivatives by the constants that it depends on (forward mode). Values are NumPy
arrays of objects, so that one operator call serves all points. The operators here are all that `Op.real`
needs of a number, so the op table stays the only definition of an op; `DUALS` supplies `sqrt`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flint import arb

from evo.numbers.functions import kind_of_number

_SQRT = np.frompyfunc(lambda a: a.sqrt(), 1, 1)
_MID = np.frompyfunc(lambda a: a.mid(), 1, 1)


class Dual:
    """A value and its derivatives.

    Attributes:
        value: arb, or an object array of them.
        partials: derivative by constant number; what is missing is 0. Each of the value's shape, or a
            single arb that stands for all points.
    """

    __slots__ = ("partials", "value")

    def __init__(self, value: Any, partials: Mapping[int, Any] | None = None) -> None:
        self.value = value
        self.partials = partials or {}

    def __neg__(self) -> "Dual":
        return Dual(-self.value, {k: -d for k, d in self.partials.items()})

    def __add__(self, other: "Dual") -> "Dual":
        return Dual(self.value + other.value, _sum(self.partials, other.partials))

    def __sub__(self, other: "Dual") -> "Dual":
        return Dual(self.value - other.value, _sum(self.partials, (-other).partials))

    def __mul__(self, other: "Dual") -> "Dual":
        return Dual(
            self.value * other.value,
            _sum(_scaled(self.partials, other.value), _scaled(other.partials, self.value)),
        )

    def __truediv__(self, other: "Dual") -> "Dual":
        value = self.value / other.value
        if not self.partials and not other.partials:
            return Dual(value)
        inverse = 1 / other.value
        return Dual(value, _sum(_scaled(self.partials, inverse), _scaled(other.partials, -value * inverse)))

    def __rtruediv__(self, other: Any) -> "Dual":
        return Dual(other) / self

    def sqrt(self) -> "Dual":
        """The root; nan of negative numbers."""
        value = _SQRT(self.value)
        return Dual(value, _scaled(self.partials, 1 / (2 * value)) if self.partials else None)


DUALS = kind_of_number(
    "duals",
    lambda number: Dual(arb(number), {0: arb(1)}),
    lambda dual: float(dual.value),
    sqrt=lambda a: a.sqrt(),
)
"""The functions of duals for `Program.evaluate`."""


def middles(numbers: Any) -> Any:
    """The midpoints of an arb or of an object array of them: exact numbers, so that radii do not grow."""
    return _MID(numbers)


def floats(numbers: np.ndarray) -> np.ndarray:
    """The midpoints as float64; nan where a ball is not finite."""
    return np.asarray(numbers, object).astype(float)


def _scaled(partials: Mapping[int, Any], factor: Any) -> Mapping[int, Any]:
    return {k: d * factor for k, d in partials.items()}


def _sum(left: Mapping[int, Any], right: Mapping[int, Any]) -> Mapping[int, Any]:
    both = dict(left)
    for k, d in right.items():
        both[k] = both[k] + d if k in both else d
    return both
