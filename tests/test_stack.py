"""The team's stack (`make stack`) under searches: databases and servers that go away, users, secrets."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from deploy.stack import Stack
from searches import SMALL, write_spec

pytestmark = pytest.mark.slow
PORTS = dict.fromkeys(("postgres", "mlflow", "ray", "dashboard", "service"), 0)
EXPERIMENT = "exp2 on (0, 1), relative error"


@pytest.fixture(scope="module")
def stack():
    """PostgreSQL and MLflow, in a folder that PostgreSQL's own user can enter; at the end nothing is left."""
    folder = Path(tempfile.mkdtemp(prefix="evonum-stack-", dir="/tmp"))
    folder.chmod(0o755)
    with Stack(folder, PORTS) as stack:
        stack.start("postgres")
        stack.start("mlflow")
        stack.add_user("bob")
        yield stack
    wait_for(lambda: not processes(str(folder)), 30)
    shutil.rmtree(folder)


def wait_for(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def processes(word):
    """Those of this machine with `word` in their command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            found += [words.replace("\0", " ")] if word in words else []
    return found


def begin(stack, name, user, *words):
    """A search whose words and whose environment are a user's; what it says goes to a log of the stack."""
    account = stack.account(user) if user else {"MLFLOW_TRACKING_URI": stack.mlflow}
    write_spec(stack.folder, **SMALL)
    command = [sys.executable, "-m", "evo", "search", "--spec", "spec.yaml", "--out", name, *words]
    with open(stack.folder / f"{name}.log", "w") as log:
        return subprocess.Popen(
            command, cwd=stack.folder, env={**os.environ, **account}, stdout=log, stderr=log
        )


def deliver(stack, name, user):
    command = [sys.executable, "-m", "evo", "deliver", name]
    with open(stack.folder / f"{name}.log", "a") as log:
        env = {**os.environ, **stack.account(user)}
        return subprocess.run(
            command, cwd=stack.folder, env=env, stdout=log, stderr=log, check=False
        ).returncode


def ledger(stack, name):
    path = stack.folder / name / "mlflow.json"
    return json.loads(path.read_text()) if path.exists() else {"offset": 0, "run_id": None}


def run(stack, name):
    """The run of a search: its status, its experiment's name, who made it."""
    found = stack.ask("runs/search", {"experiment_ids": experiments(stack), "max_results": 100})["runs"]
    return next(one for one in found if one["info"]["run_id"] == ledger(stack, name)["run_id"])


def experiments(stack):
    listed = stack.ask("experiments/search", {"max_results": 100})["experiments"]
    return [one["experiment_id"] for one in listed if one["name"] == EXPERIMENT]


def steps(stack, name):
    """Steps of a metric: those in MLflow, and those of the records."""
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        for variable, value in stack.account().items():
            patch.setenv(variable, value)
        client = mlflow.MlflowClient(tracking_uri=stack.mlflow)
        history = client.get_metric_history(ledger(stack, name)["run_id"], "search/evaluations")
    lines = (stack.folder / name / "records.jsonl").read_text().splitlines()
    written = [record["step"] for record in map(json.loads, lines) if record["kind"] == "metrics"]
    return sorted({metric.step for metric in history}), sorted(set(written))


def test_a_search_loses_nothing_while_database_and_server_go_away_and_come_back(stack):
    search = begin(stack, "long", "admin", "--workers", "serial", "--time", "110s")
    wait_for(lambda: ledger(stack, "long")["offset"] > 0)
    stack.stop_postgres()
    time.sleep(10)
    stack.start("postgres")
    back = ledger(stack, "long")["offset"]
    wait_for(lambda: ledger(stack, "long")["offset"] > back)
    stack.stop("mlflow")
    time.sleep(60)
    stack.start("mlflow")
    if search.wait(600):  # the server came back too late for the search itself: its last line says so
        assert "evonum deliver long" in " ".join((stack.folder / "long.log").read_text().split())
    assert deliver(stack, "long", "admin") == 0
    assert run(stack, "long")["info"]["status"] == "FINISHED"
    delivered, written = steps(stack, "long")
    assert delivered == written


def test_a_second_user_delivers_to_the_experiment_of_the_first(stack):
    for user in ("admin", "bob"):
        search = begin(
            stack, user, user, "--workers", "serial", "--generations", "6", "--seed", str(len(user))
        )
        assert search.wait(600) == 0
    assert len(experiments(stack)) == 1
    assert [run(stack, user)["info"]["status"] for user in ("admin", "bob")] == ["FINISHED"] * 2


def test_a_search_without_an_account_says_so_last_and_its_records_are_delivered_later(stack):
    search = begin(stack, "nobody", None, "--workers", "serial", "--generations", "6")
    assert search.wait(600) == 1
    said = " ".join((stack.folder / "nobody.log").read_text().split())
    assert said.endswith("send them with: evonum deliver nobody")
    assert deliver(stack, "nobody", "bob") == 0
    assert run(stack, "nobody")["info"]["status"] == "FINISHED"


def test_the_cluster_and_the_service_search_and_deliver(stack):
    stack.start("ray")
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in stack.ray().items():
            patch.setenv(variable, value)
        address = f"127.0.0.1:{stack.ports['ray']}"
        search = begin(stack, "spread", "bob", "--address", address, "--generations", "6")
    assert search.wait(600) == 0
    stack.start("service")
    server = f"http://127.0.0.1:{stack.ports['service']}"
    words = ["submit", "exp2", "--interval", "0", "1", "--max-ops", "4", "--time", "2s", "--server", server]
    subprocess.run([sys.executable, "-m", "evo", *words], cwd=stack.folder, check=True)
    jobs = stack.folder / "service" / "jobs"
    wait_for(lambda: any(json.loads(path.read_text())["ended"] for path in jobs.glob("*/search/mlflow.json")))


def test_no_log_and_no_file_of_a_search_has_a_secret(stack):
    kept = [stack.folder / name for name in ("credentials.json", "ray-token")]
    words = [value.encode() for value in stack.secrets.values()]
    assert len(words) == 5
    read = 0
    for path in stack.folder.rglob("*"):
        if path.is_file() and path not in kept and "postgres" not in path.relative_to(stack.folder).parts:
            read += 1
            content = path.read_bytes()
            assert not any(word in content for word in words), path
    assert read > 20
    for command in processes(str(stack.folder)):
        assert not any(word.decode() in command for word in words)
