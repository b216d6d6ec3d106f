"""Searches in this process: reproducible, resumable, and their directory's files."""

import errno
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import evo
from evo.fronts.front import Front
from evo.runs import checkpoint
from evo.runs.checkpoint import CheckpointError
from evo.runs.directory import DirectoryError, locked
from evo.runs.evolution import evolve
from evo.runs.search import Search
from evo.runs.spec import make_spec
from evo.runs.workers import SerialWorkers
from searches import SMALL, without_times


class Records(list):
    def write(self, record):
        self.append(json.loads(json.dumps(record, allow_nan=False)))


def search(directory: Path, should_stop=lambda: False, sink=None, **entries):
    made = Search(make_spec({**SMALL, "generations": 12, **entries}), directory)
    made.refuse_if_taken()
    made.make_directory()
    return made, *evolve(made, SerialWorkers(made.problem), sink, should_stop=should_stop)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[dict[str, object]]:
    directory = tmp_path_factory.mktemp("whole") / "s"
    search(directory)
    return without_times(directory / "front.json")


def stop_after(calls):
    left = iter(range(calls, -1, -1))
    return lambda: next(left, 0) == 0


def test_the_same_seed_gives_the_same_front_and_another_seed_another(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        search(tmp_path / name, seed=seed)
    a, b, c = (without_times(tmp_path / name / "front.json") for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("calls", [1, 3, 5])
def test_stopped_and_resumed_equals_undisturbed(tmp_path, undisturbed, calls):
    _, _, status = search(tmp_path / "halves", stop_after(calls))
    assert status == "KILLED"
    resumed = Search.resume(tmp_path / "halves", {})
    _, status = evolve(resumed, SerialWorkers(resumed.problem))
    assert status == "FINISHED"
    assert without_times(tmp_path / "halves" / "front.json") == undisturbed


def test_resuming_with_more_generations_never_worsens_the_front(tmp_path):
    _, before, _ = search(tmp_path / "s")
    resumed = Search.resume(tmp_path / "s", {"generations": 18})
    after, _ = evolve(resumed, SerialWorkers(resumed.problem))
    for member in before:
        assert after.best(ops=member.ops).sampled_error <= member.sampled_error


def test_a_time_budget_stops_at_a_generations_end(tmp_path):
    _, front, status = search(tmp_path / "s", generations=None, time=0.5)
    assert status == "FINISHED"
    assert len(front) > 0


def test_records_tell_the_whole_search(tmp_path):
    records = Records()
    _, front, _ = search(tmp_path / "s", sink=records)
    kinds = [record["kind"] for record in records]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert records[-1]["status"] == "FINISHED"
    assert {"metrics", "front"} <= set(kinds)
    assert records[-1]["final"]["final/error_ops_03"] == front.best(ops=3).sampled_error
    files = records[-1]["files"]["3"]
    assert json.loads(files["certificate.json"])["bound"] == str(front.best(ops=3).proved_bound)
    assert "double exp2_ops03(double x)" in files["exp2_ops03.h"]
    last = [r for r in records if r["kind"] == "metrics"][-1]["values"]
    assert (
        last["search/made"]
        == sum(
            last[f"search/{name}"]
            for name in (
                "invalid",
                "too_large",
                "seen_text",
                "undefined",
                "redundant",
                "seen_function",
                "fitted",
                "settled",
            )
        )
        - last["search/audited"]
    )


def test_a_directory_holds_one_search(tmp_path):
    search(tmp_path / "s", generations=3)
    with pytest.raises(DirectoryError, match=r"holds a search already.*--resume"):
        search(tmp_path / "s")
    with (
        locked(tmp_path / "s"),
        pytest.raises(DirectoryError, match="Another process"),
        locked(tmp_path / "s"),
    ):
        pass


def test_an_unwritable_directory_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match="cannot be kept"):
        search(tmp_path / "file" / "s")


def test_a_disk_that_fills_up_loses_nothing(tmp_path, undisturbed, monkeypatch):
    made = Search(make_spec({**SMALL, "generations": 12, "save_every": 0}), tmp_path / "s")
    made.make_directory()
    saves = 0

    def full(*args):
        nonlocal saves
        saves += 1
        if saves > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    records = Records()
    with pytest.raises(OSError, match="No space"):
        evolve(made, SerialWorkers(made.problem), records)
    monkeypatch.undo()
    assert records[-1]["status"] == "FAILED"
    resumed = Search.resume(tmp_path / "s", {})
    evolve(resumed, SerialWorkers(resumed.problem))
    assert without_times(tmp_path / "s" / "front.json") == undisturbed


def test_a_damaged_checkpoint_is_not_resumed(tmp_path):
    search(tmp_path / "s", generations=3)
    path = tmp_path / "s" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        Search.resume(tmp_path / "s", {})
    with pytest.raises(CheckpointError, match="No checkpoint"):
        Search.resume(tmp_path, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": None},
        {"spec": []},
        {"spec": {"target": "exp2", "max_ops": "many"}},
        {"seconds": "long"},
        {"seconds": None},
        {"islands": 5},
        {"islands": [5]},
        {"islands": [{"epochs": "one", "history": []}]},
        {"islands": [{"epochs": 1, "history": [7]}]},
        {"front": [5]},
        {"front": [{"ops": 1}]},
    ],
)
def test_a_checkpoint_of_other_content_is_one_line(tmp_path, changes):
    meta = {"spec": SMALL, "seconds": 1.0, "islands": [], "front": []}
    checkpoint.save(tmp_path / "checkpoint.npz", {**meta, **changes}, ())
    with pytest.raises(CheckpointError, match="cannot be resumed") as error:
        Search.resume(tmp_path, {})
    assert "\n" not in str(error.value)


def test_the_python_interface_is_a_search(in_tmp):
    front = evo.search(**SMALL, workers="serial", generations=6, out="s", record=False)
    best = front.best(ops=3)
    assert best == Front.load(in_tmp / "s" / "front.json").best(ops=3)
    x = np.linspace(0.01, 1, 50)
    assert np.max(np.abs(best(x) / np.exp2(x) - 1)) <= best.sampled_error * 1.0001
    text = evo.export(best, "c")
    assert f"evonumerics {version('evonumerics')}, seed" in text
    assert "its search" in text
    with pytest.raises(DirectoryError, match="holds a search already"):
        evo.search("exp2", workers="serial", generations=6, out="s")


def test_a_member_that_is_hardly_better_keeps_the_time_when_it_was_first_found(tmp_path):
    _, front, _ = search(tmp_path / "s")
    later = Front(
        tuple(replace(m, sampled_error=m.sampled_error * 0.9999, seconds_to_find=1e9) for m in front)
    )
    assert [m.seconds_to_find for m in later.found_first(front)] == [m.seconds_to_find for m in front]
    better = Front(tuple(replace(m, sampled_error=m.sampled_error * 0.9, seconds_to_find=1e9) for m in front))
    assert {m.seconds_to_find for m in better.found_first(front)} == {1e9}
