"""What of a function's inputs is usual, and its steps for them: shorter, with the same bits."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from evo.exports.formula import Formula
from evo.numbers.formats import FloatFormat
from evo.programs.floats import evaluate
from evo.reductions.rules import length
from evo.reductions.usual import Range, Usual, usual

_SAMPLES = 2001
_MARGIN = 1.02
"""Of a core's interval, and of its values: reductions leave the one by rounding, samples miss the other."""


_QUICK = {"div": "quick_div", "rcp": "quick_rcp", "sqrt": "quick_sqrt"}
_ASKING = 5
"""What a branch takes on a GPU, in steps, measured by sines, which have few to save."""
_FAR = 2.0**90
"""Larger numbers, and those smaller than its reciprocal, are left to the long way."""


def usual_of(formula: Formula, asking: float = 1, pieces: bool = False) -> Usual | None:
    """None if no step is saved.

    Args:
        formula: with a range reduction.
        asking: what it takes to ask whether an input is usual, in steps.
        pieces: as `usual` has it.
    """
    reduction, fmt = formula.reduction, formula.fmt
    assert reduction is not None
    if reduction.only:  # their instructions take every input by themselves
        return None
    places = {core.name: core for core in reduction.cores}
    ranges = {}
    for one in formula.cores:
        core = places[one.core or reduction.core.name]
        lo, hi = (_MARGIN * length(end) for end in (core.lo, core.hi))
        tiny = [0.0, -0.0, *(s * 2.0**k for s in (1, -1) for k in range(fmt.emin, -2, 7))]
        x = np.concatenate([np.linspace(lo, hi, _SAMPLES), [t for t in tiny if lo <= t <= hi]])
        y = evaluate(one.program, one.numbers, x, fmt)
        if np.isfinite(y).all():
            ends = float(y.min()), float(y.max())
            ranges[core.name] = Range(
                *(e * (_MARGIN if e * s > 0 else 1 / _MARGIN) for e, s in zip(ends, (-1, 1), strict=True))
            )
    return usual(reduction, ranges, fmt, asking, pieces)


def near(formula: Formula, found: Usual) -> Formula:
    """The formula whose steps are those for usual inputs."""
    return replace(formula, reduction=found.reduction)


def quick(formula: Formula) -> Usual | None:
    """`usual_of` for a GPU, where few inputs agree at a time: of positive numbers those beyond a function's
    pieces may be usual; quotients and roots, too, are made the short way where they can be.

    That takes operands and results between 2^-90 and 2^90 in size, and whether they are is asked at inputs of
    all usual sizes; between the 2^-101 and 2^126 that it really takes lies what these miss.
    """
    reduction, fmt = formula.reduction, formula.fmt
    assert reduction is not None
    best = usual_of(formula, _ASKING, pieces=True)
    if fmt.bits != 32 or not any(step[1] in _QUICK for step in reduction.steps):
        return best
    most = 0
    for box in _boxes(usual_of(formula, pieces=True) or Usual(-math.inf, math.inf, 0.0, reduction), fmt):
        fine = _sizes(formula, box)
        steps = tuple(
            (name, _QUICK[op], args)
            if op in _QUICK and all(fine[a] for a in (*args, name))
            else (name, op, args)
            for name, op, args in box.reduction.steps
        )
        made = sum(step[1] in _QUICK.values() for step in steps)
        if made > most:
            most, best = made, box._replace(reduction=replace(box.reduction, steps=steps))
    return best


def _boxes(found: Usual, fmt: FloatFormat) -> Iterator[Usual]:
    """Usual inputs and fewer of them: without those next to an end, the large ones, the smallest."""
    tops = {*(2.0**k for k in (90, 60, 16, 6, 5, 4, 3))}
    for end in (found.hi, found.reduction.span(fmt)[1]):
        tops |= {end, (near := _next(end, 0, fmt)), _next(near, 0, fmt)}
    for hi in sorted({min(top, found.hi, _FAR) for top in tops}, reverse=True):
        if found.lo > 0:
            yield from (found._replace(hi=hi, lo=lo) for lo in (found.lo, _next(found.lo, hi, fmt)))
        for least in (found.least, 2.0**-60):
            if found.symmetric and least >= found.least:
                yield found._replace(lo=-hi, hi=hi, least=least)


def _next(number: float, towards: float, fmt: FloatFormat) -> float:
    return float(np.nextafter(fmt.type(number), fmt.type(towards)))


def _sizes(formula: Formula, found: Usual) -> dict[str, bool]:
    """Of every value and constant whether its size is between 2^-90 and 2^90 at usual inputs."""
    fmt = formula.fmt
    ends = (found.lo if found.lo > 0 else max(found.least, 2.0**fmt.emin), found.hi)
    first, last = (int(np.asarray(fmt.type(end)).view(fmt.unsigned)) for end in ends)
    rng = np.random.default_rng(0)
    words = np.concatenate(
        [[first, last], rng.integers(first, last, 1 << 13, dtype=np.uint64, endpoint=True)]
    )
    x = words.astype(fmt.unsigned).view(fmt.type)
    x = np.concatenate([x, -x, [] if found.least or found.lo > 0 else [0.0]]).astype(fmt.type)
    x = x[(x >= found.lo) & (x <= found.hi)]
    core = formula.program, formula.numbers
    values = found.reduction.values(lambda r: evaluate(*core, r, fmt), x, fmt)
    fine = {}
    for name, of in values.items():
        sizes = np.abs(np.asarray(of, float)) if np.asarray(of).dtype.kind == "f" else np.zeros(1)
        fine[name] = bool((sizes >= 1 / _FAR).all() and (sizes <= _FAR).all())
    return fine
