"""Float32 functions under XLA on a processor: errors at every input, times beside JAX's own and NumPy's.

    python experiments/xla.py times OUT.json [--functions exp2 ...]      # one core
    python experiments/xla.py errors OUT.json [--stride 1]               # all cores
    python experiments/xla.py lengths OUT.json                           # and in a fusion

Times are net of `x + 1`: of 128 passes over 8,192 elements in one compiled call, each of which takes what
the last one gave, and of one pass over 2^20 elements. All contestants of a function run in turns; median and
tenth percentile. Errors are those of normal inputs with normal results: XLA flushes others to zero. The
jaxlib is the one that is installed; the file says which.
"""

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

PASSES, ELEMENTS, MANY = 128, 8192, 1 << 20
LENGTHS = (1, 3, 7, 17, 4096)
CHUNK = 1 << 22
USUAL = (-8.0, 8.0)
RANGES = {
    "log": (0.01, 100.0), "log2": (0.01, 100.0), "log10": (0.01, 100.0), "log1p": (-0.9, 20.0),
    "rsqrt": (0.01, 100.0), "srgb_power": (0.01, 1.0), "lgamma": (0.1, 20.0), "tgamma": (0.1, 20.0),
    "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "acosh": (1.0, 100.0), "atanh": (-0.99, 0.99),
    "erfinv": (-0.99, 0.99), "sin": (-50.0, 50.0), "cos": (-50.0, 50.0), "tan": (-50.0, 50.0),
    "exp2": (-125.0, 127.0),
}  # fmt: skip
OTHER = ("sin", "cos", "tan", "sinh", "cosh", "tanh")
SAME = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", *OTHER)
NUMPY: dict[str, Callable[[Any], Any]] = {name: getattr(np, name) for name in SAME}
NUMPY |= {f"a{name}": getattr(np, f"arc{name}") for name in OTHER}
"""NumPy's own, by our names."""


def main() -> None:
    """Does a task and writes what it gave."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("task", choices=("times", "errors", "lengths"))
    options.add_argument("output", type=Path)
    options.add_argument("--functions", nargs="+")
    options.add_argument("--rounds", type=int, default=25)
    options.add_argument("--stride", type=int, default=1, help="of the inputs' bits; 1 asks every one")
    given = options.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if given.task == "times":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import jaxlib

    points = [
        (row.function, point.member.ops, point.ulp)
        for row, point in shipped()
        if row.function in (given.functions or [row.function])
    ]
    rows: list[dict[str, Any]] = {
        "times": lambda: times(points, given.rounds),
        "errors": lambda: errors(points, given.stride),
        "lengths": lambda: [told(lengths(*point)) for point in points],
    }[given.task]()
    found = {
        "jaxlib": jaxlib.__version__, "numpy": np.__version__, "machine": processor_name(),
        "task": given.task, "stride": given.stride, "rows": rows,
    }  # fmt: skip
    given.output.write_text(json.dumps(found, indent=1))


def told(row: dict[str, Any]) -> dict[str, Any]:
    """The row, printed."""
    print(json.dumps(row), flush=True)
    return row


def processor_name() -> str:
    """As the system has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def shipped() -> list[tuple[Any, Any]]:
    """(row, point) of every float32 program."""
    from evo.library.shelf import rows

    return [(row, point) for row in rows() if row.dtype == "float32" for point in row.points]


def ours(function: str, ulp: float) -> Callable[[Any], Any]:
    """As a user of JAX has it."""
    from evo.library import jax as fast

    call = getattr(fast, function)
    return lambda x: call(x, ulp=ulp)


def times(points: list[tuple[str, int, float]], rounds: int) -> list[dict[str, Any]]:
    """Nanoseconds an element, net."""
    from library_page import OPPONENTS

    rows = []
    for function in dict.fromkeys(function for function, *_ in points):
        calls = {f"{ops}": ours(function, ulp) for name, ops, ulp in points if name == function}
        if function in OPPONENTS:
            calls["jax"] = OPPONENTS[function]
        rows += [told(row) for row in raced(function, calls, rounds)]
    return rows


