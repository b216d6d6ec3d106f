"""What a function of all floats gives of special inputs: zeros, infinities, ends of its span, and beyond.

Beyond the span results are one number on either side, and NaN of NaN.
"""

import ctypes
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evo.exports.bits import INFINITY, SIGN, least_from
from evo.exports.formula import Formula, Origin
from evo.exports.samples import results
from evo.exports.screen import RANGE, Question, compiled

_OTHER = Question(
    "evonum_other",
    """
/* How many results differ from one value, NaN from none; the first input where. */
uint32_t evonum_other(uint32_t first, uint32_t n, uint32_t value, uint32_t *where)
{
    uint32_t differing = 0;
    float wanted;
    memcpy(&wanted, &value, sizeof value);
    for (uint32_t k = 0; k < n; k += SOME) {
        float x[SOME], y[SOME];
        inputs(first + k, n - k, x);
        results(x, y);
        for (uint32_t i = 0; i < SOME && i < n - k; i++) {
            uint32_t got;
            memcpy(&got, y + i, sizeof got);
            const int same = got == value || (y[i] != y[i] && wanted != wanted);
            if (!same && !differing) *where = first + k + i;
            differing += !same;
        }
    }
    return differing;
}
""",
    (*RANGE, ctypes.c_uint32, ctypes.c_void_p),
    ctypes.c_uint32,
)


def special_faults(formula: Formula) -> tuple[str, ...]:
    """What is wrong beyond the span, of zeros, of ends and of NaN, one line each."""
    plain = replace(formula, name="exported", origin=Origin(), to="")
    with tempfile.TemporaryDirectory() as folder:
        return (*_single(plain), *_beyond(plain, Path(folder)))


def _ends(formula: Formula) -> tuple[float, ...]:
    """Ends of the span that are inputs."""
    assert formula.reduction is not None
    fmt = formula.fmt
    ends = formula.reduction.span(fmt)
    return tuple(end for end in ends if np.isfinite(end) and float(fmt.type(end)) == end)


def _single(formula: Formula) -> Iterator[str]:
    """What is wrong of zeros and ends whose result is a number of the format: no other has to be exact."""
    assert formula.reduction is not None
    x = np.array([0.0, -0.0, *_ends(formula)], formula.fmt.type)
    exact = formula.reduction.float64_at(x)
    for at, got, right, value in zip(x, results(formula, x), _right(formula, x), exact, strict=True):
        if not (_same(got, right) or (np.isfinite(right) and float(right) != value)):
            yield f"{at!s} gives {got!s}, not {right!s}"


def _beyond(formula: Formula, folder: Path) -> Iterator[str]:
    """What is wrong of inputs that are NaN or beyond the span."""
    reduction, fmt = formula.reduction, formula.fmt
    assert reduction is not None
    screen = compiled(formula, folder, (_OTHER,))
    lo, hi = reduction.span(fmt)
    ends = _ends(formula)
    ranges = [(sign | INFINITY + 1, 0x7FFFFF, np.float32("nan")) for sign in (0, SIGN)]
    for sign, end in ((0, hi), (SIGN, -lo)):
        first = max(least_from(end) + ((-end if sign else end) in ends), 1)
        (right,) = _right(formula, np.array([-np.inf if sign else np.inf], fmt.type))
        ranges.append((sign | first, INFINITY - first + 1, right))
    for first, count, right in ranges:
        where = np.zeros(1, np.uint32)
        wanted = int(np.asarray(right, np.float32).view(np.uint32))
        differing = screen.evonum_other(first, count, wanted, where.ctypes.data)
        if differing:
            x = where.view(np.float32)
            yield f"{differing:,} inputs such as {x[0]!s} give {results(formula, x)[0]!s}, not {right!s}"


def _right(formula: Formula, x: np.ndarray) -> Any:
    assert formula.reduction is not None
    with np.errstate(all="ignore"):
        return formula.reduction.float64_at(x).astype(formula.fmt.type)


def _same(got: Any, right: Any) -> bool:
    alike = got == right and np.signbit(got) == np.signbit(right)
    return bool(alike or (np.isnan(got) and np.isnan(right)))
