"""Constants finished in a format: from rounded ones to neighbours with a smaller error, singly and in pairs.

Rounding the constants of a minimax fit loses up to some ulp, and errors of the arithmetic itself count.
So the last digits are searched, by the error that counts: descent over the moves of one constant and of two
together, of which one call measures hundreds.
"""

import math
import time
from itertools import combinations, product

import numpy as np

from evo.floats.goal import FloatGoal
from evo.floats.inputs import moved
from evo.floats.linear import levelled
from evo.floats.required import Required
from evo.floats.whole import WholePoints
from evo.programs.batch import Batch
from evo.targets.points import Points

_SINGLE = (1, 2, 3, 5, 9, 17, 40, 100, 300)
"""Steps of one constant, in numbers of the format."""
_PAIRS = (1, 4, 20)
"""Steps of each of two."""
_MOST_PAIRS = 10
"""Most pairs of constants that are moved: of five constants all."""
_RANDOM, _FURTHEST = 1000, 10.0
"""Random moves of a round: of some constants together, each by up to 2^10 numbers of the format."""
_MOST_ROUNDS = 200
_IDLE, _PERSISTENT, _FEW_WRONG = 3, 60, 8
"""Rounds in succession without a better move that end the descent; more where so few results are wrong: their
inputs lie beside ties, and roundings have to fall well at each."""
_WORKED, _WORKED_WHOLE = 512, 96
"""Points of the largest errors that moves are measured at first, and as many of all; then those of
functions of all floats, whose steps take most of the time."""
_HASTY = 6
"""Linear programs for a candidate of a function of all floats; members get all."""
_BROKEN = 64
"""Pairs of inputs that break what is required, of each time that all are asked, at which moves are tried."""
_ASKED = 4
"""Moves of a round, the best, that are measured at all points."""


def finished(
    goal: FloatGoal,
    one: Batch,
    points: Points,
    persistent: bool = False,
    required: Required | None = None,
    until: float = math.inf,
) -> tuple[np.ndarray, float, int]:
    """The constants of a program, in the format, with the least error that is found.

    Descents from the constants as they are, from the best in real arithmetic, and from the best whose results
    are right where that is required.

    Args:
        goal: what the error is.
        one: a batch of one program.
        points: where it counts.
        persistent: whether a few wrong results are worth a second or two.
        required: what is required, where not at the goal's own inputs.
        until: no descent goes on after it, by `time.monotonic` [s].

    Returns:
        The constants [width], their largest error and the index of the point where; the error is infinite
        where they do not satisfy what is required.
    """
    steps = (_HASTY,) if isinstance(points, WholePoints) and not persistent else ()
    level, least = levelled(one, points, *steps)
    starts = [one, level, *([levelled(level, goal.pinned(points, least), *steps)[0]] if goal.pins else [])]
    asked = goal.required if required is None else required
    found = [_Descent(goal, goal.rounded(start), points, asked) for start in starts]
    best = min(found, key=lambda descent: descent.run(persistent, until))
    return best.constants, best.error, best.worst


def rounded(goal: FloatGoal, one: Batch, points: Points) -> tuple[np.ndarray, float, int]:
    """As `finished`, of the constants rounded and no more."""
    found = goal.rounded(one)
    error, worst, _ = (column[0] for column in goal.judge(found, points))
    return found.constants[0], float(error), int(worst)


