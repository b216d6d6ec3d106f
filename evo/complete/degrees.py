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

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evo.kernels.binding import batch_view
from evo.kernels.layout import MOST_POWER, TYPE_SHAPE
from evo.kernels.library import kernels
from evo.programs.batch import Batch

_BLOCK = 1 << 14
"""Programs at a time: what a block needs stays in a processor's cache."""


class Type(NamedTuple):
    """x^power p(y)/q(y), y = x^stride, degrees m and n at most."""

    power: int
    stride: int
    m: int
    n: int

    @property
    def code(self) -> int:
        """A number for it; 0 is that of no type."""
        return int(np.ravel_multi_index((self.power + MOST_POWER + 1, *self[1:]), TYPE_SHAPE))

    @classmethod
    def of(cls, code: int) -> "Type":
        """The type of a number."""
        power, stride, m, n = np.unravel_index(code, TYPE_SHAPE)
        return cls(int(power) - MOST_POWER - 1, int(stride), int(m), int(n))


@dataclass(frozen=True)
class Types:
    """Of many programs.

    Attributes:
        types: those there are, the most coefficients first; before them None, of programs without a type.
        of: which of these each program has, uint16 [rows].
    """

    types: tuple[Type | None, ...]
    of: np.ndarray


def codes_of(batch: Batch) -> np.ndarray:
    """The numbers of the types of a batch's programs, uint32 [rows]; 0 of one that has none."""
    codes = np.empty(len(batch), np.uint32)
    kernels().batch_degrees(batch_view(batch), codes)
    return codes


def types_of(words: np.ndarray, n: np.ndarray, threads: int = 1) -> Types:
    """The types of programs.

    Args:
        words: uint16 [rows, most ops] (evo/kernels/words.py).
        n: instructions of each, ascending, uint8 [rows].
        threads: how many work; no result depends on it.
    """
    codes = np.empty(len(n), np.uint32)

    def fill(begin: int, end: int, ops: int) -> None:
        kernels().degrees(np.ascontiguousarray(words[begin:end, :ops]), end - begin, ops, codes[begin:end])

    ends = np.searchsorted(n, np.arange(words.shape[1] + 1), "right").tolist()
    blocks = [
        (begin, min(begin + _BLOCK, ends[ops]), ops)
        for ops in range(1, len(ends))
        for begin in range(ends[ops - 1], ends[ops], _BLOCK)
    ]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda block: fill(*block), blocks):
            pass  # an error of a thread is raised here
    there = np.zeros(math.prod(TYPE_SHAPE), bool)
    there[codes] = True
    known = sorted(map(Type.of, (np.flatnonzero(there[1:]) + 1).tolist()), key=lambda t: (-t.m - t.n, t))
    place = np.zeros(len(there), np.uint16)
    place[[t.code for t in known]] = np.arange(1, len(known) + 1)
    return Types((None, *known), place[codes])
