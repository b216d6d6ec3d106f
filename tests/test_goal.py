"""A search ends once it reached an error, and one that is resumed may take larger programs."""

import json
import re

import numpy as np
import pytest

import evo
from evo.fronts.front import Front
from evo.islands.pool import Pool
from evo.islands.state import init, widened
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.runs.goal import PATIENCE, Goal
from evo.runs.search import Search
from evo.runs.spec import SpecError, make_spec
from records import F2, F3, F5
from searches import SMALL, evonum, write_spec

FRONT = Front.from_objects([F2, F3, F5])
QUICK = {**SMALL, "workers": "serial", "record": False}


def test_without_an_error_or_before_it_is_reached_a_search_goes_on():
    assert not Goal(None, 2).is_reached(FRONT, 10**9)
    assert not Goal(1e-9, 2).is_reached(FRONT, 10**9)
    assert not Goal(1e-3, 2).is_reached(Front(()), 10**9)


def test_a_reached_error_is_given_as_long_again_for_a_smaller_formula():
    goal = Goal(1e-2, 2)
    assert not goal.is_reached(Front.from_objects([F5]), 1000)
    assert not goal.is_reached(Front.from_objects([F5]), 1999)
    assert not goal.is_reached(FRONT, 1999)  # of 3 ops now
    assert not goal.is_reached(FRONT, 3997)
    assert goal.is_reached(FRONT, 3998)


def test_an_error_that_is_reached_at_once_is_no_end_at_once():
    goal = Goal(1.0, 4)
    assert [goal.is_reached(FRONT, n) for n in (1, 4 * PATIENCE, 4 * PATIENCE + 1)] == [False, False, True]


def test_a_search_with_an_error_ends_long_before_its_budget_and_says_so(in_tmp):
    spec = write_spec(in_tmp, error=5e-2, generations=100_000)
    done = evonum("search", "--spec", spec, "--workers", "serial", "--out", "s", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    front = Front.load(in_tmp / "s" / "front.json")
    best = front.best(error=5e-2)
    assert f"max error 0.05 is reached with {best.ops} ops" in done.stdout
    end = json.loads((in_tmp / "s" / "records.jsonl").read_text().splitlines()[-1])
    assert (end["status"], end["reason"]) == ("FINISHED", "error reached")
    assert json.loads((in_tmp / "s" / "spec.json").read_text())["error"] == 5e-2


def test_an_error_that_is_not_reached_is_told(in_tmp):
    spec = write_spec(in_tmp, generations=1, max_ops=2)
    done = evonum("search", "--spec", spec, "--max-error", "1e-9", "--workers", "serial", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert re.search(r"max error 1e-09 is not reached, the least is \d", done.stdout)


@pytest.mark.parametrize("error", [0, -1, "inf", "nan", "small", True])
def test_an_error_is_positive_and_finite(error):
    with pytest.raises(SpecError, match=r"^error: "):
        make_spec({"target": "exp2", "error": error})


def test_a_resumed_search_grows_with_a_larger_max_ops_and_keeps_what_it_had(in_tmp):
    small = evo.search(**{**QUICK, "max_ops": 3}, generations=12, out="s")
    assert max(m.ops for m in small) <= 3
    grown = evo.resume("s", workers="serial", record=False, max_ops=4, generations=16)
    assert max(m.ops for m in grown) > 3
    assert all(grown.best(ops=m.ops).sampled_error <= m.sampled_error for m in small)
    assert json.loads((in_tmp / "s" / "spec.json").read_text())["max_ops"] == 4
    assert max(m.ops for m in evo.resume("s", workers="serial", record=False, generations=17)) > 3


def test_fewer_ops_than_before_are_refused_in_one_line(in_tmp):
    evo.search(**QUICK, generations=1, out="s")
    done = evonum("search", "--resume", "s", "--max-ops", "3", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "evonum: --max-ops: s has programs of up to 4 ops, so 3 is too few" in done.stderr


def test_a_new_budget_replaces_the_old_one_and_its_error(in_tmp):
    evo.search(**QUICK, generations=1, error=1e-3, out="s")
    kept = Search.resume(in_tmp / "s", {"max_ops": 5}).spec
    assert (kept.generations, kept.error, kept.max_ops) == (1, 1e-3, 5)
    spent = Search.resume(in_tmp / "s", {"time": 5.0}).spec
    assert (spent.generations, spent.error, spent.time, spent.max_ops) == (None, None, 5.0, 4)


def test_a_wider_pool_holds_the_same_programs():
    batch = Batch.of([parse("v1 = c1 + x"), parse("v1 = c1 / x\nv2 = v1 - c2")], [[1.5], [2.5, 3.5]], 2)
    one, word = np.ones(2), np.ones(2, np.uint64)
    pool = Pool(batch, np.ones((2, 2)), batch.ops, one, one, word, word, one)
    wide = pool.widened(5)
    assert (wide.batch.width, wide.low.shape) == (5, (2, 5))
    for row in range(2):
        assert wide.batch.program(row) == batch.program(row)
        assert wide.decimals(row) == pool.decimals(row)
    assert Pool.concatenate([wide, Pool.empty(5)]).cost.tolist() == [1, 2]
    assert pool.widened(2) is pool
    state = widened(init(Search(make_spec(SMALL), None).problem), 9, 9)
    assert (state.archive.batch.width, state.population.batch.width, state.sent.shape) == (9, 9, (10,))
