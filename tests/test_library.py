"""Shipped functions: every input by NumPy, as XLA compiles them, and in C; what is wrong is found."""

import ctypes
import json
import subprocess
from dataclasses import replace

import ml_dtypes
import mpmath
import numpy as np
import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.exports.slopes import SLOPES
from evo.library import numpy as fast
from evo.library import shelf as shelves
from evo.library.checks import ChangedError, rechecked, refuse_changed
from evo.library.shelf import ShelfError, formula_of, functions, rows, rows_in, shelf
from evo.numbers.formats import FLOAT_FORMATS
from evo.reductions.table import REDUCTIONS

TYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
EXACT = {
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x),
    "sigmoid": lambda x: np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
    "log2": np.log2,
    "sin": np.sin,
    "tanh": np.tanh,
    "silu": lambda x: np.where(x < -745, -0.0, x / (1 + np.exp(-x))),
}
"""The functions in float64, which tells all roundings to 16 bits."""
DIGITS = {"bfloat16": (8, -133), "float16": (11, -24)}
"""Of a significand, and the power of two that is the least number."""
POINTS = [pytest.param(row, point, id=formula_of(point).name) for row in rows() for point in row.points]
OF_32_BITS = [p for p in POINTS if p.values[0].dtype == "float32" and p.values[0].function in EXACT]
OF_16_BITS = [p for p in POINTS if p.values[0].dtype in TYPES and p.values[0].function in EXACT]


def every(dtype: str) -> np.ndarray:
    """All inputs of a 16-bit format."""
    return np.arange(1 << 16, dtype=np.uint16).view(TYPES[dtype])


def differing(a, b) -> np.ndarray:
    """Where two arrays of results are not the same, any NaN counting as one; the sign of zero counts."""
    a, b = (np.asarray(v).astype(np.float32) for v in (a, b))
    return (a.view(np.uint32) != b.view(np.uint32)) & ~(np.isnan(a) & np.isnan(b))


def rounded(y: np.ndarray, dtype: str) -> np.ndarray:
    """Float64 rounded once; ml_dtypes goes by float32, which rounds 10^-0.0181884765625 to the wrong side."""
    digits, least = DIGITS[dtype]
    quantum = np.ldexp(1.0, np.maximum(np.frexp(y)[1] - digits, least))
    return (np.rint(y / quantum) * quantum).astype(TYPES[dtype])


@pytest.mark.parametrize(("row", "point"), OF_16_BITS)
def test_as_many_results_are_misrounded_as_the_file_says(row, point):
    x = every(row.dtype)
    with np.errstate(all="ignore"):
        right = rounded(EXACT[row.function](x.astype(np.float64)), row.dtype)
    assert (
        np.count_nonzero(differing(getattr(fast, row.function)(x, ulp=point.ulp), right)) == point.misrounded
    )


@pytest.mark.parametrize(("row", "point"), OF_32_BITS)
def test_float32_errs_as_its_file_says(row, point):
    """Of 400,000 inputs of all sizes; normal results, and sines of what their reduction is for."""
    bits = np.random.default_rng(0).integers(0, 1 << 32, 400_000, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    with np.errstate(all="ignore"):
        exact = EXACT[row.function](x.astype(np.float64))
        got = getattr(fast, row.function)(x, ulp=point.ulp).astype(np.float64)
    asked = np.isfinite(exact) & (np.abs(exact) < 3.4e38) & (np.abs(exact) >= 2.0**-126)
    asked &= (np.abs(x) <= 2.0**17) | (row.function != "sin")
    size = np.ldexp(1.0, np.frexp(exact[asked])[1] - 24)
    error = np.abs(got[asked] - exact[asked]) / size
    assert error.max() <= point.ulp * (1 + 1e-6)
    assert error.max() > 0.3 * point.ulp
    assert (np.isnan(got) == np.isnan(exact))[(np.abs(x) <= 2.0**17) | (row.function != "sin")].all()


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.function}-{row.dtype}")
def test_a_point_has_more_operations_than_one_that_errs_more(row):
    ops, ulp = zip(*((p.member.ops, p.ulp) for p in row.points), strict=True)
    assert list(ops) == sorted(set(ops))
    assert list(ulp) == sorted(set(ulp), reverse=True)
    assert row.point() is row.points[-1]
    assert row.point(ulp[0]) is row.points[0]
    with pytest.raises(ShelfError, match="at best"):
        row.point(ulp[-1] / 2)


