"""Islands on a longer interval: float64 ranks there what it cannot on the target's own.

The error of a good formula with n constants shrinks like the interval's length to the power n: what is
1e-20 on (0, 1), far below float64's rounding, is 1e-8 on (0, 8), and families that are good on one are good
on the other. So some islands evolve on a stretched interval. What they send is polished on the target's
own interval first, in multiple precision; what they are sent is fitted on theirs.
"""

import math
import time
from fractions import Fraction

import numpy as np

from evo.islands.deep import deepen
from evo.islands.pool import Pool
from evo.targets.checks import anchors
from evo.targets.making import make_target
from evo.targets.target import Target, TargetError

RANKS = 12
"""Candidates of a cost that are worth a polish: the best at home is not the best abroad."""
POLISHES = 24
"""Most polishes of an epoch (20 to 70 ms each)."""
FINE = 1e-11
"""Error, relative to the target's size, above which float64 ranks well at home: there only the best is
polished."""


def stretched(target: Target, factor: float) -> Target:
    """The target on an interval `factor` times as long, or as long as the function allows.

    The end nearer to 0 stays as it is written, with a zero or a pole that is there; both move if 0 is inside.
    Where the function has a pole or (relative metric) a zero in the longer interval, a shorter one is tried;
    the target itself if none is left.
    """
    lo, hi = target.ends
    while factor > 1:
        by = Fraction(factor)
        if lo < 0 < hi:
            ends = repr(float(lo * by)), repr(float(hi * by))
        elif abs(float(lo)) <= abs(float(hi)):
            ends = target.lo, repr(float(lo + (hi - lo) * by))
        else:
            ends = repr(float(hi - (hi - lo) * by)), target.hi
        try:
            longer = make_target(target.name, ends, target.metric)
            if any(anchor.inner for anchor in anchors(longer)):
                raise TargetError("A zero inside takes other families.")
            return longer
        except TargetError:
            factor = 0.75 * factor if factor > 1.3 else 1
    return target


def worth_polishing(archive: Pool, known: np.ndarray, tried: np.ndarray, scale: float) -> np.ndarray:
    """Rows of the archive (by cost, then error) to polish at home, the best ranks first.

    Args:
        known: least error at home of each cost so far, float64 [most + 1].
        tried: keys of those that were polished.
        scale: the target's largest size in its metric.
    """
    first = np.searchsorted(archive.cost, archive.cost)
    rank = np.arange(len(archive)) - first
    fine = known[archive.cost] > FINE * scale
    rows = np.flatnonzero((rank < np.where(fine, 1, RANKS)) & ~np.isin(archive.fingerprint, tried))
    return rows[np.lexsort((rows, rank[rows]))][:POLISHES]


def at_home(
    home: Target, pool: Pool, seconds: float, until: float = math.inf, least: int = 0
) -> tuple[Pool, int]:
    """The candidates polished on their target's own interval; those not finite there are left out.

    Args:
        seconds: search time so far [s].
        until: no polish begins after it, by `time.monotonic` [s], unless there are fewer than `least`.

    Returns:
        The polished ones, and how many were tried: the first ones.
    """
    done = [Pool.empty(pool.batch.width)]
    for row in range(len(pool)):
        if time.monotonic() >= until and sum(map(len, done)) >= least:
            break
        one = pool.take([row])
        done.append(deepen(home, one.batch, one.cost, one.fingerprint, seconds))
    return Pool.concatenate(done), len(done) - 1
