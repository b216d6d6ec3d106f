"""The shape of the benchmarks' output; never a time."""

import json
import os
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from evo.backends.jax import double
from evo.bench import cores as bench_cores
from evo.bench import driver as bench_driver
from evo.bench import kernels as bench
from evo.bench.naive import naive_fit
from evo.bench.search import bench_search
from evo.bench.spent import spent
from evo.cli.app import UsageError, app
from evo.errors import EvonumError
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points
from searches import evonum


@pytest.fixture(scope="module")
def points():
    return fit_points(make_target("exp2"))


def test_bench_programs_are_different_finite_and_of_the_size_asked_for(points):
    batch = bench.bench_programs(50, points.x)
    assert len(batch) == 50
    assert (batch.n == 10).all()
    assert (batch.k == 5).all()
    assert len({str(batch.program(row)) for row in range(50)}) == 50
    for row in range(50):
        assert np.isfinite(batch.program(row).evaluate(np, points.x, batch.numbers(row))).all()


def test_bench_programs_of_a_rare_size_are_found_too(points):
    """Seven constants in ten ops: mutants of any parents hardly ever have them."""
    batch = bench.bench_programs(60, points.x, 10, 7)
    assert len(batch) == 60
    assert (batch.k == 7).all()


def test_the_naive_fit_finds_the_least_squares_fit_that_the_kernels_find(points):
    batch = Batch.of([parse("v1 = x + c1\nv2 = c2 / v1\nv3 = v2 - c3")], [[-3.0, -8.0, 1.5]])
    with double():
        _, squares = naive_fit(batch, points, 30)
    rms = np.sqrt(squares[0] / len(points.x))
    assert rms == pytest.approx(6.13228339e-04, rel=1e-6)


def test_the_naive_fit_refuses_programs_of_several_sizes(points):
    programs = [parse("v1 = x + c1"), parse("v1 = x + c1\nv2 = v1 * c2")]
    with pytest.raises(ValueError, match="one number of ops"):
        naive_fit(Batch.of(programs, [[1.0], [1.0, 2.0]]), points, 3)


def test_bench_fit_has_a_row_for_every_backend_and_number_of_threads(monkeypatch):
    monkeypatch.setattr(bench, "free_cores", lambda: [0])
    result = bench.bench_fit(batches=(8,), seconds=0.0)
    assert json.loads(json.dumps(result)) == result
    assert {"processor", "cores", "python", "numpy", "jax", "compiler"} <= set(result["machine"])
    rows = {row["backend"]: row for row in result["results"]}
    assert list(rows) == ["native", "jax", "naive-vmap"]
    for row in rows.values():
        assert (row["batch"], row["threads"]) == (8, 1)
        assert row["device"]
        assert row["lm_iterations_per_s"] > 0
        assert row["median_s"] > 0
    assert rows["naive-vmap"]["ratio_to_naive"] == 1.0


def test_a_failing_benchmark_process_is_an_error_with_its_words(monkeypatch):
    monkeypatch.setattr(bench, "free_cores", lambda: [0])
    with pytest.raises(RuntimeError, match="NameError"):
        bench.bench_fit(batches=(8,), seconds=float("nan"))


def test_a_call_whose_clock_stood_still_is_made_again(monkeypatch):
    clock = iter([0.0, 0.0, 0.0, 0.0, 0.0, 3.0])
    monkeypatch.setattr("evo.bench.spent.time.process_time", lambda: next(clock))
    given = iter(range(9))
    taken, last = spent(lambda number: number, lambda: next(given))
    assert (taken.busy, last) == (1.0, 2), "the mean of three calls, each with an argument of its own"
    assert taken.wall > 0


def test_bench_vary_counts_every_mutant_once():
    result = bench.bench_vary(max_ops=(6,), generations=2, rows=64, rounds=2)
    assert json.loads(json.dumps(result)) == result
    row, counts = result["results"][0], result["counts"][0]
    assert row["max_ops"] == counts["max_ops"] == 6
    assert row["new_per_s"] > 0
    assert row["mutants_per_s"] >= row["new_per_s"]
    lost = ("invalid", "too_large", "seen_text", "undefined", "redundant", "seen_function")
    kept = counts["made"] - sum(counts[name] for name in lost) + counts["audited"]
    assert 0 < kept <= 2 * 64


