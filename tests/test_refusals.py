"""What other commands than a search refuse in one line: drawings, classical forms, dashboards, exports."""

import errno
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evo.classical.baselines import baselines
from evo.cli.app import UsageError, app
from evo.errors import EvonumError
from evo.fronts.front import Front
from evo.minimax.polish import polish
from evo.programs.program import parse
from evo.runs.workers import check_address
from evo.targets.making import make_target
from exported import EXPERIMENTS
from records import F3, F5


@pytest.fixture
def front(in_tmp):
    (in_tmp / "front.json").write_text(json.dumps([F3, F5]))
    return in_tmp


def refused(*words):
    done = CliRunner().invoke(app, list(words), standalone_mode=False)
    assert isinstance(done.exception, (EvonumError, UsageError)), (done.exception, done.output)
    return str(done.exception)


@pytest.mark.parametrize("name", ["", ".", "folder", "folder/", "none/x.png", "x.foo", "a" * 300 + ".png"])
def test_a_figure_needs_a_name_that_can_be_written(front, name):
    (front / "folder").mkdir()
    reason = refused("front", ".", "--plot", name)
    assert "name of a figure" in reason or "Cannot draw" in reason


def test_a_figure_without_a_suffix_is_a_png(front):
    assert CliRunner().invoke(app, ["front", ".", "--plot", "figure"]).exit_code == 0
    for name in ("figure.png", "figure-curves.png"):
        assert (front / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["x-x+2", "sin(x)/sin(x)"])
def test_classical_forms_of_what_is_a_constant_are_exact(text):
    assert baselines(make_target(text, ("0", "1")), 5)[0].error == 0


def test_an_empty_table_of_classical_forms_says_why():
    reason = refused("baselines", "exp(700*x)", "--interval", "0", "1", "--max-ops", "4")
    assert "No classical form of exp(700*x) on (0, 1) with at most 4 ops" in reason
    assert "no better than the constant 0" in reason


@pytest.mark.parametrize("uri", ["garbage", "sqlite:///text.db", "sqlite:///folder", "redis://x"])
def test_a_dashboard_of_what_is_no_store_is_refused(in_tmp, uri):
    (in_tmp / "text.db").write_text("no database")
    (in_tmp / "folder").mkdir()
    assert refused("ui", "--tracking-uri", uri)


@pytest.mark.parametrize("words", [["search", "exp2", "--out", ""], ["search", "--resume", ""]])
def test_a_directory_has_a_name(in_tmp, words):
    assert "empty" in refused(*words)
    assert "search directory" in refused("search", "--resume", "a" * 300)
    assert list(in_tmp.iterdir()) == []


@pytest.mark.parametrize("command", ["search", "baselines"])
def test_help_says_an_expressions_interval(command):
    shown = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output.split())
    assert "0 1 for an expression" in shown


@pytest.mark.parametrize("start", [["1e300", "1e300"], ["1e-300", "-1e300"], ["0", "0"]])
def test_polishing_a_hopeless_start_warns_of_nothing(start):
    """Warnings are errors here."""
    program = parse("v1 = x * x\nv2 = v1 * c1\nv3 = v2 * v2\nv4 = c2 / v3")
    assert polish(program, start, make_target("exp2")).status
    assert np.geterr()["over"] == "warn"


def test_a_constant_whose_digits_have_no_number_is_kept():
    """The result does not depend on x, which makes the need of digits 0/0."""
    program = parse("v1 = c1 / x\nv2 = neg(c1)\nv3 = sqrt(v2)\nv4 = neg(v3)")
    assert polish(program, ["2.6225190866763244e+299"], make_target("exp2")).status


@pytest.fixture
def proved(in_tmp):
    """A front of two members that is what it says, with certificates."""
    members = [m for m in Front.load(EXPERIMENTS / "fronts" / "exp2-8ops.json") if m.ops in (3, 5)]
    Front(tuple(members)).save(in_tmp / "front.json")
    assert CliRunner().invoke(app, ["verify", "."]).exit_code == 0
    return members


