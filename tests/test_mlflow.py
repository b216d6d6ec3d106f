"""Against a real MLflow: SQLite stores, and a real server that is away, comes, is killed and comes back."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import warnings
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evo
from evo import api
from evo.runs.directory import UnwritableError
from records import F2, F3, F5, end, f3, front, metrics, search, start
from searches import SMALL
from stores import MAKE, copied, stores_are_copied
from tracking.database import prepare_database
from tracking.mlflow_sink import MlflowSink, deliver, open_sink, resolve_tracking_uri, store_of
from tracking.ui import open_ui
from tracking.views import NOTE, TAG, link

with warnings.catch_warnings(action="ignore"):  # importing MLflow warns of its own type hints
    import mlflow.pyfunc

    from tracking.arithmetic import OPS, fma
    from tracking.mlflow_store import MlflowStore, safe_names, save_model
    from tracking.model import parse, run

__all__ = ["stores_are_copied"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]
NAME = "exp2-relative-0-to-1-add-sub-mul-div"
EXPERIMENT = "exp2 on (0, 1), relative error"
SHOWN = {"search/evaluations", "search/error_ops_03", "front/error", "front/digits", "front/proved_bound"}
PROJECT = Path(__file__).parent.parent
SERVER_ENV = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture(autouse=True)
def _no_store_from_outside(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


def client(uri):
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(uri):
    experiment = client(uri).get_experiment_by_name(EXPERIMENT)
    return client(uri).search_runs([experiment.experiment_id]) if experiment else []


def steps(uri, name="search/evaluations"):
    (only,) = runs(uri)
    return [metric.step for metric in client(uri).get_metric_history(only.info.run_id, name)]


def models(uri):
    (only,) = runs(uri)
    found = client(uri).search_logged_models([only.info.experiment_id])
    return sorted(model.name for model in found if model.source_run_id == only.info.run_id)


def write(directory, records):
    with open(directory / "records.jsonl", "a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A whole search through the usual sink into a SQLite store; its folder and the store's URI."""
    base = tmp_path_factory.mktemp("base")
    sink = open_sink(base / "search", base=base, warn=pytest.fail)
    for record in [start(), *search(50), end(50)]:
        sink.write(record)
    sink.close(60.0)
    return base, f"sqlite:///{base}/mlflow.db"


def test_a_search_becomes_one_finished_run_with_its_name_params_and_tags(store):
    (only,) = runs(store[1])
    assert (only.info.run_name, only.info.status) == ("seed 0: exp2 on (0, 1), relative", "FINISHED")
    assert (only.info.start_time, only.info.end_time) == (1_000_000, 1_050_000)
    assert only.data.params == {
        "target": "exp2", "interval": "0 1", "metric": "relative", "ops": "+ - * /", "seed": "0",
        "a_b": "1", "a_b_2": "2", "long": "x" * 6000,
    }  # fmt: skip
    assert only.data.tags["v"] == "1"
    assert only.data.tags["evonum.end_reason"] == "time is up"
    assert "exp2" in only.data.tags["mlflow.note.content"]


def test_metrics_keep_step_and_time_without_internals_and_what_is_not_finite(store):
    (only,) = runs(store[1])
    history = client(store[1]).get_metric_history(only.info.run_id, "search/error_ops_03")
    points = sorted((metric.step, metric.timestamp, metric.value) for metric in history)
    assert points == [(step, 1_000_000 + 1000 * step, 1 / (step + 1)) for step in range(50)]
    assert set(only.data.metrics) == SHOWN


def test_the_front_is_a_metric_whose_step_is_the_operations(store):
    (only,) = runs(store[1])
    history = client(store[1]).get_metric_history(only.info.run_id, "front/error")
    assert sorted((point.step, point.value) for point in history) == [
        (2, F2["sampled_error"]),
        (3, F3["polished_error"]),
    ]


def test_the_descriptions_first_line_has_the_best_formula_its_bound_and_its_export(store):
    (only,) = runs(store[1])
    first = only.data.tags["mlflow.note.content"].splitlines()[0]
    assert "1.2266e-03" in first
    assert "1.2267e-03" in first
    assert f"`evonum export {only.info.run_id} --ops 3 --to c`" in first
    assert F3["formula"] in first


