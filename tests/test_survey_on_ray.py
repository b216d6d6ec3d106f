"""Surveys whose fits are tasks of a Ray cluster: a real process, really killed, and outcomes that go lost."""

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evo import api
from evo.backends.backend import BACKENDS
from evo.backends.native import NativeBackend
from evo.complete.enumeration import enumerate_families
from evo.complete.fitting import Fitter, Task
from evo.complete.kept import load
from evo.complete.run import Elsewhere, run
from evo.runs.workers import LostError, RayFits, WorkersError
from evo.targets.making import make_target
from searches import start, without_times

MARK = "EVONUM_TEST_SURVEY"


def processes_that_fit(mark: str) -> list[int]:
    """Process numbers of a cluster's processes that have a task of a survey."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().startswith(b"ray::fit") and (
                    f"{MARK}={mark}\0".encode() in (entry / "environ").read_bytes()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_killed_process_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(MARK, str(tmp_path))  # Ray's processes inherit it
    words = ("complete", "erf", "--max-ops", 5, "--threads", 1)
    driver = start(*words, "--address", "local", "--out", "ray", cwd=tmp_path)
    while not (victims := processes_that_fit(str(tmp_path))):
        assert driver.poll() is None, driver.communicate()[0]
        time.sleep(0.005)
    os.kill(victims[0], signal.SIGKILL)
    output = driver.communicate(timeout=240)[0]
    assert driver.returncode == 0, output
    completed = api.complete("erf", 5, out=tmp_path / "here", threads=1)
    assert without_times(tmp_path / "ray" / "front.json") == without_times(tmp_path / "here" / "front.json")
    said, wanted = (json.loads((tmp_path / name / "complete.json").read_text()) for name in ("ray", "here"))
    assert said == wanted
    assert said["statements"] == list(completed.statements)
    kept, same = (load(tmp_path / name, {}).arrays() for name in ("ray", "here"))
    for name in kept.keys() - {"seconds"}:
        np.testing.assert_array_equal(kept[name], same[name], err_msg=name)


class Ray:
    """Runs what it is given when it is asked for; loses outcomes.

    Args:
        lost: the questions for one that find it lost, from 1.
    """

    class exceptions:  # noqa: N801
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            def __init__(self, cause):
                super().__init__(f"ValueError: {cause}")
                self.cause = cause

        class RayActorError(RayError):
            actor_init_failed = False

    def __init__(self, lost=()):
        self._lost, self._asked = lost, 0
        self.given, self.most, self.cancelled = [], 0, []

    def fit(self, fitter):
        """A remote function."""

        def given(subject, task):
            self.given.append(task.rows.tolist())
            self.most = max(self.most, len(self.given) - self._asked)
            return lambda: fitter.fit(task)

        return SimpleNamespace(remote=given)

    def get(self, given):
        self._asked += 1
        if self._asked in self._lost:
            raise self.exceptions.RayError
        try:
            return given()
        except ValueError as error:
            raise self.exceptions.RayTaskError(error) from None

    def cancel(self, given):
        self.cancelled.append(given)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Tasks of families of 2 ops, and their fitter."""
    families = enumerate_families(("add", "mul", "div"), 2, tmp_path_factory.mktemp("families"))
    rows = np.flatnonzero(families.n == 2)
    parts = np.array_split(rows, 9)
    fitter = Fitter.of(make_target("exp2"), NativeBackend(), starts=2)
    return fitter, [Task(part, families.word[part], 0, np.inf) for part in parts]


def fits_of(ray, fitter, most=3):
    made = RayFits.__new__(RayFits)
    made._ray, made._subject, made._fit, made._most = ray, None, ray.fit(fitter), most
    return made


@pytest.mark.parametrize("lost", [(), (1,), (2, 3, 4), (9,)])
def test_an_outcome_that_is_lost_is_made_again(work, lost):
    fitter, tasks = work
    ray = Ray(lost)
    found = list(fits_of(ray, fitter).run(iter(tasks)))
    for one, task in zip(found, tasks, strict=True):
        wanted = fitter.fit(task)
        assert one.best == wanted.best
        np.testing.assert_array_equal(one.error, wanted.error)
    assert len(ray.given) == len(tasks) + len(lost)
    assert ray.most <= 3 + 1, "few are under way at a time"


def test_what_is_always_lost_and_what_fails_end_a_survey(work):
    fitter, tasks = work
    ray = Ray(range(1, 100))
    with pytest.raises(LostError, match="lost 10 times"):
        list(fits_of(ray, fitter).run(tasks))
    assert len(ray.cancelled) == 2, "what is under way is taken back"

    def fails(task):
        raise ValueError("no such thing")

    with pytest.raises(WorkersError, match="A fit failed: ValueError: no such thing"):
        list(fits_of(Ray(), SimpleNamespace(fit=fails)).run(tasks))


def test_a_survey_goes_on_without_the_cluster_where_it_ended_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("evo.complete.run.SAVE_EVERY", 0.0)
    monkeypatch.setitem(BACKENDS, "native", BACKENDS["native"]._replace(families=5))
    target, names, ray = make_target("log2"), ("add", "sub", "mul", "div"), Ray({7})
    cluster = fits_of(ray, Fitter.of(target, NativeBackend(), starts=4))

    def surveyed(name, *more):
        (tmp_path / name).mkdir(exist_ok=True)
        return run(target, names, 3, tmp_path / name, NativeBackend(), 1, 4, *more)

    def ends(stage):
        if stage.name == "fitting" and stage.done > 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        surveyed("parts", ends, Elsewhere("native", cluster.run))
    assert 100 < load(tmp_path / "parts", {}).done < 376
    fitted = len(ray.given)
    parts, whole = surveyed("parts"), surveyed("whole")
    assert len(ray.given) == fitted > 7
    assert parts.statements == whole.statements
    assert [(m.program, m.constants) for m in parts.front] == [(m.program, m.constants) for m in whole.front]


def test_what_is_no_cluster_is_refused(tmp_path):
    for words, reason in (
        ({"address": "nowhere"}, "none of a Ray cluster"),
        ({"address": "127.0.0.1:1"}, "No Ray cluster answers"),
        ({"address": "local", "backend": "cude"}, "Unknown backend 'cude'"),
    ):
        with pytest.raises(api.EvonumError, match=reason):
            api.complete("exp2", 2, out=tmp_path, threads=1, **words)
