"""The judge of experiments/peers.py: everybody's formulas become programs, polished by one tool."""

import numpy as np
import pytest

import judge
import peers
import runs
import tools
from published import F5

X, EXACT = judge.training_points()


def values(formula: str) -> np.ndarray:
    program, constants = judge.translate(formula, X)
    return program.evaluate(np, X, constants)


@pytest.mark.parametrize(
    ("formula", "ops", "expected"),
    [
        ("(2.0 * X1) + (-(0.5))", 2, lambda x: 2 * x - 0.5),
        ("div(sub(X0, 0.25), add(X0, X0))", 3, lambda x: (x - 0.25) / (x + x)),
        ("protectedDiv(1, mul(add(ARG0, 3), add(ARG0, 3)))", 4, lambda x: 1 / (x + 3) ** 2),
        ("-(x) - 1", 2, lambda x: -x - 1),
        ("(1.0 * X1) * (X1 + 0) / 1.0", 1, lambda x: x * x),
        ("(2 - 3.5) * (x - x * x) + 1e-3", 4, lambda x: -1.5 * (x - x * x) + 1e-3),
    ],
)
def test_a_formula_of_any_tool_becomes_the_program_of_the_same_function(formula, ops, expected):
    assert judge.translate(formula, X)[0].ops == ops
    np.testing.assert_allclose(values(formula), expected(X), rtol=1e-13)


def test_division_that_is_protected_everywhere_is_one_and_else_plain():
    np.testing.assert_allclose(values("add(X0, div(X0, sub(X0, X0)))"), X + 1)
    np.testing.assert_allclose(values("mul(X0, mul(2, protectedDiv(3, 0)))"), 2 * X)
    np.testing.assert_allclose(values("div(1, mul(X0, 0.1))"), 10 / X)  # gplearn protects below 0.001
    assert X[0] >= 1e-3


def test_copies_of_a_subtree_are_shared_if_equal_numbers_are_one_constant():
    formula = "mul(add(X0, 3.5), add(X0, 3.5))"
    shared, constants = judge.translate(formula, X, tied=True)
    assert (shared.ops, constants) == (2, [3.5])
    assert judge.translate(formula, X)[0].ops == 3
    assert sorted(p.ops for p, _ in judge.programs_of([{"formula": formula}], 12)) == [2, 3]


@pytest.mark.parametrize(
    "formula", ["sin(x)", "x ** 2", "__import__('os')", "1 + 2", "x", "y + 1", "1 / 0 * x", "add(x", "x.real"]
)
def test_what_is_no_program_is_refused(formula):
    with pytest.raises(judge.JudgeError):
        judge.translate(formula, X)


@pytest.mark.parametrize(
    ("formula", "ops"),
    [
        ("2 * (3 / (4 * x - 5)) + 1", 3),  # c / (x - c) + c
        ("2 * (1 + (3 * x - 4) / 2)", 2),  # c x + c
        ("3 / (x - 4) + 1", 3),
        ("(2 * x + 3) / (4 * x + 5)", 4),  # c + c / (x + c) has 3, but a form stays as it is
    ],
)
def test_constants_that_do_nothing_cost_nothing(formula, ops):
    program, constants = judge.reduced(*judge.translate(formula, X))
    assert judge.rank(program) == program.n_constants == len(constants)
    assert program.ops == ops


def test_a_reduced_program_reaches_the_optimum_of_its_family():
    formula = "1.1 * (9.0 / (0.9 * x - 3.0) + 2.0) - 0.5 + 0.001"
    found = judge.best_by_ops([{"formula": formula}], 12)
    assert list(found) == [3]
    assert found[3][0] == pytest.approx(8.6724e-4, rel=1e-3)


def test_ours_are_judged_like_all_others():
    program, constants = F5
    text = {"program": str(program), "constants": [str(c) for c in constants]}
    found = judge.best_by_ops([text, {"formula": "sin(x)"}, {"formula": "x + 1"}], 12)
    assert found[5][0] == pytest.approx(4.3408e-6, rel=1e-3)
    assert found[1][0] == pytest.approx(3.5602e-2, rel=1e-3)
    errors = peers.errors_of(found)
    assert errors[4] == found[1][0]
    assert errors[12] == found[5][0]


def test_programs_of_more_operations_are_left_out():
    assert judge.best_by_ops([{"formula": "x * x * x + x"}], 2) == {}


def test_the_mean_over_the_training_points_is_one_of_relative_errors():
    dense = judge.FIRST + (1 - judge.FIRST) * np.sin(np.linspace(0, np.pi / 2, 2001)) ** 2
    wrong = 0.01 * np.cos(7 * X) * EXACT
    expected = np.average((0.01 * np.cos(7 * dense)) ** 2)
    weight = np.average(np.exp2(-2 * dense))
    assert np.mean(wrong**2) == pytest.approx(expected / weight, rel=0.01)


def test_a_harvest_keeps_the_best_of_every_size():
    harvest = tools.Harvest(3)
    for n in range(100):
        harvest.add(2, 100.0 - n, lambda n=n: f"x + {n}")
    harvest.add(3, np.nan, lambda: "no number")
    harvest.add(4, 0.0, lambda: "too large")
    kept = harvest.formulas()
    assert len(kept) == tools.PER_SIZE
    assert kept[0] == {"formula": "x + 99", "size": 2, "error": 1.0}


@pytest.mark.slow
def test_runs_are_written_polished_and_compared(tmp_path):
    peers.run("us", "default", 0, 0.0, tmp_path)
    peers.run("deap", "documentation", 0, 1.0, tmp_path)
    assert [r["finished"] for r in runs.read(tmp_path)] == [True, True]
    text = peers.report(tmp_path, 1, tmp_path / "judged")
    assert "| ops, median over seeds | us | deap | best peer / us |" in text
    assert (tmp_path / "judged").read_text().count('"tool"') == 2


def test_for_every_seed_the_best_setting_of_a_tool_counts():
    found = [{"tool": "deap", "seed": seed} for seed in (0, 0, 1)]
    errors = [{5: 3.0}, {5: 2.0}, {5: 4.0}]
    assert peers.by_tool(found, errors) == {"deap": {5: [2.0, 4.0]}}
