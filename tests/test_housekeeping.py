"""`evonum list` and `evonum clean`: what searches leave on a disk, and what of it goes only when asked."""

import json
import os

import pytest

import evo
from evo.fronts.front import Front
from evo.runs.directory import locked
from records import F2, F3
from searches import SMALL, evonum_here

QUICK = {**SMALL, "workers": "serial", "record": False, "generations": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a finished search in it, and files of its user."""
    folder = tmp_path_factory.mktemp("folder")
    evo.search(**QUICK, out=folder / "runs" / "s")
    (folder / "runs" / "s" / "exp2.h").write_text("exported")
    (folder / "front.json").write_text(json.dumps([F2, F3]))  # no search's
    return folder


@pytest.fixture
def search(made, tmp_path):
    """A copy of that search."""
    for here, _, names in os.walk(made / "runs" / "s"):
        for name in names:
            file = os.path.relpath(os.path.join(here, name), made)
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes((made / file).read_bytes())
    return tmp_path / "runs" / "s"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def listed(folder):
    done = evonum_here("list", folder, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_is_listed_with_what_it_is_for_and_what_it_has(made):
    (one,) = listed(made)
    front = Front.load(made / "runs" / "s" / "front.json")
    assert (one["directory"], one["target"], one["interval"]) == (str(made / "runs/s"), "exp2", ["0", "1"])
    assert (one["metric"], one["ops"], one["max_ops"], one["state"]) == ("relative", "+ - * /", 4, "finished")
    assert one["members"] == [{"ops": m.ops, "sampled_error": m.sampled_error} for m in front]
    assert one["size"] == sum((made / "runs/s" / name).stat().st_size for name in files(made / "runs/s"))


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_list_is_a_table_at_any_width(columns, made, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    shown = evonum_here("list", cwd=made).stdout
    least = Front.load(made / "runs" / "s" / "front.json")[-1]
    for text in ("runs/s", "exp2 on (0, 1)", f"{least.sampled_error:.2e}", "finished"):
        assert text in shown


def test_states_are_told_apart(search):
    folder = search.parent
    records = (search / "records.jsonl").read_text().splitlines()
    (search / "records.jsonl").write_text("\n".join(records[:-1]) + "\n")
    assert [one["state"] for one in listed(folder)] == ["resumable"]
    with locked(search):
        assert [one["state"] for one in listed(folder)] == ["running"]
    (search / "checkpoint.npz").unlink()
    assert [one["state"] for one in listed(folder)] == ["front only"]


def test_what_is_damaged_is_listed_and_what_is_none_is_not(search):
    (search / "front.json").write_text("{")
    os.remove(search / "records.jsonl")
    os.mkfifo(search / "records.jsonl")
    assert [(one["members"], one["state"]) for one in listed(search.parent)] == [([], "resumable")]
    (search / "spec.json").write_text("[]")
    done = evonum_here("list", search.parent, cwd=search)
    assert (done.returncode, done.stdout) == (0, f"There are no searches in {search.parent}.\n")


def test_nothing_is_deleted_without_yes(search):
    before = files(search)
    done = evonum_here("clean", search, cwd=search.parent)
    assert done.returncode == 0
    assert "checkpoint.npz" in done.stdout
    assert "nothing is deleted without --yes" in done.stdout
    assert files(search) == before


def test_only_what_a_resumed_search_needs_goes_and_the_front_is_gone_on_from(search):
    (search / ".checkpoint.npz.abc").write_text("of a killed writer")
    before, front = files(search), Front.load(search / "front.json")
    assert evonum_here("clean", search, "--yes", cwd=search.parent).returncode == 0
    assert files(search) == [name for name in before if "checkpoint" not in name]
    after = evo.resume(search, workers="serial", record=False)
    assert all(after.best(ops=m.ops).sampled_error <= 1.001 * m.sampled_error for m in front)


def test_with_all_everything_goes_that_the_search_wrote_and_nothing_else(search):
    done = evonum_here("clean", search, "--all", "--yes", cwd=search.parent)
    assert done.returncode == 0, done.stderr
    assert [name for name in files(search) if name != "lock"] == ["exp2.h"]
    (search / "exp2.h").unlink()


def test_a_directory_goes_with_its_last_file(search):
    (search / "exp2.h").unlink()
    evonum_here("clean", search, "--all", "--yes", cwd=search.parent)
    assert not search.exists()


def test_a_running_search_and_what_is_none_are_refused_and_nothing_of_others_goes(search):
    before = files(search)
    with locked(search):
        done = evonum_here("clean", search, "--yes", cwd=search.parent)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Another process runs the search" in done.stderr
    (search.parent / "data").mkdir()
    (search.parent / "data" / "checkpoint.npz").write_text("of somebody else")
    for other in ("data", "none"):
        done = evonum_here("clean", search, search.parent / other, "--yes", "--all", cwd=search.parent)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "is no search directory" in done.stderr
    assert files(search) == before
    assert files(search.parent / "data") == ["checkpoint.npz"]
    assert not (search.parent / "none").exists()


def test_links_are_not_followed(search):
    outside = search.parent / "outside"
    outside.mkdir()
    (outside / "ops-01.json").write_text("mine")
    (outside / "big").write_text("mine")
    for file in (search / "certificates").iterdir():
        file.unlink()
    (search / "certificates").rmdir()
    (search / "certificates").symlink_to(outside)
    (search / "checkpoint.npz").unlink()
    (search / "checkpoint.npz").symlink_to(outside / "big")
    evonum_here("clean", search, "--all", "--yes", cwd=search.parent)
    assert files(outside) == ["big", "ops-01.json"]
    assert not (search / "checkpoint.npz").is_symlink()
