"""Functions of floats, searched and checked on every input: fewest operations of each error.

    python experiments/float_functions.py --time 60s --output experiments/floats

For each function and format a search from empty code, in the arithmetic that it runs in and behind its range
reduction; then the check of all inputs, 65,536 of 16 bits and 2^32 of float32. A function of several cores
takes a search for each: further cores are exact at first, then those found, of the fewest operations that are
right, or about as good as the best. The front of each search goes to a file. Nothing here knows a core, a
coefficient or a size.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evo import api
from evo.fronts.front import Front
from evo.reductions.table import ON_NVIDIA, REDUCTIONS

FUNCTIONS = ("exp2", "exp", "exp10", "sigmoid", "silu", "log2", "softplus", "gelu")
FORMATS = ("bfloat16", "float16")
RIGHT, ABOUT = 0.5, 1.25
"""Error that counts as right in 16 bits, and as good as the best in float32, as a multiple of that."""


def searched(name: str, dtype: str, path: Path, options: Any) -> Front:
    """The front of the function, its cores searched one after the other."""
    every = (*REDUCTIONS[name], *ON_NVIDIA.get(name, ()))
    ways = {reduction.way: reduction for reduction in every}
    reduction = ways[options.way] if options.way else next(iter(ways.values()))
    with tempfile.TemporaryDirectory() as folder:
        given: tuple[str, ...] = ()
        for k, core in enumerate(reduction.cores):
            most, time = (row[min(k, len(row) - 1)] for row in (options.max_ops, options.time))
            words = {"way": options.way} if options.way else {}
            words |= {"part": core.name, "given": given} if len(reduction.cores) > 1 else {}
            out = Path(folder) / core.name
            front = api.search(
                name, dtype=dtype, full=True, ops=options.ops, max_ops=most, time=time,
                islands=1, workers="serial", record=False, out=out, **words,
            )  # fmt: skip
            given = (f"{out}:{enough(front, dtype)}",)
    front.save(path)
    return front


def enough(front: Sequence[Any], dtype: str) -> int:
    """Operations of the smallest member that is right, or about as good as the best."""
    best = min(m.sampled_error for m in front)
    limit = max(RIGHT, best) if dtype in FORMATS else ABOUT * best
    return min(m.ops for m in front if m.sampled_error <= limit)


def main() -> None:
    """Prints one line for each member: its error, and misrounded results of all inputs of 16 bits."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--time", nargs="+", default=["60s"], help="of each core's search, in turn")
    options.add_argument("--ops", default="fma")
    options.add_argument("--max-ops", type=int, nargs="+", default=[5], help="of each core, in turn")
    options.add_argument("--functions", nargs="+", default=FUNCTIONS)
    options.add_argument("--formats", nargs="+", default=FORMATS)
    options.add_argument("--way", help="which reduction, where a function has several")
    options.add_argument("--output", type=Path, default=Path("experiments/floats"))
    given = options.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    print("function  format    ops  misrounded  max error [ulp]       at x  special values")
    for name in given.functions:
        for dtype in given.formats:
            path = given.output / f"{name}-{dtype}.json"
            searched(name, dtype, path, given)
            for found in api.check_source(path):
                special = "wrong" if found.faults else "right"
                missed = "" if found.misrounded is None else f"{found.misrounded:,}"
                where = f"{found.error:15.4f}  {found.worst_x:9.4g}"
                row = f"{found.member.ops:3}  {missed:>10}  {where}  {special}"
                print(f"{name:9} {dtype:9} {row}", flush=True)


if __name__ == "__main__":
    main()
