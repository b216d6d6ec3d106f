"""Searches whose fronts hold predicted time against errors; models are made up, so no time is measured."""

import json
from itertools import pairwise

import numpy as np
import pytest

import evo
from evo.costs.model import CostError, CostModel, Figure, OpCost
from evo.costs.predict import predicted
from evo.costs.pricing import WIDTH, Pricing
from evo.exports.names import check_name, default_name
from evo.fronts.front import Front
from evo.kernels.cache import Cache
from evo.kernels.vary import Variation, offspring
from evo.programs.batch import Batch
from evo.programs.ops import OPS
from evo.programs.program import parse
from evo.runs.search import Search, make_problem
from evo.runs.sources import _command
from evo.runs.spec import SpecError, make_spec
from searches import SMALL, evonum_here

EVERY = tuple(op.name for op in OPS)
KNOWN = {
    "add": ("fma", 1.0, 3.0),
    "sub": ("fma", 1.0, 3.0),
    "mul": ("fma", 1.0, 4.0),
    "fma": ("fma", 1.5, 5.0),
}
KNOWN |= {"div": ("divider", 8.0, 12.0), "rcp": ("divider", 8.0, 12.0), "sqrt": ("divider", 14.0, 16.0)}
KNOWN |= {"neg": ("integer", 0.5, 1.0)}


def model_of(names=EVERY, dtype="float64"):
    def figure(time):
        return Figure(median=2 * time, tenth=time)

    ops = {n: OpCost(pipe=p, throughput=figure(t), latency=figure(d)) for n, (p, t, d) in KNOWN.items()}
    chosen = {name: ops[name] for name in names}
    return CostModel(platform="avx2", dtype=dtype, machine={}, floor=figure(1.0), ops=chosen)


@pytest.fixture(scope="module")
def batch():
    variation = Variation(EVERY, 12, weights={"perturb": 0.0}, audit=0.0)
    texts, functions, parents = Cache.empty(1 << 14), Cache.empty(1 << 16), Batch.empty(0, 12)
    for generation in range(4):
        parents = offspring(generation, variation, parents, texts, functions, 256).batch.take(slice(None))
    return parents


@pytest.mark.parametrize("goal", ["throughput", "latency"])
def test_cells_of_a_batch_are_those_of_its_programs_one_by_one(batch, goal):
    pricing = Pricing(model_of(), goal, EVERY)
    cells = pricing.cells(batch)
    times = np.array([predicted(batch.program(row), pricing.model, goal) for row in range(len(batch))])
    prices = np.array([pricing.price(batch.program(row)) for row in range(len(batch))])
    assert len(np.unique(cells)) > 20
    assert np.all(np.abs(np.log(prices / times)) <= WIDTH / 2 * (1 + 1e-9))
    order = np.argsort(times, kind="stable")
    assert (np.diff(cells[order]) >= 0).all()
    assert all((cells[prices == price] == cell).all() for price, cell in zip(prices, cells, strict=True))
    assert 0 <= cells.min() <= cells.max() <= pricing.most(12)


def test_times_of_a_pipe_that_a_measurement_cannot_tell_apart_are_levelled():
    known = model_of().model_dump()
    for name, time in (("add", 0.9), ("sub", 1.1), ("mul", 1.0), ("fma", 2.0)):
        known["ops"][name]["throughput"]["tenth"] = time
    times = CostModel.model_validate(known).times("throughput")
    assert times["add"] == times["sub"] == times["mul"] == pytest.approx(1.0)
    assert times["fma"] == 2.0
    assert times["neg"] == 0.5, "another pipe's"


def test_ops_that_the_model_lacks_are_refused_before_a_search():
    with pytest.raises(CostError, match="says nothing of 'mul'"):
        Pricing(model_of(("add",)), "throughput", ("add", "mul"))
    entries = {**SMALL, "ops": "+ *", "cost": model_of(("add",)).model_dump()}
    with pytest.raises(SpecError, match=r"^cost: .*says nothing of 'mul'"):
        make_problem(make_spec(entries).settled())


