"""Errors recomputed by mpmath from files alone."""

import json
import math
import subprocess
import sys
from pathlib import Path

import mpmath
import pytest

import recompute
from evo.programs.ops import OPS
from evo.targets.catalogue import CATALOGUE
from evo.targets.making import make_target

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
FRONTS = sorted((EXPERIMENTS / "fronts").glob("*.json"))


@pytest.fixture
def digits():
    with mpmath.workdps(60):
        yield


@pytest.mark.parametrize("path", FRONTS, ids=lambda path: path.stem)
def test_the_fronts_on_record_are_what_they_say(path, digits):
    exact = {}
    for member in json.loads(path.read_text()):
        error, _ = recompute.recompute(member, 200, exact)
        assert recompute.faults(member, error) == []
        assert member["proved_bound"] < 1.002 * error


def test_a_forged_member_is_told():
    member = json.loads(FRONTS[-1].read_text())[3]
    error = member["sampled_error"]
    forged = {**member, "ops": 3, "sampled_error": 0.99 * error, "proved_bound": 0.999 * error}
    assert len(recompute.faults(forged, error)) == 3
    assert recompute.faults({**member, "polished_error": None, "proved_bound": None}, error) == []


def test_the_command_fails_for_a_forged_front(tmp_path):
    front = json.loads(FRONTS[-1].read_text())[:2]
    front[1]["constants"][0] = str(1.01 * float(front[1]["constants"][0]))
    (tmp_path / "front.json").write_text(json.dumps(front))
    command = [sys.executable, EXPERIMENTS / "recompute.py", tmp_path / "front.json", "--points", "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "sampled_error" in done.stdout


FORGED = {
    "no member": [],
    "no object": [1],
    "keys": {"program": None},
    "statement": {"program": "__import__('os').system('true')"},
    "operation": {"program": "v1 = x ** x"},
    "empty": {"program": ""},
    "value to come": {"program": "v1 = sqrt(v2)\nv2 = x * x"},
    "one name for two operations": {"program": "v1 = x * x\nv1 = v1 * v1"},
    "x anew": {"program": "x = x * x"},
    "no such constant": {"program": "v1 = x + c9"},
    "huge exponent": {"constants": ["1e999999999"]},
    "long number": {"constants": ["9" * 5000]},
    "huge interval": {"interval": ["0", "1e99999"]},
    "empty interval": {"interval": ["1", "1"]},
    "metric": {"metric": "ulp"},
    "target": {"target": "nosuch"},
    "text for a number": {"sampled_error": "small"},
    "no error": {"sampled_error": None},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_what_is_no_front_is_one_line_and_no_success(tmp_path, monkeypatch, capsys, forged):
    member = json.loads(FRONTS[-1].read_text())[1]
    (tmp_path / "front.json").write_text(
        json.dumps([{**member, **forged}] if isinstance(forged, dict) else forged)
    )
    _refused(tmp_path / "front.json", monkeypatch, capsys)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b" " * 10_000_001])
def test_what_is_no_json_is_one_line(tmp_path, monkeypatch, capsys, data):
    (tmp_path / "front.json").write_bytes(data)
    _refused(tmp_path / "front.json", monkeypatch, capsys)


def test_what_is_no_file_is_one_line(tmp_path, monkeypatch, capsys):
    _refused(tmp_path, monkeypatch, capsys)
    _refused(tmp_path / "none.json", monkeypatch, capsys)


def _refused(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recompute.py", str(path)])
    assert recompute.main() == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"{path} is no front: ")
    assert told.err.count("\n") == 1
    assert not told.out


def test_a_bound_that_is_no_number_proves_nothing():
    member = json.loads(FRONTS[-1].read_text())[1]
    assert recompute.faults({**member, "proved_bound": math.nan}, member["sampled_error"])


def test_values_of_one_target_are_not_taken_for_those_of_another(digits):
    exact, x = {}, mpmath.mpf("0.5")
    for target in ("sin", "cos"):
        curve = recompute.Curve("v1 = x - x", [], target, "absolute", exact)
        assert curve(x) == recompute.FUNCTIONS[target](x)


def test_every_target_of_the_catalogue_has_its_meaning(digits):
    assert set(recompute.FUNCTIONS) == set(CATALOGUE)
    for row in CATALOGUE.values():
        target = make_target(row.name)
        x = 0.3 * target.span[0] + 0.7 * target.span[1]
        assert float(recompute.FUNCTIONS[row.name](mpmath.mpf(x))) == pytest.approx(target.exact([x])[0])


def test_every_op_of_the_table_has_its_meaning():
    assert {*recompute.INFIX, *recompute.CALLS} == {op.symbol if op.infix else op.name for op in OPS}


def test_a_pole_is_infinite_and_constants_are_free(digits):
    curve = recompute.Curve("v1 = x - c1\nv2 = c1 / v1", ["0.5"], "exp2", "relative", {})
    assert curve(mpmath.mpf("0.5")) == mpmath.inf
    assert recompute.count_ops("v1 = c1 * c2\nv2 = x + v1\nv3 = sqrt(v2)") == 2
