"""Of which type the rational function is that a program over + - * / computes, whatever its constants are.

Each value is a product of powers of factors, up to a number: x, and a polynomial for each sum. A product adds
the powers, a quotient subtracts them, and in a sum what both terms have in common stays outside,

    a + b = g (a/g + b/g),  g with the lesser power of each factor,

so that the rest is a polynomial, a new factor; its degree is at most that of one of its two terms. Nothing
else is cancelled, but that much always may be: what divides by a factor that is zero has no value. A constant
that is zero makes degrees smaller. So a type is an upper bound for all constants:

    x^power p(y)/q(y),  y = x^stride,  p and q of the degrees m and n at most.

The stride divides the powers of x in all sums: it is 2 in (c1 + x x)/(x x x).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evo.complete.words import FIRST_VALUE, MOST_OPS
from evo.programs.ops import OPCODE

MOST_DEGREES = 24
"""Most of both polynomials together: a type with more has no bound that fits in float64 could meet."""
_BLOCK = 1 << 14
"""Programs at a time: what a block needs stays in a processor's cache."""
_MOST_POWER = 63
_SHAPE = 2 * _MOST_POWER + 2, 16, 32, 32
_RATIONAL = _ADD, _SUB, _MUL, _DIV = [OPCODE[name] for name in ("add", "sub", "mul", "div")]
_STRIDES = range(2, 9)
_BITS = np.uint8(1) << np.arange(len(_STRIDES), dtype=np.uint8)
_NO_DIVISORS = np.array(
    [
        sum(int(bit) for s, bit in zip(_STRIDES, _BITS, strict=True) if power % s)
        for power in range((1 << MOST_OPS) + 1)
    ],
    np.uint8,
)
"""Of a power, which strides do not divide it, a bit each."""
_LARGEST = np.array(
    [max([1, *(s for s, bit in zip(_STRIDES, _BITS, strict=True) if not bits & bit)]) for bits in range(256)],
    np.int16,
)
"""Of such bits, the largest stride."""


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
        words: uint16 [rows, most ops] (evo/complete/words.py).
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
    """Of programs of one size: what stands for their types, uint32 [rows].

    Factors are numbered as they come, x first; a sum knows those before it.
    """
    rows, ops = words.shape
    at, op = np.arange(rows), (words >> 12).T
    powers = np.zeros((FIRST_VALUE + ops, rows, 1 + ops), np.int16)  # of the factors in each operand
    powers[0, :, 0] = 1
    flat = powers.reshape(-1, 1 + ops)  # a take along one axis is five times as fast as two places
    degree, others = np.zeros((1 + ops, rows), np.int16), np.zeros((1 + ops, rows), np.uint8)
    degree[0] = 1
    for place in range(ops):
        known, new = slice(1 + place), 1 + place
        operands = ((words[:, place] >> shift & 15) * np.int64(rows) + at for shift in (8, 4))
        a, b = (np.ascontiguousarray(flat.take(some, axis=0).T[known]) for some in operands)
        common = np.minimum(a, b)
        over_a, over_b = a - common, b - common
        degree[new] = np.maximum(_sum(over_a, degree), _sum(over_b, degree))
        others[new] = _others(over_a, others) | _others(over_b, others)
        is_sum = (op[place] == _ADD) | (op[place] == _SUB)
        result = np.where(op[place] == _MUL, a + b, np.where(is_sum, common, a - b))
        powers[FIRST_VALUE + place, :, known], powers[FIRST_VALUE + place, :, new] = result.T, is_sum
    last = np.ascontiguousarray(powers[-1].T)
    power, last[0] = last[0].copy(), 0
    m, n = _sum(np.maximum(last, 0), degree), _sum(np.maximum(-last, 0), degree)
    stride = np.where(m + n, _LARGEST[_others(last, others)], 1)
    m, n = m // stride, n // stride
    has = (m + n <= MOST_DEGREES) & (np.abs(power) <= _MOST_POWER) & np.isin(op, _RATIONAL).all(axis=0)
    codes = np.ravel_multi_index(
        [np.where(has, part, 0) for part in (power + _MOST_POWER + 1, stride, m, n)], _SHAPE
    )
    return np.where(has, codes, _NO_TYPE).astype(np.uint32)


def _sum(powers: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """The degrees of products of factors, [rows]."""
    found: np.ndarray = (powers * degree[: len(powers)]).sum(axis=0, dtype=np.int16)
    return found


def _others(powers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The strides that a product of factors has not, bits; [rows]."""
    of_each = np.where(powers[1:], others[1 : len(powers)], 0)
    found: np.ndarray = np.bitwise_or.reduce(of_each, axis=0) | _NO_DIVISORS[np.abs(powers[0])]
    return found