def exported(*words):
    done = CliRunner().invoke(app, ["export", ".", "--ops", "5", "--to", "c", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


CLAIMS = {
    "sampled_error": (1e-9, "sampled_error is given as 1e-09, but the error at x = 0.526"),
    "polished_error": (1e-12, "polished_error is given as 1e-12, but"),
    "proved_bound": (1e-300, "proved_bound is given as 1e-300, but"),
    "interval": (("0", "2"), "but the error at x"),
    "constants": (("1", "2", "3", "4"), "as given it has no finite error"),
}


@pytest.mark.parametrize("field", CLAIMS)
def test_a_front_that_claims_too_much_is_not_exported(proved, field):
    value, reason = CLAIMS[field]
    assert "sampled error  4.3408e-06" in exported()
    Path("front.json").write_text(json.dumps([asdict(replace(proved[1], **{field: value}))]))
    assert reason in refused("export", ".", "--ops", "5", "--to", "c")


DAMAGE = {
    "no certificates": lambda: shutil.rmtree("certificates"),
    "another's certificate": lambda: shutil.copy("certificates/ops-03.json", "certificates/ops-05.json"),
    "junk": lambda: Path("certificates/ops-05.json").write_text("junk"),
    "an odd specification": lambda: Path("spec.json").write_text(
        '{"target": "a\\nb */", "seed": "x", "ops": [1], "interval": 5, "backend": "q", "offspring": [[1]]}'
    ),
    "no specification": lambda: Path("spec.json").write_text("[1"),
    "odd records": lambda: Path("records.jsonl").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_directory_in_disorder_is_exported_with_what_is_known(proved, what):
    before = exported()
    digest = json.loads(Path("certificates/ops-05.json").read_text())["digest"]
    DAMAGE[what]()
    after = exported()
    assert f"sha256 {digest}" in after
    assert after.split("#ifndef")[1] == before.split("#ifndef")[1]


def test_an_export_that_cannot_be_written_leaves_the_old_file(proved, monkeypatch):
    for name in ("certificates", "no/such.h", "", "a" * 300):
        assert "cannot be written" in refused("export", ".", "--ops", "5", "--to", "c", "--output", name)
    full = CliRunner().invoke(app, ["export", ".", "--ops", "5", "--to", "c", "--output", "/dev/full"])
    assert isinstance(full.exception, OSError)
    assert full.exception.errno == errno.ENOSPC
    Path("a.h").write_text("old")

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    done = CliRunner().invoke(app, ["export", ".", "--ops", "5", "--to", "c", "--output", "a.h"])
    assert isinstance(done.exception, OSError)
    assert str(done.exception.filename) == "a.h"
    assert Path("a.h").read_text() == "old"
    assert not list(Path().glob(".a.h*"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--to", "c", "--name", ""], "no identifier"),
        (["--to", "c", "--all", "--name", ""], "leave out"),
        (["--to", "c++"], "Unknown format"),
        (["--to", "jax-export"], "give --output"),
        (["--to", "c", "--dtype", "f32", "--ops", "5"], "Unknown dtype"),
        (["--to", "c", "--ops", "4"], "it has 3, 5"),
    ],
)
def test_options_that_cannot_be_are_refused(proved, words, reason):
    given = [] if {"--all", "--ops"} & set(words) else ["--ops", "5"]
    assert reason in refused("export", ".", *given, *words)


def test_a_front_of_nothing_and_a_registry_that_is_none_are_refused(in_tmp):
    (in_tmp / "front.json").write_text("[]")
    assert "has no members" in refused("export", ".", "--to", "c")
    for name in ("models:/a@b", "models:/a/999999999999999999999", "models:/"):
        for uri in ("garbage", "sqlite:///none.db"):
            assert "no registered model" in refused("export", name, "--to", "c", "--tracking-uri", uri)
    with (in_tmp / "huge.json").open("wb") as file:
        file.truncate(1 << 30)
    for command in (["export", "huge.json", "--to", "c"], ["verify", "huge.json"]):
        assert "too large" in refused(*command)


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "10.0.0.1:abc", "10.0.0.1:0", "10.0.0.1:65536", "http://10.0.0.1:6379", ":6379"],
)
def test_what_is_no_address_of_a_cluster_is_refused_before_anything_begins(in_tmp, address):
    reason = refused("search", "exp2", "--address", address, "--out", "s")
    assert reason.startswith(f"--address {address!r} is none of a Ray cluster: give HOST:PORT")
    assert not (in_tmp / "s").exists()


@pytest.mark.parametrize("address", ["auto", "local", "10.0.0.1:6379", "[::1]:6379", "ray://head.lan:10001"])
def test_addresses_of_clusters_are_taken_as_they_are(address):
    check_address(address)


def test_a_search_in_one_process_has_no_cluster(in_tmp):
    words = ["search", "exp2", "--workers", "serial", "--address", "auto", "--out", "s"]
    assert "leave out --address" in refused(*words)
