"""Frames: what stands around the rational function r of a classical form.

A frame is composed: a *factor* in front, a *core* that r stands in, squarings of the core between them. The
cores are r(x) and r(x^2) (`Plain`), the symmetric quotient (`Quotient`), and a constant plus an odd function
(`Shifted`). Each part knows its name, its value, what r has to be for it, and its program.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evo.classical.shapes import Builder, write_odd_rational, write_rational
from evo.programs.program import Operand, X

Factor = Literal["", "x", "sqrt(x)"]
FACTORS: dict[Factor, Callable[[Any], Any]] = {
    "": lambda x: 1,
    "x": lambda x: x,
    "sqrt(x)": lambda x: x.sqrt(),
}
"""What a factor is at x."""


@dataclass(frozen=True)
class Plain:
    """r(t), where t is x, or x^2 if `even`."""

    even: bool = False
    ratio = None

    def name(self, m: int, n: int) -> str:
        """Such as "J(2,1)(x^2)"."""
        return _rational_name(m, n) + ("(x^2)" if self.even else "")

    def wanted(self, x: Any, y: Any) -> Any:
        """The r that makes the core be y at x."""
        return y

    def value(self, x: Any, r: Any) -> Any:
        """The core at x, r being its rational function's value."""
        return r

    def write(self, code: Builder, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Operand:
        """Appends the core of r = p / q; `pole`: whether 1/x may be used."""
        return write_rational(code, code.op("mul", X, X) if self.even else X, p, q)


@dataclass(frozen=True)
class Quotient:
    """(r(x^2) + x)/(r(x^2) - x): y with y(x) y(-x) = 1."""

    even = True
    ratio = None

    def name(self, m: int, n: int) -> str:
        """Such as "S(2,2)"."""
        return f"S({m},{n})"

    def wanted(self, x: Any, y: Any) -> Any:
        """The r that makes the core be y at x."""
        return x * (y + 1) / (y - 1)

    def value(self, x: Any, r: Any) -> Any:
        """The core at x, r being its rational function's value."""
        return (r + x) / (r - x)

    def write(self, code: Builder, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Operand:
        """Appends the core of r = p / q."""
        v = write_rational(code, code.op("mul", X, X), p, q)
        return code.op("div", code.op("add", v, X), code.op("sub", v, X))


@dataclass(frozen=True)
class Shifted:
    """c + s r(s^2): odd but for a constant.

    Attributes:
        constant: c.
        ratio: if given, s is (x - ratio)/(x + ratio), else x.
    """

    constant: Any
    ratio: Any = None
    even = True

    def name(self, m: int, n: int) -> str:
        """Such as "c+x*P(1)(x^2)"."""
        name = f"c+x*{_rational_name(m, n)}(x^2)"
        return name if self.ratio is None else name.replace("x", "s")

    def odd(self, x: Any) -> Any:
        """s at x."""
        return x if self.ratio is None else (x - self.ratio) / (x + self.ratio)

    def wanted(self, x: Any, y: Any) -> Any:
        """The r that makes the core be y at x."""
        return (y - self.constant) / self.odd(x)

    def value(self, x: Any, r: Any) -> Any:
        """The core at x, r being its rational function's value."""
        return self.constant + self.odd(x) * r

    def write(self, code: Builder, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Operand:
        """Appends the core of r = p / q; `pole`: whether 1/x may be used."""
        s = X
        if self.ratio is not None:  # s has a zero inside, at the ratio
            s, pole = code.op("div", code.op("sub", X, self.ratio), code.op("add", X, self.ratio)), False
        return code.op("add", write_odd_rational(code, s, p, q, pole), self.constant)


Core = Plain | Quotient | Shifted


@dataclass(frozen=True)
class Frame:
    """factor * core^(2^squarings).

    Attributes:
        factor: a key of `FACTORS`.
        core: what r stands in.
        squarings: how often the core is squared.
    """

    factor: Factor = ""
    core: Core = Plain()
    squarings: int = 0

    def name(self, m: int, n: int) -> str:
        """Such as "x*J(1,1)(x^2)" or "S(2,2)+1"."""
        core = self.core.name(m, n)
        if not self.factor:
            return core + squared_name(self.squarings)
        core = f"({core})" if isinstance(self.core, Shifted) else core
        return f"{self.factor}*{core}{squared_name(self.squarings)}"

    def wanted(self, x: Any, y: Any) -> Any:
        """The r that makes the whole be y at x; on balls, without squarings also on series."""
        if self.factor:
            y = y / FACTORS[self.factor](x)
        for _ in range(self.squarings):
            y = y.sqrt()
        return self.core.wanted(x, y)

    def value(self, x: Any, r: Any) -> Any:
        """The whole at x, on balls."""
        y = self.core.value(x, r)
        for _ in range(self.squarings):
            y = y * y
        return y * FACTORS[self.factor](x) if self.factor else y

    def write(self, p: Sequence[Any], q: Sequence[Any], pole: bool) -> Builder:
        """The program of r = p / q, coefficients from the lowest.

        Args:
            p: of the numerator.
            q: of the denominator.
            pole: whether 1/x may be used, the interval having no 0 inside.
        """
        code = Builder()
        if self == Frame("x", Plain(even=True)):
            write_odd_rational(code, X, p, q, pole)
            return code
        v = self.core.write(code, p, q, pole)
        for _ in range(self.squarings):
            v = code.op("mul", v, v)
        if self.factor:
            code.op("mul", v, X if self.factor == "x" else code.op("sqrt", X))
        return code


def squared_name(squarings: int) -> str:
    """The squarings in a form's name: "+2"; nothing for none."""
    return f"+{squarings}" if squarings else ""


def _rational_name(m: int, n: int) -> str:
    if n == 0:
        return f"P({m})"
    return f"J({m},{n})" if m == n else f"({m},{n})"
