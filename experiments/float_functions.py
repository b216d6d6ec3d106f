"""Functions of 16 bits, searched and checked on every input: fewest operations of a right core.

    python experiments/float_functions.py --time 60s --output experiments/floats

For each function and format a search over multiply-adds, from empty code, in the arithmetic that it runs in
(float32, rounded once at its end) and behind its range reduction; then the check of all 65,536 inputs.
The front of each search goes to a file. Nothing here knows a core, a coefficient or a size.
"""

import argparse
import tempfile
from pathlib import Path

from evo import api

FUNCTIONS = ("exp2", "exp", "exp10", "sigmoid", "silu")
FORMATS = ("bfloat16", "float16")


def main() -> None:
    """Prints one line for each member: misrounded results of all inputs."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--time", default="60s", help="of each search")
    options.add_argument("--ops", default="fma")
    options.add_argument("--max-ops", type=int, default=5)
    options.add_argument("--functions", nargs="+", default=FUNCTIONS)
    options.add_argument("--output", type=Path, default=Path("experiments/floats"))
    given = options.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    print("function  format    ops  misrounded  max error [ulp]  special values")
    for name in given.functions:
        for dtype in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                front = api.search(
                    name, dtype=dtype, full=True, ops=given.ops, max_ops=given.max_ops, time=given.time,
                    islands=1, workers="serial", record=False, out=Path(folder) / "s",
                )  # fmt: skip
            path = given.output / f"{name}-{dtype}.json"
            front.save(path)
            for found in api.check_source(path):
                special = "wrong" if found.faults else "right"
                row = f"{found.member.ops:3}  {found.misrounded:10,}  {found.error:15.4f}  {special}"
                print(f"{name:9} {dtype:9} {row}", flush=True)


if __name__ == "__main__":
    main()