def test_the_experiment_has_a_view_for_each_size_and_links_that_open_it(store):
    experiment = client(store[1]).get_experiment_by_name(EXPERIMENT)
    assert {f"{TAG}best-at-2-ops", f"{TAG}best-at-3-ops", f"{TAG}fronts"} <= set(experiment.tags)
    for size in (2, 3):
        assert link(experiment.experiment_id, f"best-at-{size}-ops") in experiment.tags[NOTE]


def test_a_model_has_its_errors_its_certificate_and_its_code(store):
    (only,) = runs(store[1])
    found = client(store[1]).search_logged_models([only.info.experiment_id], "name = 'exp2-ops-03'")
    metrics = {metric.key: metric.value for metric in found[0].metrics}
    assert metrics["front/error"] == F3["polished_error"]
    assert metrics["front/proved_bound"] == F3["proved_bound"]
    files = {file.path for file in client(store[1]).list_logged_model_artifacts(found[0].model_id)}
    assert {"certificate.json", "exp2_ops03.h"} <= files


def test_the_front_is_there_as_json_as_table_and_as_figures(store):
    base, uri = store
    (only,) = runs(uri)
    names = {file.path for file in client(uri).list_artifacts(only.info.run_id)}
    assert names == {"front.json", "front.csv", "front.png", "error_curves.png"}
    files = base / "mlartifacts" / only.info.run_id / "artifacts"
    assert json.loads((files / "front.json").read_text()) == [F2, F3]
    assert (files / "error_curves.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in base.iterdir()} == {"search", "mlflow.db", "mlflow.db.lock", "mlartifacts"}


def test_every_front_member_is_a_logged_model_that_loads_and_predicts(store, monkeypatch):
    uri = store[1]
    assert models(uri) == ["exp2-ops-02", "exp2-ops-03"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (only,) = runs(uri)
    found = client(uri).search_logged_models([only.info.experiment_id], "name = 'exp2-ops-03'")
    model = mlflow.pyfunc.load_model(f"models:/{found[0].model_id}")
    x = np.linspace(0, 1, 11)
    expected = [f3(at) for at in x.tolist()]
    for shaped in (pd.DataFrame({"x": x}), x, x.reshape(-1, 1), x.tolist(), pd.Series(x, name="x")):
        y = model.predict(shaped)
        assert (y.dtype, y.shape) == (np.float64, (11,))
        assert y.tolist() == expected
    assert model.metadata.signature is not None
    assert model.input_example is not None


def test_the_best_members_are_registered_by_what_can_be_compared_with_an_alias_per_op_count(
    store, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store[1])
    y = mlflow.pyfunc.load_model(f"models:/{NAME}@ops-03").predict(np.array([0.5]))
    assert y[0] == f3(0.5)
    known = MlflowStore(store[1], "evonum", None)
    (only,) = runs(store[1])
    before = client(store[1]).get_model_version_by_alias(NAME, "ops-02").version
    worse, other = F2 | {"sampled_error": 5e-2}, F2 | {"sampled_error": 1e-9, "interval": ["0", "2"]}
    known.end(only.info.run_id, end(51, [worse, other]))
    assert client(store[1]).get_model_version_by_alias(NAME, "ops-02").version == before
    known.end(only.info.run_id, end(52, [F2 | {"sampled_error": 2.9821e-2}]))
    assert client(store[1]).get_model_version_by_alias(NAME, "ops-02").version > before


def test_what_a_user_wrote_of_an_experiment_stays_and_new_sizes_get_views(store):
    known, (only,) = MlflowStore(store[1], "", None), runs(store[1])
    client(store[1]).set_experiment_tag(only.info.experiment_id, NOTE, "mine")
    known.front(only.info.run_id, front(49, [F2, F3, F5]))
    tags = client(store[1]).get_experiment(only.info.experiment_id).tags
    assert tags[NOTE] == "mine"
    assert f"{TAG}best-at-5-ops" in tags


def test_a_search_from_python_is_recorded(in_tmp):
    evo.search(**SMALL, workers="serial", generations=1, out="s")
    (only,) = runs(f"sqlite:///{in_tmp}/mlflow.db")
    assert only.info.status == "FINISHED"


FOUR = """
import os, pathlib, sys
import mlflow.store.tracking.sqlalchemy_store
from tracking.database import prepare_database
children = []
for _ in range(4):
    children.append(os.fork())
    if not children[-1]:
        prepare_database(pathlib.Path(sys.argv[1]))
        os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
"""
"""Processes that have MLflow imported: they come to the store closer together than with an import each."""


def test_a_store_that_four_searches_open_first_at_once_is_made_once_and_whole(tmp_path):
    file = tmp_path / "new.db"
    subprocess.run([sys.executable, "-c", FOUR, str(file)], cwd=PROJECT, check=True, timeout=240)
    prepare_database(file)
    store = MlflowStore(f"sqlite:///{file}", "e", None)
    assert store.start(start())


def test_a_store_that_was_killed_while_it_was_made_is_none_and_an_older_versions_names_the_cure(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tracking.database._make", MAKE)
    file = tmp_path / "new.db"

    def kill(old, new):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("os.replace", kill)
        with pytest.raises(KeyboardInterrupt):
            prepare_database(file)
    assert not file.exists()
    prepare_database(file)
    with closing(sqlite3.connect(file)) as database:
        database.execute("DROP TABLE runs")
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.commit()
    with pytest.raises(OSError, match=f"never finished .* mv {file} {file}.broken"):
        prepare_database(file)


def test_a_copied_store_is_the_one_that_is_made(tmp_path):
    def tables(name, make):
        (tmp_path / name).mkdir()
        make(tmp_path / name / "s.db")
        with closing(sqlite3.connect(tmp_path / name / "s.db")) as store:
            rows = store.execute("SELECT name, artifact_location FROM experiments").fetchall()
            names = store.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY name").fetchall()
            columns = [store.execute(f"PRAGMA table_info({table})").fetchall() for *_, table in names]
        return names, columns, [(kept, place.replace(f"/{name}/", "/")) for kept, place in rows]

    assert tables("made", MAKE) == tables("copied", copied)


def test_delivering_everything_again_changes_nothing(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    write(tmp_path, [start(), *search(10), end(10)])
    assert deliver(tmp_path, uri, warn=pytest.fail) == 0
    for _ in range(2):
        (tmp_path / "mlflow.json").unlink()
        assert deliver(tmp_path, uri, warn=pytest.fail) == 0
    (only,) = runs(uri)
    assert set(only.data.metrics) == SHOWN
    assert sorted(steps(uri)) == list(range(10))
    assert models(uri) == ["exp2-ops-02", "exp2-ops-03"]
    assert len(client(uri).search_model_versions(f"name = '{NAME}'")) == 2


def test_a_search_that_died_is_killed_and_goes_on_in_the_same_run_when_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    write(tmp_path, [start(), *search(10)])
    assert deliver(tmp_path, warn=pytest.fail) == 0
    assert [only.info.status for only in runs(uri)] == ["KILLED"]
    sink = open_sink(tmp_path, warn=pytest.fail)
    for record in [start(2000.0, resumed=True, params={}), *search(10, begin=10)]:
        sink.write(record)
    sink.close(60.0)
    assert [only.info.status for only in runs(uri)] == ["RUNNING"]
    write(tmp_path, [end(20, [F2, F3, F5], status="FAILED")])
    assert deliver(tmp_path, warn=pytest.fail) == 0
    assert [only.info.status for only in runs(uri)] == ["FAILED"]
    assert sorted(steps(uri)) == list(range(20))
    assert models(uri) == ["exp2-ops-02", "exp2-ops-03", "exp2-ops-05"]


def test_delivering_a_directory_without_records_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No records of a search: .*records\.jsonl"):
        deliver(tmp_path)


@pytest.mark.parametrize("blocked", ["mlflow.json.tmp", "mlflow.lock"])
def test_where_nothing_can_be_noted_deliver_fails_at_once_and_says_so(blocked, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    directory = tmp_path / "s"
    (directory / blocked).mkdir(parents=True)  # stops root, too
    write(directory, [start(), *search(3), end(3)])
    with pytest.raises(UnwritableError, match=r"not delivered: .*mlflow.* be written \(Is a directory"):
        api.deliver(directory, uri)
    (directory / blocked).rmdir()
    api.deliver(directory, uri)
    assert [only.info.status for only in runs(uri)] == ["FINISHED"]
    (directory / "mlflow.lock").unlink()
    (directory / "mlflow.lock").mkdir()
    api.deliver(directory, uri)  # nothing is left to be noted


def test_a_resumed_search_with_another_store_that_is_away_remembers_it(tmp_path):
    away = f"http://127.0.0.1:{free_port()}"
    write(tmp_path, [start(), *search(3), end(3)])
    assert deliver(tmp_path, f"sqlite:///{tmp_path}/mlflow.db") == 0
    sink = open_sink(tmp_path, away, warn=lambda text: None)
    sink.write(start(2000.0, resumed=True))
    sink.close(60.0)
    assert store_of(tmp_path) == away


def test_a_model_needs_nothing_of_this_project(tmp_path):
    save_model(tmp_path, F3)
    code = (
        "import sys, mlflow; model = mlflow.pyfunc.load_model('model')\n"
        "print(repr(float(model.predict([0.5])[0])))\n"
        "assert not {'evo', 'tracking', 'jax', 'deap', 'ray', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == f3(0.5)


@pytest.mark.parametrize(
    ("text", "constants", "expected"),
    [
        ("v1 = sqrt(x)", [], lambda x: np.sqrt(x)),
        ("v1 = neg(x)\nv2 = v1 * v1", [], lambda x: x * x),
        ("# a comment\n\nv1 = c1 + c2\nv2 = x - v1", [1.0, 2.0], lambda x: x - 3.0),
        ("v1 = c1 / c1", [2.0], lambda x: np.ones_like(x)),
        ("v1 = c1 / x", [1.0], lambda x: np.array([np.inf, 1.0, 0.25])),
    ],
)
def test_program_texts_mean_what_they_say(text, constants, expected):
    x = np.array([0.0, 1.0, 4.0])
    y = run(parse(text, len(constants), OPS), constants, x)
    assert y.dtype == np.float64
    assert y.tolist() == expected(x).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v2 = x + x",
        "v1 = x + v1",
        "v1 = x + c1",
        "v1 = x ** x",
        "v1 = exec(x)",
        "v1 = sqrt(x, x)",
        "v1 = x",
    ],
)
def test_a_text_that_is_no_program_is_refused(text):
    with pytest.raises(ValueError, match=r"Line|instruction"):
        parse(text, 0, OPS)


def test_fma_rounds_once_as_rational_arithmetic_does():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 3000)) * 2.0 ** rng.integers(-20, 20, (2, 3000))
    c = np.concatenate(
        [rng.uniform(-1, 1, 1000), -(a * b)[1000:] * (1 + rng.integers(-3, 4, 2000) * 2.0**-52)]
    )
    exact = [float(Fraction(p) * Fraction(q) + Fraction(r)) for p, q, r in zip(a, b, c, strict=True)]
    assert fma(a, b, c).tolist() == exact
    assert (a * b + c).tolist() != exact


def test_names_become_what_mlflow_takes_and_stay_apart():
    names = ["a/b", "a//b", "../x", "/y", "é*", "e=", "", "n" * 300]
    safe = list(safe_names(dict.fromkeys(names, 0)))
    assert safe == ["a/b", "a/b_2", "x", "y", "__", "e_", "_", "n" * 240]


def test_the_store_is_the_argument_or_the_environment_or_a_file_in_the_base_folder(tmp_path, monkeypatch):
    assert resolve_tracking_uri(base=tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    assert resolve_tracking_uri(base=tmp_path) == "http://localhost:1"
    assert resolve_tracking_uri("sqlite:///a.db", tmp_path) == f"sqlite:///{tmp_path}/a.db"


def test_a_directory_goes_on_with_the_store_it_was_delivered_to(tmp_path):
    write(tmp_path, [start()])
    assert deliver(tmp_path, f"sqlite:///{tmp_path}/one.db", warn=pytest.fail) == 0
    assert MlflowSink(tmp_path).tracking_uri == f"sqlite:///{tmp_path}/one.db"


def test_importing_the_sink_does_not_import_mlflow():
    code = "import sys, tracking.mlflow_sink, tracking.ui; assert not {'mlflow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, timeout=60)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A real MLflow server over a SQLite store; `kill` is kill -9 of all its processes."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", (self.folder / "files").as_uri()]
        with open(self.folder / "server.log", "a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | SERVER_ENV, start_new_session=True
            )
        wait_for(lambda: answers(self.uri), 60.0)

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def answers(uri):
    try:
        with urllib.request.urlopen(uri + "/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_for(condition, timeout_s):
    deadline = time.monotonic() + 4 * timeout_s  # of a quiet machine
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.kill()


def ledger(directory):
    path = directory / "mlflow.json"
    return json.loads(path.read_text()) if path.exists() else {"offset": 0}


@pytest.mark.slow
def test_a_server_that_is_down_then_up_then_killed_then_up_again_gets_everything(
    tmp_path, server, monkeypatch, capfd
):
    monkeypatch.setattr("tracking.mlflow_sink.MAX_BACKOFF_S", 1.0)
    directory, said = tmp_path / "search", []
    sink = open_sink(directory, server.uri, warn=said.append)
    for record in [start(), *search(20)]:
        sink.write(record)
    wait_for(lambda: len(said) == 1, 30.0)
    assert "takes no records now" in said[0]
    assert ledger(directory)["offset"] == 0

    server.start()
    wait_for(lambda: ledger(directory)["offset"] > 0, 60.0)
    for record in search(20, begin=20):
        sink.write(record)
    server.kill()
    for record in [*search(20, begin=40), end(60, [F2, F3, F5])]:
        sink.write(record)
    time.sleep(1.5)
    sink.close(30.0)
    assert "are not in MLflow" in said[-1]
    assert len(said) <= 3

    server.start()
    assert deliver(directory, warn=pytest.fail) == 0
    (only,) = runs(server.uri)
    assert only.info.status == "FINISHED"
    assert sorted(steps(server.uri)) == list(range(60))
    assert models(server.uri) == ["exp2-ops-02", "exp2-ops-03", "exp2-ops-05"]
    names = {file.path for file in client(server.uri).list_artifacts(only.info.run_id)}
    assert names == {"front.json", "front.csv", "front.png", "error_curves.png"}
    assert not (tmp_path / "mlruns").exists()
    assert capfd.readouterr().out == ""


def test_a_search_ends_soon_though_its_server_never_answers(tmp_path):
    said = []
    sink = open_sink(tmp_path, f"http://127.0.0.1:{free_port()}", warn=said.append)
    sink.write(start())
    sink.write(front(0))
    sink.write(metrics(0))
    sink.close(20.0)
    assert said[-1].startswith("3 records of the search are not in MLflow")


def test_the_dashboard_needs_a_store_and_a_free_port(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"There is no MLflow store at .*none\.db"):
        open_ui(f"sqlite:///{tmp_path}/none.db")
    (tmp_path / "some.db").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match=r"Cannot listen on 127\.0\.0\.1:\d+"):
            open_ui(f"sqlite:///{tmp_path}/some.db", port=taken.getsockname()[1])
    assert open_ui("http://example.test:5000") == 0
    assert "http://example.test:5000" in capsys.readouterr().out


@pytest.mark.slow
def test_the_dashboard_serves_the_store_and_ends_with_an_interrupt(store):
    port = free_port()
    code = f"import sys; from tracking.ui import open_ui; sys.exit(open_ui({store[1]!r}, port={port}))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), 60.0)
        assert [only.info.status for only in runs(f"http://127.0.0.1:{port}")] == ["FINISHED"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        wait_for(lambda: not answers(f"http://127.0.0.1:{port}"), 10.0)
    finally:
        process.kill()
        process.wait()
