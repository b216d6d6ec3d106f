"""What functions of floats have to satisfy at every input: told, searched, refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evo import api
from evo.exports import unmet
from evo.exports.check import check
from evo.exports.formula import make_formula
from evo.exports.samples import results
from evo.floats.finish import finished
from evo.floats.goal import FloatGoal, GoalError
from evo.floats.requirements import KINDS, RequirementError, Results, parse_requirement
from evo.fronts.front import Front, Member
from evo.library.shelf import find
from evo.numbers.formats import BFLOAT16
from evo.programs.batch import Batch
from evo.programs.floats import evaluate
from evo.programs.program import parse
from evo.targets.making import make_target
from searches import evonum, evonum_here

CUBIC = "v1 = fma(x, c1, c2)\nv2 = fma(v1, x, c3)\nv3 = fma(v2, x, c4)"
ODD = "v1 = x * x\nv2 = fma(v1, c1, c2)\nv3 = v2 * x"


def member(name, interval, text, constants, require, dtype="float32", metric="ulp"):
    program = parse(text)
    return Member(
        program.ops, name, interval, metric, program.formula(), text,
        tuple(float(c).hex() for c in constants), 1.0, None, None, 0.0, 0.0, dtype, require=require,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("monotone", "unknown 'monotone'.*Did you mean 'monotonic'"),
        ("odd:1", "expected odd, got 'odd:1'"),
        ("exact", "expected exact:integers, exact:powers or exact:0,1/2, got 'exact'"),
        ("exact:pi", "expected exact"),
        ("within:1", "expected within:LO,HI"),
        ("within:1,0", "the lower number comes first"),
        ("", "unknown ''"),
    ],
)
def test_what_is_not_understood_is_one_line(text, reason):
    with pytest.raises(RequirementError, match=reason):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("name", "dtype", "require", "reason"),
    [
        ("exp2", "bfloat16", "odd", "the function itself does not satisfy odd"),
        ("exp2", "float32", "within:0,1", "the function itself does not satisfy within"),
        ("exp2", "bfloat16", "exact:1/3", "exact:1/3: 0.333333333 is no bfloat16"),
        ("log2", "float32", "exact:-1", "exact:-1: -1 is no float32 from 0"),
        ("log2", "float32", "exact:integers", "inputs; 1 to 4,096 are taken"),
    ],
)
def test_what_no_program_can_satisfy_is_refused(name, dtype, require, reason):
    interval = {"exp2": ("-1/2", "1/2"), "log2": ("-1/4", "1/2")}[name]
    with pytest.raises(RequirementError, match=reason):
        FloatGoal(
            make_target(name, interval) if name == "exp2" else of_log2(), dtype, full=True, require=(require,)
        )


def of_log2():
    return api.Target("log2", "-1/4", "1/2", "absolute")


def test_an_interval_without_opposite_inputs_cannot_be_odd():
    with pytest.raises(RequirementError, match="odd: no input of the interval"):
        FloatGoal(make_target("sin", ("0", "1")), "float32", require=("odd",))


def test_of_float64_nothing_is_required():
    with pytest.raises(GoalError, match="not every input is asked"):
        FloatGoal(make_target("exp2", ("0", "1")), "float64", "relative", require=("exact:0",))


def test_each_row_finds_what_breaks_it():
    nan = np.nan
    first, second = np.array([1.0, 1.0, 1.0, nan, 0.0]), np.array([2.0, 0.5, -1.0, nan, -0.0])
    exact, beside = np.array([1.0, 1.0, 1.001, nan, 0.0]), np.array([2.0, 2.0, 0.5, nan, 0.0])
    y = Results(first, second, exact, beside)
    wrong = {name: KINDS[name].broken(y, (0.0, 1.0), BFLOAT16).tolist() for name in KINDS}
    assert wrong == {
        "monotonic": [False, True, False, False, False],
        "odd": [True, True, False, False, False],
        "even": [True, True, True, False, True],
        "exact": [False, False, False, False, False],  # 1.001 rounds to 1
        "within": [False, False, False, True, False],
    }


def test_results_do_not_differ_where_exact_values_do_not():
    y = Results(np.array([1.0]), np.array([2.0]), np.array([1.0]), np.array([1.0]))
    assert KINDS["monotonic"].broken(y, (), BFLOAT16).tolist() == [True]


def test_a_right_function_of_16_bits_satisfies_all_and_a_shorter_one_does_not():
    require = ("monotonic", "exact:integers", "within:0,inf")
    right, short = (find("exp2", "bfloat16").point(ulp).member for ulp in (0.5, 2))
    assert check(replace(right, require=require)).unmet == ()
    lower = (0.8 * float.fromhex(short.constants[2])).hex()
    coarse = replace(short, constants=(*short.constants[:2], lower), require=require)
    lines = check(coarse).unmet
    assert [line.split(":")[0] for line in lines] == ["monotonic", "exact"]
    assert "not correctly rounded, such as x = " in lines[1]


def test_c_counts_what_is_broken_as_numpy_does(monkeypatch):
    """Of every float32 from 1/4 to 1/2, and their opposites: results that are not odd; results outside."""
    first, count = int(np.float32(0.25).view(np.int32)), 1 << 23
    monkeypatch.setattr(unmet, "ranges", lambda lo, hi: [(first, count)])
    require = ("odd", "within:-0.48,0.48", "exact:0")
    crooked = member("sin", ("-1/2", "1/2"), "v1 = fma(x, c1, c2)", [1.1, 1e-8], require)
    formula = make_formula(crooked, "float32")
    x = np.arange(first, first + count, dtype=np.uint32).view(np.float32)
    y, z = results(formula, x), results(formula, -x)
    odd, outside = np.count_nonzero(y != -z), np.count_nonzero(np.abs(y) > 0.48)
    assert 0 < odd < count
    goal = FloatGoal(crooked.function, "float32", require=require)
    assert [line.split(" ", 2)[:2] for line in unmet.unmet(crooked, goal).lines] == [
        ["exact:0:", "1"], ["odd:", f"{odd:,}"], ["within:-0.48,0.48:", f"{outside:,}"],
    ]  # fmt: skip


def test_a_function_that_is_odd_is_so_at_every_float32():
    straight = member("sin", ("-1/2", "1/2"), ODD, [-0.16, 1.0], ("odd", "exact:0", "within:-1/2,1/2"))
    assert check(straight).unmet == ()


def test_a_function_that_falls_where_it_should_rise_is_told_in_float32():
    """x + c1 - c1 has steps; less of it than of x falls between them."""
    text = "v1 = x + c1\nv2 = v1 - c1\nv3 = fma(v2, c2, x)"
    falling = member("x", ("1/4", "1/2"), text, [1024.0, -0.125], ("monotonic",), metric="absolute")
    (line,) = check(falling).unmet
    bits = np.arange(*(int(np.float32(v).view(np.int32)) for v in (0.25, 0.5)), dtype=np.uint32)[1:]
    y = results(make_formula(falling, "float32"), bits.view(np.float32))
    assert line.startswith(
        f"monotonic: {np.count_nonzero(np.diff(y) < 0):,} steps go the wrong way, such as x"
    )
    assert np.count_nonzero(np.diff(y) < 0)
    rising = replace(falling, constants=(falling.constants[0], (0.125).hex()))
    assert check(rising).unmet == ()


@pytest.mark.parametrize("require", [("exact:0",), ("exact:0,1",)])
def test_constants_are_moved_until_results_are_as_required(require):
    goal = FloatGoal(make_target("exp2", ("0", "1")), "float32", require=require)
    free = FloatGoal(make_target("exp2", ("0", "1")), "float32")
    program = parse(CUBIC)
    start = Batch.of([program], [[0.0779, 0.2262, 0.6955, 0.99988]])
    inputs = np.array([0.0, 1.0])[: require[0].count(",") + 1]

    def at_ends(goal):
        numbers, error, _ = finished(goal, start, goal.members_points, persistent=True)
        found = evaluate(program, numbers[: program.n_constants], inputs, goal.arithmetic.computes)
        return found.tolist(), error

    exact, error = at_ends(goal)
    assert exact == np.exp2(inputs).tolist()
    loose, least = at_ends(free)
    assert loose != exact
    assert least < error < 4 * least


def test_what_cannot_be_met_has_an_infinite_error():
    goal = FloatGoal(make_target("sin", ("-1", "1")), "float32", require=("odd",))
    start = Batch.of([parse("v1 = c1 / x\nv2 = x + c2\nv3 = v1 + v2")], [[0.01, 0.5]])
    _, error, _ = finished(goal, start, goal.members_points, persistent=True)
    assert error == np.inf


def test_a_search_gives_only_functions_that_satisfy_what_is_required(in_tmp):
    words = "--interval 0 1 --dtype float32 --ops fma --max-ops 3 --generations 2 --islands 1"
    how = "--workers serial --no-record --require exact:0,1 --require within:1,2 --out found"
    done = evonum("search", "exp2", *f"{words} {how}".split(), cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    front = Front.load(in_tmp / "found" / "front.json")
    assert len(front)
    for one in front:
        assert one.require == ("exact:0,1", "within:1,2")
        assert one([0.0, 1.0]).tolist() == [1.0, 2.0]
        assert check(one).unmet == ()
    assert json.loads((in_tmp / "found" / "spec.json").read_text())["require"] == list(front[0].require)
    text = api.export(front[-1], "c", dtype="float32")
    assert "exact:0,1; within:1,2: at every input" in text
    text = evonum_here("export", "found", "--ops", front[-1].ops, "--to", "c", cwd=in_tmp).stdout
    assert "--require exact:0,1 --require within:1,2" in text


def test_the_command_ends_with_1_where_something_is_broken(in_tmp):
    plain = member("exp2", ("0", "1"), CUBIC, [0.0779, 0.2262, 0.6955, 0.99988], ())
    Front((plain,)).save(in_tmp / "front.json")
    assert evonum_here("check", "front.json", "--require", "within:0,2", cwd=in_tmp).returncode == 0
    broken = evonum_here("check", "front.json", "--require", "exact:0", "--json", cwd=in_tmp)
    assert broken.returncode == 1
    assert "3 ops: exact:0: 1 of these results are not correctly rounded, such as x = 0." in broken.stderr
    (said,) = json.loads(broken.stdout)
    assert said["require"] == ["exact:0"]
    assert len(said["unmet"]) == 1
    wrong = evonum_here("check", "front.json", "--require", "round", cwd=in_tmp)
    assert wrong.returncode == 2
    assert "unknown 'round'; there are monotonic" in wrong.stderr


def test_a_changed_constant_of_a_function_that_promised_is_caught():
    point = find("exp2", "bfloat16").point(0.5)
    promised = replace(point.member, require=("exact:integers",))
    moved = (float.fromhex(promised.constants[-1]) * (1 + 2.0**-7)).hex()
    assert check(replace(promised, constants=(*promised.constants[:-1], moved))).unmet
