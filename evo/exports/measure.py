"""The errors of a formula in float arithmetic: the figure between the sampled error and the proved bound.

Of the core: at float inputs inside the interval, in the metric's unit and in ulp. In float32 every input is
tried (evo/exports/exhaustive.py); in float64 a sample is, beside which a bound is proved. Of the function on
all floats: in ulp, of a sample with inputs of every exponent, and next to where results become subnormal,
zero or infinite.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.exports.exhaustive import screened
from evo.exports.formula import Figure, Formula, Origin
from evo.exports.names import ExportError
from evo.exports.pieces import CurvedError
from evo.kernels.build import BuildError
from evo.numbers.formats import FloatFormat
from evo.programs.floats import evaluate
from evo.proofs.rounding import RoundingBound, bound_float64_error
from evo.reductions.reduction import Reduction, Tail
from evo.targets.metric import METRICS, divides
from evo.targets.points import holdout_floats
from evo.targets.target import Target

PER_OCTAVE = 24
DENSE, SEEN = 400_000, 64
"""Inputs of float32 functions tried in float64 arithmetic, and those of them that balls then decide."""
_PRECISION = 192
_FURTHEST = 2.0**100
"""Size of sampled inputs of functions without ends."""


def measured(formula: Formula) -> Formula:
    """The formula with its float errors.

    Of a core in float32, those of all inputs, unless the function bends too often; else of a sample. A core
    in float64 also has a bound in float64 arithmetic, where the member has one in real arithmetic.

    Raises:
        ExportError: the interval holds no number of the format.
    """
    found = _measured(replace(formula, name="exported", origin=Origin(), to=""))
    return replace(found, name=formula.name, origin=formula.origin, to=formula.to)


@lru_cache(maxsize=64)
def _measured(formula: Formula) -> Formula:
    """Remembered: a second and more of work, which every format of an export asks for."""
    if formula.reduction is not None:
        return _on_all_floats(formula)
    if formula.fmt.bits == 32:
        with suppress(BuildError, CurvedError):  # else a sample, that says so
            return _of_all(formula)
    target = formula.member.function
    x = holdout_floats(target, formula.fmt)
    if not len(x):
        raise _empty(formula)
    errors = _errors(formula, target, (x, x))
    return replace(
        formula,
        float_errors=errors,
        float_points=f"largest of a sample of {len(x):,} inputs",
        float_inputs=len(x),
        float_bound=_bound(formula, target),
    )


def _of_all(formula: Formula) -> Formula:
    """Decides the inputs that may be the worst of all.

    Raises:
        BuildError: no C compiler.
        CurvedError: it would take hours.
    """
    target = formula.member.function
    found = screened(formula, target.ball, *target.ends)
    if not found.count:
        raise _empty(formula)
    words = f"largest of all {found.count:,} inputs"
    errors = _errors(formula, target, found.inputs)
    if divides(formula.member.metric):
        words += ", the relative one of those with normal results"
    return replace(
        formula, float_errors=errors, float_points=words, float_inputs=found.count, float_every=True
    )


def _errors(formula: Formula, target: Target, inputs: Sequence[np.ndarray]) -> tuple[Figure, Figure]:
    """The largest errors in the metric's unit and in ulp, each at its inputs."""
    in_metric, in_ulp = (
        largest(evaluate(formula.program, formula.numbers, x, formula.fmt), x, target.ball, formula.fmt, unit)
        for x, unit in zip(inputs, (formula.member.metric, "ulp"), strict=True)
    )
    return in_metric, in_ulp


def _bound(formula: Formula, target: Target) -> RoundingBound | None:
    """Of a formula that is proved in real arithmetic."""
    if not formula.member.proved_bound:
        return None
    found = bound_float64_error(formula.member.code, formula.member.constants, target)
    return found if isinstance(found, RoundingBound) else None


def _empty(formula: Formula) -> ExportError:
    ends = ", ".join(formula.member.interval)
    return ExportError(f"There is no {formula.fmt.name} number inside ({ends}) to try.")


def all_points(fmt: FloatFormat, first: float, last: float, count: int = PER_OCTAVE) -> np.ndarray:
    """Numbers of `fmt` of both signs, every exponent from 2^-70 on, and around `first` and `last`."""
    rng = np.random.default_rng(5)
    octaves = np.arange(-70, math.ceil(math.log2(max(-first, last))) + 1)
    sizes = np.ldexp(rng.uniform(1, 2, (len(octaves), count)), octaves[:, None]).ravel()
    edges = np.array([first, last, fmt.emin * last / (fmt.bias + 1), 1.0, -1.0, 0.5, -0.5])
    ends = (edges[:, None] * (1 + np.arange(-12, 13) * 2.0 ** (1 - fmt.digits))).ravel()
    falling = np.linspace(first, fmt.emin * last / (fmt.bias + 1), 400)  # results there are subnormal
    x = np.concatenate([sizes, -sizes, ends, falling]).astype(fmt.type)
    return np.unique(x[(x > 1.01 * first) & (x < 1.01 * last)])


