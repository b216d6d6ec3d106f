"""The contract of every backend; a row added to BACKENDS or to the op table is tested by itself."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache

import mpmath
import numpy as np
import pytest

from emulated import engine_of
from evo.backends.backend import BACKENDS, BackendError, backend
from evo.backends.fit import Measures
from evo.backends.native import NativeBackend
from evo.kernels.cache import Cache
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import behaviours, functions, texts
from evo.kernels.layout import FITTED, NOT_FINITE, POLE
from evo.kernels.vary import TIERS, Variation, offspring
from evo.numbers.functions import function_module
from evo.programs.batch import Batch
from evo.programs.ops import OPS
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points

X = np.linspace(0.05, 1.0, 48)
REALS = function_module(sqrt=mpmath.sqrt)
WIDTH = 10
"""One width for all batches: the JAX backend compiles once."""
DEFAULT = Effort()
SHORT = replace(DEFAULT, final_steps=6, lawson_rounds=3, lawson_steps=2)
"""One for all tests that need no optimum; with the starts of the usual one, for which JAX compiles it."""

F3 = "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 - c3"
F5 = "v1 = c1 / x\nv2 = x + v1\nv3 = v2 + c2\nv4 = c3 / v3\nv5 = v4 - c4"
PROGRAMS = {
    "f3": (F3, [-3.4, -8.4, 1.44]),
    "f5": (F5, [25.6, -8.85, 17.7, -1.0]),
    "a shared value": ("v1 = x + c1\nv2 = v1 * v1\nv3 = v2 * v2\nv4 = v3 / v1", [0.7]),
    "a constant used twice": ("v1 = x * c1\nv2 = v1 + c1\nv3 = c1 / v2", [1.3]),
    "no constant": ("v1 = x * x\nv2 = v1 + x", []),
    "a constant of zero": ("v1 = x * c1\nv2 = v1 + c2\nv3 = v2 * v2", [0.0, 0.0]),
    "one slot three times": ("v1 = x + c1\nv2 = fma(v1, v1, v1)", [0.3]),
    "a value less and over itself": ("v1 = x * c1\nv2 = v1 - v1\nv3 = v1 / v1\nv4 = v2 + v3", [2.0]),
    "an unused value": ("v1 = x / c1\nv2 = x * c2", [0.0, 2.0]),
}
"""Program and constants by name; all defined at X."""
for _op in OPS:
    _words = ["x", "c1", "c2"]
    for _turn in range(_op.arity):
        _args = [(_words[_turn:] + _words[:_turn])[j] for j in range(_op.arity)]
        _right = f"{_args[0]} {_op.symbol} {_args[1]}" if _op.infix else f"{_op.name}({', '.join(_args)})"
        PROGRAMS[f"{_op.name}, turn {_turn}"] = (f"v1 = {_right}\nv2 = v1 * x\nv3 = v2 + c3", [1.7, 0.6, 2.5])

every_backend = pytest.mark.parametrize("engine", BACKENDS)


def batch_of(*names: str) -> Batch:
    return Batch.of([parse(PROGRAMS[n][0]) for n in names], [PROGRAMS[n][1] for n in names], WIDTH)


def line(text: str, *constants: float) -> Batch:
    return Batch.of([parse(text)], [constants], WIDTH)


@cache
def random_batch(rows: int = 64) -> Batch:
    """As a search makes them: `rows` different programs, some not finite; as few as JAX takes at once."""
    variation = Variation(("add", "sub", "mul", "div"), WIDTH)
    caches = Cache.empty(1 << 14), Cache.empty(1 << 14)
    parents = offspring(1, variation, Batch.empty(0, WIDTH), *caches, 400).batch.take(slice(None))
    return offspring(2, variation, parents, *caches, rows).batch.take(slice(None))


@cache
def exp2_points():
    return fit_points(make_target("exp2"))


def plain(first: int, final: int = 0) -> Effort:
    """Least squares from the inherited constants alone."""
    return Effort(starts=0, first_steps=first, final_steps=final, lawson_rounds=0)


def fit(engine: str, batch: Batch, effort: Effort = DEFAULT, stream=None, worth=None):
    stream = np.arange(len(batch), dtype=np.uint64) if stream is None else stream
    worth = np.full(len(batch), np.inf) if worth is None else worth
    return engine_of(engine).fit(batch, exp2_points(), effort, stream, worth)


@every_backend
def test_values_are_those_of_the_readable_program(engine):
    values = engine_of(engine).values(batch_of(*PROGRAMS), X)
    for got, (text, constants) in zip(values, PROGRAMS.values(), strict=True):
        with np.errstate(all="ignore"):
            expected = parse(text).evaluate(np, X, constants) + np.zeros(len(X))
        np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


@every_backend
def test_jacobians_are_the_limits_of_differences_in_80_digits(engine):
    some = X[::12]
    values, jacobians = engine_of(engine).jacobian(batch_of(*PROGRAMS), X)
    np.testing.assert_array_equal(values, engine_of(engine).values(batch_of(*PROGRAMS), X))
    for got, (text, constants) in zip(jacobians, PROGRAMS.values(), strict=True):
        program = parse(text)
        assert (got[len(constants) :] == 0).all()
        if text == PROGRAMS["an unused value"][0]:
            continue
        for j in range(len(constants)):
            expected = [_difference(program, mpmath.mpf(float(x)), constants, j) for x in some]
            np.testing.assert_allclose(got[j, ::12], expected, rtol=1e-13, atol=1e-13)


def _difference(program, x, constants, j: int) -> float:
    with mpmath.workdps(80):
        h = mpmath.mpf(10) ** -30

        def at(shift):
            return program.evaluate(
                REALS, x, [c + shift * (i == j) for i, c in enumerate(map(mpmath.mpf, constants))]
            )

        return float((at(h) - at(-h)) / (2 * h))


@every_backend
def test_an_infinite_value_that_the_result_does_not_use_leaves_no_trace(engine):
    batch = line(*("v1 = x / c1\nv2 = x * c2", 0.0, 2.0))
    values, jacobian = engine_of(engine).jacobian(batch, X)
    np.testing.assert_array_equal(values[0], 2.0 * X)
    np.testing.assert_array_equal(jacobian[0, 1], X)


@pytest.mark.parametrize("other", [name for name in BACKENDS if name != "native"])
def test_backends_agree_to_rounding_on_random_programs(other):
    batch = random_batch()
    (values, jacobian), (others, other_jacobian) = (
        engine_of(e).jacobian(batch, X) for e in ("native", other)
    )
    assert (np.isfinite(others) == np.isfinite(values)).all()
    finite = np.isfinite(values).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
    assert finite.sum() > len(batch) / 2
    for got, expected, tolerance in ((others, values, 1e-10), (other_jacobian, jacobian, 1e-9)):
        for row in np.flatnonzero(finite):
            assert np.abs(got[row] - expected[row]).max() <= tolerance * np.abs(expected[row]).max()


@every_backend
@pytest.mark.parametrize(
    ("text", "constants"),
    [
        ("v1 = x - c1\nv2 = sqrt(v1)", [9.0]),
        ("v1 = x * c1\nv2 = c2 / v1", [0.0, 1.0]),
        ("v1 = x * c1\nv2 = v1 * v1", [1e200]),
        ("v1 = x - x\nv2 = v1 / v1\nv3 = v2 + c1", [1.0]),
        ("v1 = x + c1", [np.inf]),
        ("v1 = x + c1", [np.nan]),
        ("v1 = x - x\nv2 = x / v1", []),
    ],
    ids=["root of a negative", "division by zero", "overflow", "0 / 0", "inf", "nan", "no constant"],
)
def test_what_is_not_finite_has_a_status_infinite_errors_and_disturbs_nobody(engine, text, constants):
    bad, good = line(text, *constants), batch_of("f3", "f5")
    assert not np.isfinite(engine_of(engine).values(bad, X)).all()
    effort = replace(SHORT, starts=0)  # others are finite
    fits = fit(engine, Batch.concatenate([good, bad]), effort)
    assert fits.status.tolist() == [FITTED, FITTED, NOT_FINITE]
    assert fits.rms[2] == fits.error[2] == np.inf
    np.testing.assert_array_equal(fits.constants[2], bad.constants[0])
    alone = fit(engine, good, effort)
    np.testing.assert_array_equal(fits.constants[:2], alone.constants)
    np.testing.assert_array_equal(fits.error[:2], alone.error)


@every_backend
@pytest.mark.parametrize(("name", "optimum"), [("f3", 8.6724e-4), ("f5", 4.3408e-6)])
def test_published_structures_reach_their_optimum_within_one_percent(engine, name, optimum):
    text, published = PROGRAMS[name]
    batch = line(text, *(1.02 * c for c in published))
    fits = fit(engine, batch)
    assert optimum * 0.99 < fits.error[0] < optimum * 1.01
    assert fits.rms[0] < fits.error[0]
    values = parse(text).evaluate(np, exp2_points().x, list(fits.constants[0, : batch.k[0]]))
    error = np.abs(values / exp2_points().exact - 1).max()
    assert error == pytest.approx(fits.error[0], rel=1e-6)


@every_backend
def test_a_fit_depends_on_the_row_and_its_stream_alone(engine):
    batch, effort = random_batch(), SHORT
    stream = np.arange(7, 7 + len(batch), dtype=np.uint64)
    worth = np.full(len(batch), 0.1)
    whole = fit(engine, batch, effort, stream, worth)
    assert 0 < (whole.rms <= 0.1).sum() < len(batch)
    order = np.random.default_rng(0).permutation(len(batch))
    for rows in (order, order[:1], order[:40], order[30:]):
        part = fit(engine, batch.take(rows), effort, stream[rows], worth[rows])
        for name in ("constants", "rms", "error", "status"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows], err_msg=name)
    other = fit(engine, batch, effort, stream + np.uint64(1000), worth)
    assert (other.rms != whole.rms).any()


@every_backend
def test_the_first_start_is_the_inherited_constants(engine):
    batch = batch_of("f3", "f5")
    fits = fit(engine, batch, plain(0))
    np.testing.assert_array_equal(fits.constants, batch.constants)
    assert fits.iterations == 0
    error = np.abs(engine_of(engine).values(batch, exp2_points().x) / exp2_points().exact - 1)
    np.testing.assert_allclose(fits.error, error.max(axis=1), rtol=1e-9)
    np.testing.assert_allclose(fits.rms, np.sqrt((error**2).mean(axis=1)), rtol=1e-9)


@every_backend
def test_the_final_steps_go_on_where_the_best_start_ended(engine):
    batch = Batch.of([parse(F3), parse(F5)], [[-3.0, -8.0, 1.5], [25.0, -8.0, 17.0, -1.1]], WIDTH)
    whole, halves = (fit(engine, batch, plain(first, 5 - first)) for first in (5, 2))
    np.testing.assert_array_equal(halves.constants, whole.constants)
    np.testing.assert_array_equal(halves.rms, whole.rms)
    assert halves.iterations == whole.iterations == 10


@every_backend
def test_rows_not_worth_it_get_least_squares_only_and_iterations_are_counted(engine):
    batch = batch_of("f3", "f3")
    fits = fit(engine, batch, SHORT, np.zeros(2, np.uint64), np.array([0.0, np.inf]))
    assert fits.rms[0] == fits.rms[1]
    assert fits.error[1] < fits.error[0]
    descents = SHORT.first_steps * (1 + SHORT.finalists) + SHORT.final_steps
    assert 0 < fits.iterations <= 2 * descents + SHORT.lawson_rounds * SHORT.lawson_steps


@every_backend
def test_other_starts_find_what_inherited_constants_do_not(engine):
    batch = Batch.of([parse(F3)] * 8, [[0.3, 1.0, 1.0]] * 8, WIDTH)
    one, four = (fit(engine, batch, replace(plain(12, 12), starts=starts)) for starts in (0, 4))
    assert (four.rms <= one.rms).all()
    assert four.rms.min() < 0.5 * one.rms.min()


@every_backend
def test_programs_without_constants_are_only_measured(engine):
    fits = fit(engine, batch_of("no constant"))
    assert fits.iterations == 0
    assert fits.status[0] == FITTED
    x = exp2_points().x
    assert fits.error[0] == pytest.approx(np.abs((x * x + x) / exp2_points().exact - 1).max(), rel=1e-12)


def arrays(batch: Batch) -> list[np.ndarray]:
    return [getattr(batch, f.name) for f in fields(Batch)]


def breed(engine: str, stream: int = 3, known=None, parents=None, tiers=tuple(TIERS), rows: int = 500):
    variation = Variation(("add", "sub", "mul", "div", "sqrt"), WIDTH, audit=0.0, tiers=tiers)
    caches = known or (Cache.empty(1 << 14), Cache.empty(1 << 14))
    parents = random_batch() if parents is None else parents
    made = engine_of(engine).offspring(stream, variation, parents, *caches, rows)
    np.testing.assert_array_equal(made.batch.k, made.batch.take(slice(None)).k)
    np.testing.assert_array_equal(made.batch.ops, made.batch.take(slice(None)).ops)
    return replace(made, batch=made.batch.take(slice(None))), caches


@every_backend
def test_offspring_are_canonical_new_and_known_by_the_fingerprint_of_every_backend(engine):
    made, (seen, known) = breed(engine)
    assert len(made.batch) == 500
    batch, text = texts(made.batch)
    for got, expected in zip(arrays(batch), arrays(made.batch), strict=True):
        np.testing.assert_array_equal(got, expected)
    key, check, rank = functions(made.batch)
    np.testing.assert_array_equal(made.fingerprint, key)
    np.testing.assert_array_equal(made.check, check)
    np.testing.assert_array_equal(rank, made.batch.k)
    assert (made.batch.ops <= WIDTH).all()
    assert {*key.tolist()} == {*known.key[known.key > 0].tolist()}, "what is known was made, and no more"
    assert np.isin(text, seen.key).mean() > 0.95, "all but those whose fit is tried again"
    again, _ = breed(engine)
    for got, expected in zip(arrays(again.batch), arrays(made.batch), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(breed(engine, stream=4)[0].fingerprint, made.fingerprint)


@every_backend
def test_no_function_is_made_twice_but_in_a_cheaper_form_or_to_fit_it_again(engine):
    known, least, again = (Cache.empty(1 << 17), Cache.empty(1 << 17)), {}, 0
    for stream in range(4):
        made, _ = breed(engine, stream, known)
        for key, ops in zip(made.fingerprint.tolist(), made.batch.ops.tolist(), strict=True):
            again += ops >= least.get(key, 99)
            least[key] = min(ops, least.get(key, 99))
        lost = ("invalid", "too_large", "seen_text", "undefined", "redundant", "seen_function")
        assert made.counts["made"] - sum(made.counts[name] for name in lost) == len(made.batch)
    assert again < 0.1 * 2000
    fewest = dict(zip(known[1].key.tolist(), known[1].ops.tolist(), strict=True))
    assert all(fewest[key] == ops for key, ops in least.items())


@every_backend
@pytest.mark.parametrize("tiers", [(), ("text",), ("function",), ("text", "function")])
def test_tiers_that_are_off_skip_nothing(engine, tiers):
    made, (seen, known) = breed(engine, tiers=tiers)
    assert len(made.batch) == 500
    assert (made.counts["seen_text"] > 0) == (seen.used > 0) == ("text" in tiers)
    assert (made.counts["seen_function"] > 0) == (known.used > 0) == ("function" in tiers)
    assert made.counts["redundant"] == 0


@every_backend
def test_without_parents_offspring_are_random_programs(engine):
    made, _ = breed(engine, parents=Batch.empty(0, WIDTH), rows=100)
    assert (
        len(made.batch)
        == len(set(zip(made.fingerprint.tolist(), made.batch.ops.tolist(), strict=True)))
        == 100
    )


@every_backend
def test_what_a_backend_made_is_fitted_and_measured_as_if_it_were_here(engine):
    fitter, caches = engine_of(engine), (Cache.empty(1 << 14), Cache.empty(1 << 14))
    made = fitter.offspring(
        5, Variation(("add", "sub", "mul", "div"), WIDTH), random_batch(), *caches, 60
    ).batch
    here, points = made.take(slice(None)), select_points(make_target("exp2"))
    one, other = (fit(engine, batch, SHORT) for batch in (made, here))
    np.testing.assert_array_equal(made.constants, here.constants, err_msg="the batch given was written to")
    for name in ("constants", "rms", "error", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    rows = np.flatnonzero(one.status == FITTED)[::2]
    assert (here.k[rows] == 0).any()
    got, expected = (fitter.measure(fits.batch, rows, points, 12) for fits in (one, other))
    for f in fields(Measures):
        np.testing.assert_array_equal(getattr(got, f.name), getattr(expected, f.name))
    for some in (rows[:5], slice(3, 7), [2], rows[:0]):
        for name in ("op", "arg", "n", "k", "constants"):
            taken = getattr(one.batch.take(some), name)
            np.testing.assert_array_equal(taken, getattr(other.batch.take(slice(None)).take(some), name))


@every_backend
def test_measures_are_the_largest_errors_at_the_points_their_places_and_poles(engine):
    points, batch = select_points(make_target("exp2")), batch_of("f3", "f5", "no constant")
    pole, nothing = line("v1 = x - c1\nv2 = c2 / v1", 0.4, 1.0), line("v1 = x - c1\nv2 = sqrt(v1)", 9.0)
    everything = Batch.concatenate([batch, pole, nothing, random_batch()])
    rows = np.arange(len(everything))[::-1]
    got = engine_of(engine).measure(everything, rows, points, 12)
    error = (engine_of(engine).values(everything, points.x) - points.exact)[rows] * points.weight
    expected = np.where(np.isfinite(error).all(axis=1), np.abs(error).max(axis=1), np.inf)
    poles = got.status == POLE
    assert got.status[-5:].tolist() == [NOT_FINITE, POLE, FITTED, FITTED, FITTED]
    assert 1 <= poles.sum() < len(rows) / 2
    np.testing.assert_array_equal(np.isinf(got.error), np.isinf(expected) | poles)
    fine = np.flatnonzero(got.status == FITTED)
    np.testing.assert_allclose(got.error[fine], expected[fine], rtol=1e-9, atol=1e-15)
    at = np.searchsorted(points.x, got.worst_x[fine])
    np.testing.assert_allclose(np.abs(error[fine, at]), expected[fine], rtol=1e-9, atol=1e-15)
    probes = (2 * np.arange(12) + 1) * len(points.x) // 24
    keys = behaviours(error[fine][:, probes], got.error[fine])
    assert (keys == got.behaviour[fine]).mean() > 0.98, "rounding apart"
    native = engine_of("native").measure(everything, rows, points, 12)
    np.testing.assert_array_equal(native.status, got.status)


@every_backend
def test_an_empty_batch_gives_empty_results(engine):
    empty = Batch.empty(0, WIDTH)
    assert engine_of(engine).values(empty, X).shape == (0, len(X))
    values, jacobian = engine_of(engine).jacobian(empty, X)
    assert values.shape == (0, len(X))
    assert jacobian.shape == (0, WIDTH, len(X))
    fits = fit(engine, empty)
    assert fits.constants.shape == (0, WIDTH)
    assert len(fits.rms) == len(fits.error) == len(fits.status) == fits.iterations == 0


@every_backend
def test_the_batch_given_is_not_written_to_and_the_device_has_a_name(engine):
    batch = batch_of("f3", "f5")
    before = batch.constants.copy()
    fit(engine, batch)
    np.testing.assert_array_equal(batch.constants, before)
    assert engine_of(engine).device
    assert engine_of(engine).name == engine


def test_the_jax_backend_leaves_jax_in_its_own_precision():
    import jax

    before = getattr(jax.config, "jax_enable_x64")  # noqa: B009 - made at run time
    assert engine_of("jax").values(batch_of("f3"), X).dtype == np.float64
    assert getattr(jax.config, "jax_enable_x64") == before  # noqa: B009


def test_a_large_batch_is_cut_into_chunks_without_a_trace(monkeypatch):
    engine, batch = backend("jax"), random_batch()
    whole = engine.values(batch, X)
    monkeypatch.setattr(engine, "_chunk", 24)
    np.testing.assert_array_equal(engine.values(batch, X), whole)


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(BackendError, match="Unknown backend 'torch'; there are native, jax, cuda"):
        backend("torch")


def test_the_gpu_kernels_hand_large_fits_to_the_processor():
    many = Batch.of([parse("\n".join(["v1 = x + c1", *(f"v{i} = v{i - 1} * c{i}" for i in range(2, 11))]))],
                    [[1.0] * 10], WIDTH)  # fmt: skip
    batch = Batch.concatenate([batch_of("f3", "no constant"), many])
    stream, worth = np.arange(3, dtype=np.uint64), np.full(3, np.inf)
    got = engine_of("cuda").fit(batch, exp2_points(), DEFAULT, stream, worth)
    expected = engine_of("native").fit(batch, exp2_points(), DEFAULT, stream, worth)
    np.testing.assert_array_equal(got.constants[1:], expected.constants[1:])
    np.testing.assert_allclose(got.error, expected.error, rtol=1e-6)
    dense = fit_points(make_target("exp2"), 96)
    got, expected = (engine_of(e).fit(batch, dense, DEFAULT, stream, worth) for e in ("cuda", "native"))
    np.testing.assert_array_equal(got.constants, expected.constants)


def test_gpu_and_processor_draw_the_same_starts():
    batch, effort = random_batch(), Effort(starts=5, clear_steps=0, finalists=5, first_steps=0, final_steps=0)
    stream, worth = np.arange(len(batch), dtype=np.uint64), np.zeros(len(batch))
    got, expected = (
        engine_of(e).fit(batch, exp2_points(), effort, stream, worth) for e in ("cuda", "native")
    )
    finite = np.isfinite(expected.rms)
    assert (np.isfinite(got.rms) == finite).all()
    np.testing.assert_allclose(got.constants[finite], expected.constants[finite], rtol=1e-12)


def test_threads_change_no_fit():
    batch = random_batch()
    stream, worth = np.arange(len(batch), dtype=np.uint64), np.full(len(batch), 0.1)
    one, three = (NativeBackend(n).fit(batch, exp2_points(), DEFAULT, stream, worth) for n in (1, 3))
    assert one.iterations == three.iterations
    for name in ("constants", "rms", "error", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


DEVICES = """
import numpy as np
import evo.backends.jax as module
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.targets.making import make_target
from evo.kernels.vary import Variation

used = []
plain = module._batch_values
module._batch_values = lambda *a: used.append(plain(*a)) or used[-1]
problem = Problem(make_target("exp2"), Variation(("add", "div"), 4), 0, 64, 16, 4, 1024, backend="jax")
batch = Batch.of([parse("v1 = x + c1\\nv2 = c2 / v1")], [[-3.4, -8.4]])
found = [Operators(problem.of_island(i)).engine.values(batch, np.linspace(0.1, 1, 9)) for i in range(3)]
assert all(np.array_equal(found[0], values) for values in found)
print([device.id for result in used for device in result.devices()])
"""


def test_islands_take_the_devices_of_jax_in_turns():
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-c", DEVICES]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[0, 1, 0]"
