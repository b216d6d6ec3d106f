"""Functions of all floats in float32, of one core or several: their points, their check, their code."""

import json
from dataclasses import replace
from fractions import Fraction
from functools import cache

import flint
import numpy as np
import pytest
from flint import arb

from evo.exports.backwards import backwards
from evo.exports.check import check
from evo.exports.exhaustive import screened
from evo.exports.export import export, prepare, reduction_of
from evo.exports.formula import make_formula
from evo.exports.measure import largest
from evo.exports.pieces import PRECISION, CurvedError, pieces_of
from evo.exports.samples import results
from evo.exports.special import _single
from evo.exports.whole import reference, whole
from evo.floats.goal import FloatGoal
from evo.floats.wanted import core_values
from evo.floats.whole import points_at
from evo.fronts.front import Front
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.batch import Batch
from evo.programs.piece import Piece
from evo.reductions.reduction import Tail
from evo.reductions.table import REDUCTIONS, core_interval
from evo.targets.making import make_target
from evo.targets.target import Target
from exported import assert_same, call, compiled
from test_floats import fitted, horner, member_of

FLAGS = ("-std=c99", "-O2", "-march=native", "-ffp-contract=off")


@cache
def goal_of(name, dtype="float32", **words):
    interval = core_interval(name, words.get("way", ""), words.get("searched", ""))
    return FloatGoal(Target(name, *interval, "absolute"), dtype, full=True, **words)


def member(goal, numbers, program):
    made = member_of(goal, program, numbers)
    return replace(made, way=goal.way, core=goal.searched, given=goal.given)


@cache
def of_degree(goal, degree):
    numbers, error, _ = fitted(goal, horner(degree))
    return member(goal, numbers, horner(degree)), error


def test_the_error_of_a_point_is_that_of_the_function():
    goal = goal_of("log2")
    found, error = of_degree(goal, 7)
    points = goal.members_points
    one = Batch.of([horner(7)], [np.array([float.fromhex(c) for c in found.constants])])
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found))
    got = results(formula, points.inputs).astype(float)
    exact = np.log2(points.inputs)
    assert np.allclose(goal.errors(one, points), np.abs(got - exact) / points.unit, atol=1e-6)
    assert error == pytest.approx(goal.errors(one, points).max())


@pytest.mark.parametrize(("name", "times"), [("cos", 16.0), ("sigmoid", 16.0), ("softplus", 1.0)])
def test_an_ulp_at_zero_counts_more_where_the_result_is_a_number_of_the_format(name, times):
    points = goal_of(name).members_points
    (zero,) = np.flatnonzero(points.inputs == 0)
    one_ulp = np.spacing(np.float32(points.results[zero]))
    assert one_ulp / points.unit[zero] == times
    beside = [zero - 1, zero + 1]
    assert (np.spacing(points.results[beside].astype(np.float32)) == points.unit[beside]).all()


def test_a_part_of_all_inputs_has_the_error_that_float64_has_there():
    goal = goal_of("exp2")
    found, _ = of_degree(goal, 5)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found), name="exported")
    screen = screened(formula, goal.reduction.ball, 3, 5)
    first, last = (int(np.float32(v).view(np.int32)) for v in (3, 5))
    x = np.arange(first + 1, last, dtype=np.int32).view(np.float32)
    assert screen.count == len(x)
    exact = np.exp2(x.astype(float))
    off = np.abs(results(formula, x) - exact) / 2.0 ** (np.floor(np.log2(exact)) - 23)
    assert x[np.argmax(off)] in screen.inputs[1]
    assert (off[np.isin(x, screen.inputs[1])] > 0.999 * off.max()).all()


def test_steps_that_go_the_wrong_way_are_those_that_numpy_counts():
    """A core that is too steep: 2^x falls where its ends meet."""
    goal = goal_of("exp2")
    found, _ = of_degree(goal, 4)
    slope = (1.0001 * float.fromhex(found.constants[3])).hex()
    found = replace(found, constants=(*found.constants[:3], slope, found.constants[4]))
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found), name="exported")
    first, last = (int(np.float32(v).view(np.int32)) for v in (1.4921875, 1.5078125))
    x = np.arange(first + 1, last + 1, dtype=np.int32).view(np.float32)
    got, exact = results(formula, x), np.exp2(x.astype(float))
    wrong = np.diff(got) * np.diff(exact) < 0
    counted = backwards(formula, goal.reduction.ball, 1.4921875, 1.5078125)
    assert counted.count == np.count_nonzero(wrong) > 0
    size = np.where(wrong, np.abs(np.diff(got)) / np.spacing(got[:-1]), 0)
    assert counted.most == size.max()
    assert size[x[:-1] == counted.x] == size.max()


