"""The service's store and jobs: threads that come and go, damaged files, several who ask at once."""

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from evo.service import tokens
from evo.service.jobs import Jobs
from evo.service.problems import ProblemError
from evo.service.request import JobRequest
from evo.service.results import Results
from evo.service.serve import ServeError, serve
from evo.service.settings import Settings
from evo.service.store import Store, StoreError


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "service.db")
    yield made
    made.close()


def added(store, id="one"):
    return store.add(id, "ann", {"target": "exp2"}, 1, None, "d")


def test_connections_of_threads_that_ended_are_closed(store, tmp_path):
    """A server's threads come and go; each has a connection of its own to read with."""

    def opened() -> int:
        return sum(
            str(tmp_path) in os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
        )

    assert store.jobs() == []
    before = opened()
    for _ in range(20):
        thread = threading.Thread(target=store.jobs)
        thread.start()
        thread.join()
    assert opened() <= before + 3


def test_a_store_that_cannot_be_read_is_said_to_be_and_is_no_fault(store, tmp_path):
    added(store)
    store.close()
    path = tmp_path / "service.db"
    hurt = Store(path)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\x55" * (path.stat().st_size - 4096))
    for asked in (hurt.jobs, hurt.counts, lambda: hurt.find("one")):
        with pytest.raises(StoreError, match="malformed"):
            asked()
    hurt.close()


def users(store, tmp_path) -> Jobs:
    """Jobs of a service whose watcher and helpers do nothing."""
    nobody: Any = SimpleNamespace(ask=lambda *args, **more: None, wake=lambda: None)
    return Jobs(store, Settings(tmp_path / "data"), nobody, nobody)


