"""Fits in windows: constants that are right in a part of the axis, from where the fit goes on.

An error of a value that is too small by any factor is at most 1, one of a value too large grows with the
factor. So least squares over ten decades, from wherever they begin, fit some decades from below and give up
the others, where no step gains anything: c1 - c2/(x + c3) comes near the best fit of sqrt(x) on (1e-5, 1e5)
in one of a thousand fits from random constants. Cleared steps (evo/kernels/clear.h) at as many points as
constants, or twice as many, interpolate instead, and know nothing of that. They are taken in windows, parts
of the axis of many widths and places; of what they end at, the best at all points goes on.

So it is where the target has a pole at an end that is not 0: next to it, the error of a formula whose pole
lies a little outside is near 1, too. And where it has a zero there: next to it, the error of a formula that
does not vanish is huge, and all steps go after that. A window takes the point next to such an end besides its
own.

Every function is fitted once, and its cache remembers how well: what a fit misses stays missed.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from evo.backends.backend import Backend
from evo.backends.fit import Fits
from evo.kernels.effort import Effort
from evo.programs.batch import Batch, Programs
from evo.targets.axis import is_logarithmic
from evo.targets.checks import anchors
from evo.targets.points import Points
from evo.targets.target import Target

WINDOWS = 12
"""Of a fit. Of fits from random constants 45 % reach the optimum of a small form without windows, 58 % with
6, 69 % with 12, 71 % with 24 (experiments/bench/decades.py)."""
SMALL = 4
"""Operations of the programs that are fitted so. It takes time; of small programs there are few, and a search
comes to good large ones in many ways."""
_NARROWEST = 0.15  # window, as a share of all points
_WIDTHS, _PLACES = 0.7548776662466927, 0.5698402909980532  # Roberts' sequence: both are filled evenly
_PROBES = 1  # of a behaviour that nobody reads
_INTERPOLATED = Effort(starts=1, first_steps=0, final_steps=0, lawson_rounds=0)
_RANKED = Effort(starts=0, first_steps=3, final_steps=0, lawson_rounds=0)


def fit_at(
    target: Target,
    engine: Backend,
    batch: Programs,
    points: Points,
    select: Points,
    effort: Effort,
    stream: np.ndarray,
    worth: np.ndarray,
) -> Fits:
    """As `Backend.fit`, in windows where the target asks for them.

    Args:
        target: the function that is fitted.
        points: its, ascending.
        select: where fits of one row are compared, ascending.
    """
    always = _beside_ends(target)
    if always or is_logarithmic(target):
        whole = batch.take(slice(None))
        return fit_in_windows(engine, whole, points, select, effort, stream, worth, always)
    return engine.fit(batch, points, effort, stream, worth)


@lru_cache(maxsize=256)
def _beside_ends(target: Target) -> tuple[int, ...]:
    """Which of ascending points are next to an end, not 0, with a pole or a zero: 0 first, -1 last."""
    return tuple(0 if a.side > 0 else -1 for a in anchors(target) if not a.inner and a.order and a.at != 0)


def fit_in_windows(
    engine: Backend,
    batch: Batch,
    points: Points,
    select: Points,
    effort: Effort,
    stream: np.ndarray,
    worth: np.ndarray,
    always: tuple[int, ...] = (),
) -> Fits:
    """As `Backend.fit`; small programs also from their best window.

    Args:
        points, select: ascending.
        always: places of points that are in every window.
    """
    plain = engine.fit(batch, points, effort, stream, worth)
    rows = np.flatnonzero((batch.k > 0) & (batch.ops <= SMALL))
    if not len(rows):
        return plain
    begun, steps = _begun(engine, batch.take(rows), points, select, effort, stream[rows], always)
    more = engine.fit(begun, points, replace(effort, starts=0), stream[rows], worth[rows])
    before = _judged(engine, plain, rows, select)
    better = np.flatnonzero(_is_better(_judged(engine, more, np.arange(len(rows)), select), before))
    best = {name: np.array(getattr(plain, name)) for name in ("constants", "rms", "error", "status")}
    for name, column in best.items():
        column[rows[better]] = getattr(more, name)[better]
    fitted = replace(batch, constants=best.pop("constants"))
    return Fits(fitted, **best, iterations=plain.iterations + steps + more.iterations)


def _begun(
    engine: Backend,
    batch: Batch,
    points: Points,
    select: Points,
    effort: Effort,
    stream: np.ndarray,
    always: tuple[int, ...],
) -> tuple[Batch, int]:
    """The programs with the constants of their best window, and the iterations that took."""
    begun, steps = batch.take(slice(None)), 0
    interpolated = replace(_INTERPOLATED, anew=effort.anew)
    for k in np.unique(batch.k).tolist():
        rows = np.flatnonzero(batch.k == k)
        some, best = batch.take(rows), np.full((2, len(rows)), np.inf)
        for number in range(WINDOWS):
            window = points.take(_window(number, k * (1 + number % 2), len(points.x), always))
            worth = np.zeros(len(rows))
            found = engine.fit(some, window, interpolated, stream[rows], worth)
            found = engine.fit(found.batch, points, _RANKED, stream[rows], worth)
            judged = _judged(engine, found, np.arange(len(rows)), select)
            better = _is_better(judged, best)
            best[:, better] = judged[:, better]
            begun.constants[rows[better]] = found.constants[better]
            steps += found.iterations
    return begun, steps


def _judged(engine: Backend, fits: Fits, rows: np.ndarray, select: Points) -> np.ndarray:
    """What tells which of two fits is better: first its error there, infinite with a pole between the points.

    At the fit's own points those constants would win that hide poles and bends between them, of which next to
    a pole of the target there are many: (c3 - c2/(x + c1))^2 of 1/sin on (pi/2, pi) 3.975, and not 0.996.

    Returns:
        That error, and the error at the fit's points, float64 [2, rows].
    """
    measured = engine.measure(fits.batch, rows, select, _PROBES)
    return np.stack([measured.error, fits.error[rows]])


def _is_better(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row, whether the first of its two errors is less, or the second where these are equal."""
    better: np.ndarray = (one[0] < other[0]) | ((one[0] == other[0]) & (one[1] < other[1]))
    return better


def _window(number: int, wanted: int, points: int, always: tuple[int, ...]) -> np.ndarray:
    """`wanted` of the points, or all there are: those always taken, and some of the window of that number."""
    width = _NARROWEST + (1 - _NARROWEST) * ((0.5 + _WIDTHS * number) % 1.0)
    first = (0.5 + _PLACES * number) % 1.0 * (1 - width)
    wanted = min(max(wanted - len(always), 0), points)
    part = first + width * (np.arange(wanted) + 0.5) / wanted
    return np.unique([*(part * points).astype(int), *(place % points for place in always)])
