"""What programs are enumerated of: an instruction is a word of 16 bits, a program a row of words.

A word holds the op's row in its highest four bits and up to three operands in four bits each: 0 is x, 1 a
constant of its own, 2 and more the values. Words are compared as numbers; that of unused operands is 0. The
list of words leaves out what no program needs:

- constants alone, which are one constant;
- `v - v` and `v / v`, which are numbers;
- `v - c` where there is `v + c`, and `v / c` where there is `v * c`: the same functions of another constant;
- symmetric operands in the other order.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo.errors import EvonumError
from evo.kernels.binding import CWords, Struct
from evo.kernels.layout import KINDS_OF_WORDS
from evo.kernels.library import kernels
from evo.programs.batch import CONSTANT, VALUE, Batch
from evo.programs.ops import BY_TEXT, OPCODE, Op

FRESH, FIRST_VALUE = 1, 2
MOST_OPS = 12
"""Instructions of a program; four bits of an operand would hold two more."""
_SHIFTS = np.array([8, 4, 0], np.uint16)
_ABSORBED = {"sub": "add", "div": "mul"}
"""Ops whose second operand is no constant where the set has the other one."""


class SizeError(EvonumError, ValueError):
    """More instructions than words can number."""


@dataclass(frozen=True)
class Words:
    """The instructions that programs of so many ops may have; arrays are [rows].

    Attributes:
        word: op and operands, uint16, ascending.
        uses: values among the operands, by bits, uint32.
        kind: what it does, by bits of `KINDS_OF_WORDS`, uint16.
        ops: instructions of a program.
        arity: most operands of a word.
        families: whether programs are left out whose family is, or is within, that of another one as large
            (evo/kernels/enumerate.h).
    """

    word: np.ndarray
    uses: np.ndarray
    kind: np.ndarray
    ops: int
    arity: int
    families: int

    @classmethod
    def of(cls, names: Sequence[str], ops: int, families: bool) -> "Words":
        """All words of these ops.

        Raises:
            SizeError: more than MOST_OPS instructions.
        """
        if not 1 <= ops <= MOST_OPS:
            raise SizeError(f"Programs of {ops} ops cannot be enumerated; 1 to {MOST_OPS} can.")
        rows = sorted(
            (_word(op, operands), op, operands)
            for op in (BY_TEXT[name] for name in names)
            for operands in itertools.product(range(FIRST_VALUE + ops - 1), repeat=op.arity)
            if _is_needed(op, operands, names)
        )
        return cls(
            np.array([word for word, _, _ in rows], np.uint16),
            np.array([_uses(operands) for _, _, operands in rows], np.uint32),
            np.array([_kind(op, operands, names) for _, op, operands in rows], np.uint16),
            ops,
            max(op.arity for _, op, _ in rows),
            int(families),
        )

    def c(self) -> Struct:
        """The kernels' view."""
        return CWords.of(self, rows=len(self.word))


def _word(op: Op, operands: Sequence[int]) -> int:
    bits = itertools.zip_longest(operands, _SHIFTS.tolist(), fillvalue=0)
    return OPCODE[op.name] << 12 | sum(operand << shift for operand, shift in bits)


def _is_needed(op: Op, operands: Sequence[int], names: Sequence[str]) -> bool:
    if all(operand == FRESH for operand in operands) or (op.symmetric and operands[0] > operands[1]):
        return False
    if op.arity == 2 and operands[0] == operands[1]:
        return bool(op.real(math, 3.0, 3.0) != op.real(math, 5.0, 5.0))
    return not (_ABSORBED.get(op.name) in names and operands[1] == FRESH)


def _uses(operands: Sequence[int]) -> int:
    return sum(1 << operand - FIRST_VALUE for operand in {*operands} if operand >= FIRST_VALUE)


def _kind(op: Op, operands: Sequence[int], names: Sequence[str]) -> int:
    fresh = tuple(operand == FRESH for operand in operands)
    twice = len(operands) == 2 and operands[0] == operands[1]
    kinds = {
        "constant": any(fresh),
        "shift": op.name in ("add", "sub") and any(fresh),
        "scale": (op.name == "mul" and any(fresh)) or (op.name == "div" and fresh[1]),
        "over": op.name == "div" and fresh[0],
        "double": op.name == "add" and twice,
        "square": op.name == "mul" and twice,
        "plus": op.name == "add",
        "minus": op.name == "sub" and "add" in names,
        "times": op.name == "mul",
        "divided": op.name == "div" and "mul" in names,
    }
    return sum(KINDS_OF_WORDS[name] for name, holds in kinds.items() if holds)


def count_constants(words: np.ndarray) -> np.ndarray:
    """How many each program has, int64 [rows]."""
    count = np.zeros(len(words), np.int64)
    for column in words.T:  # over rows of three operands it takes four times as long
        for shift in _SHIFTS:
            count += (column >> shift & np.uint16(15)) == FRESH
    return count


def _operands(words: np.ndarray) -> np.ndarray:
    """Uint16 [rows, ops, 3]."""
    operands: np.ndarray = words[:, :, None] >> _SHIFTS & np.uint16(15)
    return operands


def batch_of(words: np.ndarray) -> Batch:
    """Programs as the kernels and backends have them; constants are numbered as they come, and 0.

    Args:
        words: of programs of one size, uint16 [rows, ops].
    """
    rows, ops = words.shape
    operands = _operands(words).astype(np.int64)
    fresh = operands == FRESH
    number = np.cumsum(fresh.reshape(rows, 3 * ops), axis=1).reshape(fresh.shape)
    slots = np.where(fresh, CONSTANT - 1 + number, np.where(operands, VALUE - FIRST_VALUE + operands, 0))
    k = count_constants(words)
    batch = Batch.empty(rows, max(ops, int(k.max(initial=1))))
    batch.op[:, :ops] = words >> 12
    batch.arg[:, :ops] = slots
    batch.n[:] = ops
    batch.k[:] = k
    return batch


def count_beginnings(words: Words, depth: int) -> int:
    """How many `beginnings` there are; takes as long as they do."""
    nothing = np.empty((0, words.ops), np.int32)
    return int(kernels().beginnings(words.c(), depth, 0, nothing)) if depth else 1


def beginnings(words: Words, depth: int) -> np.ndarray:
    """The first `depth` words of all programs, by place, int32 [beginnings, ops]; -1 beyond."""
    at = np.full((count_beginnings(words, depth), words.ops), -1, np.int32)
    if depth:
        kernels().beginnings(words.c(), depth, len(at), at)
        at[:, depth:] = -1
    return at
