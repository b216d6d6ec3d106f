"""Registered models: named by target and metric, an alias per op count, `champion`, no version ever lost."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from records import F2, F3, F5, end, f3, front, start
from searches import evonum

from tracking.mlflow_sink import open_sink

with warnings.catch_warnings(action="ignore"):  # importing MLflow warns of its own type hints
    import mlflow.pyfunc

    from tracking.mlflow_store import save_model  # noqa: F401  (as it is imported by the sink's thread)
    from tracking.model import parse  # noqa: F401
    from tracking.registry import registered_name

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]


def deliver(folder, uri, *members):
    sink = open_sink(folder, uri, base=folder, warn=pytest.fail)
    begin = start(tags={"v": folder.name})  # another search each
    for record in (begin, front(1, members), end(2, members)):
        sink.write(record)
    sink.close(timeout_s=120)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    (folder / "a").mkdir()
    deliver(folder / "a", uri, F2, F3)
    return folder, uri


def client(uri):
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_names_have_only_letters_digits_and_what_mlflow_takes_and_stay_apart():
    names = [
        registered_name({"target": t, "metric": "relative"}) for t in ("exp2", "x+1", "x*1", "x/1", "x^1")
    ]
    assert names[0] == "exp2-relative"
    assert len(set(names)) == 5
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ")
    assert set("".join(names)) <= allowed


def test_the_champion_is_the_most_exact_and_older_versions_stay(store):
    folder, uri = store
    before = {v.version: v.tags for v in client(uri).search_model_versions("name = 'exp2-relative'")}
    champion = client(uri).get_model_version_by_alias("exp2-relative", "champion")
    assert champion.version == client(uri).get_model_version_by_alias("exp2-relative", "ops-03").version
    (folder / "b").mkdir()
    deliver(folder / "b", uri, F3, F5)  # F3 once more, and a better one
    after = {v.version: v.tags for v in client(uri).search_model_versions("name = 'exp2-relative'")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1, "the same member again is no new version"
    champion = client(uri).get_model_version_by_alias("exp2-relative", "champion")
    assert champion.version == client(uri).get_model_version_by_alias("exp2-relative", "ops-05").version


def test_a_member_of_another_interval_becomes_a_version_and_takes_no_alias(store):
    folder, uri = store
    holder = client(uri).get_model_version_by_alias("exp2-relative", "ops-03").version
    count = len(client(uri).search_model_versions("name = 'exp2-relative'"))
    for again in "cd":
        (folder / again).mkdir()
        other = F3 | {"interval": ["0", "2"], "sampled_error": 1e-9, "polished_error": 1e-9}
        deliver(folder / again, uri, other)
    assert client(uri).get_model_version_by_alias("exp2-relative", "ops-03").version == holder
    assert len(client(uri).search_model_versions("name = 'exp2-relative'")) == count + 1


def test_mlflows_own_command_predicts_with_a_registered_model(store, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"inputs": [0.25, 0.5]}))
    words = ["models", "predict", "-m", "models:/exp2-relative@ops-03", "-i", "x.json", "-t", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", *words, "--env-manager", "local", "-o", "y.json"],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": store[1], "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    got = json.loads((tmp_path / "y.json").read_text())["predictions"]
    np.testing.assert_array_equal(got, [f3(0.25), f3(0.5)])


def test_a_registered_model_and_a_run_are_exported_with_their_seed(store, tmp_path):
    uri = store[1]
    done = evonum("export", "models:/exp2-relative@ops-03", "--to", "c", "--tracking-uri", uri, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "double exp2_ops03(double x)" in done.stdout
    assert "seed 0" in done.stdout
    version = client(uri).get_model_version_by_alias("exp2-relative", "ops-02")
    run = evonum(
        "export", version.run_id, "--ops", 2, "--to", "json", cwd=tmp_path, env={"MLFLOW_TRACKING_URI": uri}
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["constants"] == F2["constants"]
    for name in ("models:/exp2-relative@ops-99", "models:/exp2-relative"):
        wrong = evonum("export", name, "--to", "c", "--tracking-uri", uri, cwd=tmp_path)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1), wrong.stderr
