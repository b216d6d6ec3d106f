"""A program with its constants and the name of what it is for: one of several cores of a function."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.floats import evaluate
from evo.programs.program import parse


class Piece(NamedTuple):
    """One core.

    Attributes:
        core: its name in the function's range reduction.
        program: its text form, one instruction a line.
        constants: texts of numbers, c1 first.
    """

    core: str
    program: str
    constants: tuple[str, ...]

    @property
    def ops(self) -> int:
        """Its operations."""
        return parse(self.program).ops

    def on_floats(self) -> Callable[[np.ndarray], np.ndarray]:
        """It on arrays, in their own format."""
        program = parse(self.program)
        return lambda r: evaluate(program, self.constants, r, FLOAT_FORMATS[r.dtype.name])
