"""Faults done to a service on purpose, once each; the scripts in tests/faults repeat them for the table.

Facts decide: what was lost, begun twice, or stayed behind. How long it took is printed (`pytest -s`).
"""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from evo.api import undelivered
from faults import cluster, table
from faults.local import FAULTS, once
from services import running, until

FOLDER = Path(__file__).parent / "faults"


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_nothing_is_lost_hangs_or_stays_behind(fault, tmp_path):
    cost = once(fault, tmp_path)
    print(table.row(fault.__name__, [cost]))
    assert not cost.lost
    assert not cost.worse


@pytest.mark.slow
@pytest.mark.parametrize("fault", cluster.FAULTS.values(), ids=cluster.FAULTS.keys())
def test_on_a_cluster_a_job_outlives_workers_and_heads(fault, tmp_path):
    cost = cluster.once(fault, tmp_path)
    print(table.row(fault.__name__, [cost]))
    assert not cost.lost
    assert not cost.worse


@pytest.mark.slow
def test_what_jobs_record_is_delivered_once_even_by_a_service_that_comes_later(tmp_path):
    store = tmp_path / "mlflow.db"
    with running(tmp_path / "data", cores=1) as service:
        first = service.submit(generations=2)
        service.wait(first, "succeeded")
    assert not store.exists()
    with running(tmp_path / "data", cores=1, tracking_uri=f"sqlite:///{store}") as service:
        second = service.submit(generations=2, seed=1)
        service.wait(second, "succeeded")
        until(lambda: not any(undelivered(service.search(id)) for id in (first, second)), 600)
    with sqlite3.connect(store) as base:
        assert base.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)] * 2
    base.close()


@pytest.mark.slow
def test_eight_jobs_of_two_owners_share_two_cores_while_the_service_is_killed():
    words = [sys.executable, FOLDER / "load.py", "--time", "12", "--kills", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