def raced(function: str, calls: dict[str, Callable[[Any], Any]], rounds: int) -> list[dict[str, Any]]:
    """All in turns."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    lo, hi = RANGES.get(function, USUAL)
    draw = np.random.default_rng(0).uniform
    few, many = (draw(lo, hi, n).astype(np.float32) for n in (ELEMENTS, MANY))
    x, long = jnp.asarray(few), jnp.asarray(many)

    def passes(call: Callable[[Any], Any]) -> Callable[[], Any]:
        """x + y 2^-100 is x, which no compiler knows."""
        loop = jax.jit(lambda x: lax.fori_loop(0, PASSES, lambda _, y: call(x + y * 2.0**-100), x))
        return lambda: loop(x).block_until_ready()

    def once(call: Callable[[Any], Any]) -> Callable[[], Any]:
        made = jax.jit(call)
        return lambda: made(long).block_until_ready()

    floor = {"floor": lambda v: v + 1}
    raced: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, call in {**calls, **floor}.items():
        raced["loop", name] = passes(call)
        raced["long", name] = once(call)
    own: Any = NUMPY.get(function)
    if own:
        to_few, to_many = np.empty_like(few), np.empty_like(many)
        raced["loop", "numpy"] = lambda: [own(few, out=to_few) for _ in range(PASSES)]
        raced["long", "numpy"] = lambda: own(many, out=to_many)
        raced["loop", "numpy floor"] = lambda: [np.add(few, np.float32(1), out=to_few) for _ in range(PASSES)]
        raced["long", "numpy floor"] = lambda: np.add(many, np.float32(1), out=to_many)
    took: dict[tuple[str, str], list[float]] = {key: [] for key in raced}
    for run in raced.values():
        run()
    order, rng = list(raced), np.random.default_rng(0)
    for _ in range(rounds):
        for k in rng.permutation(len(order)):
            start = time.perf_counter()
            raced[order[k]]()
            of = PASSES * ELEMENTS if order[k][0] == "loop" else MANY
            took[order[k]].append(1e9 * (time.perf_counter() - start) / of)
    rows = []
    for name in (*calls, *(["numpy"] if own else [])):
        row: dict[str, Any] = {"function": function, "name": name}
        for kind in ("loop", "long"):
            floors = took[kind, "numpy floor" if name == "numpy" else "floor"]
            for word, at in (("median", 50), ("p10", 10)):
                net = np.percentile(took[kind, name], at) - np.percentile(floors, at)
                row[f"{kind}_{word}"] = round(float(net), 4)
        rows.append(row)
    return rows


def errors(points: list[tuple[str, int, float]], stride: int) -> list[dict[str, Any]]:
    """Largest errors in ulp with their inputs; how many results are NaN or infinite where they should not."""
    parts = [(first, min(first + 64 * CHUNK, 1 << 32)) for first in range(0, 1 << 32, 64 * CHUNK)]
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        asked = {
            point: [pool.submit(part_errors, *point[::2], *part, stride) for part in parts]
            for point in points
        }
        for (function, ops, ulp), futures in asked.items():
            found = [future.result() for future in futures]
            worst, at = max((error, at) for error, at, _ in found)
            wrong = sum(wrong for *_, wrong in found)
            row = {"function": function, "ops": ops, "c_ulp": ulp, "xla_ulp": worst, "at": float(at).hex()}
            rows.append(told({**row, "special": wrong}))
    return rows


def part_errors(function: str, ulp: float, first: int, last: int, stride: int) -> tuple[float, float, int]:
    """Of the floats with bits from first to last."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    from evo.numbers.formats import FLOAT_FORMATS
    from evo.reductions.table import REDUCTIONS

    fmt, reduction, call = FLOAT_FORMATS["float32"], REDUCTIONS[function][0], jax.jit(ours(function, ulp))
    worst, at, wrong = 0.0, 0.0, 0
    for start in range(first, last, CHUNK * stride):
        x = np.arange(start, min(start + CHUNK * stride, last), stride, dtype=np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            exact = reduction.float64_at(x)
            got = np.asarray(call(x)).astype(float)
            size = np.abs(exact)
            finite = size < (2 - 2.0**-24) * 2.0**127
            normal = finite & (size >= 2.0**-126) & (np.abs(x) >= 2.0**-126)
            off = np.where(normal, np.abs(got - exact) / reduction.unit(x, exact, fmt), 0)
            beyond = (size > 2.0**128) & (got != exact.astype(np.float32))
        off = np.where(normal & ~np.isfinite(off), np.inf, off)
        wrong += int(np.count_nonzero(np.isnan(exact) != np.isnan(got)))
        wrong += int(np.count_nonzero(beyond & ~np.isnan(exact)))
        k = int(np.argmax(off))
        if off[k] > worst:
            worst, at = float(off[k]), float(x[k])
    return worst, at, wrong


def lengths(function: str, ops: int, ulp: float) -> dict[str, Any]:
    """How many results have other bits at short lengths, and in a fusion, than at 2^16 elements alone."""
    import jax

    call = ours(function, ulp)
    lo, hi = RANGES.get(function, USUAL)
    x = np.random.default_rng(1).uniform(lo, hi, 1 << 16).astype(np.float32)
    alone = jax.jit(call)
    whole = np.asarray(alone(x)).view(np.uint32)
    row: dict[str, Any] = {"function": function, "ops": ops}
    for length in LENGTHS:
        some = x[: min(len(x), 2048 * length) // length * length].reshape(-1, length)
        got = np.concatenate([np.asarray(alone(part)) for part in some]).view(np.uint32)
        row[f"{length}"] = [int(np.count_nonzero(got != whole[: len(got)])), len(got)]
    fused = jax.jit(lambda v: (call(v) + 1, call(v)))(x)
    row["fused"] = [int(np.count_nonzero(np.asarray(fused[1]).view(np.uint32) != whole)), len(x)]
    return row


if __name__ == "__main__":
    main()
