"""Writes docs/library.md: what is shipped, its errors beside those of JAX's own functions.

    python experiments/library_page.py [--functions rsqrt ...]

Errors: of 16-bit formats, results of all 65,536 inputs that are not correctly rounded, as XLA compiles both
on this processor; of float32 the largest error in ulp of four million normal inputs of all sizes with normal
results.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from evo.exports.check import right_results
from evo.exports.names import ExportError
from evo.library import jax as fast
from evo.library.shelf import Point, Shipped, rows
from evo.numbers.formats import FLOAT_FORMATS
from evo.reductions.table import REDUCTIONS

TYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32}
OPPONENTS: dict[str, Callable[[Any], Any]] = {
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "exp10": lambda x: 10.0**x,
    "log2": jnp.log2,
    "log": jnp.log,
    "log10": jnp.log10,
    "tan": jnp.tan,
    "softplus": jax.nn.softplus,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tanh": jnp.tanh,
    "log1p": jnp.log1p,
    "cbrt": jnp.cbrt,
    "erf": jax.scipy.special.erf,
    "atan": jnp.arctan,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "expm1": jnp.expm1,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "rsqrt": jax.lax.rsqrt,
    "erfc": jax.scipy.special.erfc,
    "erfinv": jax.scipy.special.erfinv,
    "lgamma": jax.lax.lgamma,
    "tgamma": jax.scipy.special.gamma,
    "bessel_j0": lambda x: jax.scipy.special.bessel_jn(x, v=0)[0],
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "bessel_i0": jax.scipy.special.i0,
    "normcdf": jax.scipy.stats.norm.cdf,
    "mish": jax.nn.mish,
    "srgb_power": lambda x: jnp.power(x, jnp.asarray(5 / 12, x.dtype)),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
}
PAGE = Path(__file__).parent.parent / "docs" / "library.md"
MARK = "<!-- by experiments/library_page.py -->"


def main() -> None:
    """Asks and writes the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--functions", nargs="+", help="those that are asked; other lines stay as they are")
    given = options.parse_args()
    text, _, table = PAGE.read_text().partition(MARK)
    lines = [
        MARK,
        "",
        "| function | format | ops | max ulp | misrounded | under XLA | JAX's own |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows():
        if row.dtype in TYPES and row.function in (given.functions or [row.function]):
            lines += _lines(row)
        elif row.dtype in TYPES:
            start = f"| {row.function} | {row.dtype} |"
            lines += [line for line in table.splitlines() if line.startswith(start)]
    PAGE.write_text(text + "\n".join(lines) + "\n")


def _lines(row: Shipped) -> list[str]:
    own = OPPONENTS[row.function]
    calls = {point.member.ops: _call(row, point) for point in row.points}
    usable = {ops: call for ops, call in calls.items() if call is not None}
    theirs, made = _error(own, row), []
    for point in row.points:
        ops = point.member.ops
        cells = [row.function, row.dtype, str(ops), f"{point.ulp:.4f}", _counted(point.misrounded)]
        cells += [_error(usable[ops], row) if ops in usable else "", theirs]
        made.append(f"| {' | '.join(cells)} |")
        print(made[-1], flush=True)
    return made


def _call(row: Shipped, point: Point) -> Callable[[Any], Any] | None:
    """The function as a JAX user has it; None where JAX has no form of it."""
    function = getattr(fast, row.function)
    try:
        function(jnp.zeros(1, row.dtype), ulp=point.ulp)
    except ExportError:
        return None
    return lambda x: function(x, ulp=point.ulp)


def _counted(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _error(call: Callable[[Any], Any], row: Shipped) -> str:
    """In words: of float32 the largest, of 16 bits how many results are misrounded."""
    if row.dtype != "float32":
        return f"{_misrounded(call, row):,}"
    bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 22, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    x, reduction = x[np.isfinite(x) & (np.abs(x) >= 2.0**-126)], REDUCTIONS[row.function][0]
    exact = reduction.float64_at(x)
    normal = np.isfinite(exact) & (np.abs(exact) >= 2.0**-126) & (np.abs(exact) < 3.4e38)
    x, exact = x[normal], exact[normal]
    got = np.asarray(jax.jit(call)(x)).astype(float)
    return f"{np.max(np.abs(got - exact) / reduction.unit(x, exact, FLOAT_FORMATS[row.dtype])):.2f} ulp"


def _misrounded(call: Callable[[Any], Any], row: Shipped) -> int:
    """Of all inputs; a result that XLA flushes to zero counts."""
    x = np.arange(1 << 16, dtype=np.uint16).view(TYPES[row.dtype])
    got = np.asarray(jax.jit(call)(x)).astype(float)
    right = right_results(row.points[-1].member)
    return int(np.count_nonzero((got != right) & ~(np.isnan(got) & np.isnan(right))))


if __name__ == "__main__":
    main()
