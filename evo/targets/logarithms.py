"""Models with powers of a logarithm: sum_j part_j (log t)^j, on a piece that begins at t = 0.

So x log x, x^x or an entropy need no special case: sums and products stay exact, and where a model without a
logarithm is asked for, t^k u (log t)^j with k at least 1 is t^(k-1) u times t (log t)^j, which is bounded.
"""

from itertools import zip_longest
from typing import Any

from flint import arb, arb_poly

from evo.targets.taylor import TaylorModel, UndefinedError

MAX_DEGREE = 6
"""Of log t; a higher power is folded, or refused."""


class LogModel(TaylorModel):
    """A polynomial in log t whose coefficients are models, for the t > 0 of a box.

    Attributes:
        logs: the factors of log t, (log t)^2, ...; the model itself is the part without a logarithm.
    """

    __slots__ = ("logs",)

    def __init__(self, parts: list[TaylorModel]) -> None:
        plain = parts[0]
        super().__init__(plain.box, plain.order, plain.poly, plain.shift, plain.positive, plain.known)
        self.logs = tuple(parts[1:])

    @property
    def parts(self) -> list[TaylorModel]:
        """All coefficients, that of (log t)^0 first."""
        return [self._new(self.poly, self.shift, self.known), *self.logs]

    def __add__(self, other: Any) -> TaylorModel:
        pairs = zip_longest(self.parts, _parts(self._lifted(other)), fillvalue=arb(0))
        return LogModel([self._lifted(a) + b for a, b in pairs])

    __radd__ = __add__

    def __neg__(self) -> TaylorModel:
        return LogModel([-part for part in self.parts])

    def __sub__(self, other: Any) -> TaylorModel:
        return self + -self._lifted(other)

    def __rsub__(self, other: Any) -> TaylorModel:
        return -self + other

    def __mul__(self, other: Any) -> TaylorModel:
        left, right = self.parts, _parts(self._lifted(other))
        if len(left) + len(right) - 2 > MAX_DEGREE:
            return self.folded() * self._lifted(other)
        products = [self._lifted(arb(0))] * (len(left) + len(right) - 1)
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                products[i + j] = products[i + j] + a * b
        return LogModel(products)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> TaylorModel:
        below = self._lifted(other)
        below = below.folded() if isinstance(below, LogModel) else below
        return LogModel([part / below for part in self.parts])

    def __rtruediv__(self, other: Any) -> TaylorModel:
        return self._lifted(other) / self.folded()

    def power(self, exponent: Any, odd: bool = False) -> TaylorModel:
        """See `TaylorModel.power`."""
        return self.folded().power(exponent, odd)

    def function(self, row: Any, order: Any = ()) -> TaylorModel:
        """See `TaylorModel.function`."""
        return self.folded().function(row, order)

    def bounded(self, what: str = "the function") -> TaylorModel:
        """See `TaylorModel.bounded`."""
        return self.folded(what).bounded(what)

    def range(self) -> Any:
        """See `TaylorModel.range`."""
        return self.folded().range()

    def leading(self) -> int:
        """See `TaylorModel.leading`; a logarithm that leads has no power.

        Raises:
            UndefinedError: likewise.
        """
        if any(_leading(part) is not None for part in self.logs):
            raise UndefinedError("undecided", "a logarithm is no power")
        return self.parts[0].leading()

    def folded(self, what: str = "the function") -> TaylorModel:
        """A model without a logarithm.

        Raises:
            UndefinedError: a part with log t grows without bound towards t = 0, or may.
        """
        total, *logs = self.parts
        for degree, part in enumerate(logs, start=1):
            if (lead := _leading(part)) is None:
                continue
            if part.shift + lead < 1:
                sure = len(logs) == 1 and not part.poly[lead].contains(0)
                reason = f"{what} grows without bound, like a logarithm"
                raise UndefinedError("pole" if sure else "undecided", reason)
            factor = self._new(arb_poly([_bent(self.box, degree)]), part.shift + lead - 1)
            total = total + factor * self._new(arb_poly(part.poly.coeffs()[lead:]))
        return total


def _parts(model: TaylorModel) -> list[TaylorModel]:
    return model.parts if isinstance(model, LogModel) else [model]


def _leading(model: TaylorModel) -> int | None:
    """Where the first coefficient is that is not exactly zero."""
    return next((k for k, a in enumerate(model.poly.coeffs()) if not a.is_zero()), None)


def _bent(box: Any, degree: int) -> Any:
    """A ball around t (log t)^degree for t in (0, h]: its extrema are at h, at e^-degree and at 1."""
    h = arb(box.upper())
    sizes = [arb(0), h * h.log() ** degree]
    turn = arb(-degree).exp()
    if not h < turn:
        sizes.append(turn * arb(-degree) ** degree)
    least, most = sizes[0], sizes[0]
    for size in sizes[1:]:
        least, most = least.min(size), most.max(size)
    return arb(least.lower()).union(arb(most.upper()))
