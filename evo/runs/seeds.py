"""Formulas that a search begins with: members of every island's first population."""

import os
from pathlib import Path

from evo.complete.kept import BEGINNERS
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.reading import read_members
from evo.islands.deep import deepen
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.kernels.fingerprint import functions, texts
from evo.numbers.constants import exact
from evo.programs.batch import Batch
from evo.programs.piece import Piece
from evo.programs.program import Program
from evo.reductions.table import find_reduction
from evo.runs.sources import read_text


def read_seeds(path: Path) -> Front:
    """The formulas of a file (JSON, FPCore or text), those of a search directory, or the best of a survey.

    Raises:
        FrontError, ProgramError, TargetError: there is none, or it holds no formulas; one line.
    """
    file = path
    if path.is_dir():
        file = path / (BEGINNERS if (path / BEGINNERS).exists() else "front.json")
    if not os.path.isfile(file):  # a pipe would be waited for
        raise FrontError(f"There is no file {str(file)!r} with formulas to begin with.")
    found = read_members(read_text(file), str(file))
    if not len(found):
        raise FrontError(f"{file} has no formulas to begin with.")
    return found


class _NotTakenError(FrontError):
    """A seed has an op or a size that the search does not take."""


def taken(seeds: Front, problem: Problem) -> tuple[Front, str]:
    """Those that the search may make, and why it may not make the first of the others, if there are any.

    Raises:
        FrontError: none can be made, or one is no function with its constants.
    """
    kept, reasons = list[Member](), list[str]()
    for seed in seeds:
        try:
            _canonical(seed, problem)
            kept.append(seed)
        except _NotTakenError as reason:
            reasons.append(str(reason))
    if not kept:
        raise FrontError(reasons[0])
    return Front(tuple(kept)), reasons[0] if reasons else ""


def seed_pool(seeds: Front, problem: Problem) -> Pool:
    """The formulas as candidates of a problem: canonical, constants polished for its target.

    Args:
        seeds: of any target; only their programs and, to begin with, their constants count.

    Raises:
        FrontError: one has an op or a size that the search does not take, or none has a finite error.
    """
    made = [_canonical(seed, problem) for seed in seeds]
    width = _width(problem)
    batch, _ = texts(Batch.of([program for program, _ in made], [numbers for _, numbers in made], width))
    pool = deepen(problem.target, batch, problem.costs(batch), functions(batch)[0], 0.0)
    if not len(pool):
        ends = ", ".join(problem.target.interval)
        raise FrontError(
            f"No seed has a finite error of {problem.target.name} on ({ends}): leave out --seeds."
        )
    return pool


def _width(problem: Problem) -> int:
    """Most constants of a program."""
    return max(problem.variation.max_ops, 2)


def _canonical(seed: Member, problem: Problem) -> tuple[Program, list[float]]:
    """A seed's program and constants, if the search may make it."""
    try:
        program, numbers = seed.code.simplify([float(exact(text)) for text in seed.constants])
    except (ArithmeticError, ValueError) as wrong:  # ProgramError and ConstantError among them
        what = f"The seed {seed.formula[:80]!r} is no function with these constants"
        raise FrontError(f"{what}: {wrong}") from None
    if others := sorted({i.op for i in program.instructions} - set(problem.variation.ops)):
        raise _NotTakenError(
            f"The seed {program.formula()[:80]!r} uses {', '.join(others)}, which the search's --ops do not "
            "have: add it there, or leave out the seed."
        )
    most = problem.variation.max_ops
    if program.ops > most or program.n_constants > _width(problem):
        raise _NotTakenError(
            f"The seed {program.formula()[:80]!r} has {program.ops} ops and {program.n_constants} constants, "
            f"too many for --max-ops {most}: give more, or leave out the seed."
        )
    return program, numbers


def read_given(text: str) -> tuple[Piece, ...]:
    """A core of a file, FILE:OPS, with the cores that were given for it.

    Raises:
        FrontError: no such file or member, or it is no core of a function of all floats.
    """
    name, _, ops = text.rpartition(":")
    if not ops.isdigit():
        raise FrontError(f"A given core is FILE:OPS, got {text[:60]!r}.")
    path = Path(name)
    front = Front.load(path / "front.json" if path.is_dir() else path)
    found = [member for member in front if member.ops == int(ops)]
    if not found or not found[0].full:
        raise FrontError(f"{name} has no core of {ops} operations of a function of all floats.")
    member = found[-1]  # of several, that of the least error
    core = find_reduction(member.function, member.way, member.core).core
    return Piece(core.name, member.program, member.constants), *member.given
