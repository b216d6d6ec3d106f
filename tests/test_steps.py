"""Operations of range reductions: typed, and in NumPy's source what they mean here."""

import numpy as np
import pytest

from evo.exports.languages import letters
from evo.exports.names import TAKEN
from evo.floats.wanted import exact_core
from evo.numbers.formats import FLOAT_FORMATS, ulp
from evo.programs.floats import compute, functions_on
from evo.programs.operation import BITS, FLOAT, STEP_LANGUAGES, TRUTH
from evo.programs.ops import OPS
from evo.reductions import roots
from evo.reductions.steps import BY_NAME, GPU_STEPS, NVIDIA_STEPS, STEPS, VECTOR_STEPS, find_step
from evo.reductions.table import REDUCTIONS, find_reduction
from evo.targets.target import Target

WAYS = [way for ways in REDUCTIONS.values() for way in ways]
FORMATS = pytest.mark.parametrize("fmt", FLOAT_FORMATS.values(), ids=lambda fmt: fmt.name)
every_way = pytest.mark.parametrize("reduction", WAYS, ids=lambda way: f"{way.name} {way.way}")
PORTABLE = [row for row in BY_NAME.values() if row not in NVIDIA_STEPS]  # those: tests/test_nvidia.py
every_step = pytest.mark.parametrize("row", PORTABLE, ids=lambda row: row.name)


@every_step
@pytest.mark.parametrize("language", STEP_LANGUAGES)
def test_every_step_has_a_form_in_every_language_with_bits(row, language):
    if row in VECTOR_STEPS and language not in ("avx512", "numpy"):
        assert language not in row.printed
        return
    if row in GPU_STEPS and language not in ("cuda", "numpy"):
        assert language not in row.printed
        return
    text = row.write(language, "ABC"[: row.arity], words(FLOAT_FORMATS["float64"]))
    assert all(operand in text for operand in "ABC"[: row.arity])


@every_step
def test_kinds_of_operands_and_results_are_known_ones(row):
    assert set(row.takes) <= {FLOAT, BITS, TRUTH}
    assert row.gives in (FLOAT, BITS, TRUTH)
    assert 1 <= row.arity <= 3


def test_names_of_ops_and_steps_are_unique():
    assert len(BY_NAME) == len(OPS) + len(STEPS) + len(VECTOR_STEPS) + len(GPU_STEPS) + len(NVIDIA_STEPS)


@every_step
@pytest.mark.parametrize("fmt", FLOAT_FORMATS.values(), ids=lambda fmt: fmt.name)
def test_a_step_gives_the_kind_it_says_and_the_bits_of_its_numpy_source(row, fmt):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 1 << fmt.bits - 1, (3, 10_000), dtype=np.uint64, endpoint=False) * 2
    bits += rng.integers(0, 2, bits.shape, dtype=np.uint64)
    kinds = {
        BITS: lambda a: a, FLOAT: lambda a: a.view(fmt.type), TRUTH: lambda a: a % 2 == 0,
    }  # fmt: skip
    operands = [kinds[kind](bits[j].astype(fmt.unsigned)) for j, kind in enumerate(row.takes)]
    m = functions_on(fmt, core=np.negative)
    with np.errstate(all="ignore"):
        got = np.asarray(compute(row, m, operands, fmt, flush=False))
        text = row.write("numpy", "ABC"[: row.arity], words(fmt))
        names = {"np": np, "fma": m.fma, "F_core": np.negative, **dict(zip("ABC", operands, strict=False))}
        written = np.asarray(eval(text, names))
    types = {BITS: fmt.unsigned, FLOAT: fmt.type, TRUTH: np.bool_}
    assert got.dtype == written.dtype == types[row.gives]
    if row.gives == TRUTH:
        assert (got == written).all()
        return
    nan = np.isnan(got) & np.isnan(written) if row.gives == FLOAT else False
    assert ((got.view(fmt.unsigned) == written.view(fmt.unsigned)) | nan).all()


@every_way
@FORMATS
def test_steps_take_what_is_there_of_the_right_kind(reduction, fmt):
    constants = {k: BITS if isinstance(v, int) else FLOAT for k, v in reduction.constants(fmt).items()}
    assert not constants.keys() & {"INFINITY", "NAN"}  # macros of C
    for steps in filter(None, (reduction.steps, reduction.vector)):
        kinds = {"x": FLOAT, **constants}
        for value, operation, args in steps:
            row = find_step(operation)
            assert "".join(kinds[a] for a in args) == row.takes, value
            assert value not in kinds
            assert value not in TAKEN["C or C++"].split()
            kinds[value] = row.gives
        assert kinds["result"] == FLOAT


