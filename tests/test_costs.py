"""Cost models: what is measured has its shape and no more; predictions are compared with hand-made sums."""

import json
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from evo.backends.jax import double
from evo.bench.chains import MEASURED
from evo.bench.chains import measured as measured_by
from evo.bench.compiled import library
from evo.bench.loops_c import source
from evo.bench.loops_cuda import source as in_cuda
from evo.bench.loops_xla import link, loops_in_xla
from evo.bench.ops import bench_ops
from evo.bench.platforms import (
    DTYPES,
    FREE_SHARE,
    PLATFORMS,
    MissingPlatformError,
    Platform,
    PlatformError,
    find_platform,
)
from evo.costs.model import CostError, CostModel, Figure, OpCost, read_model
from evo.costs.predict import predicted
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.ops import OPS
from evo.programs.program import parse
from searches import evonum
from test_cuda_sources import errors


def op(pipe, throughput, latency):
    """Medians are far away: only the tenth percentile may count."""
    wide, deep = (Figure(median=9.0, tenth=t) for t in (throughput, latency))
    return OpCost(pipe=pipe, throughput=wide, latency=deep)


@pytest.fixture
def model():
    ops = {
        "add": op("fma", 1.0, 3.0),
        "mul": op("fma", 1.0, 4.0),
        "fma": op("fma", 1.5, 5.0),
        "div": op("divider", 6.0, 11.0),
    }
    floor = Figure(median=0.5, tenth=0.4)
    return CostModel(platform="avx2", dtype="float32", machine={}, floor=floor, ops=ops)


PROGRAMS = [
    ("v1 = x + c1", 1.0, 3.0),
    ("v1 = x * x\nv2 = v1 * c1\nv3 = v2 + c2", 3.0, 11.0),
    # The divider's six stand beside the other pipe's two, and are fewer than eight.
    ("v1 = c1 / x\nv2 = x + v1\nv3 = v2 * v2", 6.0, 18.0),
    ("v1 = c1 / x\n" + "\n".join(f"v{n} = v{n - 1} * x" for n in range(2, 10)), 8.0, 11.0 + 8 * 4.0),
    ("v1 = x / c1\nv2 = c2 / x\nv3 = v1 + v2", 12.0, 14.0),
    # Estrin and Horner have one throughput and two latencies.
    ("v1 = fma(x, c1, c2)\nv2 = fma(v1, x, c3)\nv3 = fma(v2, x, c4)", 4.5, 15.0),
    ("v1 = fma(x, c1, c2)\nv2 = x * x\nv3 = fma(x, c3, c4)\nv4 = fma(v1, v2, v3)", 5.5, 10.0),
    # What constants alone make is folded.
    ("v1 = c1 / c2\nv2 = v1 * x", 1.0, 4.0),
]


@pytest.mark.parametrize(("text", "throughput", "latency"), PROGRAMS)
def test_predictions_are_the_busiest_pipe_and_the_longest_chain(model, text, throughput, latency):
    assert predicted(parse(text), model) == throughput
    assert predicted(parse(text), model, "latency") == latency


def test_an_op_that_the_model_lacks_is_refused(model):
    with pytest.raises(CostError, match="says nothing of 'sqrt'; it has add, mul, fma, div"):
        predicted(parse("v1 = sqrt(x)"), model)


def test_a_model_is_what_its_file_gives_back(model, tmp_path):
    path = tmp_path / "costs.json"
    path.write_text(model.to_json())
    assert read_model(path) == model


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 99}, "at version"),
        ({"ops": {}}, "at ops"),
        ({"dtype": "bfloat16"}, "at dtype"),
        ({"more": 1}, "at more"),
        ({"floor": {"median": 1.0, "tenth": -1.0}}, "at floor.tenth"),
        ({"floor": {"median": 1.0, "tenth": "NaN"}}, "at floor.tenth"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_one_line(model, tmp_path, change, words):
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({**model.model_dump(), **change}))
    with pytest.raises(CostError, match=words) as refused:
        read_model(path)
    assert "\n" not in str(refused.value)


