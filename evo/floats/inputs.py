"""The inputs of a format: all of them where they are few, else many of every binade."""

import numpy as np

from evo.numbers.formats import FloatFormat

FEW = 16
"""Bits of a format whose inputs are all taken."""


def every(fmt: FloatFormat) -> np.ndarray:
    """All numbers of a format of 16 bits, by their bits, as float64."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return np.arange(1 << fmt.bits, dtype=fmt.unsigned).view(fmt.type).astype(float)


def between(lo: float, hi: float, fmt: FloatFormat, most: int) -> np.ndarray:
    """Finite numbers of a format strictly between two, in order, as float64.

    Args:
        most: about how many of a format of more than 16 bits: half of them evenly spread over the interval,
            half over the floats in it, so that every binade has some.
    """
    if fmt.bits <= FEW:
        found = every(fmt)
        inside = found[np.isfinite(found) & (found > lo) & (found < hi)]
    else:
        even = lo + (hi - lo) * (np.arange(most // 2) + 0.5) / (most // 2)
        first, last = (int(_ordinal(np.array([end]), fmt)[0]) for end in (lo, hi))
        steps = np.unique(np.linspace(first, last, most // 2).astype(np.int64))
        found = np.concatenate([even.astype(fmt.type).astype(float), _number(steps, fmt)])
        inside = found[(found > lo) & (found < hi)]
    return np.unique(inside + 0.0)


def _ordinal(x: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Numbers in the order of the floats, 0 at 0, int64."""
    bits = np.abs(x).astype(fmt.type).view(fmt.unsigned).astype(np.int64)
    return np.where(x < 0, -bits, bits)


def _number(ordinal: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """The floats of these places, as float64."""
    with np.errstate(invalid="ignore"):  # beyond infinity there are NaNs
        size = np.abs(ordinal).astype(fmt.unsigned).view(fmt.type).astype(float)
    return np.where(ordinal < 0, -size, size)


def moved(x: np.ndarray, steps: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """The float so many floats above (below, if negative), as float64."""
    return _number(_ordinal(x, fmt) + steps, fmt)