def test_the_reference_of_a_function_that_bends_is_exact_to_float64():
    goal = goal_of("sin")
    found, _ = of_degree(goal, 3)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found))
    x = np.random.default_rng(0).uniform(-1e5, 1e5, 10_000).astype(np.float32).astype(float)
    assert np.allclose(results(reference(formula), x), np.sin(x), rtol=1e-11, atol=0)


@pytest.mark.parametrize("name", ["log2", "sin", pytest.param("tanh", marks=pytest.mark.slow)])
def test_vectors_and_the_portable_loop_give_the_interpreters_bits(name, tmp_path):
    found, _ = of_degree(goal_of(name), 4)
    x = np.concatenate([np.linspace(-9, 9, 3001), [0, -0.0, np.inf, -np.inf, np.nan, 1e30, 1e-40]])
    for more in ((), ("-DEVONUM_PORTABLE",)):
        formula = prepare(found, "float32", True, "f")
        source = tmp_path / f"f{len(more)}.c"
        source.write_text(
            export(found, "c", dtype="float32", full=True, name="f")
            + "void call_f(size_t n, const float *x, float *y) { f_array(n, x, y); }\n"
        )
        made = source.with_suffix(".so")
        words = ["gcc", *FLAGS, *more, "-shared", "-fPIC", str(source), "-o", str(made), "-lm"]
        library = compiled(words, made)
        assert_same(formula, call(library, formula, x.astype(np.float32)), results(formula, x), x)


def test_cores_are_searched_one_after_the_other_and_the_last_is_a_right_function():
    first = goal_of("softplus", "bfloat16")
    assert first.missing == ("exp",)
    numbers, error, _ = fitted(first, horner(5))
    assert error <= 0.5  # with an exact power
    piece = Piece("log1p", str(horner(5)), tuple(float(c).hex() for c in numbers[:6]))
    goal = goal_of("softplus", "bfloat16", searched="exp", given=(piece,))
    assert not goal.missing
    numbers, error, _ = fitted(goal, horner(4))
    found = check(member(goal, numbers, horner(4)))
    assert error <= 0.5
    assert (found.inputs, found.misrounded, found.faults) == (65536, 0, ())


def test_a_core_of_several_is_no_function_yet():
    goal = goal_of("erf")
    found = member(goal, np.ones(3), horner(2))
    with pytest.raises(ValueError, match="--part far and --part exp"):
        export(found, "c", dtype="float32", full=True)
    with pytest.raises(ValueError, match="further cores"):
        check(found)


def test_members_of_several_cores_are_read_as_they_were_written(tmp_path):
    goal = goal_of("softplus", searched="exp", given=(Piece("log1p", "v1 = x + c1", ("1",)),))
    found = member(goal, np.ones(3), horner(2))
    Front((found,)).save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json").members == (found,)
    (entry,) = json.loads((tmp_path / "front.json").read_text())
    assert entry["given"] == [{"core": "log1p", "program": "v1 = x + c1", "constants": ["1"]}]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "degree", "least", "most"), [("exp2", 6, 0.7, 0.95), ("log2", 8, 1, 2.5)])
def test_every_float32_is_asked(name, degree, least, most):
    found, sampled = of_degree(goal_of(name), degree)
    asked = check(found)
    assert asked.inputs == 1 << 32
    assert asked.faults == ()
    assert sampled * 0.999 <= asked.error
    assert least < asked.error < most


@pytest.mark.slow
def test_a_shifted_border_is_caught():
    """A reduction whose results are 0 already where they are subnormal."""
    found, _ = of_degree(goal_of("exp2"), 6)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found))
    row = formula.reduction
    assert row is not None
    early = replace(row, rules={**row.rules, "LEAST": lambda fmt: -140.0}, vector=())
    asked = whole(replace(formula, reduction=early))
    assert asked.figure.value > 100 or asked.faults