def test_no_file_and_no_json_are_refused_in_one_line(tmp_path):
    with pytest.raises(CostError, match=r"No cost model at .*nowhere"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(CostError, match=r"No cost model at .*: it is no regular file"):
        read_model(Path("/dev/zero"))
    (tmp_path / "text").write_text("ops: 3")
    with pytest.raises(CostError, match="is no cost model"):
        read_model(tmp_path / "text")


@pytest.fixture(scope="module")
def measured():
    """Of loops that run, with times by their lengths: those of a full machine cannot be told from nothing."""

    def timed(calls, rounds):
        assert all(math.isfinite(call()) for call in calls.values())
        lengths = {name: len(name.split("_")) * (10 if "_long_" in name else 1) for name in calls}
        return {name: np.full(rounds, float(length)) for name, length in lengths.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evo.bench.ops._timed", timed)
        return bench_ops("avx2", rounds=1, names=("add", "div", "neg", "below", "minus"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_and_step_has_loops_that_compile(dtype, tmp_path):
    made = library(source(MEASURED, FLOAT_FORMATS[dtype]), tmp_path / "ops", ("-O0", "-Wall", "-Werror"))
    words = [measured_by(op.name).word for op in OPS] + ["below_choose_add"]
    assert all(hasattr(made, f"{kind}_long_{word}") for word in words for kind in ("wide", "deep"))


def test_measured_ops_occupy_the_pipes_of_their_platform(measured):
    pipes = {name: cost.pipe for name, cost in measured.ops.items()}
    integer = dict.fromkeys(("neg", "minus"), "integer")
    assert pipes == {"add": "fma", "div": "divider", "below": "fma", **integer}


def test_what_is_measured_is_positive_and_finite_and_its_file_gives_it_back(measured, tmp_path):
    for cost in measured.ops.values():
        for figure in (cost.throughput, cost.latency):
            assert all(0 < t < math.inf for t in (figure.median, figure.tenth))
    assert {"processor", "compiler", "load", "rounds"} <= set(measured.machine)
    (tmp_path / "costs.json").write_text(measured.to_json())
    assert read_model(tmp_path / "costs.json") == measured


def test_a_platform_that_this_machine_is_not_is_refused():
    other = Platform("vax", lambda: "this processor lacks what vax has.", loops_in_xla, {})
    with pytest.raises(MissingPlatformError, match="Platform vax: this processor lacks what vax has"):
        other.check()


def test_a_machine_without_a_gpu_is_told_so():
    with pytest.raises(MissingPlatformError, match="Platform cuda: this machine lacks a GPU"):
        bench_ops("cuda")


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_nvidias_compiler_takes_the_loops_of_every_op_and_step(dtype):
    names = [name for name in MEASURED if name not in PLATFORMS["cuda"].free]
    assert errors(in_cuda(names, FLOAT_FORMATS[dtype])) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_xlas_loops_compute_what_their_chains_say(dtype):
    fmt = FLOAT_FORMATS[dtype]
    loops = loops_in_xla(["mul", "neg"], fmt)
    assert {name for name in loops.calls if "neg" in name} == {
        f"{kind}_{which}_neg_add" for kind in ("wide", "deep") for which in ("short", "long")
    }
    assert all(loops.calls[name]() > 0 for name in ("plain_loop", "wide_long_mul", "deep_short_mul"))
    with double():
        twice = link(measured_by("neg"), 2, fmt)(*(jnp.asarray(fmt.type(v)) for v in (3, 0.5, 7, 1)))
        assert twice.dtype == fmt.type
        assert twice == -(-3 + 0.5) + 0.5


def test_free_ops_count_next_to_nothing(monkeypatch):
    lengths = {"short": 1.0, "long": 65.0}

    def timed(calls, rounds):
        return {name: np.full(rounds, lengths.get(name.split("_")[1], 1.0)) for name in calls}

    monkeypatch.setattr("evo.bench.ops._timed", timed)
    model = bench_ops("xla", rounds=3, names=["neg", "mul"])
    assert list(model.ops) == ["neg", "mul"]
    assert model.ops["neg"].throughput.tenth == FREE_SHARE * model.ops["mul"].throughput.tenth
    assert model.ops["neg"].pipe == "integer"


def test_an_unknown_platform_is_refused_with_those_that_are_known():
    known = r"Unknown platform 'avx'; known are avx512, avx2, xla, cuda.*Did you mean"
    with pytest.raises(PlatformError, match=known):
        find_platform("avx")
    assert find_platform(None) in PLATFORMS.values()


def test_the_command_refuses_what_it_cannot_measure(tmp_path):
    for words, said in (
        (("--platform", "vax"), "Unknown platform 'vax'"),
        (("--dtype", "float16"), "float32 or float64, not 'float16'"),
    ):
        run = evonum("bench", "ops", *words, cwd=tmp_path)
        assert run.returncode == 2
        assert said in run.stderr
        assert run.stderr.count("\n") == 1


def test_times_that_cannot_be_told_from_nothing_are_refused_and_not_made_up(monkeypatch):
    monkeypatch.setattr(
        "evo.bench.ops._timed", lambda calls, rounds: {name: np.ones(rounds) for name in calls}
    )
    with pytest.raises(
        CostError, match="What 'add' takes cannot be told: this machine has too much other work"
    ):
        bench_ops("avx2", rounds=3, names=["add"])
