"""Programs that need no fit: no function of their type has an error that would let them in.

Over + - * / a program is a rational function whose degrees follow from its instructions, and of many types
of these an error is proved that none goes below (evo/complete/bounds.py). Where that is more than a newcomer
must beat, its constants are of no interest. A bound takes as long as dozens of fits, so before a fit it is
asked for only where a type keeps coming. What would be let in is asked in any case: where that has an error
which its type cannot have, it has a pole that no point saw. So what a search finds does not depend on how
often types came.
"""

from collections import Counter

import numpy as np

from evo.complete.bounds import Bounds
from evo.complete.degrees import Type, codes_of
from evo.programs.batch import Batch
from evo.targets.target import Target, TargetError

OFTEN = 32
"""Times that a type has come when its bound is worth its time: a fit takes some 30 us, a bound 1 ms."""
SAMPLED = 0.99
"""An error at the points of a fit over the error in the whole interval, at least."""


class Settling:
    """Of a target.

    Args:
        target: what is approximated.
    """

    def __init__(self, target: Target) -> None:
        self._bounds = Bounds(target)
        self._met: Counter[int] = Counter()
        self._least: dict[int, float] = {}

    def least(self, batch: Batch, worth: np.ndarray, often: int = OFTEN) -> np.ndarray:
        """What the error of each row cannot go below, 0 where that is not known or not asked, float64 [rows].

        Args:
            worth: the error below which a row counts, float64 [rows]; inf: nothing is asked of it.
            often: how often a type must have come to be asked about.
        """
        codes = codes_of(batch)
        asked = np.flatnonzero((codes > 0) & np.isfinite(worth))
        kinds, of, times = np.unique(codes[asked], return_inverse=True, return_counts=True)
        out = np.zeros(len(batch))
        least = [self._of(*kind, often) for kind in zip(kinds.tolist(), times.tolist(), strict=True)]
        out[asked] = np.array(least)[of]
        return out

    def _of(self, code: int, times: int, often: int) -> float:
        self._met[code] += times
        if code not in self._least and self._met[code] >= often:
            try:
                self._least[code] = SAMPLED * self._bounds.least_error(Type.of(code))
            except TargetError:  # it has no value at a point of theirs
                self._least[code] = 0.0
        return self._least.get(code, 0.0)
