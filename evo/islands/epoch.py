"""Epochs: some generations of an island, as a function of a task, its state and what others found.

So an epoch may run anywhere, and again after its process died: with the same result, where a search has a
number of generations. Where it has a time, the clock says how many fit into the epoch.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from evo.fronts.front import Member
from evo.islands.exchange import admit, emigrate
from evo.islands.generation import step
from evo.islands.members import Members
from evo.islands.operators import Operators
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.islands.state import State, init
from evo.kernels.cache import Entries


@dataclass(frozen=True)
class Task:
    """An epoch to run.

    Attributes:
        island: whose.
        epoch: its number, from 0.
        generations: how many, at most.
        immigrants: other islands' best, of an earlier epoch.
        seconds: what the epoch may take, one generation at least [s]; None: no limit.
    """

    island: int
    epoch: int
    generations: int
    immigrants: Pool
    seconds: float | None


@dataclass(frozen=True)
class Outcome:
    """What an epoch did.

    Attributes:
        island: whose.
        epoch: its number.
        generation: generations done in all.
        emigrants: the island's best for others.
        counts: totals since the island's start.
        used: entries used in its cache of functions.
        spent: time in each part of the epoch [s].
        least: what it would have taken with one generation and nothing polished for others [s].
        members: the emigrants as members of a front, polished.
    """

    island: int
    epoch: int
    generation: int
    emigrants: Pool
    counts: dict[str, int]
    used: int
    spent: dict[str, float]
    least: float = 0.0
    members: Sequence[Member] = ()


class Limits(NamedTuple):
    """Until when the parts of an epoch may begin, by `time.monotonic` [s].

    Attributes:
        generations: a further generation.
        polishing: the polish of a candidate for other islands.
        members: a further step to a member's constants in floats.
    """

    generations: float = math.inf
    polishing: float = math.inf
    members: float = math.inf


NO_LIMITS = Limits()


class Finished(NamedTuple):
    """An epoch's outcome, and the handles of the island's state and of the functions it found."""

    outcome: Outcome
    state: Any
    found: Any


def run_epoch(
    operators: Operators,
    task: Task,
    state: State | None,
    known: Sequence[Entries],
    limits: Limits,
) -> tuple[Outcome, State, Entries]:
    """Runs a task; `state` (None before the first epoch) is left as it is.

    Args:
        known: other islands' new functions, of an earlier epoch.
        limits: until when its parts may begin.

    Returns:
        The outcome, the state after it, and the functions new to the island's cache.
    """
    if state is None:
        state = init(operators.problem)
    state = replace(state, texts=state.texts.copy(), functions=state.functions.copy())
    state = admit(operators, state, task.immigrants, known)
    found: list[Entries] = []
    spent: dict[str, float] = {}
    for _ in range(task.generations):
        state, info = step(operators, task.island, state)
        found.append(info.found)
        spent = {name: spent.get(name, 0.0) + s for name, s in info.seconds.items()}
        if time.monotonic() >= limits.generations:
            break
    entries = Entries(
        *(np.concatenate([getattr(e, n) for e in found]) for n in ("fingerprint", "check", "ops", "score"))
    )
    least = sum(spent.values()) / len(found)
    began = time.monotonic()
    news, state = emigrate(operators, state, limits.polishing)
    spent["emigrate"] = time.monotonic() - began
    outcome = Outcome(
        task.island,
        task.epoch,
        state.generation,
        news,
        state.counts,
        state.functions.used,
        spent,
        least,
    )
    return outcome, state, entries


class IslandHost:
    """A process that runs islands: compiled code and sampled points stay loaded between epochs."""

    def __init__(self, problem: Problem) -> None:
        self._members = Members(problem)
        self._problem = problem
        self._own: dict[int, Operators] = {}
        self._spent: dict[int, dict[str, float]] = {}

    def run(self, task: Task, state: State | None, *known: Entries) -> tuple[Outcome, State, Entries]:
        """Runs a task on the island's state; see `run_epoch`. Emigrants are polished here, where they are."""
        limits = self._limits(task)
        outcome, after, found = run_epoch(self.operators(task.island), task, state, known, limits)
        began = time.monotonic()
        members = self._members.of(outcome.emigrants, limits.members)
        took = time.monotonic() - began
        spent = self._spent[task.island] = {**outcome.spent, "members": took}
        return replace(outcome, members=members, spent=spent, least=outcome.least + took), after, found

    def _limits(self, task: Task) -> Limits:
        """A task's limits: what follows the generations takes as long as in the island's last epoch.

        In its first epoch here, which may be of an island that was resumed, three quarters of the time.
        """
        if task.seconds is None:
            return NO_LIMITS
        unknown = {"members": task.seconds / 2, "emigrate": task.seconds / 4}
        last = self._spent.get(task.island, unknown)
        end = time.monotonic() + task.seconds
        polishing = end - last["members"]
        return Limits(polishing - last["emigrate"], polishing, end)

    def operators(self, island: int) -> Operators:
        """An island's operators; islands of equal problems share theirs."""
        if island not in self._own:
            problem = self._problem.of_island(island)
            equal = (own for own in self._own.values() if own.problem == problem)
            self._own[island] = next(equal, None) or Operators(problem)
        return self._own[island]