def largest(
    got: np.ndarray,
    x: np.ndarray,
    exact: Callable[[Any], Any],
    fmt: FloatFormat,
    unit: str,
    tail: Tail | None = None,
) -> Figure:
    """The largest error of `got`, against a function on balls.

    A result of zero or infinity is right where the exact one rounds to it.

    Args:
        tail: where an ulp has a least size.
    """
    worst = Figure(-1.0, None, unit)
    with flint.ctx.workprec(_PRECISION):
        for value, point in zip(np.asarray(got, float).tolist(), np.asarray(x, float).tolist(), strict=True):
            least = tail.size if tail is not None and point < tail.below else 0.0
            error = _error(value, exact(arb(point)), fmt, unit, least)
            if error > worst.value:
                worst = Figure(error, point, unit)
    return worst


def _error(value: float, exact: Any, fmt: FloatFormat, unit: str, least: float) -> float:
    if unit == "ulp":  # as if the exponents went one further: infinity stands for the first power beyond
        beyond = arb(2) ** (fmt.bias + 1)
        exact = arb.min(arb.max(exact, -beyond), beyond)
        got = beyond * (1 if value > 0 else -1) if math.isinf(value) else arb(value)
        error = abs(got - exact) / arb(2) ** _ulp_exponent(arb.max(abs(exact), arb(least)), fmt)
    else:
        metric = METRICS[unit]
        if metric.divides and abs(exact) < arb(2) ** fmt.emin:  # results lose digits, whatever the formula
            return 0.0
        error = abs(metric.error(arb(value), exact))
    return float(error.mid()) if error.is_finite() else math.inf


def _ulp_exponent(exact: Any, fmt: FloatFormat) -> int:
    """log2 of the ulp of a real value; see `evo.numbers.formats.ulp`, which ends where float64 does."""
    man, exp = exact.mid().man_exp()
    exponent = abs(int(man)).bit_length() + int(exp) - 1 if man else fmt.emin
    return max(min(exponent, fmt.bias), fmt.emin) - (fmt.digits - 1)


def _on_all_floats(formula: Formula) -> Formula:
    assert formula.reduction is not None
    first, last = finite_span(formula.reduction, formula.fmt)
    x = all_points(formula.fmt, first, last)
    x = x[(x > first) & (x < last)]
    count = len(x)
    if formula.fmt.bits == 32:
        x, tried = _with_worst(formula, x, first, last)
        count += tried
    got = formula.reduction.evaluate(formula.program, formula.numbers, x, formula.fmt)
    figure = largest(got, x, formula.reduction.ball, formula.fmt, "ulp", formula.reduction.tail)
    words = f"largest of a sample of {count:,} inputs of every exponent, subnormal results included"
    return replace(formula, float_errors=(figure,), float_points=words, float_inputs=count)


def finite_span(reduction: Reduction, fmt: FloatFormat) -> tuple[float, float]:
    """Ends of a reduction's span, at most `_FURTHEST` away."""
    first, last = reduction.span(fmt)
    return max(first, -_FURTHEST), min(last, _FURTHEST)


def _with_worst(formula: Formula, x: np.ndarray, first: float, last: float) -> tuple[np.ndarray, int]:
    """`x` and those of `DENSE` more where float64 arithmetic sees the largest errors; how many more."""
    assert formula.reduction is not None
    fmt, rng = formula.fmt, np.random.default_rng(7)
    small = np.ldexp(rng.uniform(-2, 2, DENSE // 2), rng.integers(-12, 3, DENSE // 2))
    more = np.concatenate([rng.uniform(first, last, DENSE // 2), small]).astype(fmt.type)
    more = more[(more > first) & (more < last)]
    got = formula.reduction.evaluate(formula.program, formula.numbers, more, fmt).astype(float)
    exact = formula.reduction.float64_at(more)
    unit = formula.reduction.unit(more, exact, fmt)
    with np.errstate(all="ignore"):
        error = np.where(np.isfinite(got), np.abs(got - exact) / unit, 0.0)
    return np.unique(np.concatenate([x, more[np.argsort(error)[-SEEN:]]])), len(more)
