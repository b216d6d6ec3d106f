"""The classical approximations of a target at each op count: what a discovery has to beat.

A family is a row of `FAMILIES`; its forms are frames around rational functions (evo/classical/forms.py) with
coefficients from Taylor's or Padé's expansion about the best point, interpolation at Chebyshev's points or
Remez' exchange (evo/classical/remez.py). Every result is a program like any evolved one: its ops are counted
and its error is measured by the same code, with the decimal constants as given.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from evo.classical.forms import MAX_SQUARINGS, Builder, Frame, odd_fraction, write_odd
from evo.classical.goals import Goals
from evo.classical.remez import FitError, Rational, chebyshev, minimax, through
from evo.minimax.pins import pinned
from evo.minimax.polish import polish
from evo.numbers.balls import BALLS
from evo.numbers.constants import exact
from evo.numbers.reals import ball
from evo.proofs.enclosure import evaluator
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

_PRECISION = 384
_POINTS = 256
_SPARE_DIGITS = 20
_FAR = 10.0
_HUGE = 1e30


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


class Draft(NamedTuple):
    """A form before its constants are final.

    Attributes:
        form: its name.
        ops: what it will cost.
        guess: an error that it reaches, within a factor of `_FAR`.
        write: makes programs and constants, the likely best first.
    """

    form: str
    ops: int
    guess: float
    write: Callable[[], Iterable[Builder]]


def _rationals(
    fits: Goals, max_ops: int, frames: Iterable[Frame], degrees: Callable[[int, int], bool], method: str
) -> Iterator[Draft]:
    """The forms with a rational function in these frames."""
    sizes = [(m, n) for m in range(max_ops) for n in range(max_ops) if m + n and degrees(m, n)]
    for frame in frames:
        for m, n in sizes:
            if 2 * max(m, n) + min(m, n) > max_ops or frame_ops(frame, m, n, fits.traits.pole) > max_ops:
                continue
            name, ops = frame.name(m, n), frame_ops(frame, m, n, fits.traits.pole)
            try:
                if method == "local":
                    guess, about = fits.local(frame, m, n)
                    name += f" at {about:.3g}"
                else:
                    guess = fits.start(frame, m, n)
            except FitError:
                continue
            yield Draft(name, ops, guess.error, partial(_written, fits, frame, m, n, guess, method))


def _written(fits: Goals, frame: Frame, m: int, n: int, guess: Rational, method: str) -> Iterator[Builder]:
    """The minimax; where Remez fails, or the offset's number is free as well, by `polish`; the guess."""
    if method == "minimax":
        with suppress(FitError):
            code = fits.code(frame, minimax(fits.goal(frame), m, n, guess))
            yield code if frame.offset is None else _levelled(fits, code)
        with suppress(FitError):
            yield _levelled(fits, fits.code(frame, guess))
    yield fits.code(frame, guess)


@lru_cache(maxsize=4096)
def frame_ops(frame: Frame, m: int, n: int, pole: bool) -> int:
    """Ops of the frame around a rational function (m, n), counted on a program with arbitrary numbers."""
    p, q = ([arb(k) + arb(2) / (7 + k * k + s) for k in range(1, d + 2)] for d, s in ((m, 0), (n, 5)))
    return frame.write(p, q, pole).program.ops


