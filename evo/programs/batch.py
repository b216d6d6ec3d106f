"""Batches of candidates as arrays: what the kernels, the caches and the islands pass around.

An operand is one byte, a slot: 0 is x, then MAX_CONSTANTS constants, then the values
(evo/kernels/program.h).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np

from evo.programs.ops import OPCODE, OPS
from evo.programs.program import Instruction, Operand, Program, X

MAX_OPS = 64
MAX_CONSTANTS = 64
CONSTANT = 1
VALUE = CONSTANT + MAX_CONSTANTS


class Programs(Protocol):
    """Programs with constants: a `Batch`, or one that lies on a device."""

    @property
    def width(self) -> int:
        """Most instructions, and most constants, that a row can hold."""
        ...

    @property
    def k(self) -> np.ndarray:
        """Constants of each row, int32 [rows]."""
        ...

    @property
    def ops(self) -> np.ndarray:
        """Cost of each row, int64 [rows]."""
        ...

    @property
    def constants(self) -> np.ndarray:
        """Float64 [rows, width]."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def take(self, rows: np.ndarray | slice | Sequence[int]) -> "Batch":
        """A copy of these rows, in this order."""
        ...

    def with_constants(self, constants: np.ndarray | float) -> Self:
        """The same programs with other constants, float64 [rows, width], or one number for all."""
        ...

    def better(self, other: Self, where: np.ndarray) -> Self:
        """The same programs with another batch's constants in some rows, bool [rows]."""
        ...


@dataclass(frozen=True)
class Batch:
    """Candidates of at most `width` instructions and constants.

    Attributes:
        op: rows of evo/programs/ops.py, uint8 [rows, width].
        arg: operands' slots, 0 beyond an op's arity, uint8 [rows, width, 3].
        n: instructions of each row, int32 [rows].
        k: constants of each row, int32 [rows].
        constants: c1 first, 0 beyond a row's own, float64 [rows, width].
    """

    op: np.ndarray
    arg: np.ndarray
    n: np.ndarray
    k: np.ndarray
    constants: np.ndarray

    @classmethod
    def empty(cls, rows: int, width: int) -> "Batch":
        """A batch of `rows` programs still to be written.

        Raises:
            ValueError: `width` above what the kernels hold.
        """
        if not 1 <= width <= MAX_OPS:
            raise ValueError(f"Programs in batches have 1 to {MAX_OPS} ops, not {width}.")
        return cls(
            np.zeros((rows, width), np.uint8),
            np.zeros((rows, width, 3), np.uint8),
            np.zeros(rows, np.int32),
            np.zeros(rows, np.int32),
            np.zeros((rows, width)),
        )

    @classmethod
    def of(
        cls, programs: Sequence[Program], constants: Sequence[Sequence[float]], width: int | None = None
    ) -> "Batch":
        """The batch of these programs and their constants (shorter lists are filled with 0)."""
        needed = max((max(len(p.instructions), p.n_constants) for p in programs), default=1)
        batch = cls.empty(len(programs), width or needed)
        for row, (program, numbers) in enumerate(zip(programs, constants, strict=True)):
            batch.n[row] = len(program.instructions)
            batch.k[row] = program.n_constants
            known = list(numbers)[: batch.k[row]]
            batch.constants[row, : len(known)] = known
            for i, (op, args) in enumerate(program.instructions):
                batch.op[row, i] = OPCODE[op]
                batch.arg[row, i, : len(args)] = [_slot(a) for a in args]
        return batch

    def __len__(self) -> int:
        return len(self.n)

    @property
    def width(self) -> int:
        """Most instructions, and most constants, that a row can hold."""
        return self.op.shape[1]

    @cached_property
    def ops(self) -> np.ndarray:
        """Cost of each row, int64 [rows]; rows are canonical, so every instruction depends on x."""
        costs, total = np.array([op.cost for op in OPS]), np.zeros(len(self), np.int64)
        for i in range(self.width):  # by columns: a sum over short rows takes five times as long
            total += np.where(i < self.n, costs.take(self.op[:, i]), 0)
        return total

    def program(self, row: int) -> Program:
        """One row as a program."""
        return Program(
            tuple(
                Instruction(
                    OPS[code].name, tuple(_operand(int(s)) for s in self.arg[row, i, : OPS[code].arity])
                )
                for i, code in enumerate(self.op[row, : self.n[row]])
            )
        )

    def numbers(self, row: int) -> list[float]:
        """One row's constants."""
        return [float(c) for c in self.constants[row, : self.k[row]]]

    def take(self, rows: np.ndarray | slice | Sequence[int]) -> "Batch":
        """A copy of these rows, in this order."""
        return Batch(*(np.array(getattr(self, f.name)[rows], order="C") for f in fields(self)))

    def with_constants(self, constants: np.ndarray | float) -> "Batch":
        """See `Programs.with_constants`."""
        own = np.empty_like(self.constants)
        own[:] = constants
        return replace(self, constants=own)

    def better(self, other: "Batch", where: np.ndarray) -> "Batch":
        """See `Programs.better`."""
        return self.with_constants(np.where(where[:, None], other.constants, self.constants))

    @classmethod
    def concatenate(cls, batches: Sequence["Batch"]) -> "Batch":
        """All rows of batches of one width."""
        return cls(*(np.concatenate([getattr(b, f.name) for b in batches]) for f in fields(cls)))


def _slot(operand: Operand) -> int:
    return {"x": 0, "c": CONSTANT, "v": VALUE}[operand.kind] + operand.index


def _operand(slot: int) -> Operand:
    if slot == 0:
        return X
    return Operand("c", slot - CONSTANT) if slot < VALUE else Operand("v", slot - VALUE)
