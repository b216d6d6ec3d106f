"""What is required of a function of floats and not so, at every input: of 16 bits by NumPy, of float32 in C.

Inputs that a requirement names are asked one by one, by the interpreter, whose bits are those of C.
"""

import ctypes
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evo.exports.backwards import Backwards
from evo.exports.bits import SIGN, ranges, value_of
from evo.exports.export import reduction_of
from evo.exports.formula import Formula, Origin, make_formula
from evo.exports.pieces import CurvedError, on_all_cores
from evo.exports.screen import RANGE, Question, compiled
from evo.exports.whole import wrong_ways
from evo.floats.goal import FloatGoal
from evo.floats.inputs import FEW
from evo.floats.required import complaint
from evo.floats.requirements import Requirement
from evo.fronts.front import Member
from evo.numbers.formats import round_decimal
from evo.programs.batch import Batch

_MIRRORED = Question(
    "evonum_mirrored",
    """
/* Inputs at which the result of -x is not that of x, with its sign changed if `flip` has that bit. */
uint32_t evonum_mirrored(uint32_t first, uint32_t n, uint32_t flip, uint32_t *where)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < n; k += SOME) {
        float x[SOME], y[SOME], z[SOME];
        inputs(first + k, n - k, x);
        results(x, y);
        inputs((first ^ 0x80000000u) + k, n - k, x);
        results(x, z);
        for (uint32_t i = 0; i < SOME && i < n - k; i++) {
            uint32_t a, b;
            memcpy(&a, y + i, sizeof a);
            memcpy(&b, z + i, sizeof b);
            const int same = (a ^ flip) == b || (y[i] != y[i] && z[i] != z[i]);
            if (!same && !count) *where = first + k + i;
            count += !same;
        }
    }
    return count;
}
""",
    (*RANGE, ctypes.c_uint32, ctypes.c_void_p),
    ctypes.c_uint32,
)
_OUTSIDE = Question(
    "evonum_outside",
    """
/* Inputs whose results are not from lo to hi. */
uint32_t evonum_outside(uint32_t first, uint32_t n, double lo, double hi, uint32_t *where)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < n; k += SOME) {
        float x[SOME], y[SOME];
        inputs(first + k, n - k, x);
        results(x, y);
        for (uint32_t i = 0; i < SOME && i < n - k; i++) {
            const int inside = y[i] >= lo && y[i] <= hi;
            if (!inside && !count) *where = first + k + i;
            count += !inside;
        }
    }
    return count;
}
""",
    (*RANGE, ctypes.c_double, ctypes.c_double, ctypes.c_void_p),
    ctypes.c_uint32,
)


class Unmet(NamedTuple):
    """What a function does not satisfy.

    Attributes:
        lines: one for each requirement that is broken.
        inputs: some at which it breaks them, of float32.
    """

    lines: tuple[str, ...] = ()
    inputs: np.ndarray = np.zeros(0)


def unmet(member: Member, goal: FloatGoal, known: Backwards | None = None) -> Unmet:
    """What of its requirements a member does not satisfy.

    Args:
        goal: the member's.
        known: its steps the wrong way, where they were counted.

    Raises:
        BuildError: no C compiler.
        CurvedError: nothing exact is fast enough.
    """
    if not goal.require:
        return Unmet()
    if goal.arithmetic.gives.bits == FEW:
        return Unmet(_asked_one_by_one(member, goal))
    named = [one for one in goal.requirements if one.names_inputs]
    lines = _asked_one_by_one(member, replace(goal, require=tuple(r.text for r in named)))
    others = [one for one in goal.requirements if not one.names_inputs]
    found = list(_asked_in_c(member, goal, others, known)) if others else []
    inputs = [inputs for _, inputs in found]
    return Unmet((*lines, *(line for line, _ in found)), np.concatenate([np.zeros(0), *inputs]))


def _asked_one_by_one(member: Member, goal: FloatGoal) -> tuple[str, ...]:
    numbers = [round_decimal(text, goal.arithmetic.computes) for text in member.constants]
    required = goal.required
    return required.complaints(required.broken(Batch.of([member.code], [numbers])))


def _asked_in_c(
    member: Member, goal: FloatGoal, requirements: Sequence[Requirement], known: Backwards | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Of requirements on all inputs: a line, and some inputs where it is broken."""
    formula = replace(
        make_formula(member, member.dtype), reduction=reduction_of(member) if member.full else None,
        name="exported", origin=Origin(), to="",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        screen = compiled(formula, Path(folder), (_MIRRORED, _OUTSIDE))
        for one in requirements:
            try:
                count, x, some = _broken(screen, formula, goal, one, known)
            except CurvedError as reason:
                yield f"{one.text}: not every input can be asked: {reason}", np.zeros(0)
                continue
            if count:
                yield complaint(one, count, float("nan") if x is None else x), some


def _broken(
    screen: ctypes.CDLL, formula: Formula, goal: FloatGoal, one: Requirement, known: Backwards | None
) -> tuple[int, float | None, np.ndarray]:
    """How often a requirement is broken, an input where, and some."""
    if one.name == "monotonic":
        found = known or wrong_ways(formula)
        return found.count, found.x, found.some
    lo, hi = goal.target.ends if goal.reduction is None else goal.ends
    if one.name == "within":
        return _counted(screen.evonum_outside, ranges(lo, hi), *one.numbers)
    end = min(-lo, hi)
    above = [(first, count) for first, count in ranges(-end, end) if first < SIGN]
    return _counted(screen.evonum_mirrored, above, SIGN if one.name == "odd" else 0)


def _counted(
    question: Callable[..., int], parts: Iterable[tuple[int, int]], *words: float
) -> tuple[int, float | None, np.ndarray]:
    """The sum of what a question counts in ranges of bits, the first input that it names, and all of them."""

    def counted(part: tuple[int, int]) -> tuple[int, int]:
        where = np.zeros(1, np.uint32)
        return question(*part, *words, where.ctypes.data), int(where[0])

    found = [row for row in on_all_cores(counted, list(parts)) if row[0]]
    places = np.array([value_of(row[1]) for row in found], float)
    return sum(row[0] for row in found), float(places[0]) if found else None, places
