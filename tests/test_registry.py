"""Registered models: named by what can be compared, an alias per op count, no version ever lost."""

import json
import os
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest

from evo.api.sources import _recorded as recorded
from evo.exports.export import export
from evo.fronts.front import FrontError
from evo.runs.sources import load_source
from records import F2, F3, F5, end, f3, front, start
from stores import stores_are_copied
from tracking.mlflow_sink import open_sink

with warnings.catch_warnings(action="ignore"):  # importing MLflow warns of its own type hints
    import mlflow.pyfunc

    from tracking.mlflow_store import save_model  # noqa: F401  (as it is imported by the sink's thread)
    from tracking.model import parse  # noqa: F401
    from tracking.registry import registered_name

__all__ = ["stores_are_copied"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]


NAME = "exp2-relative-0-to-1-add-sub-mul-div"


def deliver(folder, uri, *members, ops="+ - * /"):
    sink = open_sink(folder, uri, base=folder, warn=pytest.fail)
    begin = start(tags={"v": folder.name}, params={"ops": ops, "seed": 0})  # another search each
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
        registered_name({"target": t, "metric": "relative", "interval": ends}, ops)
        for t in ("exp2", "x+1", "x*1", "x/1", "x^1")
        for ends in (["0", "1"], ["0", "pi/2"], ["-1", "1"])
        for ops in ("+ -", "+ - * / sqrt", "fma *", "")
    ]
    assert names[1] == "exp2-relative-0-to-1-add-sub-mul-div-sqrt"
    assert len(set(names)) == 60
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ")
    assert set("".join(names)) <= allowed


def test_one_set_of_ops_has_one_name_however_it_is_written():
    assert len({registered_name(F3, ops) for ops in ("+ fma /", "/ + fma", "fma add div", "+ + / fma")}) == 1


def test_the_champion_is_the_most_exact_and_older_versions_stay(store):
    folder, uri = store
    before = {v.version: v.tags for v in client(uri).search_model_versions(f"name = '{NAME}'")}
    champion = client(uri).get_model_version_by_alias(NAME, "champion")
    assert champion.version == client(uri).get_model_version_by_alias(NAME, "ops-03").version
    (folder / "b").mkdir()
    deliver(folder / "b", uri, F3, F5)  # F3 once more, and a better one
    after = {v.version: v.tags for v in client(uri).search_model_versions(f"name = '{NAME}'")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1, "the same member again is no new version"
    champion = client(uri).get_model_version_by_alias(NAME, "champion")
    assert champion.version == client(uri).get_model_version_by_alias(NAME, "ops-05").version


@pytest.mark.parametrize(
    ("name", "other", "ops"),
    [
        ("exp2-relative-0-to-2-add-sub-mul-div", {"interval": ["0", "2"]}, "+ - * /"),
        ("exp2-relative-0-to-1-mul-fma", {}, "* fma"),
    ],
)
def test_another_interval_and_other_ops_have_aliases_of_their_own(name, other, ops, store):
    folder, uri = store
    aliases = "ops-03", "champion"
    holders = [client(uri).get_model_version_by_alias(NAME, alias).version for alias in aliases]
    (folder / name).mkdir()
    better = F3 | other | {"sampled_error": 1e-12, "polished_error": 1e-12}
    deliver(folder / name, uri, better, ops=ops)
    assert holders == [client(uri).get_model_version_by_alias(NAME, alias).version for alias in aliases]
    for alias in aliases:
        assert float(client(uri).get_model_version_by_alias(name, alias).tags["error"]) == 1e-12


@pytest.mark.slow
def test_mlflows_own_command_predicts_with_a_registered_model(store, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"inputs": [0.25, 0.5]}))
    words = ["models", "predict", "-m", f"models:/{NAME}@ops-03", "-i", "x.json", "-t", "json"]
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


def test_a_registered_model_and_a_run_are_exported_with_their_seed(store, monkeypatch):
    uri = store[1]
    named = load_source(f"models:/{NAME}@ops-03", partial(recorded, tracking_uri=uri))
    (found,) = named.front
    text = export(found, "c", origin=named.origin(found))
    assert "double exp2_ops03(double x)" in text
    assert "seed 0" in text
    version = client(uri).get_model_version_by_alias(NAME, "ops-02")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run = load_source(version.run_id, recorded)
    assert [list(m.constants) for m in run.front if m.ops == 2] == [F2["constants"]]
    assert run.origin(run.front[0]).seed == 0
    assert load_source(f"models:/{NAME}/{version.version}", recorded).front[0].ops == 2


@pytest.mark.parametrize("name", [f"models:/{NAME}@ops-99", "models:/none/1", f"models:/{NAME}", "0" * 32])
def test_names_of_nothing_are_refused_in_one_line(store, name):
    with pytest.raises(FrontError, match=r"is no (registered model|search directory)") as caught:
        load_source(name, partial(recorded, tracking_uri=store[1]))
    assert "\n" not in str(caught.value)
