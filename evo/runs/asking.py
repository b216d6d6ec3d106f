"""The end of a search in floats: every input is asked, and what breaks requirements is mended or left out.

A search sees some inputs of float32, of which few may break what is required. Those that do are given back,
with others of their octaves: constants are finished once more where those count, of the member, then of what
the islands have of its size, and every input is asked again, as long as there is time for that.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from evo.exports.check import Checked, check
from evo.exports.unmet import Unmet, unmet
from evo.floats.goal import FloatGoal
from evo.floats.required import Required
from evo.fronts.front import Front, Member
from evo.islands.members import Members
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.programs.batch import Batch

SHARE = 0.25
"""Of a search's time, that is kept for mending."""
_TRIES, _CANDIDATES = 2, 6
"""Times that a candidate's constants are finished, and candidates of a size."""
_AROUND, _MOST = 1 << 14, 1 << 17
"""Inputs that are looked at beside those that break something, and most of all of them."""
_OFTEN = 5.0
"""How long nothing is said [s]."""


class Asking:
    """Asks members every input.

    Args:
        problem: of the search, in floats.
        says: is told how it goes, a line each.
        archives: what the islands have.
        seconds: for mending [s].
    """

    def __init__(
        self,
        problem: Problem,
        says: Callable[[str], None],
        archives: Callable[[], Sequence[Pool]] = tuple,
        seconds: float = 0.0,
    ) -> None:
        assert problem.goal is not None
        self._problem, self._goal, self._says = problem, problem.goal, says
        self._archives, self._left = archives, seconds
        self._members = Members(problem)
        self._broken = _Broken(problem.goal)

    def asked(self, front: Front) -> Front:
        """The front with errors of every input; what does not satisfy what is required is said."""
        if not len(front):
            return front
        n, began = len(front), time.monotonic()
        said = began
        self._says(f"Asking {n} functions every input of {self._goal.dtype} ...")
        kept = list[Member]()
        for k, member in enumerate(front, 1):
            one = check(member, ways=False)
            if one.unmet:
                least = min((m.sampled_error for m in kept), default=np.inf)
                one = self._mended(one, least) or one
            if one.unmet:
                self._says(f"Left out: {one.member.ops} ops, {one.unmet[0]}")
            else:
                kept.append(one.measured)
            if k < n and (now := time.monotonic()) - said > _OFTEN:
                left = (now - began) / k * (n - k)
                self._says(f"{k} of {n} asked in {now - began:.0f} s, about {left:.0f} s left")
                said = now
        return Front.of(kept)

    def _mended(self, one: Checked, least: float) -> Checked | None:
        """A function of the same size that satisfies what is required, if one is found in time.

        Args:
            least: error of a smaller one, of no use above.
        """
        if not len(one.broken) or self._left <= 0:
            return None
        began, member = time.monotonic(), one.member
        until = began + self._left
        most = f", {self._left:.0f} s at most" if self._left < np.inf else ""
        self._says(f"{member.ops} ops: {one.unmet[0]}; given back to the constants{most}")
        self._broken.learn(one.broken)
        found = None
        for candidate in self._candidates(member, least):
            found = self._satisfying(candidate, least, until)
            if found or time.monotonic() >= until:
                break
        self._left -= time.monotonic() - began
        return check(found, ways=False) if found else None

    def _candidates(self, member: Member, least: float) -> Iterator[Pool]:
        """The member, then what the islands have of its size: what breaks least, then the smallest errors."""
        numbers = [float.fromhex(text) for text in member.constants]
        own = Batch.of([member.code], [numbers], max(self._problem.variation.max_ops, 2))
        yield _pool(self._problem, own)
        pool = Pool.concatenate([Pool.empty(own.width), *self._archives()])
        pool = pool.take(np.flatnonzero((pool.batch.ops == member.ops) & (pool.error < least))).distinct()
        broken = self._broken.required.broken(self._goal.rounded(pool.batch)).sum(axis=1)
        for row in np.lexsort((pool.error, broken))[:_CANDIDATES]:
            yield pool.take([row])

    def _satisfying(self, candidate: Pool, least: float, until: float) -> Member | None:
        """The candidate with constants that satisfy what is required, if there are any."""
        for _ in range(_TRIES):
            if time.monotonic() >= until:
                break
            made = self._members.again(candidate, self._broken.required, until)
            if not made.sampled_error < least:
                break
            found: Unmet = unmet(made, self._goal)
            if not found.lines:
                return made
            if not len(found.inputs):
                break
            self._broken.learn(found.inputs)
        return None


class _Broken:
    """Inputs at which something was broken, and some of their octaves."""

    def __init__(self, goal: FloatGoal) -> None:
        self._goal, self._x, self._rng = goal, np.zeros(0), np.random.default_rng(3)
        self.required: Required = goal.required

    def learn(self, x: np.ndarray) -> None:
        """Takes further inputs."""
        size = np.abs(x)
        octaves = np.unique(np.copysign(np.exp2(np.floor(np.log2(size[size > 0]))), x[size > 0]))
        fmt, span = self._goal.arithmetic.gives, self._goal.ends
        around = np.repeat(octaves, _AROUND // max(len(octaves), 1))
        around = (around * (1 + self._rng.random(len(around)))).astype(fmt.type).astype(float)
        around = around[(around > span[0]) & (around < span[1])]
        self._x = np.unique(np.concatenate([self._x, x, around]))
        if len(self._x) > _MOST:
            self._x = np.sort(self._rng.choice(self._x, _MOST, replace=False))
        self.required = self._goal.required_also_at(self._x)


def _pool(problem: Problem, one: Batch) -> Pool:
    """A candidate of which no more is known."""
    none = np.zeros(1)
    key = np.zeros(1, np.uint64)
    return Pool(one, np.zeros_like(one.constants), problem.costs(one), none, none, key, key, none)