@pytest.mark.slow
def test_an_end_that_is_an_input_has_its_own_value():
    """log1p is -infinity at -1, and NaN beyond."""
    found, _ = of_degree(goal_of("log1p", way="long"), 6)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found))
    row = formula.reduction
    assert row is not None
    asked = whole(formula)
    assert asked.faults == ()
    assert asked.figure.value < 6
    other = replace(row, rules={**row.rules, "MINUS_INFINITY": lambda fmt: float("nan")}, vector=())
    assert "-1.0 gives nan, not -inf" in whole(replace(formula, reduction=other)).faults


def test_in_a_tail_an_ulp_has_a_least_size():
    gelu = REDUCTIONS["gelu"][0]
    x, exact, fmt = np.array([-9.0, -0.5, 2.0]), np.array([-1e-18, -0.15, 1.95]), FLOAT_FORMATS["float32"]
    assert gelu.unit(x, exact, fmt).tolist() == [2.0**-26, 2.0**-26, 2.0**-23]
    got = (exact + 2.0**-26).astype(fmt.type)
    figure = largest(got[:1], x[:1], lambda _: arb(-1e-18), fmt, "ulp", gelu.tail)
    assert figure.value == pytest.approx(1)


def test_balls_are_narrow_at_the_largest_inputs():
    """log(1 + e^x) is x there."""
    (softplus,) = REDUCTIONS["softplus"]
    with flint.ctx.workprec(PRECISION):
        pieces, _ = pieces_of(softplus.ball, Fraction(2.0**126), Fraction(2.0**127))
    assert len(pieces) == 1


def test_the_screen_counts_a_tail_in_ulp_of_its_size():
    """Below -11 errors of 2^x count next to 1: the largest is above."""
    found, _ = of_degree(goal_of("exp2"), 5)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found), name="exported")
    row = formula.reduction
    assert row is not None
    near = [
        screened(replace(formula, reduction=replace(row, tail=tail)), row.ball, -12, -10).inputs[1]
        for tail in (None, Tail(-11.0, 1.0))
    ]
    assert near[0].min() < -11
    assert near[1].min() >= -11


def test_what_cannot_be_asked_every_input_is_asked_a_sample_and_special_values(monkeypatch):
    def curved(formula):
        raise CurvedError("bends too often")

    found, error = of_degree(goal_of("exp2"), 5)
    monkeypatch.setattr("evo.exports.check.whole", curved)
    monkeypatch.setattr("evo.exports.check.special_faults", lambda formula: ("nan gives 0",))
    asked = check(found)
    assert asked.of == "a sample"
    assert asked.inputs < 1 << 24
    assert asked.faults == ("nan gives 0",)
    assert error / 2 < asked.error < 2 * error


@pytest.mark.parametrize("name", ["acos", "log1p", pytest.param("cosh", marks=pytest.mark.slow)])
def test_a_zero_or_an_end_has_an_exact_result_where_the_format_has_it(name):
    """acos(0) is no such result; cosh(0) and log1p(-1) are."""
    found, _ = of_degree(goal_of(name), 5)
    formula = replace(make_formula(found, "float32"), reduction=reduction_of(found))
    assert not list(_single(formula))
    row = formula.reduction
    assert row is not None
    wrong = replace(row, float64=lambda x: row.float64(x) + 1.0)
    assert bool(list(_single(replace(formula, reduction=wrong)))) == (name != "acos")


@pytest.mark.parametrize("row", REDUCTIONS["silu"], ids=lambda row: row.way)
def test_silu_keeps_its_digits_where_its_power_is_largest(row):
    x = np.linspace(-86, -60, 20_001).astype(np.float32).astype(float)
    core = make_target(row.core.function, (row.core.lo, row.core.hi))
    points = points_at(x, make_target("silu"), core, row, FLOAT_FORMATS["float32"])
    y = core_values(core, points.x).astype(np.float32).astype(float)
    got = points.prepared.result(y[None, :])[0].astype(float)
    assert (abs(got - points.results) / points.unit).max() < 2.5
