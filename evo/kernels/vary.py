"""Offspring of a batch of parents: mutated, canonical, new to the caches, in one compiled call.

The mutations and their weights are one table in evo/kernels/mutate.h; this module names them, lets a search
weigh them anew, and counts what became of the mutants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from evo.kernels.binding import CBrood, Struct, batch_view
from evo.kernels.cache import Cache
from evo.kernels.layout import COUNTERS, TIERS
from evo.kernels.library import kernels
from evo.programs.batch import Batch, Programs
from evo.programs.ops import OPCODE


@cache
def mutations() -> Mapping[str, float]:
    """Weight of each mutation, by name."""
    library = kernels()
    return MappingProxyType(
        {
            library.mutation_name(i).decode(): library.mutation_weight(i)
            for i in range(library.mutation_count())
        }
    )


@dataclass(frozen=True)
class Variation:
    """What mutants may be like.

    Attributes:
        ops: names of the ops that new instructions use.
        max_ops: cost above which a mutant is dropped.
        weights: weight of mutations by name, where it is not the table's.
        tiers: which equivalence tiers skip mutants and candidates (TIERS).
        further: chance of each further edit after a mutant's first.
        audit: share of known functions that are fitted all the same.
        attempts: mutants tried per wanted offspring before giving up.

    Raises:
        ValueError: no ops.
    """

    ops: tuple[str, ...]
    max_ops: int
    weights: Mapping[str, float] | None = None
    tiers: Sequence[str] = tuple(TIERS)
    further: float = 0.35
    audit: float = 1e-3
    attempts: int = 16

    def __post_init__(self) -> None:
        if not self.ops:
            raise ValueError("A variation needs at least one of the ops of evo/programs/ops.py, got none.")


@dataclass(frozen=True)
class Offspring:
    """New programs with their inherited constants.

    Attributes:
        batch: the programs, canonical; on the device of the backend that made them.
        fingerprint: of the function (tier 2), uint64 [rows]; the text's key if functions are not told apart.
        check: second fingerprint, uint32 [rows].
        audited: whether the function was known, uint8 [rows].
        counts: what became of the mutants, by name (COUNTERS).
    """

    batch: Programs
    fingerprint: np.ndarray
    check: np.ndarray
    audited: np.ndarray
    counts: dict[str, int]


def offspring(
    stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
) -> Offspring:
    """Up to `rows` new programs; the caches learn them.

    Args:
        stream: random stream of this generation; offspring depend on it, the parents and the caches alone.
        parents: drawn from with equal chance; none: all offspring are random.

    Raises:
        ValueError: a weight for an unknown mutation.
    """
    out = Batch.empty(rows, parents.width)
    fingerprint, check = np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    audited, counts = np.zeros(rows, np.uint8), np.zeros(len(COUNTERS), np.int64)
    allowed, weights = allowed_ops(variation), mutation_weights(variation)
    brood = brood_of(stream, variation, allowed.ctypes.data, weights.ctypes.data)
    made = kernels().offspring(
        brood, batch_view(parents), texts.c(), functions.c(), batch_view(out),
        fingerprint, check, audited, counts,
    )  # fmt: skip
    named = dict(zip(COUNTERS, counts.tolist(), strict=True))
    batch = out if made == rows else out.take(slice(made))
    return Offspring(batch, fingerprint[:made], check[:made], audited[:made], named)


def allowed_ops(variation: Variation) -> np.ndarray:
    """Opcodes that new instructions may have, uint8 [ops]."""
    return np.array([OPCODE[name] for name in variation.ops], np.uint8)


def mutation_weights(variation: Variation) -> np.ndarray:
    """Weight of each mutation, in the order of evo/kernels/mutate.h, float64 [mutations].

    Raises:
        ValueError: a weight for an unknown mutation.
    """
    usual, given = mutations(), variation.weights or {}
    if unknown := set(given) - set(usual):
        raise ValueError(f"Unknown mutations {sorted(unknown)}; evo/kernels/mutate.h has {', '.join(usual)}.")
    return np.array([given.get(name, weight) for name, weight in usual.items()])


def brood_of(stream: int, variation: Variation, allowed: int, weights: int) -> Struct:
    """What the kernels are told of a generation; `allowed` and `weights` are addresses of their arrays."""
    return CBrood(
        stream=stream,
        allowed=allowed,
        weights=weights,
        n_allowed=len(variation.ops),
        max_ops=variation.max_ops,
        attempts=variation.attempts,
        tiers=sum(TIERS[t] for t in variation.tiers),
        further=variation.further,
        audit=variation.audit,
    )
