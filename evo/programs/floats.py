"""What a program means on floats: op by op, each op rounded once, fma included.

This is the meaning that every export has to reproduce bit for bit (apart from the sign and payload of NaN,
which IEEE 754 leaves open). Constants are rounded once from their decimal strings.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evo.numbers.fma import fma
from evo.numbers.formats import FloatFormat, flushed, round_decimal
from evo.numbers.functions import kind_of_number
from evo.programs.ops import BY_TEXT
from evo.programs.program import Program, ProgramError

NUMPY = kind_of_number("floats", np.float64, float, sqrt=np.sqrt, fma=fma)
"""The functions of `Op.rounded` on NumPy's floats."""


def evaluate(
    program: Program, constants: Sequence[str | float], x: Any, fmt: FloatFormat, flush: bool = False
) -> np.ndarray:
    """The program in float arithmetic, op by op.

    Args:
        program: fma rounds once, every other op as written.
        constants: decimal strings, or numbers that `fmt` holds.
        x: of any shape; rounded to `fmt`.
        fmt: the format of every value.
        flush: subnormal operands and results of arithmetic become zeros of their sign, as XLA on CPU
            has it.

    Returns:
        `fmt`'s values in the shape of `x`; nan and inf where arithmetic gives them.

    Raises:
        FloatError: a constant that `fmt` cannot hold.
        ProgramError: fewer constants than the program uses.
    """
    if len(constants) < program.n_constants:
        raise ProgramError(f"The program uses {program.n_constants} constants, got {len(constants)}.")
    numbers = [fmt.type(round_decimal(c, fmt) if isinstance(c, str) else c) for c in constants]
    point = np.asarray(x, fmt.type)
    values: list[Any] = []
    spaces: dict[str, Sequence[Any]] = {"x": (point,), "c": numbers, "v": values}
    with np.errstate(all="ignore"):
        for op, args in program.instructions:
            row = BY_TEXT[op]
            operands = [spaces[a.kind][a.index] for a in args]
            if flush and row.arithmetic:
                operands = [flushed(o, fmt) for o in operands]
            value = (row.rounded or row.real)(NUMPY, *operands)
            values.append(flushed(value, fmt) if flush and row.arithmetic else value)
    return np.array(np.broadcast_to(values[-1], point.shape), fmt.type)
