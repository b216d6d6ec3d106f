"""Bounded caches from fingerprint to what is known of a function.

Every island has one of texts (tier 1) and one of functions (tier 2). Islands tell each other what they
added (`Entries`) at fixed generations, so the functions are shared without a question ever crossing
the network and without anything depending on who was faster.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from evo.kernels.binding import CCache, Struct
from evo.kernels.layout import WAYS
from evo.kernels.library import kernels


@dataclass(frozen=True)
class Entries:
    """What is known of some functions; all arrays [n].

    Attributes:
        fingerprint: uint64, never 0.
        check: a second fingerprint, uint32.
        ops: fewest ops seen, uint8.
        score: best max error found, float32; NaN if never fitted.
    """

    fingerprint: np.ndarray = field(metadata={"stored": "key"})
    check: np.ndarray
    ops: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.fingerprint)


@dataclass(frozen=True)
class Cache:
    """Four-way buckets; where one is full, its oldest entry makes room. Arrays are those of `Entries`.

    Attributes:
        key: what an entry is found by: a text's key, a function's fingerprint; uint64, 0 where there is none.
    """

    key: np.ndarray
    check: np.ndarray
    ops: np.ndarray
    score: np.ndarray

    @classmethod
    def empty(cls, entries: int) -> "Cache":
        """A cache of this many entries.

        Raises:
            ValueError: not a power of two of at least one bucket.
        """
        if entries < WAYS or entries & (entries - 1):
            raise ValueError(f"A cache has a power of two of entries, at least {WAYS}, not {entries}.")
        return cls(
            np.zeros(entries, np.uint64),
            np.zeros(entries, np.uint32),
            np.zeros(entries, np.uint8),
            np.full(entries, np.nan, np.float32),
        )

    @property
    def used(self) -> int:
        """Entries in use."""
        return int(np.count_nonzero(self.key))

    def copy(self) -> "Cache":
        """An independent copy that can be written."""
        return Cache(*(getattr(self, f.name).copy() for f in fields(self)))

    def merge(self, new: Entries) -> None:
        """Adds entries; of known ones the fewest ops and the best score are kept."""
        kernels().cache_merge(self.c(), new.fingerprint, new.check, new.ops, new.score, len(new))

    def scores(self, fingerprint: np.ndarray) -> np.ndarray:
        """Score of each function, NaN where unknown, float32 [n]."""
        out = np.empty(len(fingerprint), np.float32)
        kernels().cache_scores(self.c(), fingerprint, out, len(fingerprint))
        return out

    def c(self) -> Struct:
        """The kernels' view."""
        return CCache.of(self, entries=len(self.key))
