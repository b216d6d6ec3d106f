"""The state of an island, all that its next generation depends on, and what a generation tells of itself."""

from dataclasses import dataclass, field, replace

import numpy as np

from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.kernels.cache import Cache, Entries


@dataclass(frozen=True)
class State:
    """All that the next generation depends on.

    Attributes:
        generation: how many are done.
        population: parents, selected by NSGA-II.
        archive: the best of every cost.
        texts: tier-1 cache.
        functions: tier-2 cache.
        counts: what became of all mutants so far (vary.COUNTERS), fits and their LM iterations.
        seconds: search time so far [s]; nothing depends on it.
        sent: error of the last emigrant of each cost, float64 [most + 1].
        tried: keys of the archive's candidates that were polished at home, if the island's interval is
            stretched, uint64.
    """

    generation: int
    population: Pool
    archive: Pool
    sent: np.ndarray
    tried: np.ndarray
    texts: Cache
    functions: Cache
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Info:
    """What a generation did.

    Attributes:
        counts: this generation's share of `State.counts`.
        seconds: spent in each part [s].
        found: functions new to the cache, with their scores.
    """

    counts: dict[str, int]
    seconds: dict[str, float]
    found: Entries


def init(problem: Problem) -> State:
    """The state before the first generation: no programs at all."""
    empty = Pool.empty(max(problem.variation.max_ops, 2))
    functions = Cache.empty(problem.cache_entries)
    sent = np.full(problem.most + 1, np.inf)
    texts = Cache.empty(max(problem.cache_entries // 4, 4))
    return State(0, empty, empty, sent, np.zeros(0, np.uint64), texts, functions)


def widened(state: State, max_ops: int, most: int) -> State:
    """The state where programs may have so many ops and cost so much, no less than before."""
    width = max(max_ops, 2)
    sent = np.concatenate([state.sent, np.full(max(most + 1 - len(state.sent), 0), np.inf)])
    return replace(
        state,
        population=state.population.widened(width),
        archive=state.archive.widened(width),
        sent=sent,
    )


def stream(*words: int) -> int:
    """A random stream's 64-bit seed, derived from these non-negative numbers."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])
