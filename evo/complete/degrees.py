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
_ADD, _SUB, _MUL, _DIV = (OPCODE[name] for name in ("add", "sub", "mul", "div"))
_STRIDES = range(2, 9)
_BITS = np.uint8(1) << np.arange(len(_STRIDES), dtype=np.uint8)
_ALL = _BITS.sum(dtype=np.uint8)
_DIVISORS = np.array(
    [
        sum(int(bit) for s, bit in zip(_STRIDES, _BITS, strict=True) if power % s == 0)
        for power in range((1 << MOST_OPS) + 1)
    ],
    np.uint8,
)
"""Of a power, which strides divide it, a bit each."""
_LARGEST = np.array(
    [max([1, *(s for s, bit in zip(_STRIDES, _BITS, strict=True) if mask & bit)]) for mask in range(_ALL + 1)]
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
    """Of programs of one size: what stands for their types, uint32 [rows]."""
    rows, ops = words.shape
    at = np.arange(rows)
    powers = np.zeros((FIRST_VALUE + ops, rows, 1 + ops), np.int16)  # of x and the sums in each operand
    powers[0, :, 0] = 1
    degree, divisors = np.zeros((rows, 1 + ops), np.int16), np.full((rows, 1 + ops), _ALL, np.uint8)
    degree[:, 0] = 1
    for place in range(ops):
        word = words[:, place]
        op = word >> 12
        a, b = (powers[word >> shift & 15, at] for shift in (8, 4))
        common = np.minimum(a, b)
        over_a, over_b = a - common, b - common
        degree[:, 1 + place] = np.maximum((over_a * degree).sum(axis=1), (over_b * degree).sum(axis=1))
        divisors[:, 1 + place] = _divisors(over_a, divisors) & _divisors(over_b, divisors)
        common[:, 1 + place] = 1
        choices = [(op == _MUL)[:, None], (op == _DIV)[:, None]]
        powers[FIRST_VALUE + place] = np.select(choices, [a + b, a - b], common)
    last = powers[-1]
    power, last[:, 0] = last[:, 0].copy(), 0
    m, n = ((np.maximum(last, 0) * degree).sum(axis=1), (np.maximum(-last, 0) * degree).sum(axis=1))
    stride = np.where(m + n, _LARGEST[_divisors(last, divisors)], 1)
    m, n = m // stride, n // stride
    has = (m + n <= MOST_DEGREES) & (np.abs(power) <= _MOST_POWER) & _is_rational(words)
    codes = np.ravel_multi_index(
        [np.where(has, part, 0) for part in (power + _MOST_POWER + 1, stride, m, n)], _SHAPE
    )
    return np.where(has, codes, _NO_TYPE).astype(np.uint32)


def _divisors(powers: np.ndarray, divisors: np.ndarray) -> np.ndarray:
    """The strides of a product of factors, bits; [rows]."""
    of_each = np.where(powers[:, 1:], divisors[:, 1:], _ALL)
    found: np.ndarray = np.bitwise_and.reduce(of_each, axis=1) & _DIVISORS[np.abs(powers[:, 0])]
    return found


def _is_rational(words: np.ndarray) -> np.ndarray:
    """Whether all instructions are + - * or /."""
    return np.asarray(np.isin(words >> 12, (_ADD, _SUB, _MUL, _DIV)).all(axis=1))