def _odd_fractions(fits: Goals, max_ops: int) -> Iterator[Draft]:
    """c + d/(e + odd continued fraction), where the target has the symmetry."""
    for k, (p, q) in fits.traits.moebius.items():
        for j in range(1, (max_ops - 3 - k) // 2 + 1):
            try:
                code = _odd_start(fits, k, j, p, q)
            except FitError:
                continue
            name = "CF" + Frame(squarings=k).suffix
            yield Draft(name, code.program.ops, 0.0, partial(_odd_written, fits, code))


def _odd_start(fits: Goals, k: int, j: int, p: Any, q: Any) -> Builder:
    """With the exact symmetry, without error at Chebyshev's points.

    (f - p)/(f - q) is odd and vanishes at 0; its inverse has a pole there, as the fraction has for odd j.
    """
    variable = fits.variable(Frame(even=True))
    if j % 2:
        p, q = q, p
    nodes = [variable.at(u)[:2] for u in chebyshev(j + 1)]
    odd = []
    for x, f in nodes:
        for _ in range(k):
            f = f.sqrt()
        odd.append((f - p) / (f - q) * (x if j % 2 else 1 / x))
    m, n = (j + 1) // 2, j // 2
    top, below = through([x * x for x, _ in nodes], odd, m, n)
    s, constants = odd_fraction(top, below)
    return write_odd(constants, q, (q - p) / s, -1 / s, k)


def _odd_written(fits: Goals, code: Builder) -> Iterator[Builder]:
    with suppress(FitError):
        yield _levelled(fits, code)
    yield code


def _levelled(fits: Goals, code: Builder) -> Builder:
    """The constants by `evo.minimax.polish`, which takes any program.

    Raises:
        FitError: the constants say that the form degenerates here, or the error is not finite.
    """
    if not all(abs(c) < _HUGE for c in code.constants):
        raise FitError("the form degenerates")
    texts = [c.str(2 * _SPARE_DIGITS, radius=False) for c in code.constants]
    try:
        polished = polish(code.program, texts, fits.target)
    except ValueError as error:  # a constant that is no number
        raise FitError(str(error)) from None
    if polished.status == "not finite":
        raise FitError("not finite")
    return Builder(code.instructions, [ball(exact(c)) for c in polished.constants])


def polynomial(m: int, n: int) -> bool:
    """Whether the degrees are a polynomial's."""
    return n == 0


def rational(m: int, n: int) -> bool:
    """Whether the degrees are no polynomial's."""
    return n > 0


def _plain(fits: Goals) -> list[Frame]:
    return [frame for frame in fits.traits.frames if not frame.quotient and frame.ratio is None]


def _squared(fits: Goals) -> list[Frame]:
    frames = [frame for frame in _plain(fits) if fits.positive(frame)]
    return [replace(frame, squarings=k) for frame in frames for k in range(1, MAX_SQUARINGS + 1)]


def _quotients(fits: Goals) -> list[Frame]:
    powers = range(MAX_SQUARINGS + 1)
    return [replace(frame, squarings=k) for frame in fits.traits.frames if frame.quotient for k in powers]


def _logarithms(fits: Goals) -> list[Frame]:
    return [frame for frame in fits.traits.frames if frame.ratio is not None]


def _family(frames: Callable[[Goals], list[Frame]], degrees: Callable[[int, int], bool], method: str) -> Any:
    return lambda fits, max_ops: _rationals(fits, max_ops, frames(fits), degrees, method)


FAMILIES: dict[str, Callable[[Goals, int], Iterator[Draft]]] = {
    "taylor": _family(_plain, polynomial, "local"),
    "pade": _family(_plain, rational, "local"),
    "chebyshev": _family(_plain, polynomial, "interpolate"),
    "polynomial": _family(_plain, polynomial, "minimax"),
    "rational": _family(_plain, rational, "minimax"),
    "squared polynomial": _family(_squared, polynomial, "minimax"),
    "squared rational": _family(_squared, rational, "minimax"),
    "symmetric quotient": _family(_quotients, lambda m, n: True, "minimax"),
    "odd fraction": _odd_fractions,
    "logarithmic": _family(_logarithms, lambda m, n: True, "minimax"),
}
"""The families: to add one, add a row, which makes drafts of at most so many ops."""


def baselines(
    target: Target, max_ops: int = 12, report: Callable[[str], None] | None = None
) -> list[Baseline]:
    """The best form of every family at every op count, by ops, then error.

    Forms that are no better than a cheaper one of their family are left out.

    Args:
        target: what to approximate.
        max_ops: largest program.
        report: told of every form, one line each: its error, or why it failed.
    """
    with flint.ctx.workprec(_PRECISION), _terms(max_ops + 1):
        fits = Goals(target)
        found = [b for name in FAMILIES for b in _best(name, fits, max_ops, report or (lambda line: None))]
    return sorted(found, key=lambda b: (b.ops, b.error))


@contextmanager
def _terms(count: int) -> Iterator[None]:
    """Lets flint's power series have so many terms."""
    before, flint.ctx.cap = flint.ctx.cap, max(count, flint.ctx.cap)
    try:
        yield
    finally:
        flint.ctx.cap = before


def _best(name: str, fits: Goals, max_ops: int, report: Callable[[str], None]) -> Iterator[Baseline]:
    """The forms of a family, each better than those before it."""
    bar = math.inf
    drafts = sorted(FAMILIES[name](fits, max_ops), key=lambda draft: (draft.ops, draft.guess))
    for _, group in groupby(drafts, key=lambda draft: draft.ops):
        best = None
        for draft in group:
            if draft.guess > _FAR * bar:
                break
            try:
                made = _finished(name, draft, fits)
            except FitError as error:
                report(f"{name} {draft.form}: {error}")
                continue
            report(f"{name} {draft.form}: {made.ops} ops, {made.error:.3e}")
            if made.error < bar:
                best, bar = made, made.error
        if best:
            yield best


def _finished(name: str, draft: Draft, fits: Goals) -> Baseline:
    """The first of the draft's codes that is as good as guessed, or the best."""
    best = None
    for code in draft.write():
        made = _measured(name, draft.form, code, fits)
        if best is None or made.error < best.error:
            best = made
        if best.error <= draft.guess * 1.001:
            break
    if best is None or not best.error < fits.trivial:
        raise FitError("no better than the constant 0")
    return best


def _measured(name: str, form: str, code: Builder, fits: Goals) -> Baseline:
    """Canonical text, decimal constants, their error."""
    if not all(c.is_finite() for c in code.constants):
        return Baseline(name, form, code.program.ops, str(code.program), (), math.inf, math.nan)
    program, constants = code.program.simplify([c.mid() for c in code.constants], BALLS)
    x = _places(fits.target)
    error, _ = sampled_error(partial(program.evaluate, BALLS, constants=constants), fits.target, x)
    digits = _SPARE_DIGITS + max(0, math.ceil(-math.log10(max(error, 1e-300)))) if error < math.inf else 17
    texts = tuple(c.str(digits, radius=False) for c in constants)
    texts = pinned(program, texts, fits.target) or texts
    error, worst_x = sampled_error(evaluator(program, texts), fits.target, x)
    return Baseline(name, form, program.ops, str(program), texts, error, worst_x)


def _places(target: Target) -> np.ndarray:
    """Chebyshev's points in x."""
    lo, hi = target.ends
    x = float(lo) + float(hi - lo) * np.sin(np.arange(1, _POINTS) * np.pi / (2 * _POINTS)) ** 2
    return np.clip(x, *target.span)


def best_forms(found: Iterable[Baseline], max_ops: int | None = None) -> dict[int, Baseline]:
    """By op count, the best form of at most so many ops."""
    ordered = sorted(found, key=lambda b: (b.ops, b.error))
    out: dict[int, Baseline] = {}
    for ops in range(ordered[0].ops, (max_ops or ordered[-1].ops) + 1) if ordered else ():
        out[ops] = min((b for b in ordered if b.ops <= ops), key=lambda b: b.error)
    return out
