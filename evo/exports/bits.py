"""Float32 numbers by their bits: those of an interval, as ranges of consecutive ones."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

INFINITY, SIGN = 0x7F800000, 1 << 31
"""Bits of infinity; the bit of a sign."""
_OCTAVE = 1 << 23


def ranges(lo: Any, hi: Any) -> Iterator[tuple[int, int]]:
    """(first bits, count) of the floats strictly inside, cut at binary octaves; no infinities."""
    for sign, nearest, furthest in ((0, lo, hi), (SIGN, -hi, -lo)):
        first, last = _least_above(max(nearest, Fraction(0))), _greatest_below(furthest)
        if nearest < 0 and furthest > 0:
            first = 0 if not sign else 1  # zero once
        while first <= last:
            end = min(last, first | (_OCTAVE - 1))
            yield sign | first, end - first + 1
            first = end + 1


def value_of(bits: int) -> float:
    """The float32 of some bits."""
    return float(np.uint32(bits).view(np.float32))


def _bits_at(number: Any) -> int:
    """Bits of the largest float32 that is at most a number from 0 on."""
    low, high = 0, INFINITY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if Fraction(value_of(middle)) <= number else (low, middle)
    return low


def _least_above(number: Any) -> int:
    return _bits_at(number) + 1


def least_from(number: Any) -> int:
    """Bits of the least float32 that is at least a number from 0 on."""
    return _greatest_below(number) + 1


def _greatest_below(number: Any) -> int:
    """-1 if there is none from 0 on."""
    if number <= 0:
        return -1
    bits = _bits_at(number)
    return bits - 1 if Fraction(value_of(bits)) == number else bits
