"""A front.json is measured when a search is resumed, not believed; pipes are no files."""

import json
import os
from dataclasses import replace

import pytest

from evo.fronts.front import Front, FrontError
from evo.runs.checkpoint import CheckpointError, load
from evo.runs.evolution import evolve
from evo.runs.news import news
from evo.runs.search import Search
from evo.runs.spec import make_spec
from evo.runs.workers import SerialWorkers
from searches import SMALL


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("searched")
    search = Search(make_spec({**SMALL, "max_ops": 5, "generations": 12}), directory)
    search.make_directory()
    evolve(search, SerialWorkers(search.problem))
    return search


def forge(searched, tmp_path, **changes):
    """A copy of the search whose front.json holds one member with these changes; the member as it was."""
    for name in ("spec.json", "checkpoint.npz"):
        os.link(searched.directory / name, tmp_path / name)
    true = searched.front.best(ops=5)
    Front((replace(true, **changes),)).save(tmp_path / "front.json")
    return true


@pytest.mark.parametrize("bound", [None, 1e-12])
def test_a_member_that_understates_its_error_removes_no_better_one(searched, tmp_path, bound):
    forge(searched, tmp_path, sampled_error=1e-12, proved_bound=bound)
    resumed = Search.resume(tmp_path, {})
    before = [(m.ops, m.program) for m in searched.front]
    assert [(m.ops, m.program) for m in resumed.front] == before
    for kept, was in zip(resumed.front, searched.front, strict=True):
        assert kept.sampled_error == pytest.approx(was.sampled_error, rel=1e-3)
    assert len(resumed.remarks) == 1
    assert "the member of 5 ops says its error is 1e-12; it is" in resumed.remarks[0]
    told: list[str] = []
    evolve(resumed, SerialWorkers(resumed.problem), warn=told.append)
    assert told == list(resumed.remarks)


def test_a_better_member_is_kept_with_the_error_that_it_has(searched, tmp_path):
    true = forge(searched, tmp_path)
    weak = Front(tuple(m for m in searched.front if m.ops < 3))
    found, remarks = news(tmp_path / "front.json", searched.problem.target, weak)
    assert [m.constants for m in found] == [true.constants]
    assert (found[0].sampled_error, found[0].proved_bound) == (true.sampled_error, None)
    assert not remarks


def test_constants_that_are_none_are_left_out_with_a_word(searched, tmp_path):
    forge(searched, tmp_path, sampled_error=1e-12, constants=("nan",))
    resumed = Search.resume(tmp_path, {})
    assert len(resumed.front) == len(searched.front)
    assert "left out" in resumed.remarks[0]


def test_members_of_another_target_are_no_news(searched, tmp_path):
    forge(searched, tmp_path, sampled_error=1e-12, target="sin")
    assert Search.resume(tmp_path, {}).remarks == ()


def test_a_front_that_is_none_leaves_the_checkpoints(searched, tmp_path):
    forge(searched, tmp_path)
    (tmp_path / "front.json").write_text(json.dumps([{"ops": -1}]))
    resumed = Search.resume(tmp_path, {})
    assert len(resumed.front) == len(searched.front)
    assert "is no front" in resumed.remarks[0]


@pytest.mark.parametrize(("name", "error"), [("front.json", FrontError), ("checkpoint.npz", CheckpointError)])
def test_a_pipe_is_refused_at_once(tmp_path, name, error):
    os.mkfifo(tmp_path / name)
    with pytest.raises(error, match="no regular file"):
        (Front.load if name == "front.json" else load)(tmp_path / name)
