"""Constants that are solved for where a target vanishes: one by one, and several at once."""

import json
from fractions import Fraction

import pytest

from evo.minimax.elimination import Place, solutions
from evo.minimax.pins import holds, pinned
from evo.minimax.polish import polish
from evo.numbers.constants import exact
from evo.numbers.reals import PI, Real
from evo.programs.program import parse
from evo.targets.making import make_target
from searches import evonum_here

SIN = make_target("sin", ("pi", "2*pi"), "relative")


def program(*lines):
    return parse("\n".join(f"v{k} = {line}" for k, line in enumerate(lines, start=1)))


@pytest.mark.parametrize(
    ("lines", "given", "found"),
    [
        (("c1 / x", "v1 + x", "v2 - c2"), ("19.7392", "9.42478"), ("2*pi^2", "3*pi")),
        (("x - c1", "v1 * v1", "v2 - c2"), ("4.7124", "2.4674"), ("3/2*pi", "1/4*pi^2")),
        (("x - c1", "c2 - x", "v1 * v2"), ("3.14", "6.28"), ("pi", "2*pi")),
        (("x * x", "v1 - c1"), ("9.87",), None),
    ],
)
def test_zeros_at_both_ends_take_two_constants_at_once(lines, given, found):
    assert pinned(program(*lines), given, SIN, 0.02) == found
    assert holds(program(*lines), given, SIN) == (found is not None)


def test_three_zeros_take_three_constants():
    target = make_target("(x-1)*(x-2)*(x-3)", ("1", "3"), "relative")
    cubic = program("x + c1", "v1 * x", "v2 + c2", "v3 * x", "v4 + c3")
    assert pinned(cubic, ("-6.0001", "11.0002", "-5.9999"), target, 0.02) == ("-6", "11", "-6")


def test_a_polished_formula_vanishes_exactly_at_both_ends():
    lines = ("c3 + x", "v1 * v1", "v2 + c4", "c2 / v3", "c1 - v4")
    polished = polish(program(*lines), ("3.764", "44.217", "-4.71239", "9.2797"), SIN)
    assert polished.error == pytest.approx(4.658978e-3, rel=1e-5)
    constants = [exact(text) for text in polished.constants]
    for end in (PI, PI * 2):
        v3 = (Real.of(constants[2]) + end) ** 2 + constants[3]
        assert (Real.of(constants[0]) - constants[1] / v3).is_zero


def test_solutions_far_away_or_of_no_exact_form_are_none():
    lines = program("x - c1", "v1 * v1", "v2 - c2")
    places = [Place(PI, True), Place(PI * 2, True)]
    assert list(solutions(lines, (Fraction(3), Fraction(2)), places, (0, 1), 1e-3)) == []
    cubic = program("x * c1", "v1 * c1", "v2 * c1", "v3 - c2")  # c1^3 x = 2 at 1: a cube root
    here = [Place(Fraction(1), True)]
    assert list(solutions(cubic, (Fraction(5, 4), Fraction(2)), here, (0,), 0.1)) == []
    root = program("sqrt(c1)", "x - v1")
    assert list(solutions(root, (Fraction(1),), here, (0,), 0.1)) == []


def test_a_search_between_two_zeros_that_are_not_at_0_finds_formulas(in_tmp):
    spec = {"target": "sin", "interval": ["pi", "2*pi"], "metric": "relative", "max_ops": 3, "generations": 1}
    (in_tmp / "spec.yaml").write_text(json.dumps({**spec, "islands": 1}))
    words = ("search", "--spec", "spec.yaml", "--no-record", "--workers", "serial", "--json")
    done = evonum_here(*words, cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)[-1]
    assert best["sampled_error"] == pytest.approx(0.524942, rel=1e-5)
    assert best["proved_bound"] < 0.5255
    assert set(best["constants"]) <= {"2*pi^2", "3*pi", "-3*pi", "-2*pi^2"}


def test_a_search_that_finds_nothing_says_what_was_tried(in_tmp):
    (in_tmp / "spec.yaml").write_text(
        json.dumps({"target": "sin", "interval": ["pi", "2*pi"], "metric": "relative", "islands": 1})
    )
    words = ("search", "--spec", "spec.yaml", "--max-ops", "1", "--ops", "+", "--generations", "1")
    done = evonum_here(*words, "--no-record", "--workers", "serial", "--json", "--out", "s", cwd=in_tmp)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("evonum: Nothing is found: of ")
    assert "exactly, at x = pi, x = 2*pi. Go on with evonum search --resume s" in last
    assert json.loads((in_tmp / "s" / "front.json").read_text()) in ([], {"version": 1, "members": []})
