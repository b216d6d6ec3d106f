"""What a cluster loses, the search makes again from its last checkpoint, and the front never changes."""

import threading
import time
from itertools import count, pairwise
from math import inf
from types import SimpleNamespace

import pytest

from evo.runs.checkpoint import load
from evo.runs.evolution import evolve
from evo.runs.retreat import TRIES
from evo.runs.search import Search
from evo.runs.spec import make_spec
from evo.runs.workers import LostError, RayWorkers, SerialWorkers, WorkersError
from searches import SMALL, without_times


class Losing(SerialWorkers):
    """A cluster whose nodes die, in this process.

    Args:
        collects: the calls of `collect` that find one dead, from 1.
        fetches: the calls of `fetch` that find a value lost, from 1.
    """

    def __init__(self, problem, collects=(), fetches=()):
        super().__init__(problem)
        self._collects, self._fetches = collects, fetches
        self._collect, self._fetch = count(1), count(1)
        self.restarts = 0

    def collect(self, timeout):
        if next(self._collect) in self._collects:
            raise LostError("A node died.")
        return super().collect(timeout)

    def fetch(self, handle):
        if next(self._fetch) in self._fetches:
            raise LostError("A value is lost.")
        return super().fetch(handle)

    def restart(self):
        self.restarts += 1
        super().restart()


def run(directory, losing=lambda problem: SerialWorkers(problem), **entries):
    """A small search; its front, what it told, its workers."""
    search = Search(make_spec({**SMALL, "generations": 12, "save_every": 0, **entries}), directory)
    search.make_directory()
    told: list[str] = []
    _, status = evolve(search, workers := losing(search.problem), warn=told.append)
    assert status == "FINISHED"
    return without_times(directory / "front.json"), told, workers


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"))[0]


@pytest.mark.parametrize("calls", [{1}, {2}, {3, 4}, {7}, {10}, range(1, 40, 8)])
def test_a_node_that_dies_changes_nothing(tmp_path, undisturbed, calls):
    front, told, workers = run(tmp_path, lambda problem: Losing(problem, collects=calls))
    assert front == undisturbed
    assert len(told) == workers.restarts >= 1
    assert all(line.startswith("A node died. Going back from ") for line in told)
    assert {island["epochs"] for island in load(tmp_path / "checkpoint.npz")[0]["islands"]} == {5}


def test_a_checkpoint_damaged_when_it_is_needed_starts_the_islands_over(tmp_path, undisturbed):
    class Damaging(Losing):
        def collect(self, timeout):
            try:
                return super().collect(timeout)
            except LostError:
                (tmp_path / "checkpoint.npz").write_bytes(b"PK torn")
                raise

    front, told, _ = run(tmp_path, lambda problem: Damaging(problem, collects={9}), save_every=1000)
    assert front == undisturbed
    assert "checkpoint.npz cannot be read" in told[0]
    assert "Going back from 20 generations to the 0 of" in told[1]


def test_what_was_found_since_the_checkpoint_stays_in_the_front(tmp_path):
    search = Search(make_spec({**SMALL, "generations": 12, "save_every": 1000}), tmp_path)
    search.make_directory()
    seen = []
    evolve(
        search,
        Losing(search.problem, collects={9}),
        on_progress=lambda now: seen.append((now.generations, now.front)),
    )
    (had, before), (done, after) = next(p for p in pairwise(seen) if p[1][0] < p[0][0])
    assert (had, done) == (20, 2), "from the eighth epoch's end to the first's"
    assert all(after.best(ops=m.ops).sampled_error <= m.sampled_error for m in before)


def test_a_checkpoint_beside_the_search_that_misses_a_value_is_left_out(tmp_path, undisturbed):
    class Slow(SerialWorkers):
        missed = 0

        def fetch(self, handle):
            if threading.current_thread() is not threading.main_thread():
                self.missed += 1
                raise LostError("It does not come.")
            return super().fetch(handle)

    front, told, workers = run(tmp_path, Slow)
    assert (front, told) == (undisturbed, [])
    assert workers.missed > 1
    assert {island["epochs"] for island in load(tmp_path / "checkpoint.npz")[0]["islands"]} == {5}


@pytest.mark.parametrize("call", [1, "last"])
def test_values_that_the_first_or_the_last_checkpoint_misses_are_made_again(tmp_path, undisturbed, call):
    class Counting(Losing):
        def fetch(self, handle):
            self.fetched = next(self._fetch)
            return handle

    entries = {"save_every": 1000}  # no checkpoints but the first and the last
    if call == "last":
        _, _, workers = run(tmp_path / "counted", Counting, **entries)
        call = workers.fetched
    front, told, _ = run(tmp_path / "s", lambda problem: Losing(problem, fetches={call}), **entries)
    assert front == undisturbed
    assert len(told) == 1
    assert told[0].startswith("A value is lost. Going back from ")


def test_what_is_lost_again_and_again_ends_the_search_and_keeps_everything(tmp_path, undisturbed):
    told: list[str] = []
    search = Search(make_spec({**SMALL, "generations": 12, "save_every": 1000}), tmp_path)
    search.make_directory()
    with pytest.raises(WorkersError, match=rf"went back {TRIES} times to one.*--resume") as error:
        evolve(search, Losing(search.problem, collects=range(7, 1000)), warn=told.append)
    assert "\n" not in str(error.value)
    assert len(told) == TRIES
    resumed = Search.resume(tmp_path, {})
    evolve(resumed, SerialWorkers(resumed.problem))
    assert without_times(tmp_path / "front.json") == undisturbed


def test_a_time_budget_that_is_over_when_a_node_dies_is_not_spent_again(tmp_path):
    search = Search(make_spec({**SMALL, "time": 0.5, "save_every": 1000}), tmp_path)
    search.make_directory()

    class AtTheEnd(Losing):
        def fetch(self, handle):
            if (tmp_path / "checkpoint.npz").exists() and not self.restarts:  # the first one is there
                raise LostError("A value is lost.")
            return handle

    told: list[str] = []
    front, status = evolve(search, workers := AtTheEnd(search.problem), warn=told.append)
    assert (len(front) > 0, status, workers.restarts, len(told)) == (True, "FINISHED", 1, 1)
    load(tmp_path / "checkpoint.npz")


def test_a_dead_node_is_of_no_account_while_outcomes_come():
    """It may have held nothing of this search: clusters that others use shrink, too."""
    workers = RayWorkers.__new__(RayWorkers)
    workers._ray = SimpleNamespace(nodes=lambda: [{"NodeID": "gone", "Alive": False}])
    workers._gone, workers._looked, workers._heard = set(), -inf, time.monotonic()
    workers._look()
    workers._heard, workers._looked = -inf, -inf
    with pytest.raises(LostError, match="A node of the cluster died"):
        workers._look()
    workers._gone, workers._looked = {"gone"}, -inf
    workers._look()