def inputs_of(reduction, fmt):
    """Some of every size, usual ones, some about 1, the ends of the span, special ones."""
    rng, (lo, hi) = np.random.default_rng(4), reduction.span(fmt)
    largest = float(np.finfo(fmt.type).max)
    sizes = np.ldexp(rng.uniform(1, 2, 80), rng.integers(fmt.emin - 8, fmt.bias, 80))
    usual = [
        rng.uniform(-9, 9, 80),
        rng.uniform(max(lo, -1e3), min(hi, 1e3), 80),
        1 + rng.uniform(-1, 1, 40) / 8,
    ]
    ends = np.clip([lo, hi], -largest, largest)
    with np.errstate(over="ignore"):
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, largest, -largest, *ends, *(2 * ends), 1.0, -1.0]
        return np.unique(np.concatenate([sizes, -sizes, *usual, special]).astype(fmt.type))


FAR_BELOW = {"gelu": -1, "gelu_tanh": -1}
PRODUCTS = {"bessel_j0": 4.5}
"""Ulp of functions that are products of many rounded factors."""


@every_way
@FORMATS
def test_with_an_exact_core_a_function_is_within_some_ulp_everywhere_and_vectors_have_its_bits(
    reduction, fmt
):
    """At special inputs it is what NumPy has; far below 0, both forms of gelu have more ulp."""
    if reduction.name in ("erf", "erfc", "erfinv", "normcdf", "bessel_i0") and fmt.bits == 64:
        pytest.skip("its far piece ends where it does in float32")
    x = np.append(inputs_of(reduction, fmt), fmt.type(-0.0))
    reduction = reduction.with_given({core.name: exact_core(core) for core in reduction.cores})
    core = reduction.given[reduction.core.name]
    got = reduction.run(reduction.steps, core, x, fmt)
    if reduction.vector:
        vector = reduction.run(reduction.vector, core, x, fmt)
        same = (got.view(fmt.unsigned) == vector.view(fmt.unsigned)) | (np.isnan(got) & np.isnan(vector))
        assert same.all(), x[~same][:3]
    exact = reduction.float64_at(x.astype(float))
    inside = np.isfinite(exact) & (np.abs(exact) > 1e-290) & np.isfinite(x)
    least = FAR_BELOW.get(reduction.name, -np.inf)
    inside &= x > least
    exact[inside] = Target(reduction.name, "0", "1", "absolute").exact(x[inside].astype(float))
    with np.errstate(all="ignore"):
        wanted = exact.astype(fmt.type)
        finite = np.isfinite(wanted) & np.isfinite(got) & (inside | np.isinf(least))
        off = np.abs(got.astype(float) - exact) / ulp(np.where(finite, exact, 0), fmt)
    exact_cores = 1e7  # are polynomials, good for ten digits and more
    most = PRODUCTS.get(reduction.name, 2.5) if fmt.bits == 32 else exact_cores
    assert off[finite].max() < most, x[finite][np.argmax(off[finite])]
    rest = ~np.isfinite(wanted)
    assert np.array_equal(got[rest], wanted[rest], equal_nan=True)
    zero = wanted == 0
    assert (np.signbit(got) == np.signbit(wanted))[zero].all()


@FORMATS
def test_the_seed_of_an_inverse_square_root_is_the_best_of_its_kind(fmt, monkeypatch):
    reduction = find_reduction(Target("rsqrt", "-0.0682", "0.0682", "relative"))
    x = np.append(np.linspace(0.5, 2, 20_001), 2.0**fmt.emin)

    def largest(offset):
        monkeypatch.setattr(roots, "_OFFSET", offset)
        return np.abs(reduction.argument(x, fmt)).max()

    best = roots._OFFSET
    assert largest(best) < float(reduction.core.hi)
    assert largest(best) < min(largest(best - 1e-4), largest(best + 1e-4))


def words(fmt):
    return {"name": "F", "core": "core", **letters(fmt)}


@every_way
@FORMATS
def test_nan_gives_nan_where_arithmetic_has_one_nan(reduction, fmt, monkeypatch):
    """Sizes, too, as on GPUs: erfinv gave infinity at 0x7fbfffff, where a constant NaN got other bits."""
    bits = np.random.default_rng(2).integers(1, 1 << fmt.digits - 1, 5_000, dtype=np.uint64)
    top = np.uint64(int(np.asarray(fmt.type(np.inf)).view(fmt.unsigned)))
    ends = [1, (1 << fmt.digits - 1) - 1, (1 << fmt.digits - 2) - 1, 1 << fmt.digits - 2]
    bits = np.concatenate([bits, np.array(ends, np.uint64)]) | top
    x = np.concatenate([bits, bits | np.uint64(1 << fmt.bits - 1)]).astype(fmt.unsigned).view(fmt.type)
    one = np.asarray(fmt.unsigned((1 << fmt.bits - 1) - 1)).view(fmt.type)

    def core(r):
        return np.where(np.isnan(r), one, r)

    def on_a_gpu(row, *words, **more):
        got = compute(row, *words, **more)
        one_only = row.gives == FLOAT and (row.arithmetic or row.name == "size")
        return np.where(np.isnan(got), one, got) if one_only else got

    monkeypatch.setattr("evo.reductions.reduction.compute", on_a_gpu)
    known = reduction.with_given({other.name: core for other in reduction.cores[1:]})
    assert np.isnan(known.run(reduction.steps, core, x, fmt)).all()
