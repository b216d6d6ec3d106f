"""Programs: immutable straight-line code over the op table, with numbered constants and no numbers.

A program is a list of instructions; an operand is the input `x`, a constant `c1, c2, ...` or the
value `v1, v2, ...` of an earlier instruction, which may be used many times. The last instruction is
the result. The text form has one instruction a line:

    v1 = c1 / x
    v2 = x + v1
    v3 = v2 * v2

This module is the readable meaning of programs, one at a time. Batches of them as arrays are in
evo/programs/batch.py, and the compiled kernels repeat `simplify` on those (evo/kernels/program.h); the tests
compare the two.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

from evo.errors import EvonumError
from evo.programs.operation import OpError
from evo.programs.ops import BY_TEXT, find_op


class ProgramError(EvonumError, ValueError):
    """Text, JSON or instructions that do not form a program."""


@dataclass(frozen=True, order=True)
class Operand:
    """`kind` is "x", "c" (constant) or "v" (value); `index` counts from 0."""

    kind: str
    index: int

    def __str__(self) -> str:
        return "x" if self.kind == "x" else f"{self.kind}{self.index + 1}"


X = Operand("x", 0)
MAX_INSTRUCTIONS = 1000
"""Of a text: the one-line formula of a longer one would take its square in memory."""
_OPERAND = re.compile(r"x|[cv][1-9][0-9]{0,5}")


class Instruction(NamedTuple):
    """One op applied to operands."""

    op: str
    args: tuple[Operand, ...]

    def __str__(self) -> str:
        op = BY_TEXT[self.op]
        words = [str(arg) for arg in self.args]
        return f"{words[0]} {op.symbol} {words[1]}" if op.infix else f"{op.name}({', '.join(words)})"


@dataclass(frozen=True)
class Program:
    """Straight-line code.

    Attributes:
        instructions: at least one; operands refer to earlier values only.

    Raises:
        ProgramError: no instruction, an unknown op, a wrong number of operands, a value used before
            it is computed.
    """

    instructions: tuple[Instruction, ...]

    def __post_init__(self) -> None:
        if not self.instructions:
            raise ProgramError("A program needs at least one instruction.")
        for n, instruction in enumerate(self.instructions):
            if fault := _fault(instruction, n):
                raise ProgramError(f"Instruction v{n + 1}: {fault}")

    @cached_property
    def n_constants(self) -> int:
        """One more than the highest constant's index."""
        return max((a.index + 1 for i in self.instructions for a in i.args if a.kind == "c"), default=0)

    @property
    def ops(self) -> int:
        """Cost of what depends on the input; the rest is folded before it runs and is free."""
        return sum(BY_TEXT[i.op].cost for i, v in zip(self.instructions, self.varying, strict=True) if v)

    @property
    def varying(self) -> list[bool]:
        """Whether each value depends on the input."""
        varying: list[bool] = []
        for _, args in self.instructions:
            varying.append(any(a.kind == "x" or (a.kind == "v" and varying[a.index]) for a in args))
        return varying

    def __str__(self) -> str:
        return "\n".join(f"v{n + 1} = {instruction}" for n, instruction in enumerate(self.instructions))

    def evaluate(self, m: ModuleType | Any, x: Any, constants: Sequence[Any]) -> Any:
        """The result at `x`, by the ops' exact meaning on whatever numbers `x` and `constants` are.

        Args:
            m: the functions for those numbers (`numpy`, `jax.numpy`, `evo.numbers.balls`).
            x: an array or number.
            constants: one number each, c1 first.

        Raises:
            ProgramError: fewer constants than the program uses.
        """
        if len(constants) < self.n_constants:
            raise ProgramError(f"The program uses {self.n_constants} constants, got {len(constants)}.")
        values = [x, *[constants[j] for j in range(self.n_constants)]]
        for op, places in self._steps:
            values.append(BY_TEXT[op].real(m, *[values[place] for place in places]))
        return values[-1]

    @cached_property
    def _steps(self) -> list[tuple[str, list[int]]]:
        """Each op and the places of its operands in x, constants and values: asked for at every point."""
        before = {"x": 0, "c": 1, "v": 1 + self.n_constants}
        return [(op, [before[a.kind] + a.index for a in args]) for op, args in self.instructions]

    def formula(self) -> str:
        """One infix line; values used more than once are named before it: `v1 = x * x; v1 + c1`."""
        uses = [0] * len(self.instructions)
        for instruction in self.instructions:
            for arg in instruction.args:
                if arg.kind == "v":
                    uses[arg.index] += 1
        texts: list[str] = []
        named: list[str] = []
        last = len(self.instructions) - 1
        for n, (op, args) in enumerate(self.instructions):
            words = [texts[a.index] if a.kind == "v" else str(a) for a in args]
            row = BY_TEXT[op]
            text = f"({words[0]} {row.symbol} {words[1]})" if row.infix else f"{op}({', '.join(words)})"
            if uses[n] > 1:
                named.append(f"v{n + 1} = {_bare(text)}")
                text = f"v{n + 1}"
            texts.append(text)
        return "; ".join([*named, _bare(texts[last])])

    def simplify(
        self, constants: Sequence[Any] | None = None, m: ModuleType | Any = math
    ) -> tuple["Program", list[Any]]:
        """Prune, fold constants, share equal instructions and number everything canonically.

        An instruction on constants alone becomes one constant (free, and it gains the freedom that the
        constants had); its number is computed if `constants` are given. Operands of symmetric ops are
        ordered by what they compute, not by how constants are named.

        Returns:
            The program, in one order and numbering for all programs that differ in these alone, and its
            constants in that numbering (None each, if none were given). Same function of x.

        Raises:
            ProgramError: the result does not depend on x.
        """
        numbers: list[Any] = list(constants) if constants is not None else [None] * self.n_constants
        folded: list[Operand] = []
        kept: list[Instruction] = []
        seen: dict[tuple[str, tuple[Operand, ...]], Operand] = {}
        for op, args in self.instructions:
            row = BY_TEXT[op]
            new = tuple(folded[a.index] if a.kind == "v" else a for a in args)
            if all(a.kind == "c" for a in new):
                value = None if constants is None else row.real(m, *(numbers[a.index] for a in new))
                folded.append(Operand("c", len(numbers)))
                numbers.append(value)
                continue
            key = (op, (*sorted(new[:2]), *new[2:]) if row.symmetric else new)
            if key not in seen:
                seen[key] = Operand("v", len(kept))
                kept.append(Instruction(op, new))
            folded.append(seen[key])
        if folded[-1].kind != "v":
            raise ProgramError("The program does not depend on x.")
        return _renumber(kept, folded[-1].index, numbers)

    def pruned(self) -> "Program":
        """What the result needs, in the old order; constants keep their names."""
        live: set[int] = set()
        stack = [len(self.instructions) - 1]
        while stack:
            if (n := stack.pop()) not in live:
                live.add(n)
                stack += [a.index for a in self.instructions[n].args if a.kind == "v"]
        placed = {old: Operand("v", new) for new, old in enumerate(sorted(live))}
        return Program(
            tuple(
                Instruction(op, tuple(placed[a.index] if a.kind == "v" else a for a in args))
                for op, args in (self.instructions[n] for n in placed)
            )
        )

    def to_json(self) -> str:
        """The text form: it is what front.json holds."""
        return str(self)


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text