def test_bench_search_counts_what_was_fitted_and_every_part_of_the_time():
    result = bench_search(rows=64, max_ops=5, generations=1, processes=(2,))
    assert json.loads(json.dumps(result)) == result
    rows = result["results"]
    assert [(row["backend"], row["offspring"], row["processes"]) for row in rows] == [
        ("native", 64, 1),
        ("native", 64, 2),
    ]
    for row in rows:
        parts = [row[f"{name}_s"] for name in ("vary", "fit", "deep", "select")]
        assert row["share_around_fit"] == pytest.approx((parts[0] + parts[3]) / sum(parts))
        assert 0 < row["functions_per_s"] <= row["fitted_per_s"]
    one = rows[0]
    assert one["of_fit_speed"] == pytest.approx(1 - one["share_around_fit"])


def test_bench_scale_has_a_row_for_every_size():
    result = bench.bench_scale(rows=4, rounds=1)
    assert json.loads(json.dumps(result)) == result
    rows = result["results"]
    assert {row["ops"] for row in rows} == {5, 10, 15, 20}
    assert {row["points"] for row in rows} == {48, 192, 768}
    assert all(row["us_per_lm_iteration"] > 0 for row in rows)


def test_bench_cores_has_a_row_for_each_number_of_cores(monkeypatch):
    cores = sorted(os.sched_getaffinity(0))
    monkeypatch.setattr(bench_cores, "free_cores", lambda: [cores[0], cores[-1], cores[0]])
    result = bench_cores.bench_cores(rounds=2, generations=1, rows=32, max_ops=4)
    assert json.loads(json.dumps(result)) == result
    assert [row["cores"] for row in result["results"]] == [1, 2, 3]
    first = result["results"][0]
    assert first["fitted_per_s_ratio"] == first["fitted_per_cpu_s_ratio"] == 1.0
    for row in result["results"]:
        assert row["rounds"] == 2
        assert row["best_per_s"] >= row["fitted_per_s"] > 0
        assert row["lm_iterations_per_s"] > row["fitted_per_s"]


@pytest.mark.slow
def test_bench_driver_runs_a_search_whose_epochs_are_stand_ins(in_tmp):
    words = ("--islands", 3, "--rate", 20, "--seconds", 5, "--processes", 2, "--json")
    done = evonum("bench", "driver", *words, cwd=in_tmp)  # in a process without JAX, which forbids forks
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["results"][0]
    assert (row["islands"], row["processes"], row["asked_per_s"]) == (3, 2, 20.0)
    assert row["reached_per_s"] > 0
    assert row["lag_median_ms"] <= row["lag_99_ms"] <= row["lag_most_ms"]
    assert row["driver_ms_per_epoch"] > 0
    assert row["checkpoint_mb"] > 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("driver", "--islands", "1e9"), "--islands takes numbers"),
        (("driver", "--islands", ""), "--islands takes numbers"),
        (("driver", "--islands", "1000000000"), "islands: Input should be less than or equal to 4096"),
        (("driver", "--seconds", "inf"), "time: Input should be a finite number"),
        (("driver", "--cache-entries", "3000"), "cache_entries must be a power of two"),
        (("driver", "--rate", "inf"), "'--rate'"),
        (("driver", "--rate", "0.1"), "seconds: 60 are too few; at 0.1 epochs a second an epoch takes 80 s"),
        (("driver", "--processes", "1000000000"), "'--processes'"),
        (("scale", "--backend", "nosuch"), "nosuch"),
    ],
)
def test_a_benchmark_refuses_what_it_cannot_do_before_it_starts(monkeypatch, words, reason):
    def work(*_, **__):
        raise AssertionError("work was begun")

    monkeypatch.setattr(bench, "bench_programs", work)
    monkeypatch.setattr(bench_driver, "script", work)
    done = CliRunner().invoke(app, ["bench", *words], standalone_mode=False)
    assert isinstance(done.exception, (EvonumError, UsageError)), done.exception
    assert reason in getattr(done.exception, "format_message", partial(str, done.exception))()
