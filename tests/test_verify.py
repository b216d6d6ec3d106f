"""`evonum verify`: what a front or a certificate says must be so, and what is not so is said in one line."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.errors import EvonumError
from evo.fronts.front import Front, FrontError
from evo.fronts.reading import read_members
from evo.fronts.verify import VerifyError, verify
from evo.minimax.polish import Polished
from evo.programs.program import parse
from evo.proofs.certificate import MAX_FILE, Certificate, CertificateError
from evo.proofs.prove import Refusal, check, prove
from evo.targets.making import make_target
from evo.targets.points import holdout_points
from records import F3, F5
from searches import evonum_here

POLE = F3 | {
    "ops": 2,
    "program": "v1 = x - c1\nv2 = c2 / v1",
    "formula": "c2 / (x - c1)",
    "constants": ["0.5", "-1"],
}
CUBIC = "(FPCore (x) :pre (< 0.1 x 0.3) :spec (sin x) (- x (* 1/6 (* x (* x x)))))"
PROVED = "The certificate holds"


def refused(*words):
    """The error of a command, and what it printed."""
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exception, done.output
    assert "\n" not in str(done.exception)
    return done.exception, done.output


def test_an_honest_front_keeps_every_member_and_gets_bounds(in_tmp):
    text = json.dumps([F3, {**F3, "worst_x": 0.5}, F5])
    (in_tmp / "front.json").write_text(text)
    assert CliRunner().invoke(app, ["verify", "."]).exit_code == 0
    front = Front.load(in_tmp / "front.json")
    assert [m.ops for m in front] == [3, 3, 5]
    assert all(m.proved_bound for m in front)
    done = CliRunner().invoke(app, ["verify", "certificates/ops-05.json"])
    assert PROVED in done.output


def test_a_directory_that_cannot_be_written_is_verified_all_the_same_and_says_that_nothing_is_kept(in_tmp):
    text = json.dumps([F3])
    (in_tmp / "front.json").write_text(text)
    (in_tmp / "certificates").write_text("no folder")  # stops root, too
    done = evonum_here("verify", ".", cwd=in_tmp)
    assert done.returncode == 0
    assert "8.6802e-04" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "certificates are not kept" in done.stderr
    assert (in_tmp / "front.json").read_text() == text


@pytest.mark.parametrize("name", ["sampled_error", "polished_error", "proved_bound"])
def test_a_number_that_the_constants_do_not_keep_is_told_and_nothing_is_written(in_tmp, name):
    text = json.dumps([F3, F5 | {name: 6.2e-6}])
    (in_tmp / "front.json").write_text(text)
    error, _ = refused("verify", ".")
    assert isinstance(error, VerifyError)
    assert f"5 ops: {name} is given as 6.2e-06, but the error at x = " in str(error)
    assert "is 6.33" in str(error)
    assert (in_tmp / "front.json").read_text() == text
    assert not (in_tmp / "certificates").exists()


def test_a_pole_is_told_with_its_place_though_other_constants_have_none(in_tmp):
    text = json.dumps([POLE, F3])
    (in_tmp / "front.json").write_text(text)
    error, output = refused("verify", ".")
    assert isinstance(error, VerifyError)
    assert "2 ops: as given it has no finite error" in str(error)
    assert "x = 0.5" in str(error)
    assert (in_tmp / "front.json").read_text() == text
    assert "3.4355" not in output


def test_nothing_proved_is_no_success(in_tmp, monkeypatch):
    monkeypatch.setattr("evo.proofs.prove.MAX_PIECES", 1)
    (in_tmp / "front.json").write_text(json.dumps([F3]))
    error, _ = refused("verify", ".")
    assert isinstance(error, VerifyError)
    assert "3 ops: nothing is proved: The proof needs more than 1 pieces" in str(error)
    assert len(Front.load(in_tmp / "front.json")) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"constants": ["nan", "1", "1"]}, "c1 = 'nan' is not a finite decimal number"),
        ({"constants": ["1e999999999", "1", "1"]}, "not a finite decimal number"),
        ({"constants": ["1", "2"]}, "uses 3 constants, got 2"),
        ({"ops": 2}, "says 2 ops, but its program has 3"),
        ({"ops": True}, "ops is a whole number"),
        ({"ops": "3"}, "ops is a whole number"),
        ({"sampled_error": None}, "sampled_error is a number"),
        ({"sampled_error": 10**400}, "sampled_error is a number"),
        ({"worst_x": float("nan")}, "worst_x is a number"),
        ({"proved_bound": "1"}, "proved_bound is a number or null"),
        ({"constants": [1, 2, 3]}, "constants is an array of texts"),
        ({"interval": ["0"]}, "interval is an array of two texts"),
        ({"program": "v1 = rm(x)"}, "program is none.*Unknown op 'rm'"),
        ({"program": ""}, "program is none"),
        ({"formula": 5}, "formula is a text"),
        ({"target": "exq2"}, "exq2"),
        ({"interval": ["1", "0"]}, "reversed"),
        ({"metric": "ulp"}, "Unknown metric"),
    ],
)
def test_what_makes_no_member_is_one_line(in_tmp, changes, reason):
    (in_tmp / "front.json").write_text(json.dumps([F3 | changes]))
    error, _ = refused("verify", ".")
    assert isinstance(error, EvonumError)
    with pytest.raises(type(error), match=reason):
        raise error


def test_deep_nesting_and_markup_do_no_harm(in_tmp):
    (in_tmp / "deep.json").write_text("[" * 100_000)
    error, _ = refused("front", "deep.json")
    assert isinstance(error, FrontError)
    (in_tmp / "front.json").write_text(json.dumps([F3 | {"formula": "[/red][b]x\x1b[2J"}]))
    shown = CliRunner().invoke(app, ["front", "."])
    assert shown.exit_code == 0
    assert "(c2 / (x + c1)) - c3" in shown.output  # what the program is, not what the file calls it
    assert "red" not in shown.output


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    made = prove(parse(F5["program"]), F5["constants"], make_target("exp2"))
    assert isinstance(made, Certificate)
    return made


def test_a_certificate_is_known_by_its_keys_in_any_order(in_tmp, certificate):
    whole = json.loads(certificate.to_json())
    (in_tmp / "c.json").write_text(json.dumps(dict(reversed(whole.items()))))
    assert PROVED in CliRunner().invoke(app, ["verify", "c.json"]).output


@pytest.mark.parametrize(
    "changes", [{"bound": "1" * 5000}, {"lower": "0." + "1" * 5000}, {"constants": ["1"] * 100_000}]
)
def test_a_certificate_of_endless_numbers_is_one_line(certificate, changes):
    text = json.dumps({**json.loads(certificate.to_json()), **changes})
    with pytest.raises(CertificateError):
        Certificate.from_json(text)
    with pytest.raises(CertificateError, match="at most"):
        Certificate.from_json(" " * MAX_FILE + text)


def test_a_certificate_of_a_program_with_a_pole_names_the_place(certificate):
    wrong = replace(certificate, program="v1 = x - c1\nv2 = c2 / v1", constants=("0.3", "1"))
    with pytest.raises(CertificateError, match=r"near x = (0\.3|0\.29999|0\.30000)"):
        check(wrong)


def test_better_constants_without_a_proof_do_not_replace_proved_ones(monkeypatch):
    member = Front.from_objects([F5])[0]
    before = verify(member)
    assert before.member.constants != member.constants

    def only_as_given(program, constants, target):
        return prove(program, constants, target) if tuple(constants) == member.constants else refusal

    refusal = prove(parse(POLE["program"]), POLE["constants"], make_target("exp2"))
    monkeypatch.setattr("evo.fronts.figures.prove", only_as_given)
    after = verify(member).member
    assert after.constants == member.constants
    assert after.proved_bound
    assert after.polished_error is None


def test_a_formula_as_it_stands_comes_first_with_its_own_constants_and_polishing_after(in_tmp):
    (in_tmp / "sin.fpcore").write_text(CUBIC)
    shown = CliRunner().invoke(app, ["verify", "sin.fpcore"], env={"COLUMNS": "80"}).output.splitlines()
    found = json.loads(CliRunner().invoke(app, ["verify", "sin.fpcore", "--json"]).output)[0]
    given, polished = (
        next(k for k, line in enumerate(shown) if word in line) for word in ("given", "polished")
    )
    assert given < polished
    for row, prefix in ((given, "given_"), (polished, "")):
        for name in ("proved_bound", "float64_error", "float64_bound", "float32_error"):
            assert f"{found[prefix + name]:.4e}" in shown[row], prefix + name
    assert f"{found['given_error']:.4e}" in shown[given]
    assert found["given_constants"] == ["1/6"]
    supremum = abs(1 - (0.3 - 0.3**3 / 6) / math.sin(0.3))  # the error grows with x
    assert found["given_error"] == pytest.approx(supremum, rel=1e-6)
    assert supremum <= found["given_proved_bound"] <= 1.002 * supremum
    assert found["proved_bound"] < found["given_proved_bound"] / 2


def test_the_error_in_float32_is_that_of_numpys_arithmetic():
    (member,) = read_members(CUBIC, "file")
    sample = verify(member).given.float32
    x = holdout_points(member.function).x.astype(np.float32)
    x = np.unique(x[(x.astype(float) > 0.1) & (x.astype(float) < 0.3)])
    got = x - np.float32(1 / 6) * (x * (x * x))
    assert got.dtype == np.float32
    errors = [abs(g / math.sin(v) - 1) for g, v in zip(got.tolist(), x.tolist(), strict=True)]
    assert sample.inputs == len(x)
    assert sample.error == pytest.approx(max(errors), rel=1e-8)
    assert sample.worst_x == float(x[int(np.argmax(errors))])
    assert sample.error > verify(member).given.float64.error


def test_a_constant_that_float32_does_not_hold_is_no_obstacle_to_the_proof():
    (member,) = read_members("(FPCore (x) :pre (< 1 x 2) :spec (exp x) (+ 1e-60 (+ 1 x)))", "file")
    found = verify(member)
    assert found.given.bound
    assert isinstance(found.given.float32, Refusal)
    assert "1e-60 is not zero but rounds to zero in float32" in found.given.float32.reason


def test_what_is_proved_of_polished_constants_only_is_told_and_no_success(monkeypatch):
    (member,) = read_members(CUBIC, "file")
    refusal = Refusal("undecided", "The proof needs more than 1 pieces.", None)

    def not_as_given(program, constants, target):
        return refusal if tuple(constants) == member.constants else prove(program, constants, target)

    monkeypatch.setattr("evo.fronts.figures.prove", not_as_given)
    found = verify(member)
    assert found.member.proved_bound
    assert found.complaints == ("as given nothing is proved: The proof needs more than 1 pieces.",)


def test_an_infinite_error_is_null_in_json_which_has_no_infinity(in_tmp):
    (in_tmp / "pole.json").write_text(json.dumps([POLE]))
    _, output = refused("verify", "pole.json", "--json")
    text = output[: output.rindex("]") + 1]
    found = json.loads(text, parse_constant=pytest.fail)[0]
    assert found["given_error"] is None
    assert "x = 0.5" in found["given_refusal"]


def test_a_bound_that_holds_on_a_part_of_the_interval_has_a_star(in_tmp):
    (in_tmp / "front.json").write_text(json.dumps([F3, F5]))
    shown = CliRunner().invoke(app, ["verify", "front.json"]).output
    starred = {line.split()[0]: "*" in line for line in shown.splitlines() if "as given" in line}
    assert starred == {"3": False, "5": True}
    assert "* holds on a part of the interval only" in shown


def test_an_error_that_the_proof_finds_beside_the_points_is_the_members(monkeypatch):
    (member,) = read_members(CUBIC, "file")
    seen = (member.sampled_error / 2, 0.2)
    monkeypatch.setattr("evo.fronts.figures.sampled_error", lambda *given: seen)
    monkeypatch.setattr("evo.fronts.verify.polish", lambda program, constants, target: kept)
    kept = Polished("unchanged", member.constants, member.sampled_error, 0.3, (), 1.0, 0)
    found = verify(replace(member, sampled_error=seen[0]))
    assert found.member.sampled_error == pytest.approx(member.sampled_error, rel=1e-3)
    assert found.member.worst_x == pytest.approx(0.3, abs=1e-3)
    assert "sampled_error is given as" in found.faults[0]
