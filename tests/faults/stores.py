"""Faults of MLflow and its database while jobs of a service run and end, each done so many times.

python tests/faults/stores.py [FAULT ...] [--times N]

Prints a table (`table`); a job is lost, too, if MLflow does not have all of its records in the end. The time
counts from the return of what was away until MLflow has all. Needs PostgreSQL (make postgresql).
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from deploy.stack import Stack
from faults import table
from services import Service, processes_of, running, until
from test_stack import PORTS, processes

JOBS = 3
"""At a time, on two cores: two end while the store is away, or just before, and one begins."""
TIME = 5.0
"""Of a job [s]."""
AWAY = 60.0
"""MLflow [s]."""
SHORT = 10.0
"""PostgreSQL [s]."""


def mlflow_away(stack: Stack, service: Service, ids: list[str]) -> None:
    """For a minute, from before the first job's end."""
    stack.stop("mlflow")
    time.sleep(AWAY)
    stack.start("mlflow")


def postgres_stopped(stack: Stack, service: Service, ids: list[str]) -> None:
    """For ten seconds, while what a job recorded is delivered; MLflow's server goes on without it."""
    until(lambda: any((service.search(id) / "mlflow.json").exists() for id in ids), 300)
    stack.stop_postgres()
    time.sleep(SHORT)
    stack.start("postgres")


FAULTS: dict[str, Callable[[Stack, Service, list[str]], None]] = {
    fault.__name__: fault for fault in (mlflow_away, postgres_stopped)
}


def once(stack: Stack, fault: Callable[[Stack, Service, list[str]], None], folder: Path) -> table.Cost:
    """Does a fault to a service with jobs."""
    with running(folder / "data", stack.account(), tracking_uri=stack.mlflow) as service:
        ids = [service.submit(time=TIME, seed=i, max_ops=3) for i in range(JOBS)]
        for id in ids[:2]:
            until((service.search(id) / "checkpoint.npz").exists, 300)
        before = {id: table.errors(service.search(id)) for id in ids}
        fault(stack, service, ids)
        began = time.monotonic()
        ends = [service.wait(id, "succeeded", "failed", "stopped") for id in ids]
        until(lambda: all(is_delivered(service, id) for id in ids), 600)
        back = time.monotonic() - began
        gone = sum(table.worse(before[id], table.errors(service.search(id))) for id in ids)
        lost = sum(job["state"] != "succeeded" for job in ends) + sum(
            not has_all(stack, service, id) for id in ids
        )
        until(lambda: not processes_of(folder / "data"), 60, lambda: "processes were left behind")
    return table.Cost(lost, gone, max(job["attempts"] for job in ends), back)


def is_delivered(service: Service, id: str) -> bool:
    """Whether the ledger says so."""
    path = service.search(id) / "mlflow.json"
    return path.exists() and json.loads(path.read_text())["ended"]


def has_all(stack: Stack, service: Service, id: str) -> bool:
    """Whether MLflow has the job's run as finished, with a number for every step."""
    run = service.get(f"/jobs/{id}")["run"]["id"]
    status = told(stack, "runs/get", run_id=run)["run"]["info"]["status"]
    history = told(
        stack, "metrics/get-history", run_id=run, metric_key="search/evaluations", max_results="9999"
    )
    had = {metric["step"] for metric in history["metrics"]}
    lines = (service.search(id) / "records.jsonl").read_text().splitlines()
    wanted = {record["step"] for record in map(json.loads, lines) if record["kind"] == "metrics"}
    return status == "FINISHED" and had == wanted


def told(stack: Stack, path: str, **asked: str) -> Any:
    """MLflow's answer to its administrator."""
    account = "admin", stack.secrets["admin"]
    answer = requests.get(f"{stack.mlflow}/api/2.0/mlflow/{path}", params=asked, auth=account, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def main() -> None:
    """The table; at the end nothing of the stack is left."""
    folder = Path(tempfile.mkdtemp(prefix="evonum-stores-", dir="/tmp"))
    folder.chmod(0o755)  # PostgreSQL's own user enters it
    try:
        with Stack(folder, PORTS) as stack:
            stack.start("postgres")
            stack.start("mlflow")
            table.main(FAULTS, partial(once, stack), __doc__)
    finally:
        until(lambda: not processes(str(folder)), 60, lambda: "the stack left processes behind")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
