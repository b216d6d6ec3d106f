"""Predicted times of whole functions, against sums by hand, and beside measured ones."""

from dataclasses import replace

import pytest

from evo.bench.functions import FLOOR, race_front
from evo.bench.predicted import predicted_time, predictions, whole_work
from evo.cli.tables import timings_table
from evo.costs.model import CostError, CostModel, Figure, OpCost
from evo.costs.predict import Work
from evo.exports.export import reduction_of
from evo.exports.formula import make_formula
from evo.fronts.front import Front, Member

MEMBER = Member(
    ops=2, target="exp2", interval=("-1/2", "1/2"), metric="ulp", formula="",
    program="v1 = fma(c1, x, c2)\nv2 = fma(v1, x, c3)",
    constants=((0.24).hex(), (0.69).hex(), (1.0).hex()), sampled_error=1e4, polished_error=None,
    proved_bound=None, worst_x=0.5, seconds_to_find=0.0, dtype="float32", full=True,
)  # fmt: skip
PIPES = {"fma": {"add": 2, "sub": 2, "fma": 4, "mul": 3, "atleast": 1, "atmost": 1}}
PIPES |= {"integer": {"lift": 5, "plus": 3, "minus": 3, "half": 7, "power": 7}}


def model_of(dtype="float32"):
    ops = {
        name: OpCost(
            pipe=pipe, throughput=Figure(median=99.0, tenth=t), latency=Figure(median=99.0, tenth=10 * t)
        )
        for pipe, times in PIPES.items()
        for name, t in times.items()
    }
    return CostModel(platform="avx2", dtype=dtype, machine={}, floor=Figure(median=1.0, tenth=1.0), ops=ops)


def test_what_runs_of_exp2_is_its_short_steps_around_the_core():
    formula = make_formula(MEMBER, "float32", reduction=reduction_of(MEMBER))
    assert whole_work(formula) == [
        Work("add", ()),  # x + MAGIC
        Work("sub", (0,)),  # the nearest integer
        Work("sub", (1,)),  # what is left
        Work("fma", (2,)),
        Work("fma", (2, 3)),
        Work("lift", (0,)),  # the bits of x + MAGIC at the exponent's place
        Work("plus", (4, 5)),
    ]
    assert predicted_time(MEMBER, model_of()) == 2 + 2 + 2 + 4 + 4
    assert predicted_time(replace(MEMBER, full=False), model_of()) == 8


def test_a_core_whose_values_are_not_positive_takes_the_longer_steps():
    far = replace(MEMBER, constants=((0.24).hex(), (0.69).hex(), (-3.0).hex()))
    formula = make_formula(far, "float32", reduction=reduction_of(far))
    names = [one.op for one in whole_work(formula)]
    assert names == [
        *("atleast", "atmost", "add", "sub", "sub", "fma", "fma"),
        *("minus", "half", "minus", "power", "power", "mul", "mul"),
    ]
    assert predicted_time(far, model_of()) == 3 + 7 + 3 + 7 + 7  # integers are busier


def test_a_model_without_the_steps_of_a_reduction_is_refused():
    known = model_of().model_dump()
    del known["ops"]["lift"]
    with pytest.raises(CostError, match="says nothing of 'lift'"):
        predicted_time(MEMBER, CostModel.model_validate(known))


def test_predictions_stand_beside_measured_times_of_ours_alone():
    second = replace(MEMBER, ops=1, program="v1 = fma(c1, x, c2)", constants=((0.7).hex(), (1.0).hex()))
    timings = race_front([second, MEMBER], size=64, rounds=1, model=model_of())
    known = {row.name: row.predicted for row in timings}
    assert known["evonum, 1 ops"] == 10
    assert known["evonum, 2 ops"] == 14
    assert {name for name, time in known.items() if time is None} >= {FLOOR, "libm"}
    table = timings_table(Front((second, MEMBER)), timings)
    assert [column.header for column in table.columns][-2:] == ["10 % less floor", "predicted"]


def test_members_of_a_front_of_times_say_what_was_predicted_and_a_wrong_model_is_refused():
    core = replace(MEMBER, full=False, cost=0.5)
    assert predictions([core, replace(MEMBER, cost=0.5)], "float32") == [0.5, None], "of a core alone"
    with pytest.raises(CostError, match="of float64, but these functions are timed in float32"):
        predictions([core], "float32", model_of("float64"))
