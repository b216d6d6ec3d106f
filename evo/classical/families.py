"""The families of classical forms: a row of `FAMILIES` each, which makes drafts of at most so many ops.

Forms are frames around rational functions (evo/classical/frames.py) with coefficients from Taylor's or Padé's
expansion about the best point, interpolation at Chebyshev's points or Remez' exchange
(evo/classical/remez.py).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from flint import arb

from evo.classical.frames import Frame, Plain, Quotient, Shifted, squared_name
from evo.classical.goals import Goals
from evo.classical.remez import FitError, Rational, chebyshev, minimax, through
from evo.classical.shapes import Builder, odd_fraction, write_odd
from evo.classical.traits import MAX_SQUARINGS
from evo.minimax.polish import polish
from evo.numbers.constants import exact
from evo.numbers.reals import ball

FAR = 10.0
"""Factor within which a draft's guess is right."""
SPARE_DIGITS = 20
"""Of constants, beyond those of the error."""
_HUGE = 1e30
"""A constant beyond it means a form that wants to be another one."""


class Draft(NamedTuple):
    """A form before its constants are final.

    Attributes:
        form: its name.
        ops: what it will cost.
        guess: an error that it reaches, within a factor of `FAR`.
        write: makes programs and constants, the likely best first.
    """

    form: str
    ops: int
    guess: float
    write: Callable[[], Iterable[Builder]]


def _rationals(
    goals: Goals, max_ops: int, frames: Iterable[Frame], degrees: Callable[[int, int], bool], method: str
) -> Iterator[Draft]:
    """The forms with a rational function in these frames."""
    sizes = [(m, n) for m in range(max_ops) for n in range(max_ops) if m + n and degrees(m, n)]
    for frame in frames:
        for m, n in sizes:
            if 2 * max(m, n) + min(m, n) > max_ops or frame_ops(frame, m, n, goals.traits.pole) > max_ops:
                continue
            name, ops = frame.name(m, n), frame_ops(frame, m, n, goals.traits.pole)
            try:
                if method == "local":
                    guess, about = goals.local(frame, m, n)
                    name += f" at {about:.3g}"
                else:
                    guess = goals.start(frame, m, n)
            except FitError:
                continue
            yield Draft(name, ops, guess.error, partial(_written, goals, frame, m, n, guess, method))


def _written(goals: Goals, frame: Frame, m: int, n: int, guess: Rational, method: str) -> Iterator[Builder]:
    """The minimax; where Remez fails, or the offset's number is free as well, by `polish`; the guess."""
    if method == "minimax":
        with suppress(FitError):
            code = goals.code(frame, minimax(goals.goal(frame), m, n, guess))
            yield code if not isinstance(frame.core, Shifted) else _levelled(goals, code)
        with suppress(FitError):
            yield _levelled(goals, goals.code(frame, guess))
    yield goals.code(frame, guess)


@lru_cache(maxsize=4096)
def frame_ops(frame: Frame, m: int, n: int, pole: bool) -> int:
    """Ops of the frame around a rational function (m, n), counted on a program with arbitrary numbers."""
    p, q = ([arb(k) + arb(2) / (7 + k * k + s) for k in range(1, d + 2)] for d, s in ((m, 0), (n, 5)))
    return frame.write(p, q, pole).program.ops


def _odd_fractions(goals: Goals, max_ops: int) -> Iterator[Draft]:
    """c + d/(e + odd continued fraction), where the target has the symmetry."""
    for k, (p, q) in goals.traits.moebius.items():
        for j in range(1, (max_ops - 3 - k) // 2 + 1):
            try:
                code = _odd_start(goals, k, j, p, q)
            except FitError:
                continue
            name = "CF" + squared_name(k)
            yield Draft(name, code.program.ops, 0.0, partial(_odd_written, goals, code))


def _odd_start(goals: Goals, k: int, j: int, p: Any, q: Any) -> Builder:
    """With the exact symmetry, without error at Chebyshev's points.

    (f - p)/(f - q) is odd and vanishes at 0; its inverse has a pole there, as the fraction has for odd j.
    """
    variable = goals.variable(Frame(core=Plain(even=True)))
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


def _odd_written(goals: Goals, code: Builder) -> Iterator[Builder]:
    with suppress(FitError):
        yield _levelled(goals, code)
    yield code


def _levelled(goals: Goals, code: Builder) -> Builder:
    """The constants by `evo.minimax.polish`, which takes any program.

    Raises:
        FitError: the constants say that the form degenerates here, or the error is not finite.
    """
    if not all(abs(c) < _HUGE for c in code.constants):
        raise FitError("the form degenerates")
    texts = [c.str(2 * SPARE_DIGITS, radius=False) for c in code.constants]
    try:
        polished = polish(code.program, texts, goals.target)
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


def _plain(goals: Goals) -> list[Frame]:
    return [
        frame
        for frame in goals.traits.frames
        if not isinstance(frame.core, Quotient) and frame.core.ratio is None
    ]


def _squared(goals: Goals) -> list[Frame]:
    frames = [frame for frame in _plain(goals) if goals.positive(frame)]
    return [replace(frame, squarings=k) for frame in frames for k in range(1, MAX_SQUARINGS + 1)]


def _quotients(goals: Goals) -> list[Frame]:
    powers = range(MAX_SQUARINGS + 1)
    return [
        replace(frame, squarings=k)
        for frame in goals.traits.frames
        if isinstance(frame.core, Quotient)
        for k in powers
    ]


def _logarithms(goals: Goals) -> list[Frame]:
    return [frame for frame in goals.traits.frames if frame.core.ratio is not None]


def _family(frames: Callable[[Goals], list[Frame]], degrees: Callable[[int, int], bool], method: str) -> Any:
    return lambda goals, max_ops: _rationals(goals, max_ops, frames(goals), degrees, method)


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