def at_once(*calls) -> list[int]:
    """Calls each in its thread, all begun before any goes on; statuses of those refused, 0 of the others."""
    ready, told = threading.Barrier(len(calls)), list[int]()

    def call(one) -> None:
        ready.wait()
        try:
            one()
            told.append(0)
        except ProblemError as refused:
            told.append(refused.status)

    threads = [threading.Thread(target=call, args=(one,)) for one in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(told)


def slowly(monkeypatch, name: str) -> None:
    """What the store is asked by this name returns late: others look meanwhile."""
    real = getattr(Store, name)

    def late(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        threading.Event().wait(0.05)
        return found

    monkeypatch.setattr(Store, name, late)


@pytest.mark.parametrize("times", [[60, 61, 62], [None, None], [60, None]])
def test_of_several_who_resume_or_delete_a_job_at_once_one_is_told_that_it_is_done(
    store, tmp_path, monkeypatch, times
):
    """A time stands for a resumption, None for a deletion."""
    jobs = users(store, tmp_path)
    made, _ = jobs.submit(JobRequest(spec={"target": "exp"}, cores=1), tokens.EVERYTHING)
    jobs.stop(made.id, tokens.EVERYTHING)
    slowly(monkeypatch, "find")

    def done(time: int | None) -> None:
        if time is None:
            jobs.delete(made.id, tokens.EVERYTHING)
        else:
            jobs.resume(made.id, {"time": time}, tokens.EVERYTHING)

    told = at_once(*(partial(done, time) for time in times))
    assert told[0] == 0
    assert set(told[1:]) <= {404, 409}


def test_a_limit_of_jobs_holds_for_those_sent_at_once_and_a_key_stands_for_one(store, tmp_path, monkeypatch):
    jobs = users(store, tmp_path)
    slowly(monkeypatch, "counts")
    one = tokens.Access("ann", frozenset({"submit"}), max_jobs=1)
    request = JobRequest(spec={"target": "exp"}, cores=1)
    assert at_once(*[lambda: jobs.submit(request, one)] * 4) == [0, 429, 429, 429]
    other = tokens.Access("bob", frozenset({"submit"}), max_jobs=1)
    assert at_once(*[lambda: jobs.submit(request, other, "key")] * 4) == [0, 0, 0, 0]
    assert sum(store.counts("bob").values()) == 1


def test_a_store_that_is_full_is_not_told_as_cores_that_cannot_be_kept(store, tmp_path, monkeypatch):
    def full(*args: Any) -> None:
        raise StoreError("The service's store cannot be written: disk is full.")

    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(StoreError, match="disk is full"):
        users(store, tmp_path).submit(JobRequest(spec={"target": "exp"}, cores=1), tokens.EVERYTHING)


def begun(url: str) -> None:
    """Ends a service that should not have begun."""
    raise AssertionError(url)


def test_a_store_that_is_damaged_cut_or_gone_begins_no_service_and_no_job_is_lost(store, tmp_path):
    settings = Settings(tmp_path / "data", port=0)
    settings.folder("one").mkdir(parents=True)
    for number in range(50):
        added(store, f"job{number}")
    store.close()
    path = settings.data / "service.db"
    whole = (tmp_path / "service.db").read_bytes()
    middle = len(whole) // 2
    for content in (
        b"",
        whole[:middle],
        whole[:100],
        whole[:middle] + b"\x55" * 4096 + whole[middle + 4096 :],
    ):
        path.write_bytes(content)
        with pytest.raises((ServeError, StoreError), match=r"^The service's store .* (is gone or|cannot be)"):
            serve(settings, begun)
        assert path.read_bytes() == content
    path.unlink()
    (settings.data / "service.lock").touch()
    with pytest.raises(ServeError, match=r"is gone or empty, but .* has 1 jobs: restore the store"):
        serve(settings, begun)
    assert not path.exists()


@pytest.fixture
def job(store, tmp_path):
    """A job with a front, a certificate and records, as files of a search."""
    made, _ = added(store)
    directory = Settings(tmp_path).search(made.id)
    (directory / "certificates").mkdir(parents=True)
    member = {
        "ops": 1, "target": "exp2", "interval": ["0", "1"], "metric": "relative", "formula": "c1 + x",
        "program": "v1 = c1 + x", "constants": ["1"], "sampled_error": 0.1,
        "polished_error": None, "proved_bound": None, "worst_x": 0.5, "seed": 0,
        "git_revision": "", "seconds_to_find": 0.1,
    }  # fmt: skip
    (directory / "front.json").write_text(json.dumps([member]))
    return made, directory, member


@pytest.mark.parametrize(
    "hurt",
    [
        "{", "", "null", "[1]", "[{}]", "[" * 100_000, '[{"ops": "a"}]', '[{"sampled_error": NaN}]',
        '[{"sampled_error": null}]', '[{"ops": null}]',
    ],
)  # fmt: skip
def test_a_damaged_front_is_told_and_hides_no_other(store, tmp_path, job, hurt):
    made, directory, member = job
    results = Results(store, Settings(tmp_path))
    target = {name: member[name] for name in ("target", "interval", "metric")}
    assert results.front(made) == [member]
    shutil.copytree(directory, Settings(tmp_path).search("two"))
    added(store, "two")
    if hurt.startswith('[{"'):
        hurt = json.dumps([{**member, **json.loads(hurt)[0]}, member])
    (directory / "new.json").write_text(hurt)
    (directory / "new.json").rename(directory / "front.json")
    for _ in range(2):
        with pytest.raises(ProblemError, match="The front of job one is damaged: ") as told:
            results.front(made)
        assert told.value.status == 422
    assert [m["job"] for m in results.best(target, "real", None, None)] == ["two"]


@pytest.mark.parametrize("hurt", ["{", "[1]", "[" * 100_000, "1" * 5000])
def test_a_damaged_certificate_is_not_said_to_be_missing(store, tmp_path, job, hurt):
    made, directory, _ = job
    results = Results(store, Settings(tmp_path))
    with pytest.raises(ProblemError, match="no certificate of 1 operations"):
        results.certificate(made, 1)
    (directory / "certificates" / "ops-01.json").write_text(hurt)
    with pytest.raises(ProblemError, match="no certificate that is not damaged of 1 operations"):
        results.certificate(made, 1)


def test_records_of_another_kind_have_no_pictures(store, tmp_path, job):
    made, directory, _ = job
    (directory / "records.jsonl").write_text('["x", {"kind": "end"}]\n{"kind": "end"\n')
    assert Results(store, Settings(tmp_path)).pictures(made) == {"curves": {}, "families": {}}


def test_a_store_whose_file_was_deleted_takes_nothing_that_would_be_lost(store, tmp_path):
    one, _ = added(store)
    assert store.jobs() == [one]
    for path in tmp_path.glob("service.db*"):
        path.unlink()
    with pytest.raises(StoreError, match="is gone, or another file"):
        added(store, "two")
    with pytest.raises(StoreError, match="is gone, or another file"):
        store.change(one, "stopped", "asked for")
    with ThreadPoolExecutor() as others, pytest.raises(StoreError, match="is gone, or another file"):
        others.submit(store.jobs).result()
    assert not list(tmp_path.glob("service.db*"))
