"""From a search's candidates, the program that rounds best in a float format, its constants as that has them.

    python experiments/float_core.py DIR --ops 6 --dtype float32 --output exp2-core.json

Searches rank by the error in real arithmetic; of two programs with errors far below the format's spacing, the
one that rounds well is better. So every program of that op count in the checkpoint is evaluated op by op in
the format at the same inputs, and the one of least error in ulp is kept. Then, one by one and until nothing
improves, each constant is replaced by one of its neighbours in the format if that lowers the largest error.
Nothing here knows the target or the program. `evonum export FILE --full` takes the result.
"""

import argparse
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from evo.fronts.reading import make_member
from evo.islands.pool import Pool
from evo.numbers.formats import FLOAT_FORMATS, FloatFormat, ulp
from evo.programs.floats import evaluate
from evo.programs.program import Program
from evo.runs.checkpoint import from_arrays, load
from evo.runs.sources import load_source
from evo.targets.making import make_target
from evo.targets.target import Target

INPUTS = 400_000
CANDIDATES = 6
NEIGHBOURS = (-3, -2, -1, 1, 2, 3)


def worst(
    program: Program, numbers: list[float], x: np.ndarray, exact: np.ndarray, fmt: FloatFormat
) -> float:
    """Largest error [ulp] at `x`."""
    got = evaluate(program, numbers, x, fmt).astype(float)
    error = np.abs(got - exact) / ulp(exact, fmt)
    return float(error.max()) if np.isfinite(error).all() else np.inf


def no_store(source: str) -> Any:
    """What MLflow has of a source: nothing is asked here, formulas come from a directory."""
    raise LookupError(f"{source} is no search directory")


def archived(directory: Path, ops: int) -> list[tuple[Program, list[float]]]:
    """Programs and constants of all islands, populations, last emigrants."""
    _, arrays = load(directory / "checkpoint.npz")
    names = sorted(key.removesuffix("/batch/op") for key in arrays if key.endswith("/batch/op"))
    found = []
    for pool in (from_arrays(Pool, name, arrays) for name in names):
        rows = np.flatnonzero(pool.batch.ops == ops)
        found += [(pool.batch.program(row), pool.batch.numbers(row)) for row in rows]
    return found


def tuned(
    program: Program, numbers: list[float], x: np.ndarray, exact: np.ndarray, fmt: FloatFormat
) -> list[float]:
    """Constants moved to neighbouring numbers of the format while the largest error falls."""
    best, least = list(numbers), worst(program, numbers, x, exact, fmt)
    improved = True
    while improved:
        improved = False
        for j in range(len(best)):
            for steps in NEIGHBOURS:
                trial = list(best)
                for _ in range(abs(steps)):
                    trial[j] = float(np.nextafter(fmt.type(trial[j]), fmt.type(np.inf * steps)))
                if (error := worst(program, trial, x, exact, fmt)) < least:
                    best, least, improved = trial, error, True
    return best


def points(target: Target, fmt: FloatFormat) -> np.ndarray:
    lo, hi = target.span
    return np.unique(np.linspace(lo, hi, INPUTS).astype(fmt.type)).astype(float)[1:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ops", type=int, required=True)
    parser.add_argument("--dtype", default="float32", choices=FLOAT_FORMATS)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    fmt = FLOAT_FORMATS[args.dtype]
    spec = json.loads((args.directory / "spec.json").read_text())
    target = make_target(spec["target"], spec["interval"], spec["metric"])
    x = points(target, fmt)
    exact = target.exact(x)
    rounded = [
        (p, [float(fmt.type(c)) for c in numbers]) for p, numbers in archived(args.directory, args.ops)
    ]
    some = slice(None, None, 100)
    ranked = sorted(rounded, key=lambda pair: worst(pair[0], pair[1], x[some], exact[some], fmt))[:CANDIDATES]
    trials = [(p, tuned(p, numbers, x, exact, fmt)) for p, numbers in ranked]
    program, numbers = min(trials, key=lambda pair: worst(pair[0], pair[1], x, exact, fmt))
    texts = tuple(str(Decimal(c)) for c in numbers)
    member = make_member(program, texts, target)
    origin = asdict(load_source(str(args.directory), no_store).origin(member))
    said = {key: origin[key] for key in ("seed", "version", "search")}
    args.output.write_text(json.dumps({**asdict(member), "origin": said}, indent=1) + "\n")
    print(f"{len(rounded)} programs of {args.ops} operations; kept: {program.formula()}")
    print(f"largest error {worst(program, numbers, x, exact, fmt):.4f} ulp at {len(x)} inputs, {args.dtype}")
    print(f"in real arithmetic {member.sampled_error:.4e} {member.metric} at x = {member.worst_x!r}")


if __name__ == "__main__":
    main()
