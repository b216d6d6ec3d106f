"""In which order families are fitted: the small ones first, of one size those with the best chances.

What these reach settles many of the others (evo/complete/bounds.py), which need not be fitted. First come
functions of x^2 and higher powers alone, which are few, and right for even and odd targets; then those with
the most coefficients. A wave is a part of the order in which nothing depends on what others of it find.
"""

from dataclasses import dataclass

import numpy as np

from evo.complete.degrees import Type, types_of
from evo.complete.enumeration import Families
from evo.kernels.layout import MOST_DEGREES

WAVE = 1 << 22
"""Families of a wave at most."""


@dataclass(frozen=True)
class Plan:
    """The order of a survey.

    Attributes:
        families: all.
        types: those there are; None is that of families without one.
        kind: each family's type, uint16 [families].
        order: the families' numbers, [families].
        ends: of the waves, in the order, ascending, int64.
    """

    families: Families
    types: tuple[Type | None, ...]
    kind: np.ndarray
    order: np.ndarray
    ends: np.ndarray

    @classmethod
    def of_families(cls, families: Families, threads: int = 1) -> "Plan":
        """Their order; `threads` work, and no result depends on that."""
        found = types_of(families.word, families.n, threads)
        left = np.array([_turn(kind) for kind in found.types], np.uint8)[found.of]
        order, ends = np.empty(len(families), np.uint32), list[int]()
        begin = 0
        for count in families.counts:
            some = left[begin : begin + count]
            order[begin : begin + count] = begin + np.argsort(some, kind="stable")
            for part in np.bincount(some, minlength=1).tolist():
                ends += [*range(begin + WAVE, begin + part, WAVE), begin + part] if part else []
                begin += part
        return cls(families, found.types, found.of, order, np.array(ends, np.int64))

    def __len__(self) -> int:
        return len(self.order)

    def wave(self, place: int) -> tuple[int, int]:
        """The begin and end of the wave that a place is in."""
        number = int(np.searchsorted(self.ends, place, "right"))
        return int(self.ends[number - 1]) if number else 0, int(self.ends[number])

    def size(self, place: int) -> int:
        """Ops of the family there."""
        return int(self.families.n[self.order[place]])


def _turn(kind: Type | None) -> int:
    """When the families of a type are fitted, among those of their size."""
    if kind is None:
        return 0
    return 1 + MOST_DEGREES - kind.m - kind.n + (1 + MOST_DEGREES) * (kind.stride == 1)
