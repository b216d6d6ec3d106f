"""A front member as an MLflow model: MLflow copies this file beside the member's JSON and runs it there.

So it needs numpy, pandas and mlflow, and nothing else of this project but arithmetic.py, which lies beside
the JSON: the ops, generated from the op table. The model has its own small reader of program texts. The words
of a text choose functions from that table; nothing of it is ever executed.
"""

import importlib.util
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]

Array = np.ndarray


_OPERAND = re.compile(r"x|[cv][1-9][0-9]*")


class Instruction(NamedTuple):
    """A function and the names of its operands."""

    function: Callable[..., Array]
    operands: tuple[str, ...]


Ops = Mapping[str, tuple[int, Callable[..., Array]]]
"""Arity and function by symbol, or by name where that is a call's: arithmetic.OPS."""


def parse(program: str, n_constants: int, ops: Ops) -> list[Instruction]:
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
        if call := re.fullmatch(r"([a-z][a-z0-9]*)\((.*)\)", right):
            symbol, operands = call[1], tuple(word.strip() for word in call[2].split(","))
        elif len(words) == 3:
            symbol, operands = words[1], (words[0], words[2])
        else:
            raise ValueError(f"Line {number}: cannot read {right!r}.")
        arity, function = ops.get(symbol, (0, np.add))
        if arity != len(operands):
            raise ValueError(f"Line {number}: no op {symbol!r} of {len(operands)} operands.")
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
        """Read `candidate.json`, an object of front.json, perhaps with its constants as float64."""
        with open(context.artifacts["candidate"]) as file:
            candidate = json.load(file)
        spec = importlib.util.spec_from_file_location("evonum_arithmetic", context.artifacts["arithmetic"])
        if spec is None or spec.loader is None:
            raise ImportError(f"{context.artifacts['arithmetic']} cannot be loaded.")
        arithmetic = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(arithmetic)
        self.constants = [float(text) for text in candidate.get("float64", candidate["constants"])]
        self.instructions = parse(candidate["program"], len(self.constants), arithmetic.OPS)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Array:
        """Values at the column `x`, or at the only column whatever its name. Shape [rows]."""
        if isinstance(model_input, pd.DataFrame) and "x" in model_input.columns:
            model_input = model_input["x"]
        x = np.asarray(model_input, dtype=np.float64)
        if x.ndim > 1 and x.shape[1:] != (1,):
            raise ValueError(f"The model takes one column, `x`, but the input has shape {x.shape}.")
        return run(self.instructions, self.constants, x.reshape(-1))


mlflow.models.set_model(Approximation())
