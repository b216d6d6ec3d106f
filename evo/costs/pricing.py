"""Costs as a search counts them: ops, or cells of predicted time.

Times that differ by less than a few hundredths are one to a measurement. So a cell holds the times within
`WIDTH` of each other, in steps of their logarithm: candidates of one cell compete by error alone.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo.costs.model import CostGoal, CostModel
from evo.costs.predict import check_ops, predicted
from evo.programs.batch import VALUE, Batch
from evo.programs.ops import OPS
from evo.programs.program import Program

WIDTH = 0.03
"""Of a cell, in the logarithm of time."""


@dataclass(frozen=True)
class Pricing:
    """What programs cost by a model.

    Attributes:
        model: of the platform.
        goal: what counts.
        ops: names of those that programs may have.

    Raises:
        CostError: the model lacks one of them.
    """

    model: CostModel
    goal: CostGoal
    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        check_ops(self.ops, self.model)

    @cached_property
    def _times(self) -> np.ndarray:
        """Of every row of the op table [ns], 0 where programs do not have it."""
        times = self.model.times(self.goal)
        return np.array([times[op.name] if op.name in self.ops else 0.0 for op in OPS])

    @cached_property
    def _pipes(self) -> np.ndarray:
        """Of every row of the op table, "" where programs do not have it."""
        return np.array([self.model.ops[op.name].pipe if op.name in self.ops else "" for op in OPS])

    @cached_property
    def _first(self) -> int:
        """The cell of the fastest program."""
        return _step(min(self._times[self._times > 0]))

    def most(self, max_ops: int) -> int:
        """The largest cell of programs with at most so many ops."""
        return _step(max(self._times) * max_ops) - self._first

    def cells(self, batch: Batch) -> np.ndarray:
        """The cell of each row, from 0, int64 [rows]; rows are canonical, so every op depends on x."""
        times = self._busiest(batch) if self.goal == "throughput" else self._longest(batch)
        return np.rint(np.log(times) / WIDTH).astype(np.int64) - self._first

    def price(self, program: Program) -> float:
        """A program's time [ns], as its cell has it: a program of the same cell has the same."""
        return float(np.exp(WIDTH * _step(predicted(program, self.model, self.goal))))

    def _busiest(self, batch: Batch) -> np.ndarray:
        pipes = sorted({self.model.ops[name].pipe for name in self.ops})
        sums = np.zeros((len(pipes), len(batch)))
        of_pipe = [np.where(self._pipes == pipe, self._times, 0.0) for pipe in pipes]
        for i in range(batch.width):
            there = i < batch.n
            for total, times in zip(sums, of_pipe, strict=True):
                total += np.where(there, times[batch.op[:, i]], 0.0)
        return np.asarray(sums.max(axis=0))

    def _longest(self, batch: Batch) -> np.ndarray:
        ready, rows = np.zeros((len(batch), batch.width)), np.arange(len(batch))
        for i in range(batch.width):
            operands = batch.arg[:, i, :].astype(np.int64) - VALUE  # what an op does not take is x
            began = np.where(operands >= 0, ready[rows[:, None], np.maximum(operands, 0)], 0.0).max(axis=1)
            ready[:, i] = began + self._times[batch.op[:, i]]
        return ready[rows, batch.n - 1]


def _step(time: float) -> int:
    return int(np.rint(np.log(time) / WIDTH))