def of_jax():
    import jax

    from evo.library import jax as xla

    return jax, xla


@pytest.mark.parametrize("dtype", TYPES)
def test_xla_gives_the_same_results_but_for_flushed_ones_at_every_input(dtype):
    jax, xla = of_jax()
    x = every(dtype)
    right = fast.exp2(x)
    got = np.asarray(jax.jit(xla.exp2)(x))
    assert got.dtype == right.dtype
    flushed = np.abs(right.astype(np.float32)) <= 2.0**-126  # the core at 0 is just below 1
    assert not (differing(got, right) & ~flushed).any()
    assert (got[flushed] == 0).all()


@pytest.mark.parametrize("name", sorted(row.function for row in rows() if row.dtype == "float32"))
def test_xla_flushes_no_result_that_is_a_normal_number(name):
    """XLA sets subnormal numbers to zero, those within a function too: half of the smallest normal number."""
    jax, xla = of_jax()
    top = 127 if name == "acosh" else 8  # no other is asked for large numbers only
    sizes = np.ldexp(np.linspace(1, 2, 9, dtype=np.float32)[:-1, None], np.arange(-126, top, 3)).ravel()
    x = np.concatenate([-sizes, sizes]).astype(np.float32)
    right, got = getattr(fast, name)(x), np.asarray(jax.jit(getattr(xla, name))(x))
    normal = np.isfinite(right) & (np.abs(right) >= 2.0**-126)
    assert np.count_nonzero(normal) > len(x) / 4
    np.testing.assert_allclose(got[normal], right[normal], rtol=2.0**-20)


@pytest.mark.parametrize("row", [row for row in rows() if row.dtype == "float32"], ids=lambda r: r.function)
def test_xla_costs_no_function_more_than_half_an_ulp(row):
    """Whatever rounds once or twice there: exponentials of squares live of what a product has lost."""
    jax, xla = of_jax()
    bits = np.random.default_rng(3).integers(0, 1 << 32, 1 << 17, dtype=np.uint64).astype(np.uint32)
    x, reduction = bits.view(np.float32), REDUCTIONS[row.function][0]
    x = x[np.isfinite(x) & (np.abs(x) >= 2.0**-126)]
    x = np.concatenate([x, np.random.default_rng(4).uniform(-16, 16, 1 << 17).astype(np.float32)])
    exact = reduction.float64_at(x)
    normal = np.isfinite(exact) & (np.abs(exact) >= 2.0**-126) & (np.abs(exact) < 3.4e38)
    x, exact = x[normal], exact[normal]
    for point in row.points:
        got = np.asarray(jax.jit(lambda v, ulp=point.ulp: getattr(xla, row.function)(v, ulp=ulp))(x))
        off = np.abs(got.astype(float) - exact) / reduction.unit(x, exact, FLOAT_FORMATS["float32"])
        assert off.max() <= point.ulp + 0.5


