"""Range reduction: from a core on a short interval to the function on all floats.

A row of `REDUCTIONS` is a function; its steps are straight-line code over the operations of
evo/reductions/steps.py. Exponentials b^x share one list of steps. With P = log_b 2, n the integer
nearest to x/P (or below, for cores on [0, P]) and r = x - nP:

    b^x = core(r) 2^n

n comes from adding 1.5 2^(p-1), whose lowest bits then hold it. x is first clamped to where the result is
still neither certainly 0 nor infinity, so that n stays small; comparisons let NaN pass. For P = ln 2 the
product n P is taken in two parts, the upper one short enough to be exact (Cody and Waite). 2^n is two
factors 2^h 2^g, made from their exponent bits: both are normal numbers, the first product is exact, and the
second rounds once, also where the result is subnormal; it overflows where the result does. Unsigned integers
only, so that nothing is undefined where x is NaN. Where x is so small that results are normal numbers, n is
added to the exponent bits of the core instead: the same bits in two thirds of the steps.

Source: W. J. Cody, W. Waite, Software Manual for the Elementary Functions, Prentice-Hall (1980).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from evo.errors import EvonumError
from evo.numbers.formats import FloatFormat
from evo.programs.floats import compute, evaluate, functions_on
from evo.programs.program import Program
from evo.reductions.steps import BY_NAME, Step
from evo.targets.catalogue import CATALOGUE
from evo.targets.expression import parse_expression
from evo.targets.target import Target


class ReductionError(EvonumError, ValueError):
    """A member that no row can extend; one line."""


class ReductionRow(NamedTuple):
    """A function of b^x.

    Attributes:
        name: of the catalogue.
        period: P = log_b 2, an expression.
        float64: the function on float64 arrays, to a few ulp: finds where float32 is worst.
        core: b^x in the catalogue, which a program approximates; the function itself by default.
        before: steps from x to `start`, whose power it is; x itself without any.
        after: steps from `whole`, the power, to `result`; the power itself without any.
        reach: |x| beyond which results are what they are for the largest x; by the power's exponents without.
        shift: `whole` is the power times SCALE = 2^-shift: powers so much larger do not overflow.
    """

    name: str
    period: str
    float64: Callable[[Any], Any]
    core: str = ""
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    reach: float | None = None
    shift: int = 0

    def length(self) -> Any:
        """P as a ball, at the current precision."""
        return parse_expression(self.period).ball(arb(0))


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _silu(x: Any) -> Any:
    return np.where(np.isneginf(x), -0.0, x * _logistic(x))


REDUCTIONS: dict[str, ReductionRow] = {
    row.name: row
    for row in (
        ReductionRow("exp2", "1", np.exp2),
        ReductionRow("exp", "log(2)", np.exp),
        ReductionRow("exp10", "log(2)/log(10)", lambda x: np.power(10.0, x)),
        ReductionRow(
            "sigmoid", "log(2)", _logistic, "exp",
            before=(("start", "sub", ("ZERO", "x")),),
            after=(("below", "add", ("whole", "SCALE")), ("result", "div", ("SCALE", "below"))),
            reach=110.0, shift=32,
        ),
        ReductionRow(
            "silu", "log(2)", _silu, "exp",
            before=(("finite", "atleast", ("x", "LOWEST")), ("start", "sub", ("ZERO", "finite"))),
            after=(
                ("below", "add", ("whole", "SCALE")), ("part", "div", ("SCALE", "below")),
                ("result", "mul", ("finite", "part")),
            ),
            reach=110.0, shift=32,
        ),
    )
}  # fmt: skip
"""The functions that can be extended: to add one, add a row."""


@dataclass(frozen=True)
class Reduction:
    """The steps for one function and kind of core.

    Attributes:
        name: of the function: a row of `REDUCTIONS`.
        centred: for a core on [-P/2, P/2]; else on [0, P].
    """

    name: str
    centred: bool

    @property
    def exact(self) -> bool:
        """Whether P = 1: no product, no rounding in r."""
        return bool(self.row.length() == 1)

    @property
    def row(self) -> ReductionRow:
        """What it is made of."""
        return REDUCTIONS[self.name]

    @property
    def core(self) -> str:
        """The function of the catalogue that a program approximates."""
        return self.row.core or self.name

    @property
    def is_power(self) -> bool:
        """Whether the function is b^x itself, whose exponent may go into the core's."""
        return not (self.row.before or self.row.after)

    def steps(self) -> Iterator[Step]:
        """The whole function; the last value is the result."""
        yield from self.row.before
        yield "lifted", "atleast", ("start" if self.row.before else "x", "LEAST")
        yield "t", "atmost", ("lifted", "MOST")
        yield from self._to_core("t")
        yield "bits", "bits", ("shifted",)
        yield "sum", "minus", ("bits", "OFFSET")
        yield "h", "half", ("sum",)
        yield "g", "minus", ("sum", "h")
        yield "first", "power", ("h",)
        yield "second", "power", ("g",)
        yield "partly", "mul", ("y", "first")
        yield "whole" if self.row.after else "result", "mul", ("partly", "second")
        yield from self.row.after

    def plain_steps(self) -> Iterator[Step]:
        """The same bits in fewer steps where |x - CENTRE| <= RADIUS: n goes into the exponent of the core.

        For cores that `keeps_exponent` passes.
        """
        yield from self._to_core("x")
        yield "bits", "bits", ("shifted",)
        yield "lifted", "lift", ("bits",)
        yield "significand", "bits", ("y",)
        yield "sum", "plus", ("significand", "lifted")
        yield "result", "float", ("sum",)

    def _to_core(self, t: str) -> Iterator[Step]:
        whole = t
        if not self.exact:
            yield "scaled", "mul", (t, "INVERSE")
            whole = "scaled"
        if not self.centred:
            yield "below", "floor", (whole,)
            whole = "below"
        yield "shifted", "add", (whole, "MAGIC")
        yield "n", "sub", ("shifted", "MAGIC")
        if self.exact:
            yield "r", "sub", (t, "n")
        else:
            yield "upper", "mul", ("n", "UPPER")
            yield "rest", "sub", (t, "upper")
            yield "lower", "mul", ("n", "LOWER")
            yield "r", "sub", ("rest", "lower")
        yield "y", "core", ("r",)

    def constants(self, fmt: FloatFormat) -> dict[str, float | int]:
        """The numbers of the steps in `fmt`: floats, and integers where bits are meant."""
        with flint.ctx.workprec(300):
            period = self.row.length()
            magic = 1.5 * 2.0 ** (fmt.digits - 1)
            bits = int(np.asarray(fmt.type(magic)).view(fmt.unsigned))
            lowest = (
                fmt.emin - fmt.digits - 1
            )  # 2^lowest is a quarter of the smallest subnormal: it rounds to 0
            found: dict[str, float | int] = {
                "LEAST": float(floor(Fraction(float(period * lowest))) if not self.exact else lowest),
                "MOST": float(ceil(Fraction(float(period * (fmt.bias + 1 + self.row.shift))))),
                "MAGIC": magic,
                "OFFSET": bits - 2 * fmt.bias + self.row.shift,
                "CENTRE": _rounded(period, 10),
                "RADIUS": float(floor(Fraction(float(period * (fmt.bias - 1))))),
                "SCALE": 2.0**-self.row.shift,
                "ZERO": 0.0,
                "LOWEST": float(-(2.0**fmt.bias) * (2 - 2.0 ** (1 - fmt.digits))),
            }
            if not self.exact:
                upper = _rounded(period, fmt.digits - (-lowest).bit_length())  # times n is exact
                found |= {
                    "INVERSE": _rounded(1 / period, fmt.digits),
                    "UPPER": upper,
                    "LOWER": _rounded(period - arb(upper), fmt.digits),
                }
        return found

    def used_constants(self, fmt: FloatFormat, steps: Iterable[Step]) -> dict[str, float | int]:
        """Those that these steps read."""
        read = {a for _, _, args in steps for a in args}
        return {name: value for name, value in self.constants(fmt).items() if name in read}

    def evaluate(self, program: Program, constants: Any, x: Any, fmt: FloatFormat) -> np.ndarray:
        """The function op by op, as `evo.programs.floats.evaluate`; the meaning of `--full`."""
        return self._run(self.steps(), program, constants, x, fmt)

    def evaluate_plain(self, program: Program, constants: Any, x: Any, fmt: FloatFormat) -> np.ndarray:
        """The same by `plain_steps`."""
        return self._run(self.plain_steps(), program, constants, x, fmt)

    def keeps_exponent(self, program: Program, constants: Any, fmt: FloatFormat) -> bool:
        """Whether the core stays near [1/2, 2] at many points: its exponent then takes n without overflow."""
        if not self.is_power:
            return False
        half = float(self.row.length()) * (0.51 if self.centred else 1.01)
        edges = [0.0, -0.0, half, *(s * 2.0**k for s in (1, -1) for k in range(fmt.emin, -2, 7))]
        r = np.concatenate([np.linspace(-half if self.centred else 0, half, 2001), edges])
        y = evaluate(program, constants, r, fmt)
        return bool(((y > 0.4) & (y < 2.5)).all())

    def reach(self, fmt: FloatFormat) -> tuple[float, float]:
        """Between which inputs a core counts: beyond, results are those of the furthest."""
        if self.row.reach is not None:
            return -self.row.reach, self.row.reach
        period = float(self.row.length())
        return (fmt.emin - fmt.digits - 1) * period, (fmt.bias + 1) * period

    def argument(self, x: Any, fmt: FloatFormat) -> np.ndarray:
        """What the core is asked for at `x`: its inputs."""
        asked = []

        def core(r: np.ndarray) -> np.ndarray:
            asked.append(r)
            return r

        self._with_core(self.steps(), core, x, fmt)
        return asked[0]

    def result(self, x: Any, y: Any, fmt: FloatFormat) -> np.ndarray:
        """The function at `x` where the core gives `y`."""
        return self._with_core(self.steps(), lambda r: np.asarray(y, fmt.type), x, fmt)

    def _run(
        self, steps: Iterator[Step], program: Program, constants: Any, x: Any, fmt: FloatFormat
    ) -> np.ndarray:
        return self._with_core(steps, lambda r: evaluate(program, constants, r, fmt), x, fmt)

    def _with_core(
        self, steps: Iterator[Step], core: Callable[[Any], Any], x: Any, fmt: FloatFormat
    ) -> np.ndarray:
        values: dict[str, Any] = {
            k: (fmt.unsigned if isinstance(v, int) else fmt.type)(v) for k, v in self.constants(fmt).items()
        }
        with np.errstate(invalid="ignore"):  # a NaN that signals
            values["x"] = np.asarray(x, fmt.type)
        m = functions_on(fmt, core=core)
        with np.errstate(all="ignore"):
            for name, operation, args in steps:
                values[name] = compute(BY_NAME[operation], m, [values[a] for a in args], fmt, flush=False)
        return np.asarray(values["result"])

    @property
    def log_base(self) -> float:
        """log b: the derivative of b^x is log b times b^x."""
        with flint.ctx.workprec(100):
            return float(arb.const_log2() / self.row.length())

    def float64(self, x: np.ndarray) -> np.ndarray:
        """The function in float64, to a few ulp."""
        with np.errstate(all="ignore"):
            return np.asarray(self.row.float64(x))

    def ball(self, x: Any) -> Any:
        """The exact function on an arb."""
        return parse_expression(CATALOGUE[self.name].expression).ball(x)

    def wanted(self) -> str:
        """The interval that a core needs, in words."""
        period = "1" if self.exact else f"{float(self.row.length()):.17g}"
        return f"(-{period}/2, {period}/2)" if self.centred else f"(0, {period})"


