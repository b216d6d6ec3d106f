"""Searches in float arithmetic: rounding intervals, finished constants, and checks of every input."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from flint import arb

from evo import api
from evo.backends.native import NativeBackend
from evo.exports.check import CheckError, check
from evo.floats.finish import finished
from evo.floats.goal import FloatGoal, GoalError
from evo.floats.inputs import between, every, moved
from evo.floats.linear import levelled
from evo.floats.wanted import right_results, rounded
from evo.fronts.front import Front, Member
from evo.kernels.effort import Effort
from evo.library.shelf import shelf
from evo.numbers.arithmetic import ARITHMETICS
from evo.numbers.formats import BFLOAT16, FLOAT16, FLOAT_FORMATS
from evo.programs.batch import Batch
from evo.programs.floats import evaluate
from evo.programs.program import parse
from evo.reductions.table import core_interval
from evo.targets.making import make_target
from evo.targets.points import fit_points
from searches import SMALL, evonum_here

CORE = ("-1/2", "1/2")
TYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}


@cache
def short_exp():
    return FloatGoal(make_target("exp", ("1", "1.001")), "float32")


@cache
def horner(degree):
    """A polynomial by multiply-adds."""
    lines = ["v1 = fma(x, c1, c2)", *(f"v{i} = fma(v{i - 1}, x, c{i + 1})" for i in range(2, degree + 1))]
    return parse("\n".join(lines))


@cache
def goal_on(name, dtype, full=True):
    """A goal over a function's core; its points take a second."""
    return FloatGoal(make_target(name, CORE if name == "exp2" else core_interval(name)), dtype, full=full)


@cache
def fitted(goal, program):
    """Constants for a goal: fitted, levelled, finished."""
    batch = Batch.of([program], [np.ones(program.n_constants)])
    stream, worth = np.arange(1, dtype=np.uint64), np.full(1, np.inf)
    start = NativeBackend().fit(batch, goal.fit_points, Effort(starts=8), stream, worth).batch
    return finished(goal, start, goal.members_points, persistent=True)


