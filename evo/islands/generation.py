"""One island: a DEAP population whose offspring are made, told apart and fitted as arrays.

`step` advances a state by one generation. A state holds all that the next generation depends on, and every
random stream derives from (seed, island, generation), so a step repeated anywhere gives the same state.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from deap import base

from evo.backends.fit import Fits
from evo.islands.archive import archive, first_fronts, non_dominated, thresholds
from evo.islands.deep import affordable, at_floor, deepen, optima
from evo.islands.pool import Pool, distinct
from evo.islands.problem import Problem
from evo.islands.state import Info, State, stream
from evo.islands.stretch import at_home, worth_polishing
from evo.kernels import vary
from evo.kernels.cache import Entries
from evo.kernels.layout import FITTED


class Fitness(base.Fitness):
    """(ops, log error), both minimised; always finite."""

    weights = (-1.0, -1.0)


class Individual:
    """A candidate of a pool, as DEAP selects it."""

    def __init__(self, row: int, ops: float, error: float) -> None:
        self.row = row
        self.fitness = Fitness((float(ops), float(np.log(max(error, 1e-300)))))


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
