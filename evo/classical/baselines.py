"""The classical approximations of a target at each op count: what a discovery has to beat.

Every result is a program like any evolved one: its ops are counted and its error is measured by the same
code, with the decimal constants as given.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import flint
import numpy as np

from evo.classical.families import FAMILIES, FAR, SPARE_DIGITS, Draft
from evo.classical.goals import Goals
from evo.classical.remez import FitError
from evo.classical.shapes import Builder
from evo.minimax.pins import pinned
from evo.numbers.balls import BALLS
from evo.programs.ops import OPS
from evo.proofs.enclosure import evaluator
from evo.targets.axis import is_logarithmic, spread
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

_PRECISION = 384
_POINTS = 256


@dataclass(frozen=True)
class Baseline:
    """One classical formula.

    Attributes:
        family: a name of `FAMILIES`.
        form: its short name, such as "J(2,2)+1".
        ops: number of operations, by `Program.ops`.
        program: text form.
        constants: decimal strings, c1 first.
        error: max error of exactly these constants in the target's metric, in real arithmetic (sampled).
        worst_x: where.
    """

    family: str
    form: str
    ops: int
    program: str
    constants: tuple[str, ...]
    error: float
    worst_x: float


def baselines(
    target: Target,
    max_ops: int = 12,
    report: Callable[[str], None] | None = None,
    ops: Collection[str] | None = None,
) -> list[Baseline]:
    """The best form of every family at every op count, by ops, then error.

    Forms that are no better than a cheaper one of their family are left out.

    Args:
        target: what to approximate.
        max_ops: largest program.
        report: told of every form, one line each: its error, or why it failed.
        ops: names of those that a form may use; all by default.
    """
    allowed = frozenset(op.name for op in OPS) if ops is None else frozenset(ops)
    told = report or (lambda line: None)
    with flint.ctx.workprec(_PRECISION), _terms(max_ops + 1):
        goals = Goals(target)
        found = [b for name in FAMILIES for b in _best(name, goals, max_ops, told, allowed)]
    return sorted(found, key=lambda b: (b.ops, b.error))


@contextmanager
def _terms(count: int) -> Iterator[None]:
    """Lets flint's power series have so many terms."""
    before, flint.ctx.cap = flint.ctx.cap, max(count, flint.ctx.cap)
    try:
        yield
    finally:
        flint.ctx.cap = before


def _best(
    name: str, goals: Goals, max_ops: int, report: Callable[[str], None], allowed: frozenset[str]
) -> Iterator[Baseline]:
    """The forms of a family over these ops, each better than those before it."""
    bar = math.inf
    drafts = sorted(FAMILIES[name](goals, max_ops), key=lambda draft: (draft.ops, draft.guess))
    for _, group in groupby(drafts, key=lambda draft: draft.ops):
        best = None
        for draft in group:
            if draft.guess > FAR * bar:
                break
            try:
                made = _finished(name, draft, goals, allowed)
            except FitError as error:
                report(f"{name} {draft.form}: {error}")
                continue
            report(f"{name} {draft.form}: {made.ops} ops, {made.error:.3e}")
            if made.error < bar:
                best, bar = made, made.error
        if best:
            yield best


def _finished(name: str, draft: Draft, goals: Goals, allowed: frozenset[str]) -> Baseline:
    """The first of the draft's codes over these ops that is as good as guessed, or the best."""
    best = None
    for code in draft.write():
        if others := {i.op for i in code.instructions} - allowed:
            raise FitError(f"takes {', '.join(sorted(others))}")
        made = _measured(name, draft.form, code, goals)
        if best is None or made.error < best.error:
            best = made
        if best.error <= draft.guess * 1.001:
            break
    if best is None or not best.error < goals.trivial:
        raise FitError("no better than the constant 0")
    return best


def _measured(name: str, form: str, code: Builder, goals: Goals) -> Baseline:
    """Canonical text, decimal constants, their error."""
    if not all(c.is_finite() for c in code.constants):
        return Baseline(name, form, code.program.ops, str(code.program), (), math.inf, math.nan)
    program, constants = code.program.simplify([c.mid() for c in code.constants], BALLS)
    x = _places(goals.target)
    error, _ = sampled_error(partial(program.evaluate, BALLS, constants=constants), goals.target, x)
    digits = SPARE_DIGITS + max(0, math.ceil(-math.log10(max(error, 1e-300)))) if error < math.inf else 17
    texts = tuple(c.str(digits, radius=False) for c in constants)
    texts = pinned(program, texts, goals.target) or texts
    error, worst_x = sampled_error(evaluator(program, texts), goals.target, x)
    return Baseline(name, form, program.ops, str(program), texts, error, worst_x)


def _places(target: Target) -> np.ndarray:
    """Chebyshev's points in x."""
    lo, hi = target.ends
    part = np.sin(np.arange(1, _POINTS) * np.pi / (2 * _POINTS)) ** 2
    plain = float(lo) + float(hi - lo) * part
    x = spread(float(lo), float(hi), part) if is_logarithmic(target) else plain
    return np.clip(x, *target.span)


def best_forms(found: Iterable[Baseline], max_ops: int | None = None) -> dict[int, Baseline]:
    """By op count, the best form of at most so many ops."""
    ordered = sorted(found, key=lambda b: (b.ops, b.error))
    out: dict[int, Baseline] = {}
    for ops in range(ordered[0].ops, (max_ops or ordered[-1].ops) + 1) if ordered else ():
        out[ops] = min((b for b in ordered if b.ops <= ops), key=lambda b: b.error)
    return out
