"""Searches that begin with formulas from elsewhere."""

import json
import re

import numpy as np
import pytest

import evo
from evo.api import front as front_of
from evo.fronts.front import Front, FrontError
from evo.islands.deep import deepen
from evo.runs.archipelago import Archipelago
from evo.runs.search import Search, make_problem
from evo.runs.seeds import read_seeds, seed_pool
from evo.runs.sources import load_source
from evo.runs.spec import make_spec
from evo.targets.making import make_target
from records import F2, F3, F5
from searches import SMALL, evonum_here

QUICK = {**SMALL, "max_ops": 5, "workers": "serial", "record": False, "islands": 1, "generations": 1}
QUICK_WORDS = ["--generations", "1", "--islands", "1", "--workers", "serial", "--no-record"]
LONG = """# target: exp2
# c1 = 0.02
# c2 = 0.05
# c3 = 0.24
# c4 = 0.69
# c5 = 1
v1 = c1 * x
v2 = v1 + c2
v3 = v2 * x
v4 = v3 + c3
v5 = v4 * x
v6 = v5 + c4
v7 = v6 * x
v8 = v7 + c5
"""
"""Of 8 operations, more than a generation from empty code finds."""


def problem(**entries):
    return make_problem(make_spec({**SMALL, **entries}).settled())


def test_seeds_are_members_of_the_first_population_and_the_front_is_never_worse(in_tmp):
    (in_tmp / "long.txt").write_text(LONG)
    without = evo.search(**{**QUICK, "max_ops": 8, "offspring": 8}, out="a")
    assert max(m.ops for m in without) < 8
    found = evo.search(**{**QUICK, "max_ops": 8, "offspring": 8}, seeds="long.txt", out="b")
    assert f"{found.best(ops=8).sampled_error:.1e}" == "2.6e-06"  # the best polynomial of degree 4
    state = Search.resume(in_tmp / "b", {}).archipelago.islands[0].handle
    assert 8 in state.archive.cost
    assert 8 not in Search.resume(in_tmp / "a", {}).archipelago.islands[0].handle.archive.cost


def test_a_result_says_that_seeds_were_given_and_which(in_tmp):
    (in_tmp / "some.json").write_text(json.dumps([F3, F5]))
    evo.search(**QUICK, seeds="some.json", out="s")
    assert json.loads((in_tmp / "s" / "spec.json").read_text())["seeds"] == "some.json"
    assert Front.load(in_tmp / "s" / "seeds.json") == Front.from_objects([F3, F5])
    source = load_source("s", None)
    assert "--seeds some.json" in source.origin(source.front[0]).search
    (in_tmp / "some.json").unlink()
    assert len(evo.resume("s", workers="serial", record=False, generations=2)) > 0


def test_without_seeds_there_is_no_word_of_them(in_tmp):
    evo.search(**QUICK, out="s")
    assert not (in_tmp / "s" / "seeds.json").exists()
    source = load_source("s", None)
    assert "seeds" not in source.origin(source.front[0]).search


def test_the_front_of_a_search_directory_and_a_text_are_seeds(in_tmp):
    evo.search(**QUICK, out="s")
    assert read_seeds(in_tmp / "s") == front_of("s")
    (in_tmp / "long.txt").write_text(LONG)
    assert [m.ops for m in read_seeds(in_tmp / "long.txt")] == [8]


def test_a_seed_is_canonical_and_polished_for_the_target_of_the_search():
    ((member,), pool) = Front.from_objects([F3]), seed_pool(Front.from_objects([F3]), problem())
    assert pool.cost.tolist() == [3]
    assert pool.error[0] == pytest.approx(8.6724e-4, rel=1e-4)
    other = seed_pool(Front((member,)), problem(target="exp"))
    again = deepen(make_target("exp"), other.batch, other.cost, other.fingerprint, 0.0)
    assert other.error[0] == pytest.approx(again.error[0], rel=1e-6)


def test_every_island_hears_of_the_seeds_once():
    pool = seed_pool(Front.from_objects([F2]), problem())
    them = Archipelago(2, 3, 9, 6, seeds=pool)
    for island in range(2):
        task, _, _ = them.start(island, None)
        np.testing.assert_array_equal(task.immigrants.fingerprint, pool.fingerprint)
        them.withdraw(island)
    them.islands[0].epochs = 1
    assert len(them.start(0, None)[0].immigrants) == 0


NO_SEEDS: dict[str, tuple[str, dict[str, object], str]] = {
    "no file": ("none.txt", {}, r"There is no file 'none.txt'"),
    "an empty front": ("empty.json", {}, r"no formulas to begin with"),
    "other ops": ("f3.json", {"ops": "+ *"}, r"uses div, sub, which the search's --ops do not have"),
    "too large": ("f5.json", {"max_ops": 4}, r"has 5 ops and 4 constants, too many for --max-ops 4"),
    "no number": ("nan.json", {}, r"is no function with these constants"),
    "a division by zero": ("zero.json", {}, r"is no function with these constants"),
    "a pole": ("pole.json", {}, r"No seed has a finite error of exp2 on \(0, 1\)"),
    "junk": ("junk.txt", {}, r"."),
}


@pytest.mark.parametrize("name", NO_SEEDS)
def test_what_no_search_can_begin_with_is_one_line(name, in_tmp):
    file, changes, reason = NO_SEEDS[name]
    zero = F2 | {"program": "v1 = c1 / c2\nv2 = v1 * x", "ops": 1, "constants": ["1", "0"]}
    pole = F2 | {"program": "v1 = x - x\nv2 = c1 / v1", "constants": ["1"]}
    nan = F2 | {"constants": ["nan", "1"]}
    known = {"f3.json": [F3], "f5.json": [F5], "empty.json": [], "nan.json": [nan], "zero.json": [zero]}
    for one, members in {**known, "pole.json": [pole]}.items():
        (in_tmp / one).write_text(json.dumps(members))
    (in_tmp / "junk.txt").write_text("\0junk")
    words = [word for key, value in changes.items() for word in (f"--{key.replace('_', '-')}", value)]
    done = evonum_here("search", "exp2", "--seeds", file, *words, "--out", "s", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert re.search(reason, done.stderr)
    assert not (in_tmp / "s").exists()


def test_of_several_seeds_those_that_the_search_takes_are_taken_and_that_is_said(in_tmp):
    (in_tmp / "some.json").write_text(json.dumps([F2, F3, F5]))
    few = [*QUICK_WORDS, "--max-ops", "3"]
    done = evonum_here("search", "exp2", "--seeds", "some.json", *few, "--out", "s", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert "begins with 2 of 3 formulas of some.json. The seed" in done.stdout
    assert "too many for --max-ops 3" in done.stdout
    assert Front.load(in_tmp / "s" / "seeds.json") == Front.from_objects([F2, F3])


def test_python_says_it_as_an_error(in_tmp):
    with pytest.raises(FrontError, match="There is no file"):
        evo.search("exp2", seeds="none.txt")
