"""Each table that CONTRIBUTING names takes a row, and nothing else is needed. Ops: tests/test_added_op.py."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from flint import arb

from evo import api
from evo.backends.backend import BACKENDS
from evo.exports.export import EXPORT_FORMATS, ExportFormat
from evo.reductions.powers import Power
from evo.reductions.table import REDUCTIONS
from evo.runs.workers import WORKERS
from evo.runs.workers.serial import SerialWorkers
from evo.targets.catalogue import CATALOGUE, CatalogueRow
from evo.targets.functions import FUNCTIONS, Function
from evo.targets.metric import METRICS, Metric
from searches import SMALL, evonum_here

SHORT = {**SMALL, "max_ops": 4, "generations": 8, "islands": 1, "workers": "serial", "record": False}


@pytest.fixture
def row(monkeypatch):
    """Adds a row to a table, for one test."""
    return lambda table, name, value: monkeypatch.setitem(table, name, value)


def searched(target, **entries):
    """The front of a short search in this process, each member with a proof."""
    front = api.search(**{**SHORT, "target": target, "out": "found", **entries})
    assert front
    assert all(member.proved_bound for member in front)
    return front


def run(*words):
    """What a command prints that ends well."""
    done = evonum_here(*words, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_metric(row, in_tmp):
    row(METRICS, "halves", Metric("halves", lambda exact: exact / exact / 2))  # twice the absolute error
    ours = searched("exp2", metric="halves").best(ops=3)
    plain = searched("exp2", metric="absolute", out="plain").best(ops=3)
    assert ours.sampled_error == pytest.approx(2 * plain.sampled_error, rel=1e-3)
    run("verify", "found")
    run("export", "found", "--ops", "4", "--to", "c")
    assert "halves error" in run("export", "found", "--ops", "4", "--to", "latex")
    text = run("export", "found", "--ops", "4", "--to", "c", "--dtype", "float32")
    assert "sampled" in text  # C knows no such unit


def test_a_target_of_the_catalogue(row, in_tmp):
    row(CATALOGUE, "wave", CatalogueRow("wave", "sin(3*x)+2", "0", "1", "absolute", "a wave"))
    assert searched("wave").best(ops=4).target == "wave"
    assert "wave" in run("targets")
    run("verify", "found")


def test_a_function_of_expressions(row, in_tmp):
    third = arb(1) / 3
    row(FUNCTIONS, "third", Function("third", 1, lambda x: x * third, lambda x: x * third))
    ours, plain = searched("exp(third(x))"), searched("exp(x/3)", out="plain")
    assert [m.proved_bound for m in ours] == pytest.approx([m.proved_bound for m in plain], rel=1e-6)


def test_an_export_format(row, in_tmp, monkeypatch):
    module = types.ModuleType("evo.exports.shouting")
    module.__dict__["render"] = lambda formulas: str(formulas[0].program).upper()
    monkeypatch.setitem(sys.modules, "evo.exports.shouting", module)
    row(EXPORT_FORMATS, "shouting", ExportFormat("shouting", "txt", "shouting.render", many=False))
    searched("exp2")
    assert "V4 = " in run("export", "found", "--ops", "4", "--to", "shouting")


def test_a_backend(row, in_tmp):
    row(BACKENDS, "other", BACKENDS["native"]._replace())
    assert searched("exp2", backend="other")


def test_a_kind_of_worker(row, in_tmp):
    row(WORKERS, "later", lambda problem, islands, address, most: SerialWorkers(problem))
    assert searched("exp2", workers="later")


def test_a_range_reduction(row, in_tmp):
    function = CatalogueRow("powers_of_3", "3^x", "0", "log(2)/log(3)", "relative", "a power of 3")
    row(CATALOGUE, "powers_of_3", function)
    row(REDUCTIONS, "powers_of_3", Power("powers_of_3", "log(2)/log(3)", lambda x: np.power(3.0, x)).ways())
    searched("powers_of_3")
    assert "static inline" in run(
        "export", "found", "--ops", "4", "--to", "c", "--dtype", "float32", "--full"
    )
