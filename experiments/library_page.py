"""Writes docs/library.md: what is shipped, its errors and times beside JAX's own.

    python experiments/library_page.py

Errors: of 16-bit formats, results of all 65,536 inputs that are not correctly rounded, as XLA compiles both
on this processor; of float32 the largest error in ulp of four million normal inputs of all sizes with normal
results.
Times: a loop of 128 dependent passes over 8,192 elements in the cache, inside one compiled call, net of the
same loop around x + 1; processor time, all contestants in turns in one run.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from evo.exports.check import right_results
from evo.exports.names import ExportError
from evo.library import jax as fast
from evo.library.shelf import Point, Shipped, rows

TYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32}
OPPONENTS: dict[str, Callable[[Any], Any]] = {
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "exp10": lambda x: 10.0**x,
    "log2": jnp.log2,
    "log": jnp.log,
    "softplus": jax.nn.softplus,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tanh": jnp.tanh,
    "erf": jax.scipy.special.erf,
    "atan": jnp.arctan,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
}
EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "exp2": np.exp2, "log2": np.log2, "sin": np.sin, "tanh": np.tanh,
}  # fmt: skip
"""In float64."""
REACH = {"sin": 2.0**17}
"""Largest argument that a function is for."""
PASSES, ELEMENTS, ROUNDS = 128, 8192, 60
PAGE = Path(__file__).parent.parent / "docs" / "library.md"
MARK = "<!-- by experiments/library_page.py -->"


def main() -> None:
    """Measures and writes the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    given = options.parse_args()
    lines = [
        MARK,
        "",
        "| function | format | ops | max ulp | misrounded | under XLA | JAX's own | ns | JAX's own | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows():
        if row.dtype in TYPES:
            lines += _lines(row, given.rounds)
    text = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else "# The library\n\n"
    PAGE.write_text(text + "\n".join(lines) + "\n")


def _lines(row: Shipped, rounds: int) -> list[str]:
    own = OPPONENTS[row.function]
    calls = {point.member.ops: _call(row, point) for point in row.points}
    usable = {ops: call for ops, call in calls.items() if call is not None}
    times = _race({"own": own, "x + 1": lambda x: x + 1, **usable}, row.dtype, rounds)
    floor = times["x + 1"]
    theirs, made = _error(own, row), []
    for point in row.points:
        ops = point.member.ops
        cells = [row.function, row.dtype, str(ops), f"{point.ulp:.4f}", _counted(point.misrounded)]
        if ops in usable:
            ours, opponent = times[ops] - floor, times["own"] - floor
            cells += [_error(usable[ops], row), theirs, f"{ours:.3f}", f"{opponent:.3f}"]
            cells += [f"{opponent / ours:.2f}"]
        else:
            cells += ["", theirs, "", "", ""]
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
    x = x[np.isfinite(x) & (np.abs(x) >= 2.0**-126) & (np.abs(x) <= REACH.get(row.function, np.inf))]
    with np.errstate(all="ignore"):
        exact = EXACT[row.function](x.astype(float))
    normal = np.isfinite(exact) & (np.abs(exact) >= 2.0**-126) & (np.abs(exact) < 3.4e38)
    x, exact = x[normal], exact[normal]
    got = np.asarray(jax.jit(call)(x)).astype(float)
    return f"{np.max(np.abs(got - exact) / np.ldexp(1.0, np.frexp(exact)[1] - 24)):.2f} ulp"


def _misrounded(call: Callable[[Any], Any], row: Shipped) -> int:
    """Of all inputs; a result that XLA flushes to zero counts."""
    x = np.arange(1 << 16, dtype=np.uint16).view(TYPES[row.dtype])
    got = np.asarray(jax.jit(call)(x)).astype(float)
    right = right_results(row.points[-1].member)
    return int(np.count_nonzero((got != right) & ~(np.isnan(got) & np.isnan(right))))


def _race(calls: dict[Any, Callable[[Any], Any]], dtype: str, rounds: int) -> dict[Any, float]:
    """Nanoseconds an element and pass: the tenth percentile of processor time."""
    x = jnp.linspace(0.5, 1.5, ELEMENTS).astype(dtype)
    loops = {name: _loop(call) for name, call in calls.items()}
    spent: dict[Any, list[float]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        for name, loop in loops.items():
            begin = time.process_time()
            loop(x).block_until_ready()
            if turn:
                spent[name].append(time.process_time() - begin)
    return {name: float(np.quantile(s, 0.1)) / PASSES / ELEMENTS * 1e9 for name, s in spent.items()}


def _loop(call: Callable[[Any], Any]) -> Any:
    def again(_: int, x: Any) -> Any:
        return (call(x) * 0.0625 + 0.75).astype(x.dtype)

    return jax.jit(lambda x: lax.fori_loop(0, PASSES, again, x))


if __name__ == "__main__":
    main()
