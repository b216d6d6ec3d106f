"""Strict kernels: bit for bit the interpreter of floats; errors and counts as NumPy has them."""

import numpy as np
import pytest

from emulated import engine_of
from evo.backends.device import options
from evo.kernels.strict import judge, values
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.batch import Batch
from evo.programs.floats import evaluate
from evo.programs.ops import OPS
from evo.programs.program import parse
from evo.targets.points import Points
from strategies import random_batch

FORMATS = [FLOAT_FORMATS["float32"], FLOAT_FORMATS["float64"]]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, 1 + 2.0**-23, 0.5]


def in_format(rng, fmt, shape):
    """Numbers of all sizes that a format holds, as float64; special ones among them."""
    scale = rng.integers(-30, 30, shape)
    found = np.ldexp(rng.normal(size=shape), scale)
    found = np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL, shape), found)
    with np.errstate(all="ignore"):
        return found.astype(fmt.type).astype(float)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_a_million_results_are_the_interpreters_bits(fmt):
    rng = np.random.default_rng(5)
    batch = random_batch(rng, 1000, ops=[op.name for op in OPS])
    batch.constants[:] = in_format(rng, fmt, batch.constants.shape)
    x = in_format(rng, fmt, 1001)
    got = values(batch, x, fmt)
    for row in range(len(batch)):
        wanted = evaluate(batch.program(row), batch.numbers(row), x, fmt).astype(float)
        same = (got[row] == wanted) & (np.signbit(got[row]) == np.signbit(wanted))
        assert (same | (np.isnan(got[row]) & np.isnan(wanted))).all(), batch.program(row)


def test_fused_and_unfused_differ_and_both_are_kept():
    fmt = FORMATS[0]
    fused, unfused = parse("v1 = fma(x, c1, c2)"), parse("v1 = x * c1\nv2 = v1 + c2")
    x = np.random.default_rng(1).random(10_000).astype(np.float32).astype(float)
    batch = Batch.of([fused, unfused], [[0.1, 0.3]] * 2)
    batch.constants[:] = batch.constants.astype(np.float32)
    one, two = values(batch, x, fmt)
    assert (one != two).any()
    exact = x * batch.constants[0, 0] + batch.constants[0, 1]  # in float64: exact but for 2^-53
    assert np.array_equal(one, exact.astype(np.float32))


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_errors_places_and_counts_are_numpys(fmt, threads):
    rng = np.random.default_rng(2)
    batch = random_batch(rng, 150)
    batch.constants[:] = rng.normal(size=batch.constants.shape).astype(fmt.type)
    n = 1300
    x = rng.normal(size=n).astype(fmt.type).astype(float)
    points = Points(x, rng.normal(size=n), rng.random(n) + 0.5)
    found = judge(batch, points, fmt, 0.7, threads)
    with np.errstate(all="ignore"):
        error = np.abs((values(batch, x, fmt) - points.exact) * points.weight)
    most = np.where(np.isnan(error).any(axis=1), np.inf, error.max(axis=1))
    assert np.array_equal(found.error, most)
    assert np.array_equal(found.over, np.count_nonzero(~(error <= 0.7), axis=1))
    fine = np.isfinite(most)
    assert np.array_equal(error[fine, found.worst[fine]], most[fine])
    assert fine.any()
    assert not fine.all()


def test_no_rows_are_no_errors():
    points = Points(np.ones(1), np.ones(1), np.ones(1))
    assert len(judge(Batch.empty(0, 4), points, FORMATS[0], 1.0).error) == 0


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("name", ["cuda", "native"])
def test_every_backend_has_the_same_errors_places_and_counts(name, fmt):
    rng = np.random.default_rng(3)
    batch = random_batch(rng, 200, ops=[op.name for op in OPS])
    batch.constants[:] = in_format(rng, fmt, batch.constants.shape)
    x = np.nan_to_num(in_format(rng, fmt, 300), nan=2.0, posinf=4.0)
    points = Points(x, rng.normal(size=300), rng.random(300) + 0.5)
    found, wanted = engine_of(name).judge(batch, points, fmt, 0.7), judge(batch, points, fmt, 0.7)
    for got, right in zip(found, wanted, strict=True):
        assert got.dtype == right.dtype
        assert np.array_equal(got, right)
    assert np.isfinite(wanted.error).any()
    assert not np.isfinite(wanted.error).all()
    assert len(engine_of(name).judge(batch.take([]), points, fmt, 0.7).error) == 0


def test_a_gpus_kernel_contracts_nothing():
    assert "--fmad=false" in options("judge_float32")
    assert "--fmad=false" not in options("fit")
