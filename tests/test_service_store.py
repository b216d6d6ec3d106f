"""The service's store and jobs: threads that come and go, damaged files, several who ask at once."""

import os
import threading
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from evo.service import tokens
from evo.service.jobs import Jobs
from evo.service.problems import ProblemError
from evo.service.request import JobRequest
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
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x55" * (len(whole) - 4096))
    hurt = Store(path)
    for asked in (hurt.jobs, hurt.counts, lambda: hurt.find("one"), lambda: added(hurt, "two")):
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
