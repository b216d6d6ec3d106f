"""A front member as an MLflow model: MLflow copies this file beside the member's JSON and runs it there.

So it needs numpy, pandas and mlflow, and nothing else of this project: it has its own small reader of
program texts. The words of a text choose functions from a table; nothing of it is ever executed.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]

Array = np.ndarray


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """`a + b` rounded, and what the rounding lost (Knuth)."""
    total = a + b
    shift = total - a
    return total, (a - (total - shift)) + (b - shift)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """`a * b` rounded, and what the rounding lost (Dekker)."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    a_high = 134217729.0 * a - (134217729.0 * a - a)
    b_high = 134217729.0 * b - (134217729.0 * b - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def fma(a: Array, b: Array, c: Array) -> Array:
    """`a * b + c` with one rounding, exact but for overflow and underflow on the way.

    Source: S. Boldo, G. Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms
    using rounding to odd, IEEE Trans. Computers 57 (2008).
    """
    high, low = _two_product(a, b)
    inner, inner_lost = _two_sum(np.asarray(c, dtype=np.float64), low)
    outer, outer_lost = _two_sum(high, inner)
    rest, lost = _two_sum(inner_lost, outer_lost)
    even = rest.view(np.int64) % 2 == 0
    to_odd = np.where((lost != 0) & even, np.nextafter(rest, np.where(lost > 0, np.inf, -np.inf)), rest)
    fused = outer + to_odd
    return np.where(np.isfinite(fused), fused, a * b + c)


INFIX: dict[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
CALLS: dict[str, tuple[int, Callable[..., Array]]] = {
    "sqrt": (1, np.sqrt),
    "neg": (1, np.negative),
    "fma": (3, fma),
}
_OPERAND = re.compile(r"x|[cv][1-9][0-9]*")


class Instruction(NamedTuple):
    """A function and the names of its operands."""

    function: Callable[..., Array]
    operands: tuple[str, ...]


def parse(program: str, n_constants: int) -> list[Instruction]:
    """The instructions of a text such as `v1 = c1 / x`, one a line; the last one is the result.

    Raises:
        ValueError: names the line and what is wrong with it.
    """
    instructions: list[Instruction] = []
    for number, raw in enumerate(program.splitlines(), start=1):
        line = raw.split("#")[0].strip()
        if not line:
            continue
        left, _, right = (part.strip() for part in line.partition("="))
        if left != f"v{len(instructions) + 1}":
            raise ValueError(f"Line {number}: expected 'v{len(instructions) + 1} = ...', got {raw!r}.")
        words = right.split()
        if call := re.fullmatch(r"([a-z]+)\((.*)\)", right):
            arity, function = CALLS.get(call[1], (0, np.add))
            operands = tuple(word.strip() for word in call[2].split(","))
            if arity != len(operands):
                raise ValueError(f"Line {number}: no function {call[1]!r} of {len(operands)} operands.")
        elif len(words) == 3 and words[1] in INFIX:
            function, operands = INFIX[words[1]], (words[0], words[2])
        else:
            raise ValueError(f"Line {number}: cannot read {right!r}.")
        for operand in operands:
            limit = {"x": 1, "c": n_constants, "v": len(instructions)}.get(operand[:1], 0)
            if not _OPERAND.fullmatch(operand) or int(operand[1:] or 1) > limit:
                raise ValueError(f"Line {number}: no operand {operand!r} there.")
        instructions.append(Instruction(function, operands))
    if not instructions:
        raise ValueError("The program has no instruction.")
    return instructions


def run(instructions: Sequence[Instruction], constants: Sequence[float], x: Array) -> Array:
    """The program's float64 value at each of `x`; nan or inf where it has none."""
    values: dict[str, Any] = {"x": x}
    values.update((f"c{n}", np.float64(constant)) for n, constant in enumerate(constants, start=1))
    with np.errstate(all="ignore"):
        for n, (function, operands) in enumerate(instructions, start=1):
            values[f"v{n}"] = function(*(values[operand] for operand in operands))
    return np.broadcast_to(values[f"v{len(instructions)}"], x.shape).astype(np.float64)


class Approximation(mlflow.pyfunc.PythonModel):
    """Predicts `y`, one float64 for each `x` of the only column of the input."""

    def load_context(self, context: Any) -> None:
        """Read `candidate.json`, an object of front.json."""
        with open(context.artifacts["candidate"]) as file:
            candidate = json.load(file)
        self.constants = [float(text) for text in candidate["constants"]]
        self.instructions = parse(candidate["program"], len(self.constants))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Array:
        """Values at the column `x`, or at the only column whatever its name. Shape [rows]."""
        if isinstance(model_input, pd.DataFrame) and "x" in model_input.columns:
            model_input = model_input["x"]
        x = np.asarray(model_input, dtype=np.float64)
        if x.ndim > 1 and x.shape[1:] != (1,):
            raise ValueError(f"The model takes one column, `x`, but the input has shape {x.shape}.")
        return run(self.instructions, self.constants, x.reshape(-1))


mlflow.models.set_model(Approximation())
