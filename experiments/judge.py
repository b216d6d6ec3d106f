"""One judge for everybody's formulas: programs of them, ops by one rule, constants polished by one tool.

A formula comes as its tool prints it. It becomes a `Program`, simplified as ours are: constants folded,
equal values shared. Tools that put a coefficient at every leaf or scale the result have constants that do
nothing: an operation on a constant is dropped where the rank of the Jacobian (evo/kernels/fingerprint.py)
says that the family of functions stays the same, so nobody pays for those. Every program gets our fit, from
its own constants and from random ones, and the best few of each op count are polished in multiple precision,
from both.

Trees hold no shared values, but copies of subtrees: a formula is taken twice, with equal numbers as one
constant (so that copies are shared) and with a constant for each (so that they are free).

Protected division is the 1 that its tool made of it where it was protected at all points, else plain
division: what counts is the error of the formula as it stands, in real arithmetic.
"""

import ast
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evo.backends.backend import backend
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import functions
from evo.minimax.polish import polish
from evo.programs.batch import Batch
from evo.programs.program import Instruction, Operand, Program, ProgramError, X, parse
from evo.proofs.enclosure import evaluator
from evo.targets.making import make_target
from evo.targets.points import fit_points, holdout_points, select_points
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

TARGET = make_target("exp2", ("0", "1"), "relative")
CANDIDATES = 5
"""Formulas of each op count that are polished."""
PROTECTED = {"div": 1e-3, "protectedDiv": 0.0}
"""Functions that give 1 where the divisor is no larger than this (gplearn's, and that of DEAP's example)."""
NAMES = {"add": "add", "sub": "sub", "mul": "mul", **dict.fromkeys(PROTECTED, "div")}
OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
NUMERIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
IDENTITY = {
    ("add", 0, 0.0),
    ("add", 1, 0.0),
    ("sub", 1, 0.0),
    ("mul", 0, 1.0),
    ("mul", 1, 1.0),
    ("div", 1, 1.0),
}
FIRST = 2e-3
"""The first training point: nearer to 0, gplearn could not divide by x."""
VARIABLES = ("x", "X0", "X1", "ARG0")


LARGEST = 32
"""Instructions and constants of what is reduced; nothing larger comes down to the ops that are compared."""


class JudgeError(ValueError):
    """A formula that is no program over + - * / in one variable."""


def training_points(n: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Points and values for the peers, float64 [n]: quantiles of Chebyshev's density over f^2.

    So the mean of squared differences at them is that of relative errors, as minimax fits want it.
    """
    dense = np.sin(np.linspace(0.0, np.pi / 2, 100_001)) ** 2
    weight = np.cumsum(np.exp2(-2.0 * dense))
    part = (np.arange(n) + 0.5) / n * weight[-1]
    x = FIRST + (1.0 - FIRST) * np.interp(part, weight, dense)
    return x, np.exp2(x)


@dataclass
class _Maker:
    """Instructions and constants so far, and each operand's values at `x`."""

    x: np.ndarray
    tied: bool
    instructions: list[Instruction] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)

    def make(self, node: ast.expr) -> tuple[Operand, np.ndarray]:
        match node:
            case ast.Constant(value=int() | float() as number):
                return self.constant(float(number))
            case ast.Name(id=name) if name in VARIABLES:
                return X, self.x
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.make(inner)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                operand, values = self.make(inner)
                if operand.kind == "c":
                    return self.constant(-self.constants[operand.index])
                return self.apply("sub", self.constant(0.0), (operand, values))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self.apply(OPERATORS[type(op)], self.make(left), self.make(right))
            case ast.Call(func=ast.Name(id=name), args=[left, right]) if name in NAMES:
                return self.call(name, self.make(left), self.make(right))
        raise JudgeError(f"not over + - * / and x: {ast.unparse(node)[:80]}")

    def constant(self, number: float) -> tuple[Operand, np.ndarray]:
        values = np.full_like(self.x, number)
        if self.tied and number in self.constants:
            return Operand("c", self.constants.index(number)), values
        self.constants.append(number)
        return Operand("c", len(self.constants) - 1), values

    def call(self, name: str, left: tuple[Operand, np.ndarray], right: tuple[Operand, np.ndarray]) -> Any:
        if name in PROTECTED and np.all(np.abs(right[1]) <= PROTECTED[name]):
            return self.constant(1.0)
        return self.apply(NAMES[name], left, right)

    def apply(self, op: str, left: tuple[Operand, np.ndarray], right: tuple[Operand, np.ndarray]) -> Any:
        with np.errstate(all="ignore"):
            values = NUMERIC[op](left[1], right[1])
        both = (left, right)
        for place, (operand, _) in enumerate(both):
            if operand.kind == "c" and (op, place, self.constants[operand.index]) in IDENTITY:
                return both[1 - place]
        if left[0].kind == right[0].kind == "c":
            return self.constant(float(values[0]))
        self.instructions.append(Instruction(op, (left[0], right[0])))
        return Operand("v", len(self.instructions) - 1), values


