"""The end of a search in floats: every input is asked, and what breaks requirements is mended or left out."""

import numpy as np

from evo.exports.check import check
from evo.exports.samples import results
from evo.exports.whole import wrong_ways
from evo.floats.finish import finished
from evo.floats.goal import FloatGoal
from evo.floats.whole import fine_inputs
from evo.fronts.front import Front
from evo.islands.operators import Operators
from evo.library.shelf import find, formula_of
from evo.numbers.formats import FLOAT_FORMATS, round_decimal
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.reductions.table import REDUCTIONS
from evo.runs.asking import Asking
from evo.runs.search import make_problem
from evo.runs.spec import make_spec
from evo.targets.making import make_target
from test_requirements import CUBIC, member

FLOAT32 = FLOAT_FORMATS["float32"]


def batch_of(one):
    numbers = [round_decimal(text, FLOAT32) for text in one.constants]
    return Batch.of([one.code], [numbers])


def test_inputs_that_break_what_is_required_are_given_back_to_the_constants():
    """x + 2^-23 is above 1/2 at the last few inputs below, which no sample has."""
    require = ("within:1/4,1/2",)
    high = member("x", ("1/4", "1/2"), "v1 = fma(x, c1, c2)", [1.0, 2.0**-23], require)
    spec = {"target": "x", "interval": ["1/4", "1/2"], "dtype": "float32", "ops": "fma", "max_ops": 2}
    problem = make_problem(make_spec({**spec, "require": require}).settled())
    assert not problem.goal.required.broken(batch_of(high)).any()
    found = check(high)
    assert found.unmet
    assert len(found.broken)
    assert (np.float32(1) * found.broken + 2.0**-23).max() > 0.5
    said = []
    assert not len(Asking(problem, said.append).asked(Front((high,))))
    assert said[-1].startswith("Left out: 1 ops, within:1/4,1/2: ")
    (mended,) = Asking(problem, said.append, seconds=600).asked(Front((high,)))
    assert (mended.program, mended.require) == (high.program, require)
    assert check(mended).unmet == ()


def test_steps_from_fine_inputs_are_less_than_half_an_ulp():
    (reduction,) = (row for row in REDUCTIONS["exp2"] if row.way == "nearest")
    x = fine_inputs(reduction, FLOAT32, 1 << 12)
    assert 1 << 10 < len(x) < 1 << 13
    y = np.exp2(x)
    step = np.exp2(np.nextafter(x.astype(np.float32), np.float32(np.inf)).astype(float)) - y
    assert (np.abs(step) < 0.51 * np.spacing(y.astype(np.float32))).all()
    assert x.min() < -0.25
    assert x.max() > 0.25


def test_candidates_whose_steps_go_the_wrong_way_are_no_newcomers():
    """exp2 as it is shipped goes back at one of 400 inputs near -0.4; tanh nowhere."""
    for name, expected in (("exp2", False), ("tanh", True)):
        one = find(name, "float32").points[-1].member
        goal = FloatGoal(one.function, "float32", full=True, way=one.way, require=("monotonic",))
        spec = {
            "target": name,
            "dtype": "float32",
            "full": True,
            "way": one.way or None,
            "ops": "fma",
            "max_ops": 7,
        }
        problem = make_problem(make_spec({**spec, "require": ["monotonic"]}).settled())
        assert goal.screened.which.tolist() == problem.goal.screened.which.tolist()
        assert Operators(problem).satisfy(batch_of(one)).tolist() == [expected]


def test_inputs_that_c_names_step_the_wrong_way():
    formula = formula_of(find("exp2", "float32").points[-1])
    found = wrong_ways(formula)
    assert 64 < len(found.some) <= found.count
    after = np.nextafter(found.some.astype(np.float32), np.float32(np.inf)).astype(float)
    assert (results(formula, after) < results(formula, found.some)).all()


def test_constants_are_finished_until_a_time():
    goal = FloatGoal(make_target("exp2", ("0", "1")), "float32")
    start = Batch.of([parse(CUBIC)], [[0.0779, 0.2262, 0.6955, 0.99988]])
    _, at_once, _ = finished(goal, start, goal.members_points, persistent=True, until=-np.inf)
    _, in_time, _ = finished(goal, start, goal.members_points, persistent=True)
    assert in_time < at_once < 2 * in_time
