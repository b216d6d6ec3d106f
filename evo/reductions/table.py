"""The functions that can be extended to all floats: a row each, with one reduction or several."""

import numpy as np

from evo.reductions.bessel import BESSEL
from evo.reductions.circular import CIRCULAR
from evo.reductions.composed import COMPOSED
from evo.reductions.gamma import GAMMA
from evo.reductions.gaussian import GAUSSIAN
from evo.reductions.hyperbolic import HYPERBOLIC
from evo.reductions.logarithms import LOGARITHMS
from evo.reductions.nvidia import NVIDIA
from evo.reductions.others import OTHERS
from evo.reductions.powers import Power
from evo.reductions.reduction import Reduction, ReductionError, Tail
from evo.reductions.roots import ROOTS
from evo.reductions.rules import length, number, value, whole_below
from evo.reductions.tgamma import TGAMMA
from evo.targets.target import Target


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _silu(x: np.ndarray) -> np.ndarray:
    return np.where(np.isneginf(x), -0.0, x * _logistic(x))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    w = float(length(_TWICE)) * x * (1 + 0.044715 * x * x)
    return np.where(np.isneginf(x), -0.0, x * _logistic(w))


def _mish(x: np.ndarray) -> np.ndarray:
    return np.where(np.isneginf(x), -0.0, x * np.tanh(np.logaddexp(0, x)))


_TWICE = "sqrt(8/pi)"
"""Slope at 0 of what gelu in tanh form takes the logistic function of."""
_POWERS = (
    Power("exp2", "1", np.exp2),
    Power("exp", "log(2)", np.exp),
    Power("exp10", "log(2)/log(10)", lambda x: np.power(10.0, x)),
    Power(
        "sigmoid", "log(2)", _logistic, "exp",
        before="start = sub ZERO x",
        after="""
        under = add whole SCALE
        result = div SCALE under
        """,
        reach=(-110.0, 110.0), shift=32, least=-64,
    ),
    Power(
        "silu", "log(2)", _silu, "exp",
        before="start = sub ZERO x",
        after="""
        under = add whole SCALE
        far = below FAR t
        tiny = mul t MINUS_SCALE
        above = choose far tiny SCALE
        factor = choose far ONE x
        part = div above under
        result = mul factor part
        """,
        reach=(-110.0, float("inf")), shift=32, least=-64,
    ),
    Power(
        "mish", "log(2)", _mish, "exp",
        before="""
        absolute = size x
        opposed = sub ZERO absolute
        bound = atmost x MINUS_FAR
        start = atleast opposed bound
        """,
        after="""
        w = mul whole LOWERED
        square = mul w w
        doubled = add square square
        summed = add w square
        negative = below x ZERO
        above = choose negative summed doubled
        start_under = choose negative TWO ONE
        squares = choose negative square doubled
        outer = add start_under squares
        under = fma w TWO outer
        lost = div above under
        finite = atleast x LEAST
        factor = choose negative whole ONE
        full = mul finite factor
        opposite = sub ZERO full
        raised = fma opposite lost full
        unit = choose negative LOWERED ONE
        inside = mul raised unit
        some = below ZERO absolute
        placed = choose some inside x
        large = below FAR x
        result = choose large x placed
        """,
        reach=(-110.0, float("inf")), shift=-32, rules={
            "LEAST": lambda fmt: whole_below("log(2)", fmt.emin - fmt.digits - 10),
            "LOWERED": value(2.0**-32), "TWO": value(2.0),
            "MINUS_FAR": value(-40.0),  # e^-40 changes no result, and its square is a normal number
        },
    ),
    Power(
        "gelu_tanh", "log(2)", _gelu_tanh, "exp",
        before="""
        finite = atleast x LOWEST
        opposite = sub ZERO finite
        square = mul finite finite
        slope = fma square CUBIC LINEAR
        start = mul opposite slope
        """,
        after="""
        under = add whole SCALE
        part = div SCALE under
        result = mul finite part
        """,
        reach=(-11.0, float("inf")), shift=32, least=-64, tail=Tail(-1.0, 0.125),
        rules={"LINEAR": number(_TWICE), "CUBIC": number(f"0.044715*{_TWICE}")},
    ),
)  # fmt: skip
_ROWS = (
    *(way for power in _POWERS for way in power.ways()),
    *(*LOGARITHMS, *CIRCULAR, *OTHERS, *ROOTS, *HYPERBOLIC, *COMPOSED, *GAUSSIAN, *GAMMA, *TGAMMA, *BESSEL),
)
REDUCTIONS: dict[str, tuple[Reduction, ...]] = {
    name: tuple(row for row in _ROWS if row.name == name) for name in dict.fromkeys(row.name for row in _ROWS)
}
"""The functions that can be extended, each with its ways, the usual one first: to add one, add a row."""
ON_NVIDIA: dict[str, tuple[Reduction, ...]] = {row.name: (row.of(REDUCTIONS[row.name][0]),) for row in NVIDIA}
"""Ways by instructions that NVIDIA's GPUs have alone: taken only if they are named."""
_SLACK = 1e-9
"""Relative shortness of an interval that is let pass: ends are decimals."""


def find_reduction(target: Target, way: str = "", core: str = "") -> Reduction:
    """How to extend a core for this target.

    Args:
        target: the function, on the core's interval.
        way: of the function; by default the first whose core's interval is inside the target's.
        core: which of its cores is meant, by default the first.

    Raises:
        ReductionError: no row for the function, no such way, or the core's interval is too short; says what
            is needed.
    """
    lo, hi = (float(end) for end in target.ends)
    ways = _ways(target.name, way, core)
    for reduction in ways:
        first, last = (length(end) for end in (reduction.core.lo, reduction.core.hi))
        slack = _SLACK * (last - first)
        if lo <= first + slack and hi >= last - slack:
            return reduction
    choices = " or ".join(dict.fromkeys(f"({r.core.lo}, {r.core.hi})" for r in ways))
    raise ReductionError(
        f"Extending {target.name} to all floats takes a core on {choices}, not on"
        f" ({target.lo}, {target.hi}); search there, or leave out --full."
    )


def core_interval(name: str, way: str = "", core: str = "") -> tuple[str, str]:
    """Ends of the interval that a core of this function is for, where nobody names one.

    Raises:
        ReductionError: no row for the function, no such way, or no such core.
    """
    first = _ways(name, way, core)[0]
    return first.core.lo, first.core.hi


def _ways(name: str, way: str, core: str) -> list[Reduction]:
    """The reductions that are meant, each with the core that is meant first."""
    if name not in REDUCTIONS:
        known = ", ".join(REDUCTIONS)
        raise ReductionError(f"No range reduction for {name!r}; evo/reductions/table.py has {known}.")
    every = (*REDUCTIONS[name], *ON_NVIDIA.get(name, ()))
    ways = [r for r in every if r.way == way] if way else list(REDUCTIONS[name])
    if not ways:
        known = ", ".join(repr(r.way) for r in every)
        raise ReductionError(f"No way {way!r} to {name}; there are {known}.")
    found = [r.searching(core) for r in ways if core in ("", *(c.name for c in r.cores))]
    if not found:
        known = ", ".join(dict.fromkeys(repr(c.name) for r in ways for c in r.cores))
        raise ReductionError(f"{name} has no core {core!r}; there are {known}.")
    return found
