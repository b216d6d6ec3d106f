"""Offspring of a batch of parents: mutated, canonical, new to the caches, in one compiled call.

The mutations and their weights are one table in evo/native/vary.h; this module names them, lets a search
weigh them anew, and counts what became of the mutants.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evo.batch import Batch, address
from evo.cache import Cache
from evo.native.build import kernels
from evo.ops import CODE

T = TypeVar("T")

COUNTERS = (
    "made",  # mutants, those on the way of a walk too
    "invalid",  # do not depend on x, or outgrow the kernels' tables
    "too_large",  # more constants than a batch holds (mutants of too many ops are cut back)
    "seen_text",  # tier 1: skipped
    "undefined",  # divide by what is always zero
    "redundant",  # tier 2: skipped, an equivalent program with fewer constants exists
    "seen_function",  # tier 2: skipped, known
    "collisions",  # equal key, different check: kept
    "audited",  # known, but fitted all the same to check the cache
)
TIERS = {"text": 1, "function": 2, "redundant": 4, "behaviour": 8}
"""Tiers that can be switched off for an ablation, by their bit; evo/searcher.py sees to the last."""


class CBrood(ctypes.Structure):
    """`Brood` of evo/native/vary.h."""

    _fields_ = (
        ("stream", ctypes.c_uint64),
        ("allowed", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("n_allowed", "max_ops", "attempts", "tiers")),
        ("further", ctypes.c_double),
        ("audit", ctypes.c_double),
    )


def mutations() -> dict[str, float]:
    """Weight of each mutation, by name."""
    library = kernels()
    return {
        library.mutation_name(i).decode(): library.mutation_weight(i) for i in range(library.mutation_count())
    }


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
            raise ValueError("A variation needs at least one of the ops of evo/ops.py, got none.")


@dataclass(frozen=True)
class Offspring:
    """New programs with their inherited constants.

    Attributes:
        batch: the programs, canonical.
        key: tier-2 fingerprint, uint64 [rows]; tier 1 if only that or none is asked for.
        check: second fingerprint, uint32 [rows].
        audited: whether the function was known, uint8 [rows].
        counts: what became of the mutants, by name (COUNTERS).
    """

    batch: Batch
    key: np.ndarray
    check: np.ndarray
    audited: np.ndarray
    counts: dict[str, int]


def offspring(
    stream: int,
    variation: Variation,
    parents: Batch,
    texts: Cache,
    functions: Cache,
    rows: int,
    lanes: int = 1,
) -> Offspring:
    """Up to `rows` new programs; the caches learn them.

    Args:
        stream: random stream of this generation; offspring i depends on it, on i, the parents, the caches
            and the number of lanes alone.
        parents: drawn from with equal chance; none: all offspring are random.
        lanes: threads that make a share each. A lane has a stream of its own and sees what was known before,
            not what others make meanwhile: of what two lanes made, the first one's stays. So the
            result is the same on any number of processor cores.

    Raises:
        ValueError: a weight for an unknown mutation.
    """
    if lanes == 1:
        return _lane(stream, variation, parents, (texts, functions), None, rows)
    shares = [rows * (lane + 1) // lanes - rows * lane // lanes for lane in range(lanes)]
    own = [tuple(Cache.empty(_room(share)) for _ in range(2)) for share in shares]
    streams = np.random.SeedSequence(stream).generate_state(lanes, np.uint64).tolist()

    def make(lane: int) -> Offspring:
        return _lane(streams[lane], variation, parents, own[lane], (texts, functions), shares[lane])

    def learn(lane: int) -> None:
        for cache, which in ((texts, 0), (functions, 1)):
            for made in own:
                cache.merge(made[which], lane, lanes)

    broods = in_lanes(make, lanes)
    in_lanes(learn, lanes)
    return _joined(broods)


def in_lanes(work: Callable[[int], T], lanes: int) -> list[T]:
    """`work` of every lane's number, each in a thread of its own."""
    if lanes == 1:
        return [work(0)]
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(work, range(lanes)))


def _room(rows: int) -> int:
    """Entries of a lane's cache: some eight texts are seen for every offspring, and half stays empty."""
    return 1 << max(12, (16 * rows).bit_length())


def _joined(broods: Sequence[Offspring]) -> Offspring:
    """All lanes' offspring in their order, of every function the first."""
    key = np.concatenate([b.key for b in broods])
    _, first = np.unique(key, return_index=True)
    kept = np.sort(first)
    counts = {name: sum(b.counts[name] for b in broods) for name in COUNTERS}
    counts["seen_function"] += len(key) - len(kept)
    check, audited = (
        np.concatenate([getattr(b, name) for b in broods])[kept] for name in ("check", "audited")
    )
    batch = Batch.concatenate([b.batch for b in broods]).take(kept)
    return Offspring(batch, key[kept], check, audited, counts)


def _lane(
    stream: int,
    variation: Variation,
    parents: Batch,
    own: Sequence[Cache],
    known: Sequence[Cache] | None,
    rows: int,
) -> Offspring:
    """One lane's offspring; `own` caches, of texts and functions, learn them."""
    weights = mutations()
    if unknown := set(variation.weights or {}) - set(weights):
        raise ValueError(f"Unknown mutations {sorted(unknown)}; evo/native/vary.h has {', '.join(weights)}.")
    shares = np.array([{**weights, **(variation.weights or {})}[name] for name in weights])
    allowed = np.array([CODE[name] for name in variation.ops], np.uint8)
    out = Batch.empty(rows, parents.width)
    key, check = np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    audited, counts = np.zeros(rows, np.uint8), np.zeros(len(COUNTERS), np.int64)
    brood = CBrood(
        stream=stream,
        allowed=address(allowed),
        weights=address(shares),
        n_allowed=len(allowed),
        max_ops=variation.max_ops,
        attempts=variation.attempts,
        tiers=sum(TIERS[t] for t in variation.tiers),
        further=variation.further,
        audit=variation.audit,
    )
    structs = (brood, parents.c(), *(cache.c() for cache in own))
    shared = [ctypes.byref(cache.c()) for cache in known] if known else [None, None]
    made = kernels().offspring(
        *(ctypes.byref(s) for s in structs),
        *shared,
        ctypes.byref(out.c()),
        *(ctypes.c_void_p(address(a)) for a in (key, check, audited, counts)),
    )
    if made < 0:
        raise MemoryError("The offspring's work arrays could not be allocated.")
    named = dict(zip(COUNTERS, counts.tolist(), strict=True))
    return Offspring(out.take(slice(made)), key[:made], check[:made], audited[:made], named)
