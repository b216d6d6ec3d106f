"""Errors recomputed by mpmath from files alone."""

import json
import subprocess
import sys
from pathlib import Path

import mpmath
import pytest
import recompute

from evo.catalogue import CATALOGUE
from evo.ops import OPS
from evo.target import make_target

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


def test_every_target_of_the_catalogue_has_its_meaning(digits):
    assert set(recompute.FUNCTIONS) == {row.name for row in CATALOGUE}
    for row in CATALOGUE:
        target = make_target(row.name)
        x = 0.3 * target.span[0] + 0.7 * target.span[1]
        assert float(recompute.FUNCTIONS[row.name](mpmath.mpf(x))) == pytest.approx(target.exact([x])[0])


def test_every_op_of_the_table_has_its_meaning():
    assert {*recompute.INFIX, *recompute.CALLS} == {op.symbol if op.infix else op.name for op in OPS}


def test_a_pole_is_infinite_and_constants_are_free(digits):
    curve = recompute.Curve("v1 = x - c1\nv2 = c1 / v1", ["0.5"], "exp2", "relative", {})
    assert curve(mpmath.mpf("0.5")) == mpmath.inf
    assert recompute.count_ops("v1 = c1 * c2\nv2 = x + v1\nv3 = sqrt(v2)") == 2
