"""The results that are right: for each input the numbers of the computing format that round to the right one.

A function of 16 bits is computed in float32 and rounded once at its end. So at each input an interval of
float32 numbers is right, and a program is right everywhere if it hits all intervals. Behind a range reduction
the intervals of the core follow from those of the function: what comes after the core is monotone in it, so
bisection over the floats finds both ends.

Source: J. P. Lim, S. Nagarakatte, High Performance Correctly Rounded Math Libraries for 32-bit Floating Point
Representations, PLDI (2021), for 16 bits.
"""

from typing import NamedTuple

import numpy as np

from evo.floats.inputs import moved
from evo.numbers.arithmetic import Arithmetic
from evo.numbers.formats import FloatFormat, ulp
from evo.reductions.reduction import Core, Given, Reduction
from evo.reductions.rules import length
from evo.targets.target import Target

_REACH = 24
"""Bits of the furthest that bisection looks for an end of an interval, in numbers of the computing format:
a rounding interval of bfloat16 has 2^16 float32 numbers."""


_BESIDE_ZERO = 2.0**-200
"""Where cores such as log(1 + x)/x are asked for their limit at 0."""
_DEGREE = 40
"""Of the polynomials that stand for exact cores."""
_NUDGES = 4
"""Floats that the exact core may be off a right one: what comes after it rounds, too."""


class Wanted(NamedTuple):
    """What a program has to give; float64 arrays of numbers of the computing format, [inputs].

    Attributes:
        x: inputs, in order and distinct.
        low: least right result.
        high: greatest right result.
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray


def rounded(exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Correct roundings to a format of real values, of which float64 roundings are given, as float64.

    A value whose float64 rounding is a tie of the format is taken for that tie: of transcendental functions
    ties are exact or far, in formats of 16 bits.
    """
    with np.errstate(over="ignore"):
        unit = ulp(exact, fmt)
        nearest = np.rint(exact / unit) * unit
    largest = (2 - 2.0 ** (1 - fmt.digits)) * 2.0**fmt.bias
    return np.where(np.abs(nearest) > largest, np.copysign(np.inf, nearest), nearest)


def correct(exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """As `rounded`, of infinities and NaN, too: themselves."""
    finite = np.isfinite(exact)
    return np.where(finite, rounded(np.where(finite, exact, 0.0), fmt), exact)


def right_results(exact: np.ndarray, arithmetic: Arithmetic) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest right result for these exact values; infinite where the result overflows."""
    gives, computes = arithmetic.gives, arithmetic.computes
    right = rounded(exact, gives)
    low, high = _tie(right, gives, -1), _tie(right, gives, 1)
    odd = np.rint(np.where(np.isfinite(right), right, 0) / ulp(right, gives)) % 2 == 1
    down = moved(high, np.full(len(high), -1), computes)
    up = moved(low, np.full(len(low), 1), computes)
    return np.where(odd, up, low), np.where(odd, down, high)


def _tie(right: np.ndarray, fmt: FloatFormat, side: int) -> np.ndarray:
    """The middle between each number and its neighbour above (1) or below (-1)."""
    beside = moved(right, np.full(len(right), side), fmt)
    with np.errstate(invalid="ignore"):  # beside infinity there is nothing
        return (right + beside) / 2


def wanted_of_core(
    target: Target, core: Target, arithmetic: Arithmetic, reduction: Reduction | None, x: np.ndarray
) -> Wanted:
    """What the core has to give so that the function is right at all these inputs.

    Args:
        target: the function.
        core: what a program approximates.
        arithmetic: whose result has fewer digits than what computes it.
        reduction: what comes before and after the core; None: the program is the function.
        x: inputs, numbers of the given format at which the function is not infinite there.
    """
    if reduction is not None:  # elsewhere no core counts
        x = x[np.isnan(reduction.result(x, np.nan, arithmetic.computes).astype(float))]
    exact = target.exact(x)
    low, high = right_results(exact, arithmetic)
    if reduction is None:
        return Wanted(x, low, high)
    fmt = arithmetic.computes
    r = reduction.argument(x, fmt).astype(float)
    start = core_values(core, r).astype(fmt.type).astype(float)
    for _ in range(_NUDGES):  # an exact value beside a tie may round to the wrong side of it
        result = reduction.result(x, start, fmt).astype(float)
        start = moved(start, (result < low).astype(int) - (result > high), fmt)
    return _merged(r, *interval_of_core(reduction, x, low, high, start, fmt))


def core_values(core: Target, r: np.ndarray) -> np.ndarray:
    """Exact values of a core; its limit at 0."""
    r = np.asarray(r, float)
    return core.exact(np.where(r == 0, _BESIDE_ZERO, r))


def exact_core(core: Core) -> Given:
    """A core that stands for the best that programs could be: exact values, rounded to the inputs' format."""
    target = Target(core.function, core.lo, core.hi, "absolute")
    lo, hi = length(core.lo), length(core.hi)
    nodes = np.cos((2 * np.arange(_DEGREE + 1) + 1) * np.pi / (2 * _DEGREE + 2))
    at = (lo + hi) / 2 + (hi - lo) / 2 * nodes
    fitted = np.polynomial.Chebyshev.fit(at, core_values(target, at), _DEGREE, domain=[lo, hi])
    return lambda r: fitted(np.clip(r.astype(float), lo, hi)).astype(r.dtype)


def interval_of_core(
    reduction: Reduction,
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    start: np.ndarray,
    fmt: FloatFormat,
) -> tuple[np.ndarray, np.ndarray]:
    """Between which values of the core the function is in [low, high], by bisection from `start`."""
    start, ends = start.astype(fmt.type).astype(float), []
    for side in (-1, 1):
        steps = np.zeros(len(x), np.int64)
        for bit in reversed(range(_REACH)):
            further = steps + side * (1 << bit)
            result = reduction.result(x, moved(start, further, fmt), fmt).astype(float)
            steps = np.where((result >= low) & (result <= high), further, steps)
        ends.append(moved(start, steps, fmt))
    return np.minimum(*ends), np.maximum(*ends)


def _merged(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Wanted:
    """One interval for each input: what is right for all that share it.

    Where nothing is, which a check of every input counts as wrong, it is what lies between.
    """
    order = np.argsort(x, kind="stable")
    distinct, first = np.unique(x[order], return_index=True)
    least, most = np.maximum.reduceat(low[order], first), np.minimum.reduceat(high[order], first)
    return Wanted(distinct, np.minimum(least, most), np.maximum(least, most))
