"""What islands tell each other: candidates and functions that come in, and candidates that go out."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evo.islands.archive import archive, non_dominated, thresholds
from evo.islands.newcomers import fitted_newcomers, told_apart
from evo.islands.operators import Operators
from evo.islands.pool import Pool
from evo.islands.state import State, stream
from evo.islands.stretch import at_home, worth_polishing
from evo.kernels.cache import Entries

_MOST_HELD = 4
"""Candidates of a cost that are looked at in an epoch: it takes some 50 ms each, and is remembered."""


def admit(operators: Operators, state: State, immigrants: Pool, known: Sequence[Entries]) -> State:
    """The state with other islands' candidates and functions. Its caches are written to."""
    for entries in known:
        state.functions.merge(entries)
    if not len(immigrants):
        return state
    if operators.problem.home:
        sent = state.sent.copy()
        np.minimum.at(sent, immigrants.cost, immigrants.error)
        state = replace(state, sent=sent)
        immigrants = _abroad(operators, state, immigrants)
    kept = archive(Pool.concatenate([state.archive, immigrants]), operators.problem.niche)
    population = operators.select(Pool.concatenate([state.population, immigrants]))
    return replace(state, archive=kept, population=population)


def emigrate(operators: Operators, state: State, until: float = math.inf) -> tuple[Pool, State]:
    """What an island tells the others: of its front, the members that are news by more than a thousandth.

    Args:
        until: no candidate of a stretched island is polished after it, by `time.monotonic` [s], but for the
            first one that it sends: a search whose other islands have not begun would end with nothing.
    """
    if operators.problem.home:
        least = 0 if np.isfinite(state.sent).any() else 1
        scale = float(np.max(operators.fit_points.weight * np.abs(operators.fit_points.exact)))
        rows = worth_polishing(state.archive, state.sent, state.tried, scale)
        best = state.archive.take(rows)
        polished, tried = at_home(operators.problem.home, best, state.seconds, until, least)
        chosen = state.archive.take(rows[:tried])
        kept = state.tried[np.isin(state.tried, state.archive.fingerprint)]  # others cannot be chosen
        state = replace(state, tried=np.concatenate([kept, chosen.fingerprint]))
        front = non_dominated(polished)
    else:
        front = non_dominated(_holding(operators, state.archive))
    news = front.take(np.flatnonzero(front.error < 0.999 * state.sent[front.cost]))
    sent = state.sent.copy()
    sent[news.cost] = news.error
    return news, replace(state, sent=sent)


def _holding(operators: Operators, pool: Pool) -> Pool:
    """The candidates less those, of the best of each cost, that cannot match the target's zeros exactly.

    Their error is infinite, and they would stand before those that can.
    """
    if not operators.takes_exactness:
        return pool
    order = np.lexsort((pool.fingerprint, pool.error, pool.cost))
    refused: list[int] = []
    tries, least = np.zeros(operators.problem.most + 1, int), math.inf
    for row in order.tolist():
        cost = pool.cost[row]
        if pool.error[row] >= least or tries[cost] >= _MOST_HELD:
            continue
        tries[cost] += 1
        if operators.holds(pool, row):
            least = pool.error[row]
        else:
            refused.append(row)
    return pool.take(np.setdiff1d(np.arange(len(pool)), refused))


def _abroad(operators: Operators, state: State, immigrants: Pool) -> Pool:
    """Immigrants fitted on this island's own, stretched interval."""
    limit = thresholds(state.archive, operators.problem.niche, operators.problem.most)
    worth = np.full(len(immigrants), np.inf)
    fits = operators.fit(immigrants.batch, stream=immigrants.fingerprint, worth=worth)
    pool = fitted_newcomers(operators, fits, immigrants.cost, immigrants.fingerprint, limit, state.seconds)
    return told_apart(operators.problem, stream(operators.problem.seed, state.generation), pool)