@pytest.mark.parametrize("length", [1, 3, 7, 17, 4096])
def test_xla_gives_the_same_results_at_every_length_and_in_a_fusion(length):
    jax, xla = of_jax()
    x = every("float16")[:: 1 if length == 4096 else 499]
    x = np.resize(x, (-(-len(x) // length), length))
    call = jax.jit(xla.exp2)
    whole = fast.exp2(x)
    assert not differing([np.asarray(call(part)) for part in x], whole).any()
    fused = jax.jit(lambda v: (xla.exp2(v * 2) + 1, xla.exp2(v)))
    assert not differing(np.asarray(fused(x)[1]), whole).any()


def test_xla_has_slopes_and_batches():
    jax, xla = of_jax()
    slope = jax.grad(lambda x: xla.exp2(x).astype(np.float32))(jax.numpy.float16(1.5))
    assert float(slope) == pytest.approx(np.log(2) * 2**1.5, rel=2e-3)
    x = every("float16").reshape(256, 256)
    assert not differing(jax.vmap(xla.exp2)(x), fast.exp2(x)).any()


def test_c_gives_the_same_results_at_every_input(tmp_path):
    done = run("--to", "c", "--output", tmp_path / "evomath.h")
    assert done.exit_code == 0, done.output
    source = '#include "evomath.h"\n'
    for row in rows():
        for point in row.points:
            name = formula_of(point).name
            source += f"void all_{name}(int n, const float *x, float *y)"
            source += f" {{ for (int i = 0; i < n; i++) y[i] = {name}(x[i]); }}\n"
    (tmp_path / "all.c").write_text(source)
    library = tmp_path / "all.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-ffp-contract=off", "-mfma"]
    command = ["gcc", *flags, "-shared", "-fPIC", "-o", str(library), "all.c", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    loaded = ctypes.CDLL(str(library))
    for parameter in OF_16_BITS:
        row, point = parameter.values
        x = every(row.dtype).astype(np.float32)
        y = np.empty_like(x)
        pointers = (v.ctypes.data_as(ctypes.c_void_p) for v in (x, y))
        getattr(loaded, f"all_{formula_of(point).name}")(len(x), *pointers)
        with np.errstate(all="ignore"):
            got = y.astype(TYPES[row.dtype])
        assert not differing(got, getattr(fast, row.function)(every(row.dtype), ulp=point.ulp)).any()


def test_what_is_not_shipped_is_refused():
    with pytest.raises(AttributeError, match=r"there are .*exp2"):
        _ = fast.sinpi
    with pytest.raises(ShelfError, match="not for float64"):
        fast.exp2(1.0)
    with pytest.raises(ShelfError, match="at best, not with nan"):
        fast.exp2(np.float16(1.0), ulp=float("nan"))
    assert set(functions()) <= set(dir(fast))


def run(*words):
    return CliRunner().invoke(app, ["library", *map(str, words)])


def test_the_command_shows_what_there_is():
    shown = json.loads(run("--json").output)
    assert len(shown) == sum(len(row.points) for row in rows_in(None))
    assert {(r["function"], r["dtype"]) for r in shown if not r["platform"]} == set(shelf())


@pytest.mark.slow
def test_everything_shipped_is_as_its_file_says():
    done = run("check", "--json")
    assert done.exit_code == 0, done.output


def test_a_wrong_bit_of_a_constant_is_found(monkeypatch):
    row = shelf()["exp2", "float16"]
    last = row.points[-1]
    constants = (*last.member.constants[:-1], (float.fromhex(last.member.constants[-1]) + 2**-23).hex())
    wrong = replace(last, member=replace(last.member, constants=constants))
    only = {("exp2", "float16"): replace(row, points=(wrong,))}
    monkeypatch.setattr(shelves, "shelf", lambda platform="": {} if platform else only)
    (found,) = rechecked("exp2")
    assert found.found.misrounded > 0
    with pytest.raises(ChangedError, match="exp2 float16 5 ops"):
        refuse_changed([found])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--function", "sinpi"), "is not shipped"),
        (("nochck",), "expected check"),
        (("check", "--to", "c"), "leave out --to"),
        (("--output", "x.h"), "goes with --to"),
        (("--to", "java"), "Unknown format"),
        (("--to", "latex"), "latex"),
    ],
)
def test_what_makes_no_sense_is_refused(words, reason):
    done = CliRunner().invoke(app, ["library", *words], standalone_mode=False)
    assert reason in str(getattr(done.exception, "message", done.exception))


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_slopes_are_the_limits_of_differences(name):
    """Those of mpmath, which knows nothing of the table."""
    import jax.numpy as jnp
    from jax import lax

    own = {
        "exp2": lambda x: 2**x, "exp10": lambda x: 10**x, "log2": lambda x: mpmath.log(x, 2),
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "silu": lambda x: x / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)), "rsqrt": lambda x: 1 / mpmath.sqrt(x),
        "gelu": lambda x: x * mpmath.ncdf(x), "normcdf": mpmath.ncdf,
        "bessel_i0": lambda x: mpmath.besseli(0, x),
        "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
        "srgb_power": lambda x: mpmath.root(x, 12) ** 5,
        "lgamma": mpmath.loggamma, "tgamma": mpmath.gamma, "bessel_j0": lambda x: mpmath.besselj(0, x),
        "gelu_tanh": lambda x: x / (1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (x + 0.044715 * x**3))),
    }  # fmt: skip
    exact = own.get(name) or getattr(mpmath, name)
    for at in (1.25, 1.75) if name == "acosh" else (0.25, 0.75):
        names = {"jnp": jnp, "lax": lax, "x": jnp.float32(at), "y": jnp.float32(float(exact(at)))}
        assert float(eval(SLOPES[name], names)) == pytest.approx(float(mpmath.diff(exact, at)), rel=3e-6)
