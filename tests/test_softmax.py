"""Softmax in C: beside float64, all finite inputs and special ones, whatever the length and the vectors."""

import ctypes
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.exports.names import ExportError
from evo.exports.softmax import BLOCKS, PART, render
from evo.library.shelf import find, formula_of
from test_exports_bits import tool
from test_exports_full import full

WAYS = {"vectors": ("-march=native",), "portable": ("-mfma", "-DEVONUM_PORTABLE")}


@pytest.fixture(scope="module", params=WAYS)
def softmax(request, tmp_path_factory):
    """The library's, compiled."""
    folder = tmp_path_factory.mktemp("softmax")
    command = ["library", "--function", "softmax", "--to", "c", "--output", str(folder / "softmax.h")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    name = formula_of(find("exp", "float32").point()).name
    call = f"void call(size_t n, const float *x, float *y) {{ {name}_softmax(n, x, y); }}"
    (folder / "all.c").write_text(f'#include "softmax.h"\n{call}\n')
    flags = ["-std=c99", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    library = folder / "all.so"
    subprocess.run(
        [tool("gcc"), *flags, *WAYS[request.param], str(folder / "all.c"), "-o", str(library), "-lm"],
        check=True,
    )
    loaded = ctypes.CDLL(str(library))

    def of(x):
        x = np.ascontiguousarray(x, np.float32)
        y = np.full_like(x, 7)
        loaded.call(ctypes.c_size_t(x.size), *(ctypes.c_void_p(v.ctypes.data) for v in (x, y)))
        return y

    return of


def exact(x):
    e = np.exp(x.astype(np.float64) - x.max())
    return e / e.sum()


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, PART - 1, PART, PART + 1, 3 * PART + 5, 100_003])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 10.0, 100.0])
def test_it_is_softmax_at_every_length(softmax, n, scale):
    """x - max rounds once, which e^ makes |x - max| ulp, and the exponential errs by less than one."""
    x = (scale * np.random.default_rng(n).standard_normal(n)).astype(np.float32)
    right = exact(x)
    got = softmax(x)
    size = 2.0**-23 * right * (4 + np.abs(x - x.max())) + 2.0**-149
    assert (np.abs(got - right) <= size).all()
    assert got.astype(np.float64).sum() == pytest.approx(1, rel=1e-6)


def test_no_finite_inputs_overflow(softmax):
    x = np.array([3e38, -3e38, 3e38, 1e30], np.float32)
    assert (softmax(x) == [0.5, 0, 0.5, 0]).all()
    rising = np.repeat(np.linspace(-3e38, 3e38, 40).astype(np.float32), PART)
    assert (softmax(rising)[-PART:] == np.float32(1 / PART)).all()
    assert (softmax(rising[::-1])[:PART] == np.float32(1 / PART)).all()
    assert (softmax(np.full(1000, -1e38)) == np.float32(1e-3)).all()


def test_blocks_are_longer_where_there_would_be_too_many(softmax):
    n = BLOCKS * PART + 3
    x = np.zeros(n, np.float32)
    x[[0, n // 2, n - 1]] = 20
    right = exact(x)
    np.testing.assert_allclose(softmax(x), right, rtol=4e-6)


def test_special_values_are_those_of_jax(softmax):
    import jax

    inf, nan = np.inf, np.nan
    for length in (1, 3, 2 * PART + 7):
        for some in ([inf], [-inf], [nan], [inf, -inf], [nan, inf], [nan, -inf], [-inf, 1.0], [inf, 1.0]):
            for at in (0, length - 1, length // 2):
                for base in (-inf, 0.5):
                    x = np.full(length, base, np.float32)
                    places = np.arange(at, at + len(some)) % length
                    x[places] = some[: len(places)]
                    np.testing.assert_allclose(softmax(x), jax.nn.softmax(x), rtol=1e-5, atol=1e-44)


def test_other_functions_and_languages_are_refused():
    with pytest.raises(ExportError, match="made of exp on all floats, not of exp2"):
        render(full("exp2", "float32"))
    done = CliRunner().invoke(app, ["library", "--function", "softmax", "--to", "rust"])
    assert "is made in c, not in rust" in str(done.exception)
