"""One island: a DEAP population whose offspring are made, told apart and fitted as arrays.

`init` makes a state and `step` advances it by one generation. A state holds all that the next
generation depends on, and every random stream derives from (seed, island, generation), so a step
repeated anywhere gives the same state.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from deap import base, tools

from evo.backends.backend import BACKENDS, Backend, backend
from evo.backends.fit import Fits
from evo.islands.archive import archive, first_fronts, non_dominated, thresholds
from evo.islands.deep import affordable, at_floor, deepen, optima
from evo.islands.pool import Pool, distinct
from evo.islands.stretch import at_home, stretched, worth_polishing
from evo.kernels import vary
from evo.kernels.cache import Cache, Entries
from evo.kernels.effort import Effort
from evo.kernels.layout import FITTED
from evo.targets.points import Points, fit_points, select_points
from evo.targets.target import Target

PROBES = 12


@dataclass(frozen=True)
class Problem:
    """What an island searches for, and how.

    Attributes:
        target: function, interval, metric.
        variation: ops, largest program, mutations, equivalence tiers.
        seed: of all random streams.
        offspring: new programs of a generation.
        parents: size of the population.
        niche: candidates kept per op count.
        cache_entries: functions remembered, a power of two.
        effort: of a fit.
        backend: what fits.
        deep_fits: most candidates of a generation that are fitted beyond float64.
        stretch: interval lengths by island, in turns, as multiples of the target's (evo/islands/stretch.py).
        home: the target as given, where `target` is stretched.
        device: which of the devices that a process sees, where the backend takes one of several.
    """

    target: Target
    variation: vary.Variation
    seed: int
    offspring: int
    parents: int
    niche: int
    cache_entries: int
    effort: Effort = field(default_factory=Effort)
    backend: str = "native"
    deep_fits: int = 4
    stretch: tuple[float, ...] = (1.0,)
    home: Target | None = None
    device: int = 0

    def of_island(self, island: int) -> "Problem":
        """What this island searches for."""
        target = stretched(self.target, self.stretch[island % len(self.stretch)])
        device = island if BACKENDS[self.backend].numbered else 0
        if (target, device) == (self.target, self.device):
            return self
        home = self.home if target == self.target else self.target
        return replace(self, target=target, home=home, device=device)

    @cached_property
    def fit_points(self) -> Points:
        """Where constants are fitted."""
        return fit_points(self.target)

    @cached_property
    def select_points(self) -> Points:
        """Where candidates are compared."""
        return select_points(self.target)

    @cached_property
    def engine(self) -> Backend:
        """The backend itself."""
        return backend(self.backend, **BACKENDS[self.backend].options(self.device))

    @cached_property
    def toolbox(self) -> base.Toolbox:
        """DEAP's toolbox: the operators of a generation, on whole batches."""
        toolbox = base.Toolbox()
        toolbox.register("vary", self.engine.offspring, variation=self.variation, rows=self.offspring)
        toolbox.register("fit", self.engine.fit, points=self.fit_points, effort=self.effort)
        toolbox.register("measure", self.engine.measure, points=self.select_points, probes=PROBES)
        toolbox.register("select", tools.selNSGA2, nd="log")
        return toolbox

    def with_points(self) -> "Problem":
        """Itself, its points sampled: they travel with it."""
        _ = self.fit_points, self.select_points
        return self

    def __getstate__(self) -> dict[str, Any]:
        names = (*(f.name for f in fields(self)), "fit_points", "select_points")
        return {name: self.__dict__[name] for name in names if name in self.__dict__}


class Fitness(base.Fitness):
    """(ops, log error), both minimised; always finite."""

    weights = (-1.0, -1.0)


class Individual:
    """A candidate of a pool, as DEAP selects it."""

    def __init__(self, row: int, ops: float, error: float) -> None:
        self.row = row
        self.fitness = Fitness((float(ops), float(np.log(max(error, 1e-300)))))


