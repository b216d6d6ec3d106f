"""What other commands than a search refuse in one line: drawings, classical forms, dashboards."""

import json

import numpy as np
import pytest
from records import F3, F5
from typer.testing import CliRunner

from evo.baselines import baselines
from evo.cli import BAD_INPUT, UsageError, app
from evo.polish import polish
from evo.program import parse
from evo.target import make_target


@pytest.fixture
def front(in_tmp):
    (in_tmp / "front.json").write_text(json.dumps([F3, F5]))
    return in_tmp


def refused(*words):
    done = CliRunner().invoke(app, list(words), standalone_mode=False)
    assert isinstance(done.exception, (*BAD_INPUT, UsageError)), (done.exception, done.output)
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
