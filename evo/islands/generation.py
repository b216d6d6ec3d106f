"""One generation of an island: offspring are made, told apart and fitted as arrays; parents are selected.

`step` advances a state. A state holds all that the next generation depends on, and every random stream
derives from (seed, island, generation), so a step repeated anywhere gives the same state.
"""

import time
from dataclasses import replace

import numpy as np

from evo.islands.archive import archive, thresholds
from evo.islands.newcomers import deep_newcomers, finished_newcomers, fitted_newcomers, told_apart
from evo.islands.operators import Operators
from evo.islands.pool import Pool
from evo.islands.state import Info, State, stream
from evo.kernels.cache import Entries
from evo.kernels.layout import NOT_FINITE, SETTLED


def step(operators: Operators, island: int, state: State) -> tuple[State, Info]:
    """One generation: vary, fit, keep, select. `state`'s caches are written to: pass one's own."""
    started = time.perf_counter()
    problem = operators.problem
    niche = problem.niche
    rng = stream(problem.seed, island, state.generation)
    brood = operators.vary(rng, state)
    varied = time.perf_counter()

    limit = thresholds(state.archive, niche, problem.most)
    ops, cost = brood.batch.ops, problem.costs(brood.batch)
    fits = operators.fit(brood.batch, stream=brood.fingerprint ^ np.uint64(rng), worth=limit[cost])
    audited = np.flatnonzero(brood.audited)
    again = audited[fits.status[audited] != SETTLED]
    known = state.functions.scores(brood.fingerprint[again])
    found = Entries(
        brood.fingerprint, brood.check, ops.astype(np.uint8), np.minimum(fits.error, 1e38).astype(np.float32)
    )
    state.functions.merge(found)
    fitted = time.perf_counter()

    seconds = state.seconds + fitted - started
    further = deep_newcomers if operators.goal is None else finished_newcomers
    deep, polished = further(operators, state, brood, cost, fits, limit, seconds)
    deepened = time.perf_counter()
    fitted_now = fitted_newcomers(operators, fits, cost, brood.fingerprint, limit, seconds)
    newcomers = told_apart(problem, rng, Pool.concatenate([fitted_now, deep]))
    kept = archive(Pool.concatenate([state.archive, newcomers]), niche)
    population = operators.select(Pool.concatenate([state.population, newcomers]))
    ended = time.perf_counter()

    counts = {
        **brood.counts,
        "fitted": int(np.count_nonzero(fits.status != SETTLED)),
        "settled": int(np.count_nonzero(fits.status == SETTLED)),
        "lm_iterations": fits.iterations,
        "failed": int(np.count_nonzero(fits.status == NOT_FINITE)),
        "entered": len(newcomers),
        "deep": polished,
        "deep_new": len(np.setdiff1d(deep.behaviour, state.archive.behaviour)),
        # An audited function whose new fit is much better: the cache had skipped something of worth.
        "audited_better": int(np.count_nonzero(fits.error[again] < 0.5 * known)),
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