@dataclass(frozen=True)
class State:
    """All that the next generation depends on.

    Attributes:
        generation: how many are done.
        population: parents, selected by NSGA-II.
        archive: the best of every op count.
        texts: tier-1 cache.
        functions: tier-2 cache.
        counts: what became of all mutants so far (vary.COUNTERS), fits and their LM iterations.
        seconds: search time so far [s]; nothing depends on it.
        sent: error of the last emigrant of each op count, float64 [max_ops + 1].
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
    sent = np.full(problem.variation.max_ops + 1, np.inf)
    texts = Cache.empty(max(problem.cache_entries // 4, 4))
    return State(0, empty, empty, sent, np.zeros(0, np.uint64), texts, functions)


def stream(*words: int) -> int:
    """A random stream's 64-bit seed, derived from these non-negative numbers."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def step(problem: Problem, island: int, state: State) -> tuple[State, Info]:
    """One generation: vary, fit, keep, select. `state`'s caches are written to: pass one's own."""
    started = time.perf_counter()
    toolbox, niche, max_ops = problem.toolbox, problem.niche, problem.variation.max_ops
    rng = stream(problem.seed, island, state.generation)
    brood = toolbox.vary(rng, parents=state.population.batch, texts=state.texts, functions=state.functions)
    varied = time.perf_counter()

    limit = thresholds(state.archive, niche, max_ops)
    ops = brood.batch.ops
    fits = toolbox.fit(brood.batch, stream=brood.fingerprint ^ np.uint64(rng), worth=limit[ops])
    audited = np.flatnonzero(brood.audited)
    known = state.functions.scores(brood.fingerprint[audited])
    found = Entries(
        brood.fingerprint, brood.check, ops.astype(np.uint8), np.minimum(fits.error, 1e38).astype(np.float32)
    )
    state.functions.merge(found)
    fitted = time.perf_counter()

    seconds = state.seconds + fitted - started
    deep, polished = _deep(problem, state, brood, fits, limit, seconds)
    deepened = time.perf_counter()
    fitted_now = _newcomers(problem, fits, ops, brood.fingerprint, limit, seconds)
    newcomers = _told_apart(problem, rng, Pool.concatenate([fitted_now, deep]))
    kept = archive(Pool.concatenate([state.archive, newcomers]), niche)
    population = _select(problem, Pool.concatenate([state.population, newcomers]))
    ended = time.perf_counter()

    counts = {
        **brood.counts,
        "fitted": len(brood.batch),
        "lm_iterations": fits.iterations,
        "failed": int(np.count_nonzero(fits.status != FITTED)),
        "entered": len(newcomers),
        "deep": polished,
        "deep_new": len(np.setdiff1d(deep.behaviour, state.archive.behaviour)),
        # An audited function whose new fit is much better: the cache had skipped something of worth.
        "audited_better": int(np.count_nonzero(fits.error[audited] < 0.5 * known)),
    }
    total = {name: state.counts.get(name, 0) + n for name, n in counts.items()}
    moments = (started, varied, fitted, deepened, ended)
    spent = dict(zip(("vary", "fit", "deep", "select"), np.diff(moments).tolist(), strict=True))
    after = replace(
        state,
        generation=state.generation + 1,
        population=population,
        archive=kept,
        counts=total,
        seconds=state.seconds + ended - started,
    )
    return after, Info(counts, spent, found)


def admit(problem: Problem, state: State, immigrants: Pool, known: Sequence[Entries]) -> State:
    """The state with other islands' candidates and functions. Its caches are written to."""
    for entries in known:
        state.functions.merge(entries)
    if not len(immigrants):
        return state
    if problem.home:
        sent = state.sent.copy()
        np.minimum.at(sent, immigrants.ops, immigrants.error)
        state = replace(state, sent=sent)
        immigrants = _abroad(problem, state, immigrants)
    kept = archive(Pool.concatenate([state.archive, immigrants]), problem.niche)
    population = _select(problem, Pool.concatenate([state.population, immigrants]))
    return replace(state, archive=kept, population=population)