def member_of(goal, program, numbers, error=1.0):
    constants = tuple(float(c).hex() for c in numbers[: program.n_constants])
    return Member(
        program.ops, goal.target.name, goal.target.interval, goal.metric, program.formula(), str(program),
        constants, error, None, None, 0.0, 0.0, goal.dtype, goal.full,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_inputs_with_finite_results_of_2_to_the_x_are_all_there(dtype):
    goal = goal_on("exp2", dtype)
    gives = goal.arithmetic.gives
    first, last = goal.reduction.span(gives)
    found = between(first, last, gives, 0)
    x = np.unique(every(gives)[np.isfinite(every(gives))])
    size = np.exp2(np.clip(x, -1000, 1000))
    assert np.array_equal(
        found, x[(size > 2.0 ** (gives.emin - gives.digits - 1)) & (size < 2.0 ** (gives.bias + 1))]
    )


@pytest.mark.parametrize("fmt", [BFLOAT16, FLOAT16, FLOAT_FORMATS["float32"]], ids=lambda f: f.name)
def test_neighbours_are_neighbours(fmt):
    x = np.array([0.0, 1.0, -1.0, 0.75, 2.0**-14])
    up, down = moved(x, np.full(5, 1), fmt), moved(x, np.full(5, -1), fmt)
    if fmt.bits == 16:
        numbers = np.unique(every(fmt)[np.isfinite(every(fmt))])
        at = np.searchsorted(numbers, x)
        assert np.array_equal(up, numbers[at + 1])
        assert np.array_equal(down, numbers[at - 1])
    else:
        assert np.array_equal(up, np.nextafter(x.astype(np.float32), np.float32(np.inf)).astype(float))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_right_results_are_those_that_round_to_the_right_one_and_no_others(dtype):
    arithmetic, kind = ARITHMETICS[dtype], TYPES[dtype]
    exact = np.exp2(np.random.default_rng(3).uniform(-12, 12, 5000))
    low, high = right_results(exact, arithmetic)
    right = exact.astype(np.float32).astype(kind)  # no exact value is within 2^-24 of a tie
    for end, outwards in ((low, -1), (high, 1)):
        assert np.array_equal(end.astype(np.float32).astype(kind), right)
        beyond = moved(end, np.full(len(end), outwards), arithmetic.computes)
        assert (beyond.astype(np.float32).astype(kind) != right).all()
    assert np.array_equal(rounded(exact, arithmetic.gives), right.astype(float))


def test_the_known_polynomial_of_2_to_the_x_is_right_on_every_bfloat16():
    """As linear programming over rounding intervals has it elsewhere; a cubic leaves 23 wrong there."""
    goal = goal_on("exp2", "bfloat16")
    numbers, error, _ = fitted(goal, horner(4))
    found = check(member_of(goal, horner(4), numbers))
    assert error <= 0.5
    assert (found.inputs, found.misrounded, found.backwards.count, found.faults) == (65536, 0, 0, ())
    fewer, error, _ = fitted(goal, horner(3))
    assert error > 0.5
    assert 0 < check(member_of(goal, horner(3), fewer)).misrounded < 23


@pytest.mark.parametrize(("degree", "published"), [(4, 48), pytest.param(5, 5, marks=pytest.mark.slow)])
def test_polynomials_in_float16_leave_few_results_wrong(degree, published):
    goal = goal_on("exp2", "float16")
    numbers, _, _ = fitted(goal, horner(degree))
    assert check(member_of(goal, horner(degree), numbers)).misrounded <= published


@pytest.mark.parametrize("name", ["exp", "silu", pytest.param("sigmoid", marks=pytest.mark.slow)])
def test_a_polynomial_makes_right_bfloat16_functions_of_all_inputs(name):
    """The right results by float64, none of which is beside a tie; specials included."""
    goal = goal_on(name, "bfloat16")
    numbers, error, _ = fitted(goal, horner(4))
    found = check(member_of(goal, horner(4), numbers))
    assert error <= 0.5
    assert (found.inputs, found.misrounded, found.faults) == (65536, 0, ())
    x = every(BFLOAT16)
    with np.errstate(all="ignore"):
        got = goal.reduction.evaluate(horner(4), numbers, x, goal.arithmetic.computes)
        e = np.exp(-x)
        right = {
            "exp": np.exp(x),
            "sigmoid": 1 / (1 + e),
            "silu": np.where(np.isneginf(x), -0.0, x / (1 + e)),
        }
        same = got.astype(ml_dtypes.bfloat16) == right[name].astype(np.float32).astype(ml_dtypes.bfloat16)
    assert (same | np.isnan(x)).all()


def test_misrounded_results_are_those_that_other_code_finds():
    goal = goal_on("exp2", "bfloat16")
    numbers, _, _ = fitted(goal, horner(3))
    member = member_of(goal, horner(3), numbers)
    x = every(BFLOAT16)
    with np.errstate(all="ignore"):
        got = goal.reduction.evaluate(member.code, numbers, x, goal.arithmetic.computes).astype(
            ml_dtypes.bfloat16
        )
        right = np.exp2(x).astype(np.float32).astype(ml_dtypes.bfloat16)
    wrong = (got != right) & ~(np.isnan(got.astype(float)) & np.isnan(right.astype(float)))
    assert check(member).misrounded == np.count_nonzero(wrong)


def test_a_wrong_last_bit_of_a_constant_is_caught():
    goal = short_exp()
    numbers, _, _ = fitted(goal, horner(2))
    other = numbers.copy()
    other[2] = moved(other[2:3], np.array([1]), goal.arithmetic.computes)[0]
    right, wrong = (check(member_of(goal, horner(2), c)) for c in (numbers, other))
    assert wrong.error > right.error
    assert wrong.measured.sampled_error == wrong.error


def test_constants_whose_slopes_overflow_stay_as_they_are():
    """Their values cancel; a search with divisions ended on such a program with a traceback."""
    points = fit_points(make_target("exp2"))
    one = Batch.of([parse("v1 = c1 * x\nv2 = c2 * x\nv3 = v1 - v2")], [[1e305, 1e305]])
    found, error = levelled(one, replace(points, weight=1e7 * points.weight))
    assert found.numbers(0) == [1e305, 1e305]
    assert error == pytest.approx(1e7)


def test_levelled_constants_are_the_minimax_of_a_line():
    """The best line for e^x on (0, 1) absolutely: slope e - 1, error 0.10593."""
    target = make_target("exp", ("0", "1"), "absolute")
    points = FloatGoal(target, "float64", "absolute").members_points
    line = Batch.of([parse("v1 = x * c1\nv2 = v1 + c2")], [np.array([1.0, 1.0])])
    found, error = levelled(line, points)
    assert found.constants[0, 0] == pytest.approx(np.e - 1, rel=1e-3)
    assert error == pytest.approx(0.105933, rel=1e-3)


def test_float32_errors_are_those_of_every_input():
    """A short interval, every float of which NumPy tries here."""
    goal = short_exp()
    program = horner(2)
    numbers, error, _ = fitted(goal, program)
    found = check(member_of(goal, program, numbers))
    x = np.arange(np.float32(1).view(np.int32) + 1, np.float32(1.001).view(np.int32) + 1, dtype=np.int32)
    x = x.view(np.float32)
    x = x[x.astype(float) < 1.001]
    got = np.zeros(len(x), np.float32)
    for c in numbers[:3]:  # float64 holds the product exactly; the sum rounds twice in few cases
        got = (got.astype(float) * x + c).astype(np.float32)
    ulps = np.abs(got - np.exp(x.astype(float))) / 2.0**-22
    assert found.inputs == len(x)
    assert found.error == pytest.approx(ulps.max(), rel=1e-3)
    assert found.error >= error * (1 - 1e-6)


def test_a_goal_without_meaning_is_refused():
    with pytest.raises(GoalError, match="--metric ulp"):
        FloatGoal(make_target("exp2", CORE), "float32", "absolute", full=True)
    goal = FloatGoal(make_target("exp2", CORE), "float32")
    with pytest.raises(CheckError, match="over the reals"):
        check(replace(member_of(goal, horner(1), [1.0, 1.0]), dtype="real"))


def test_a_search_for_right_bfloat16_results_from_the_command_line(in_tmp):
    settings = {**SMALL, "generations": 6, "islands": 1}
    (in_tmp / "spec.yaml").write_text(json.dumps(settings))
    words = ("--ops", "fma", "--dtype", "bfloat16", "--full", "--interval", *CORE)
    done = evonum_here(
        "search",
        "--spec",
        "spec.yaml",
        *words,
        "--workers",
        "serial",
        "--out",
        "s",
        "--no-record",
        cwd=in_tmp,
    )
    assert done.returncode == 0, done.stderr
    best = Front.load(in_tmp / "s" / "front.json").best(ops=4)
    assert (best.dtype, best.full, best.metric) == ("bfloat16", True, "ulp")
    assert best([0.25, -0.5]).dtype == np.float32
    assert best.sampled_error <= 0.5
    asked = evonum_here("check", "s", "--ops", 4, "--json", cwd=in_tmp)
    (row,) = json.loads(asked.stdout)
    assert (row["inputs"], row["misrounded"], row["faults"]) == (65536, 0, [])
    made = evonum_here("export", "s", "--ops", 4, "--to", "c", cwd=in_tmp)
    assert "float exp2_ops04(float x)" in made.stdout, made.stderr
    assert "--dtype bfloat16 --full" in made.stdout.replace("\n", " ")
    refused = evonum_here("verify", "s", cwd=in_tmp)
    assert (refused.returncode, "evonum check" in refused.stderr) == (2, True)


def test_a_search_in_float32_says_the_error_of_every_float(in_tmp):
    short = {**SMALL, "islands": 1, "ops": "* fma", "max_ops": 3, "generations": 6, "record": False}
    words = {
        "target": "sin(x)",
        "interval": ("1", "1.5"),
        "dtype": "float32",
        "workers": "serial",
        "out": "s",
    }
    front = api.search(**{**short, **words, "out": "s"})
    assert all(m.dtype == "float32" and m.metric == "ulp" for m in front)
    worst = front.best(ops=3)
    got = float(evaluate(worst.code, worst.constants, worst.worst_x, FLOAT_FORMATS["float32"]))
    assert abs(got - float(arb(worst.worst_x).sin())) / 2.0**-24 == pytest.approx(
        worst.sampled_error, rel=1e-3
    )


def test_specifications_of_floats_that_make_no_sense_are_refused(in_tmp):
    for words, said in (
        (("--dtype", "float8"), "there are real, float32"),
        (("--metric", "ulp"), "ulp takes a dtype"),
        (("--full",), "full takes a dtype"),
        (("--dtype", "float64", "--full"), "float64 takes --metric relative or absolute"),
        (("--dtype", "float32", "--full", "--metric", "relative"), "--full takes --metric ulp"),
        (("--dtype", "float32", "--way", "below"), "way takes full"),
        (("--dtype", "float32", "--full", "--way", "up"), "No way 'up' to exp2"),
        (("--dtype", "float64", "--metric", "ulp"), "float64 takes --metric relative or absolute"),
        (("--dtype", "float32", "--backend", "jax"), "native"),
        (("--dtype", "bfloat16", "--full", "--interval", "0", "1/2"), "takes a core on"),
    ):
        done = evonum_here("search", "exp2", *words, "--workers", "serial", "--out", "s", cwd=in_tmp)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr


def test_a_function_is_timed_beside_those_that_people_use(in_tmp):
    goal = goal_on("exp", "bfloat16")
    Front((member_of(goal, horner(4), [0.04, 0.17, 0.5, 1, 1]),)).save(in_tmp / "exp.json")
    done = evonum_here("time", "exp.json", "--size", 1024, "--json", cwd=in_tmp)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"evonum", "x + 1 (floor)", "libm", "NumPy"} <= set(rows)
    assert 0 < rows["libm"]["error"] < 4
    assert rows["evonum"]["ratio"] == 1
    assert all(row["median"] >= row["tenth"] > 0 for row in rows.values())
    assert rows["libm"]["ratio"] == pytest.approx(rows["libm"]["median"] / rows["evonum"]["median"])