class _Descent:
    """From rounded constants to better neighbours, as long as there are any.

    Fewer pairs of inputs that break what is required are better; then, where results are right or wrong,
    fewer wrong ones; then a smaller error.
    """

    def __init__(self, goal: FloatGoal, best: Batch, points: Points, required: Required) -> None:
        self._goal, self._points, self._best, self._required = goal, points, best, required
        self._broken, self._value = np.zeros(0, int), (len(required.which) + 1, 0, np.inf)
        self._value, self.worst = self._measured(best)
        self._moves = _moves(int(best.k[0]))
        size = goal.errors(best, points)
        n = len(size)
        most = _WORKED_WHOLE if isinstance(points, WholePoints) else _WORKED
        spread = np.linspace(0, n - 1, min(n, most)).astype(int)
        self._worked = np.union1d(np.argsort(-size)[:most], spread)

    @property
    def constants(self) -> np.ndarray:
        """The best so far, [width]."""
        return self._best.constants[0]

    @property
    def error(self) -> float:
        """Their largest error; infinite where they break what is required."""
        return np.inf if self._value[0] else self._value[2]

    def run(self, persistent: bool, until: float = math.inf) -> tuple[int, int, float]:
        """Descends; how many pairs break what is required at the end, how many results are wrong (0 where
        nobody asks), and the largest error."""
        rng, idle, k = np.random.default_rng(0), 0, self._moves.shape[1]
        for _ in range(_MOST_ROUNDS if k and np.isfinite(self._value[2]) else 0):
            few = 0 < self._value[0] + self._value[1] <= _FEW_WRONG
            patience = _PERSISTENT if persistent and few else _IDLE
            if self.error <= self._goal.enough or idle == patience or time.monotonic() >= until:
                break
            idle = 0 if self._round(_random_moves(rng, k) if idle else self._moves) else idle + 1
        return self._value

    def _round(self, moves: np.ndarray) -> bool:
        """Takes the best move; whether there was one, or further points to look at."""
        goal, known = self._goal, len(self._worked) + len(self._broken)
        tried, k = self._best.take(np.zeros(len(moves), int)), moves.shape[1]
        tried.constants[:, :k] = moved(tried.constants[:, :k], moves, goal.arithmetic.computes)
        found = goal.judge(tried, self._points.take(self._worked))
        over = found.over if goal.counts else np.zeros_like(found.over)
        broken = self._required.take(self._broken).broken(tried).sum(axis=1)
        for row in np.lexsort((found.error, over, broken))[:_ASKED]:
            if not (broken[row], over[row], found.error[row]) < self._value:
                break
            value, worst = self._measured(tried.take([row]))
            if value < self._value:
                self._best, self._value, self.worst = tried.take([row]), value, worst
                return True
            self._worked = np.union1d(self._worked, worst)
        return len(self._worked) + len(self._broken) > known

    def _measured(self, one: Batch) -> tuple[tuple[int, int, float], int]:
        """How good constants are, and the point of their largest error; the pairs that they break are
        remembered. What is worse for its errors alone is not asked for those."""
        error, worst, over = (column[0] for column in self._goal.judge(one, self._points))
        value = int(over) if self._goal.counts else 0, float(error)
        if (0, *value) >= self._value:
            return (0, *value), int(worst)
        broken = np.flatnonzero(self._required.broken(one)[0])
        spread = np.linspace(0, len(broken) - 1, min(len(broken), _BROKEN)).astype(int)
        self._broken = np.union1d(self._broken, broken[spread])
        return (len(broken), *value), int(worst)


def _moves(k: int) -> np.ndarray:
    """Steps of every constant, int64 [moves, k]."""
    rows = []
    for j, step, sign in product(range(k), _SINGLE, (1, -1)):
        rows.append(np.bincount([j], [sign * step], k))
    for i, j in list(combinations(range(k), 2))[:_MOST_PAIRS]:
        for a, b, s, t in product(_PAIRS, _PAIRS, (1, -1), (1, -1)):
            rows.append(np.bincount([i, j], [s * a, t * b], k))
    return np.array(rows, np.float64).astype(np.int64) if rows else np.zeros((0, k), np.int64)


def _random_moves(rng: np.random.Generator, k: int) -> np.ndarray:
    """Steps of several constants together, of all sizes, int64 [moves, k]."""
    size = np.exp2(rng.uniform(0, _FURTHEST, (_RANDOM, k)) * rng.random((_RANDOM, 1)))
    sign = rng.integers(-1, 2, (_RANDOM, k))
    return np.asarray(np.rint(size) * sign, np.int64)