def core_interval(name: str) -> tuple[str, str]:
    """Ends of the interval that a core of this function is for, where nobody names one: around 0.

    Raises:
        ReductionError: no row for the function.
    """
    period = _row(name).period
    return f"-({period})/2", f"({period})/2"


def _row(name: str) -> ReductionRow:
    if name not in REDUCTIONS:
        known = ", ".join(REDUCTIONS)
        raise ReductionError(f"No range reduction for {name!r}; evo/reductions/reduction.py has {known}.")
    return REDUCTIONS[name]


def find_reduction(target: Target) -> Reduction:
    """How to extend a core for this target.

    Raises:
        ReductionError: no row for the function, or the core's interval is too short; says what is needed.
    """
    lo, hi = (float(end) for end in target.ends)
    period, slack = float(_row(target.name).length()), 1e-9
    if lo <= slack - period / 2 and hi >= period / 2 - slack:
        return Reduction(target.name, centred=True)
    if lo <= slack and hi >= period - slack:
        return Reduction(target.name, centred=False)
    choices = " or ".join(Reduction(target.name, kind).wanted() for kind in (True, False))
    raise ReductionError(
        f"Extending {target.name} to all floats takes a core on {choices}, not on"
        f" ({target.lo}, {target.hi}); search there, or leave out --full."
    )


def _rounded(value: Any, digits: int) -> float:
    """The number of so many bits nearest to a ball of about 300 bits."""
    exponent = int(np.frexp(float(value))[1])
    scaled = value * arb(2) ** (digits - exponent) + arb(0.5)
    return float(np.ldexp(float(scaled.floor().unique_fmpz()), exponent - digits))