def emigrate(problem: Problem, state: State) -> tuple[Pool, State]:
    """What an island tells the others: of its front, the members that are news by more than a thousandth."""
    if problem.home:
        scale = float(np.max(problem.fit_points.weight * np.abs(problem.fit_points.exact)))
        rows = worth_polishing(state.archive, state.sent, state.tried, scale)
        chosen = state.archive.take(rows)
        kept = state.tried[np.isin(state.tried, state.archive.fingerprint)]  # others cannot be chosen
        state = replace(state, tried=np.concatenate([kept, chosen.fingerprint]))
        front = non_dominated(at_home(problem.home, chosen, state.seconds))
    else:
        front = non_dominated(state.archive)
    news = front.take(np.flatnonzero(front.error < 0.999 * state.sent[front.ops]))
    sent = state.sent.copy()
    sent[news.ops] = news.error
    return news, replace(state, sent=sent)


def _abroad(problem: Problem, state: State, immigrants: Pool) -> Pool:
    """Immigrants fitted on this island's own, stretched interval."""
    limit = thresholds(state.archive, problem.niche, problem.variation.max_ops)
    worth = np.full(len(immigrants), np.inf)
    fits = problem.toolbox.fit(immigrants.batch, stream=immigrants.fingerprint, worth=worth)
    pool = _newcomers(problem, fits, immigrants.ops, immigrants.fingerprint, limit, state.seconds)
    return _told_apart(problem, stream(problem.seed, state.generation), pool)


def _newcomers(
    problem: Problem, fits: Fits, ops: np.ndarray, fingerprint: np.ndarray, limit: np.ndarray, seconds: float
) -> Pool:
    """The fitted candidates that beat their niche's limit at the select points too, told apart by tier 3."""
    rows = np.flatnonzero(fits.error < limit[ops])
    measures = problem.toolbox.measure(fits.batch, rows)
    better = np.flatnonzero((measures.status == FITTED) & (measures.error < limit[ops[rows]]))
    if "behaviour" in problem.variation.tiers:
        of = rows[better]
        best = distinct(ops[of], measures.error[better], fingerprint[of], measures.behaviour[better])
        better = better[best]
    rows = rows[better]
    batch = fits.batch.take(rows)
    return Pool(
        batch,
        np.zeros_like(batch.constants),
        ops[rows],
        measures.error[better],
        measures.worst_x[better],
        fingerprint[rows],
        measures.behaviour[better],
        np.full(len(rows), seconds),
    )


def _deep(
    problem: Problem, state: State, brood: vary.Offspring, fits: Fits, limit: np.ndarray, seconds: float
) -> tuple[Pool, int]:
    """Candidates at float64's floor, fitted beyond it, that beat their niche's limit; how many were tried."""
    points, ops = problem.fit_points, brood.batch.ops
    most = affordable(state.counts, state.generation, problem.deep_fits)
    if not most:
        return Pool.empty(fits.batch.width), 0
    known = optima(state.archive, points)
    rows = at_floor(fits.rms, ops, brood.batch.k, limit[ops], known, points, most)
    pool = deepen(problem.target, fits.batch.take(rows), brood.fingerprint[rows], seconds)
    return pool.take(np.flatnonzero(pool.error < limit[pool.ops])), len(rows)


def _told_apart(problem: Problem, rng: int, newcomers: Pool) -> Pool:
    """Tier 3: the best of every behaviour. With that tier off all stay, each with a behaviour of its own."""
    if "behaviour" in problem.variation.tiers:
        return newcomers.distinct()
    own = np.uint64(rng) + np.arange(len(newcomers), dtype=np.uint64)  # wraps
    return replace(newcomers, behaviour=own)


def _select(problem: Problem, pool: Pool) -> Pool:
    """NSGA-II's choice of parents among candidates of distinct behaviour.

    Fronts that are taken whole need no sorting by DEAP, which is slow on the thousands that a GPU brings.
    """
    pool = pool.distinct()
    if len(pool) <= problem.parents:
        return pool
    whole, last = first_fronts(pool.ops, pool.error, problem.parents)
    individuals = [Individual(row, pool.ops[row], pool.error[row]) for row in last]
    chosen = problem.toolbox.select(individuals, k=problem.parents - len(whole))
    return pool.take(np.sort([*whole, *(individual.row for individual in chosen)]))