def _fault(instruction: Instruction, n: int) -> str:
    """What is wrong with an instruction that has `n` others before it; empty if nothing is."""
    try:
        arity = find_op(instruction.op).arity
    except OpError as error:
        return str(error)
    if len(instruction.args) != arity:
        return f"{instruction.op} takes {arity} operands, got {len(instruction.args)}."
    for arg in instruction.args:
        if arg.kind not in ("x", "c", "v") or arg.index < 0:
            return f"{arg!r} is no operand."
        if arg.kind == "v" and arg.index >= n:
            return f"{arg} is used before it is computed."
    return ""


def _shapes(instructions: Sequence[Instruction]) -> list[str]:
    """What each value computes if all constants are one, as a digest: the text itself doubles with
    every value used twice."""
    shapes: list[str] = []
    for op, args in instructions:
        words = [shapes[a.index] if a.kind == "v" else a.kind for a in args]
        if BY_TEXT[op].symmetric:
            words[:2] = sorted(words[:2])
        shapes.append(hashlib.blake2b(f"{op}({','.join(words)})".encode(), digest_size=16).hexdigest())
    return shapes


def _renumber(
    instructions: Sequence[Instruction], root: int, numbers: Sequence[Any]
) -> tuple[Program, list[Any]]:
    """Depth-first order from the root; constants by first use; what the root does not need is dropped."""
    shapes = _shapes(instructions)
    placed: dict[Operand, Operand] = {X: X}
    ordered: list[Instruction] = []
    constants: list[Any] = []

    def place(operand: Operand) -> Operand:
        if operand not in placed:
            if operand.kind == "c":
                placed[operand] = Operand("c", len(constants))
                constants.append(numbers[operand.index])
            else:
                op, args = instructions[operand.index]
                if BY_TEXT[op].symmetric:
                    args = (
                        *sorted(args[:2], key=lambda a: shapes[a.index] if a.kind == "v" else a.kind),
                        *args[2:],
                    )
                new = tuple([place(a) for a in args])
                placed[operand] = Operand("v", len(ordered))
                ordered.append(Instruction(op, new))
        return placed[operand]

    place(Operand("v", root))
    return Program(tuple(ordered)), constants


def parse(text: str) -> Program:
    """The program of a text form; blank lines and `#` comments are skipped.

    Raises:
        ProgramError: names the line and what was expected there; more than `MAX_INSTRUCTIONS`.
    """
    instructions: list[Instruction] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#")[0].strip()
        if not line:
            continue
        if len(instructions) == MAX_INSTRUCTIONS:
            raise ProgramError(f"A program has at most {MAX_INSTRUCTIONS} instructions.")
        name, _, right = (part.strip() for part in line.partition("="))
        if name != f"v{len(instructions) + 1}" or not right:
            raise ProgramError(f"Line {number}: expected 'v{len(instructions) + 1} = ...', got {raw[:60]!r}.")
        instruction = _parse_right(right, number)
        if fault := _fault(instruction, len(instructions)):
            raise ProgramError(f"Line {number}: {fault}")
        instructions.append(instruction)
    return Program(tuple(instructions))


def _parse_right(text: str, line: int) -> Instruction:
    if call := re.fullmatch(r"([a-z][a-z0-9]*)\((.*)\)", text):
        name, words = call[1], call[2].split(",")
    elif len(parts := text.split()) == 3:
        name, words = parts[1], [parts[0], parts[2]]
    else:
        raise ProgramError(f"Line {line}: expected 'a + b' or 'name(a, ...)', got {text[:60]!r}.")
    op = BY_TEXT[name].name if name in BY_TEXT else name
    return Instruction(op, tuple(_parse_operand(word.strip(), line) for word in words))


def _parse_operand(word: str, line: int) -> Operand:
    if not _OPERAND.fullmatch(word):
        raise ProgramError(
            f"Line {line}: expected an operand x, c1, c2, ... or v1, v2, ..., got {word[:60]!r}."
        )
    return X if word == "x" else Operand(word[0], int(word[1:]) - 1)
