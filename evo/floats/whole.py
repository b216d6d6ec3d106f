"""Functions of all floats whose results are not rounded once more: errors in ulp of the function itself.

A core is judged by what its reduction makes of it, each step rounded; so a point has the input of the
function beside that of the core. Fits, which know no rounding, take the core's exact value and a weight: how
many ulp of the function a small change of the core is.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evo.floats.inputs import between, moved
from evo.floats.wanted import core_values, interval_of_core, rounded
from evo.kernels.strict import Judgement, values
from evo.numbers.formats import FloatFormat, ulp
from evo.programs.batch import Batch
from evo.reductions.reduction import Prepared, Reduction
from evo.targets.points import Points
from evo.targets.target import Target

_PROBE = 64.0
"""Change of the result [ulp] whose change of the core makes the weight."""
_NEAR, _USUAL = 4.0, 130.0
"""Sizes of inputs that functions are mostly asked for: each has its share of samples."""
_EXACTLY = 16.0
"""So much more counts an ulp at 0 where the result is a number of the format: cos 0 is 1, not next to it."""
_OF_OCTAVE, _TRIFLE = 2048, 2.0**-8
"""Inputs of every octave that are looked at for fine steps; steps [ulp] below which few meet a rounding."""
_BESIDE = 0.125
"""Of a core's interval, how far beyond its ends rounding may put an argument."""
_AT_ONCE = 1 << 17
"""Results that are judged at a time: arrays of half a megabyte."""


@dataclass(frozen=True, eq=False)
class WholePoints(Points):
    """Points of a core with the function's.

    Attributes:
        inputs: of the function, float64[n].
        results: exact ones, float64[n].
        unit: their ulp.
        prepared: the reduction's steps at the inputs, but for the core.
    """

    inputs: np.ndarray
    results: np.ndarray
    unit: np.ndarray
    prepared: Prepared

    def take(self, rows: np.ndarray) -> "WholePoints":
        """These points, in this order."""
        return WholePoints(
            self.x[rows], self.exact[rows], self.weight[rows], self.inputs[rows], self.results[rows],
            self.unit[rows], self.prepared.take(rows),
        )  # fmt: skip

    def errors(self, batch: Batch, fmt: FloatFormat) -> np.ndarray:
        """Errors of the function with each core [ulp], [rows, points]; inf where there is no number."""
        got = self.prepared.result(values(batch, self.x, fmt)).astype(float)
        with np.errstate(all="ignore"):
            found = np.abs(got - self.results) / self.unit
        return np.where(np.isnan(found), np.inf, found)

    def judge(self, batch: Batch, fmt: FloatFormat, limit: float) -> Judgement:
        """As `evo.kernels.strict.judge`."""
        rows = max(1, _AT_ONCE // len(self.x))
        parts = [self.errors(batch.take(slice(k, k + rows)), fmt) for k in range(0, len(batch), rows)]
        found = np.concatenate(parts) if parts else np.zeros((0, len(self.x)))
        worst = found.argmax(axis=1) if len(found) else np.zeros(0, int)
        return Judgement(
            np.take_along_axis(found, worst[:, None], 1)[:, 0], worst, (found > limit).sum(axis=1)
        )


def points_at(
    x: np.ndarray, target: Target, core: Target, reduction: Reduction, fmt: FloatFormat
) -> WholePoints:
    """Points where the result is a normal number that depends on the core, in order of the core's.

    Args:
        x: inputs of the function.
        target: the function.
        core: what programs approximate.
    """
    x = x[np.isnan(reduction.result(x, np.nan, fmt).astype(float))]  # elsewhere no core counts
    exact = target.exact(x)
    x, exact = x[normal(exact, fmt)], exact[normal(exact, fmt)]
    prepared = reduction.prepared(x, fmt)
    near = np.flatnonzero(_beside(prepared.r, core))
    x, exact, prepared = x[near], exact[near], prepared.take(near)
    order = np.argsort(prepared.r, kind="stable")
    x, exact, prepared = x[order], exact[order], prepared.take(order)
    unit = reduction.unit(x, exact, fmt)
    unit = np.where((x == 0) & (rounded(exact, fmt) == exact), unit / _EXACTLY, unit)
    start = core_values(core, prepared.r)
    low, high = interval_of_core(reduction, x, exact - _PROBE * unit, exact + _PROBE * unit, start, fmt)
    weight = 2 * _PROBE / np.maximum(high - low, ulp(start, fmt))
    return WholePoints(prepared.r.astype(float), start, weight, x, exact, unit, prepared)


def heaviest(points: Points, parts: int) -> np.ndarray:
    """In every part of the core's interval the points of the largest weights, as rows."""
    edges = np.searchsorted(points.x, np.linspace(points.x[0], points.x[-1], parts + 1))
    rows = [a + np.argsort(-points.weight[a:b])[:2] for a, b in pairwise(edges)]
    return np.unique(np.concatenate([*rows, [0, len(points.x) - 1]]))


def _beside(r: np.ndarray, core: Target) -> np.ndarray:
    """Where a core is asked for what it is fitted to; instructions that saturate ask for more."""
    lo, hi = (float(end) for end in core.ends)
    slack = _BESIDE * (hi - lo)
    return (r >= lo - slack) & (r <= hi + slack)


def normal(exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Where results are normal numbers, well away from both ends."""
    size = np.abs(exact)
    return (size >= 2.0 ** (fmt.emin + 1)) & (size < 2.0**fmt.bias * 1.999)


def sampled_inputs(reduction: Reduction, fmt: FloatFormat, most: int) -> np.ndarray:
    """Inputs of all sizes, and more of usual sizes, small ones, and about 1; distinct, in order."""
    rng, largest = np.random.default_rng(9), (2 - 2.0 ** (1 - fmt.digits)) * 2.0**fmt.bias
    first, last = (min(max(end, -largest), largest) for end in reduction.span(fmt))
    share = most // 4
    usual = [rng.uniform(max(first, -size), min(last, size), share) for size in (_NEAR, _USUAL)]
    beside = 1 + rng.uniform(-1, 1, share) * np.exp2(-rng.uniform(0, fmt.digits, share))
    x = np.concatenate([*usual, beside, -beside]).astype(fmt.type).astype(float)
    every = np.concatenate([between(first, last, fmt, 2 * share), x[(x > first) & (x < last)]])
    return np.unique([0.0, *every] if first < 0 < last else every)


def fine_inputs(reduction: Reduction, fmt: FloatFormat, most: int) -> np.ndarray:
    """Inputs from which the function's step to the next is less than half an ulp of the result, but no
    trifle: there roundings are more than steps. Of each octave that has some as many; distinct, in order.
    """
    rng = np.random.default_rng(7)
    powers = np.exp2(np.arange(fmt.emin, fmt.bias + 1))[:, None]
    first, last = reduction.span(fmt)
    x = np.concatenate([sign * powers * (1 + rng.random((len(powers), _OF_OCTAVE))) for sign in (-1, 1)])
    x = x.astype(fmt.type).astype(float)
    x = x[(x > first) & (x < last)]
    y, after = reduction.float64_at(x), reduction.float64_at(moved(x, np.ones(len(x), np.int64), fmt))
    with np.errstate(all="ignore"):
        step = np.abs(after - y) / ulp(np.where(np.isfinite(y), y, 0.0), fmt)
    found = x[normal(np.where(np.isfinite(y), y, 0.0), fmt) & (step > _TRIFLE) & (step < 0.5)]
    return np.unique(found[:: max(1, len(found) // most)])