def test_what_cannot_be_timed_is_one_line(in_tmp):
    for words in (("time", "none.json"), ("time", ".", "--size", "1")):
        done = evonum_here(*words, cwd=in_tmp)
        assert done.returncode == 2


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_relative_errors_are_searched_from_a_zero_on(dtype, in_tmp):
    """Results below the normal numbers take no part."""
    words = {**SMALL, "target": "sin(x)", "ops": "* fma", "max_ops": 3, "generations": 6, "islands": 1}
    front = api.search(**words, dtype=dtype, metric="relative", workers="serial", record=False, out="s")
    assert front.best(ops=3).sampled_error < 1e-3
    assert front.best(ops=3).metric == "relative"


@pytest.mark.slow
def test_the_table_of_the_docs_is_what_a_check_of_the_fronts_on_record_and_of_what_is_shipped_finds():
    """A row with a remark is of a later search than the front on record, of which the best are shipped."""
    top, rows, later = Path(__file__).parent.parent, {}, set()
    for line in (top / "docs" / "floats.md").read_text().splitlines():
        if found := re.fullmatch(r"\| (\w+), (b?float16)( \(.*\))? \|(.*)\|", line):
            cells = [cell.strip() for cell in found[4].split("|")]
            rows[found[1], found[2]] = {k: cell for k, cell in enumerate(cells, 1) if cell}
            later |= {(found[1], found[2])} if found[3] else set()
    files = {tuple(path.stem.split("-")): path for path in (top / "experiments" / "floats").glob("*.json")}
    shipped = {key: one for key, one in shelf().items() if key[1].endswith("float16")}
    assert rows.keys() == files.keys() | shipped.keys()
    for key in files.keys() - later:
        assert {one.member.ops: f"{one.misrounded:,}" for one in api.check_source(files[key])} == rows[key]
    for key in rows.keys() - (files.keys() - later):
        for point in shipped[key].points:
            assert f"{check(point.member).misrounded:,}" == rows[key][point.member.ops]