def translate(formula: str, x: np.ndarray, tied: bool = False) -> tuple[Program, list[float]]:
    """The program and constants of a formula in infix or function notation.

    Args:
        formula: over x (or X0, X1, ARG0), numbers, + - * / and add, sub, mul, div, protectedDiv.
        x: points at which its tool saw it.
        tied: whether equal numbers are one constant.

    Raises:
        JudgeError: anything else, or a value that does not depend on x or is not finite.
    """
    maker = _Maker(x, tied)
    try:
        root, _ = maker.make(ast.parse(formula, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise JudgeError(f"no formula: {error}") from None
    if root.kind == "x":
        raise JudgeError("x alone has no operation")
    return simplified([*maker.instructions], root, maker.constants)


def simplified(
    instructions: Sequence[Instruction], root: Operand, constants: Sequence[float]
) -> tuple[Program, list[float]]:
    """The canonical form with `root` as the result."""
    if root.kind != "v":
        raise JudgeError("the value does not depend on x")
    try:
        program, numbers = Program(tuple(instructions[: root.index + 1])).simplify(constants)
    except (ProgramError, ArithmeticError) as error:
        raise JudgeError(str(error)) from None
    if not all(map(math.isfinite, numbers)):
        raise JudgeError("a constant is not finite")
    return program, [float(n) for n in numbers]


def rank(program: Program) -> int:
    """How many constants the function really has; -1 if it is defined nowhere."""
    key, _, ranks = functions(Batch.of([program], [[]]))
    return int(ranks[0]) if key[0] else -1


def without(program: Program, constants: Sequence[float], place: int) -> tuple[Program, list[float]]:
    """The program with the other operand in place of an instruction that has a constant one."""
    other = next(a for a in program.instructions[place].args if a.kind != "c")

    def moved(a: Operand) -> Operand:
        return other if a == Operand("v", place) else a

    changed = [
        Instruction(op, tuple(moved(a) for a in args)) if n > place else Instruction(op, args)
        for n, (op, args) in enumerate(program.instructions)
    ]
    return simplified(changed, moved(Operand("v", len(changed) - 1)), constants)


def reduced(program: Program, constants: Sequence[float]) -> tuple[Program, list[float]]:
    """Without the operations on constants that the family of functions does not need.

    Setting a constant to 0 or 1 gives a part of the family; of equal dimension, it is all of it.
    """
    numbers, found = list(constants), True
    while found and rank(program) < program.n_constants:
        found = False
        for place, (_, args) in enumerate(program.instructions):
            if not any(a.kind == "c" for a in args):
                continue
            try:
                shorter, fewer = without(program, numbers, place)
            except JudgeError:
                continue
            if rank(shorter) == rank(program):
                program, numbers, found = shorter, fewer, True
                break
    return program, numbers


def programs_of(formulas: Sequence[Mapping[str, Any]], max_ops: int) -> list[tuple[Program, list[float]]]:
    """Programs of at most `max_ops` of a run's formulas; those that are none are left out."""
    x, _ = training_points()
    found: dict[str, tuple[Program, list[float]]] = {}
    for formula in formulas:
        for tied in (False, True):
            try:
                if "program" in formula:
                    made = parse(formula["program"]), [float(c) for c in formula["constants"]]
                else:
                    made = translate(formula["formula"], x, tied)
                if max(len(made[0].instructions), made[0].n_constants) <= LARGEST:
                    made = reduced(*made)
            except JudgeError:
                continue
            if made[0].ops <= max_ops and made[0].n_constants <= LARGEST:
                found.setdefault(f"{made[0]}{made[1]}", made)
    return list(found.values())


def best_by_ops(
    formulas: Sequence[Mapping[str, Any]], max_ops: int, target: Target = TARGET
) -> dict[int, tuple[float, str, tuple[str, ...]]]:
    """Error, program and constants of the best formula of each op count, polished."""
    pairs = programs_of(formulas, max_ops)
    if not pairs:
        return {}
    width = max(max_ops, 2, *(p.n_constants for p, _ in pairs))
    given = Batch.of([p for p, _ in pairs], [c for _, c in pairs], width)
    key, _, _ = functions(given)
    stream, worth = key ^ np.uint64(1), np.full(len(given), np.inf)
    native, rows = backend("native"), np.arange(len(given))
    fits = native.fit(given, fit_points(target), Effort(), stream, worth)
    fitted = replace(given, constants=fits.constants)
    points = select_points(target)
    errors = np.minimum(*(native.measure(batch, rows, points, 4).error for batch in (given, fitted)))
    errors = np.where(np.isfinite(errors), errors, np.inf)
    x, out = holdout_points(target).x, {}
    for ops in np.unique(given.ops):
        rows = [row for row in np.argsort(errors, kind="stable") if given.ops[row] == ops]
        _, first = np.unique(key[rows], return_index=True)
        for row in [rows[i] for i in np.sort(first)][:CANDIDATES]:
            starts = (pairs[row][1], fitted.numbers(row))
            tries = [polish(pairs[row][0], start, target) for start in starts]
            best = min(tries, key=lambda tried: tried.error)
            error, _ = sampled_error(evaluator(pairs[row][0], best.constants), target, x)
            if error < out.get(int(ops), (math.inf,))[0]:
                out[int(ops)] = error, str(pairs[row][0]), best.constants
    return out
