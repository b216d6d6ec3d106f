"""Islands on a longer interval: which interval, what they send, what they make of what they are sent."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from evo import api
from evo.islands.archive import non_dominated
from evo.islands.exchange import admit, emigrate
from evo.islands.generation import step
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.islands.state import init
from evo.islands.stretch import POLISHES, RANKS, stretched, worth_polishing
from evo.kernels.vary import Variation
from evo.minimax.polish import polish
from evo.programs.batch import Batch
from evo.targets.making import make_target
from published import F5

EXP2 = make_target("exp2")


def problem(max_ops: int = 8, stretch: tuple[float, ...] = (1.0, 8.0)) -> Problem:
    return Problem(
        EXP2, Variation(("add", "sub", "mul", "div"), max_ops), 3, 512, 64, 8, 1 << 14, stretch=stretch
    )


@pytest.mark.parametrize(
    ("name", "interval", "metric", "factor", "expected"),
    [
        ("exp2", ("0", "1"), "relative", 8, (0, 8)),
        ("exp2", ("-1", "0"), "relative", 8, (-8, 0)),
        ("exp2", ("-1", "2"), "relative", 4, (-4, 8)),
        ("log2", ("1", "2"), "absolute", 8, (1, 9)),
        ("exp2", ("0", "1"), "relative", 1, (0, 1)),
    ],
)
def test_the_end_nearer_to_zero_stays(name, interval, metric, factor, expected):
    target = make_target(name, interval, metric)
    assert stretched(target, factor).ends == tuple(map(Fraction, expected))


def test_a_pole_or_a_zero_in_the_longer_interval_shortens_it():
    tan, sine = make_target("tan"), make_target("sin", ("0", "3"), "relative")
    assert 0.9 < float(stretched(tan, 8).ends[1]) < np.pi / 2
    assert 3 <= float(stretched(sine, 8).ends[1]) < np.pi
    assert stretched(make_target("1/(x-1.01)", ("0", "1")), 8).ends == (0, 1)


def test_a_zero_at_the_end_that_stays_is_no_reason_for_a_shorter_interval():
    longer = stretched(make_target("sin", ("pi", "3*pi/2"), "relative"), 1.5)
    assert longer.lo == "pi"
    assert float(longer.ends[1]) == pytest.approx(1.75 * np.pi)


def test_islands_take_the_lengths_in_turns():
    lengths = [float(problem().of_island(i).target.ends[1]) for i in range(4)]
    assert lengths == [1, 8, 1, 8]
    assert problem().of_island(0) is not problem().of_island(1)
    assert problem().of_island(1).home == EXP2
    assert problem().of_island(0).home is None


@pytest.fixture(scope="module")
def abroad():
    own = Operators(problem().of_island(1))
    state = init(own.problem)
    for _ in range(6):
        state, _ = step(own, 1, state)
    return own, state


def test_emigrants_have_their_error_on_the_targets_own_interval_and_are_told_once(abroad):
    own, state = abroad
    news, after = emigrate(own, state)
    assert len(news)
    for row in range(len(news)):
        again = polish(news.batch.program(row), news.decimals(row), EXP2)
        assert again.error == pytest.approx(news.error[row], rel=1e-4)
    assert len(non_dominated(news)) == len(news)
    assert 0 < len(after.tried) <= POLISHES
    later, last = emigrate(own, after)
    assert not set(later.fingerprint.tolist()) & set(news.fingerprint.tolist())
    assert len(set(last.tried.tolist())) == len(last.tried)


def test_immigrants_are_fitted_on_the_islands_own_interval(abroad):
    own, state = abroad
    program, constants = F5
    batch = Batch.of([program], [[float(c) for c in constants]], state.population.batch.width)
    one = replace(
        state.archive.take([0]),
        batch=batch, low=np.zeros_like(batch.constants), cost=batch.ops, error=np.array([6.4e-6]),
        fingerprint=np.array([77], np.uint64),
    )  # fmt: skip
    empty = init(own.problem)
    after = admit(own, empty, one, [])
    assert after.sent[5] == 6.4e-6
    assert 6.4e-6 < after.archive.error[after.archive.fingerprint == 77][0] < 1
    assert (after.archive.batch.constants != batch.constants).any()


def test_only_the_best_is_polished_where_float64_ranks_well_at_home(abroad):
    own, state = abroad
    known = np.full(own.problem.variation.max_ops + 1, 1e-3)
    none = np.zeros(0, np.uint64)
    rows = worth_polishing(state.archive, known, none, 1.0)
    assert len(rows) == len(np.unique(state.archive.cost)) == len(np.unique(state.archive.cost[rows]))
    known[:] = 1e-14
    rows = worth_polishing(state.archive, known, none, 1.0)
    assert len(rows) == POLISHES
    assert max(np.unique(state.archive.cost[rows], return_counts=True)[1]) <= RANKS
    rest = worth_polishing(state.archive, known, state.archive.fingerprint[rows], 1.0)
    assert not set(rest.tolist()) & set(rows.tolist())


def test_an_island_whose_time_is_over_still_sends_its_first_candidate_and_no_further_one(abroad):
    own, state = abroad
    news, after = emigrate(own, state, until=0.0)
    assert len(news) == 1
    assert np.isfinite(news.error).all()
    later, last = emigrate(own, after, until=0.0)
    assert len(later) == 0
    assert np.array_equal(last.tried, after.tried)


@pytest.mark.parametrize(
    ("given", "islands"),
    [({}, 2), ({"stretch": (1.0, 4.0, 8.0)}, 3), ({"stretch": (1.0,)}, 1), ({"islands": 3}, 3)],
)
def test_a_search_in_one_process_has_an_island_for_each_length_on_any_machine(
    tmp_path, monkeypatch, given, islands
):
    monkeypatch.setattr("evo.runs.spec.os.cpu_count", lambda: 16)
    entries = {"max_ops": 2, "generations": 1, "offspring": 64, **given}
    api.search("exp2", workers="serial", record=False, out=tmp_path / "s", **entries)
    assert json.loads((tmp_path / "s" / "spec.json").read_text())["islands"] == islands
