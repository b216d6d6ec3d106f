"""Of which type the rational function is that a program over + - * / computes, whatever its constants are.

Each value is a product of powers of factors, up to a number: x, and a polynomial for each sum. A product adds
the powers, a quotient subtracts them, and in a sum what both terms have in common stays outside,

    a + b = g (a/g + b/g),  g with the lesser power of each factor,

so that the rest is a polynomial, a new factor; its degree is at most that of one of its two terms. Nothing
else is cancelled, but that much always may be: what divides by a factor that is zero has no value. A constant
that is zero makes degrees smaller. So a type is an upper bound for all constants:

    x^power p(y)/q(y),  y = x^stride,  p and q of the degrees m and n at most.

The stride divides the powers of x in all sums: it is 2 in (c1 + x x)/(x x x). Compiled code finds a type
(evo/kernels/degrees.h).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evo.kernels.library import kernels

MOST_DEGREES = 24
"""Most of both polynomials together: a type with more has no bound that fits in float64 could meet."""
_BLOCK = 1 << 14
"""Programs at a time: what a block needs stays in a processor's cache."""
_MOST_POWER = 63
_SHAPE = 2 * _MOST_POWER + 2, 16, 32, 32


class Type(NamedTuple):
    """x^power p(y)/q(y), y = x^stride, degrees m and n at most."""

    power: int
    stride: int
    m: int
    n: int

    @property
    def code(self) -> int:
        """A number for it."""
        return (((self.power + _MOST_POWER + 1) * 16 + self.stride) * 32 + self.m) * 32 + self.n

    @classmethod
    def of(cls, code: int) -> "Type":
        """The type of a number."""
        power, stride, m, n = np.unravel_index(code, _SHAPE)
        return cls(int(power) - _MOST_POWER - 1, int(stride), int(m), int(n))


_NO_TYPE = 0


@dataclass(frozen=True)
class Types:
    """Of many programs.

    Attributes:
        types: those there are, the most coefficients first; before them None, of programs without a type.
        of: which of these each program has, uint16 [rows].
    """

    types: tuple[Type | None, ...]
    of: np.ndarray


def types_of(words: np.ndarray, n: np.ndarray, threads: int = 1) -> Types:
    """The types of programs.

    Args:
        words: uint16 [rows, most ops] (evo/kernels/words.py).
        n: instructions of each, ascending, uint8 [rows].
        threads: how many work; no result depends on it.
    """
    codes = np.empty(len(n), np.uint32)

    def fill(begin: int, end: int, ops: int) -> None:
        codes[begin:end] = _codes(words[begin:end, :ops])

    ends = np.searchsorted(n, np.arange(words.shape[1] + 1), "right").tolist()
    blocks = [
        (begin, min(begin + _BLOCK, ends[ops]), ops)
        for ops in range(1, len(ends))
        for begin in range(ends[ops - 1], ends[ops], _BLOCK)
    ]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda block: fill(*block), blocks):
            pass  # an error of a thread is raised here
    there = np.zeros(int(np.prod(_SHAPE)), bool)
    there[codes] = True
    known = sorted(map(Type.of, (np.flatnonzero(there[1:]) + 1).tolist()), key=lambda t: (-t.m - t.n, t))
    place = np.zeros(len(there), np.uint16)
    place[[t.code for t in known]] = np.arange(1, len(known) + 1)
    return Types((None, *known), place[codes])


def _codes(words: np.ndarray) -> np.ndarray:
    """Of programs of one size: what stands for their types, uint32 [rows]."""
    found = np.empty((len(words), 4), np.int16)
    kernels().degrees(np.ascontiguousarray(words), *words.shape, found)
    power, stride, m, n = found.T.astype(np.int64)
    has = (stride > 0) & (m + n <= MOST_DEGREES) & (np.abs(power) <= _MOST_POWER)
    codes = np.ravel_multi_index(
        [np.where(has, part, 0) for part in (power + _MOST_POWER + 1, stride, m, n)], _SHAPE
    )
    return np.where(has, codes, _NO_TYPE).astype(np.uint32)