def test_a_model_of_another_format_is_refused():
    entries = {**SMALL, "dtype": "bfloat16", "metric": "ulp", "cost": model_of().model_dump()}
    with pytest.raises(
        SpecError, match=r"^cost: the model is of float64, but bfloat16 is computed in float32"
    ):
        make_problem(make_spec(entries).settled())


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"cost": "nowhere.json"}, "^cost: No cost model at nowhere.json"),
        ({"cost": {"platform": "avx2"}}, "^cost.*: Field required"),
        ({"cost_goal": "latency"}, "cost_goal takes cost"),
        ({"cost": model_of().model_dump(), "cost_goal": "speed"}, "^cost_goal: .*'throughput' or 'latency'"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(entries, words):
    with pytest.raises(SpecError, match=words) as refused:
        make_spec({**SMALL, **entries}).settled()
    assert "\n" not in str(refused.value)


def searched(folder, **entries):
    given = {**SMALL, "max_ops": 5, "epoch": 1, "ops": "+ - * /", **entries}
    return evo.search(**given, out=folder, workers="serial", record=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search by a model in a file that is gone afterwards, in two sessions."""
    folder = tmp_path_factory.mktemp("costs")
    file = folder / "costs.json"
    file.write_text(model_of().to_json())
    searched(folder / "s", cost=str(file), generations=1)
    file.unlink()
    return evo.resume(folder / "s", generations=2, workers="serial", record=False), folder / "s"


def test_the_front_is_of_error_and_predicted_time(found):
    front, folder = found
    pricing = Pricing(model_of(), "throughput", ("add", "sub", "mul", "div"))
    assert [m.cost for m in front] == [pricing.price(m.code) for m in front]
    for a, b in pairwise(front):
        assert a.cost < b.cost
        assert a.sampled_error > b.sampled_error
    assert front[0].cost < 8, "nothing divides there"
    assert Front.load(folder / "front.json") == front
    names = {path.stem for path in (folder / "certificates").iterdir()}
    assert names >= {m.label for m in front if m.proved_bound is not None}, "the first session's stay, too"


def test_a_slow_formula_of_few_ops_does_not_hide_a_fast_one_of_more(found):
    """Three additions and products take less than one division, and are not as good as it with two ops."""
    front, _ = found
    by_ops = [m.ops for m in front]
    assert by_ops != sorted(by_ops) or len(set(by_ops)) < len(by_ops)
    assert len({check_name(default_name(m)) for m in front}) == len(front), "exported together"
    sizes = front.of_each_size()
    assert [m.ops for m in sizes] == sorted(set(by_ops))
    for m in sizes:
        assert m.sampled_error == min(o.sampled_error for o in front if o.ops == m.ops)


def test_a_resumed_search_has_its_model_by_value_and_ends_where_an_uninterrupted_one_does(found, tmp_path):
    front, folder = found
    kept = make_spec(json.loads((folder / "spec.json").read_text()))
    assert kept.cost == model_of()
    whole = searched(tmp_path / "whole", cost=model_of().model_dump(), generations=2)
    assert [(m.program, m.cost, m.sampled_error) for m in whole] == [
        (m.program, m.cost, m.sampled_error) for m in front
    ]


def test_a_cost_that_a_front_claims_is_not_believed(found):
    front, folder = found
    objects = json.loads((folder / "front.json").read_text())
    for o in objects:
        o["cost"], o["proved_bound"] = 1e-3, None
    (folder / "front.json").write_text(json.dumps(objects))
    again = Search.resume(folder, {}).front
    pricing = make_problem(make_spec(json.loads((folder / "spec.json").read_text()))).pricing
    assert [m.cost for m in again] == [pricing.price(m.code) for m in again]
    front.save(folder / "front.json")


def test_latency_prefers_short_chains(tmp_path):
    """Of equal ops Estrin's scheme is as good as Horner's, and its chain is shorter."""
    horner = parse("v1 = fma(x, c1, c2)\nv2 = fma(v1, x, c3)\nv3 = fma(v2, x, c4)")
    estrin = parse("v1 = fma(x, c1, c2)\nv2 = x * x\nv3 = fma(x, c3, c4)\nv4 = fma(v1, v2, v3)")
    prices = {
        goal: [Pricing(model_of(), goal, EVERY).price(p) for p in (horner, estrin)]
        for goal in ("throughput", "latency")
    }
    assert prices["throughput"][0] < prices["throughput"][1]
    assert prices["latency"][0] > prices["latency"][1]


def test_the_command_takes_a_model_and_refuses_what_is_none(tmp_path):
    (tmp_path / "costs.json").write_text(model_of().to_json())
    words = (
        "search",
        "exp2",
        "--max-ops",
        "2",
        "--generations",
        "1",
        "--workers",
        "serial",
        "--islands",
        "1",
    )
    run = evonum_here(
        *words,
        "--no-record",
        "--cost",
        "costs.json",
        "--cost-goal",
        "latency",
        "--out",
        "s",
        "--json",
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert all(o["cost"] > 0 for o in json.loads(run.stdout))
    assert "predicted" in evonum_here("front", "s", cwd=tmp_path).stdout
    refused = evonum_here(*words, "--cost", "nowhere.json", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("evonum: --cost: No cost model at nowhere.json")
    spec = json.loads((tmp_path / "s/spec.json").read_text())
    assert "--cost FILE" in _command(spec)
    assert "--cost-goal latency" in _command(spec)
