"""A session's clock: what it counts, and that epochs sized by it end with the budget."""

from math import inf
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evo.runs.clock as module
from evo.islands.epoch import NO_LIMITS, IslandHost, Limits, Task, run_epoch
from evo.islands.pool import Pool
from evo.runs.clock import Clock
from evo.runs.evolution import evolve
from evo.runs.search import Search, make_problem
from evo.runs.spec import make_spec
from evo.runs.workers import SerialWorkers
from searches import SMALL

PROBLEM = make_problem(make_spec(SMALL).settled())


@pytest.fixture
def now(monkeypatch):
    """The time [s], as the session's clock reads it: a list of one number."""
    moment = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    return moment


SHARES = st.lists(st.floats(0, 1), min_size=1)


@given(st.floats(1, 1e4), st.sampled_from([1, 2]), st.floats(0.01, 0.3), SHARES)
def test_epochs_that_keep_their_limits_end_with_the_budget(budget, ahead, part, shares):
    """One process that is given `ahead` epochs; each takes a share of its limit, but at least `least`."""
    least, moment, queue, turn = part * budget, 0.0, [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: moment))
        clock = Clock(budget, ahead)
        clock.start()
        while not clock.is_over:
            while len(queue) < ahead and clock.allows(least if turn else 0.0, len(queue)):
                queue.append(max(least, shares[turn % len(shares)] * clock.limit()))
                turn += 1
            if not queue:
                break
            moment += queue.pop(0)
        moment += sum(queue)
    assert moment <= 1.000001 * budget + least * (ahead - 0.5)
    assert moment >= budget - 1.01 * least * ahead


def test_without_a_budget_nothing_is_limited():
    clock = Clock(None, 2)
    clock.start()
    assert clock.allows(inf, 1)
    assert not clock.is_over
    assert clock.limit() is clock.left is None


def test_the_start_of_processes_and_proofs_are_no_search_time(tmp_path, now):
    class Slow(SerialWorkers):
        starting = 5

        def waiting(self):
            if self.starting:
                now[0] += 1000.0
                self.starting -= 1
                return range(SMALL["islands"])
            now[0] += 0.25
            return ()

        def collect(self, timeout):
            return () if self.starting else super().collect(timeout)

    class Proving(Search):
        def prove(self, *how):
            now[0] += 1000.0
            return super().prove(*how)

    search = Proving(make_spec({**SMALL, "time": 2}), tmp_path)
    search.make_directory()
    _, status = evolve(search, Slow(search.problem))
    assert status == "FINISHED"
    assert 2 <= search.seconds < 3


def test_an_epoch_whose_time_is_over_runs_one_generation_and_polishes_its_first_for_the_others():
    task = Task(1, 0, 4, Pool.empty(SMALL["max_ops"]), None)
    own = IslandHost(PROBLEM).operators(1)
    assert own.problem.home
    outcome, after, _ = run_epoch(own, task, None, (), Limits(-inf, -inf))
    assert outcome.generation == 1
    assert outcome.least > 0
    assert len(outcome.emigrants) == 1
    tried = len(after.tried)
    outcome, after, _ = run_epoch(own, task, None, (), NO_LIMITS)
    assert outcome.generation == 4
    assert len(outcome.emigrants) <= len(after.tried)
    assert len(after.tried) > tried


def test_generations_leave_time_for_what_followed_them_in_the_epoch_before():
    host = IslandHost(PROBLEM)
    task = Task(1, 0, 1, Pool.empty(SMALL["max_ops"]), None)
    outcome, _, _ = host.run(task, None)
    assert outcome.least > outcome.spent["members"] > 0
    later = host._limits(Task(1, 1, 1, task.immigrants, 50.0))
    assert later.polishing - later.generations == pytest.approx(outcome.spent["emigrate"])
    first = host._limits(Task(0, 0, 1, task.immigrants, 50.0))
    assert first.polishing - first.generations == pytest.approx(12.5)
    assert host._limits(task) == NO_LIMITS
