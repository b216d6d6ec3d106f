"""How often a fit from random constants reaches the optimum over many decades, with and without windows.

    python experiments/bench/decades.py [fits per form]

Four small forms on seven functions over six to ten decades. A fit succeeds if its largest error is within a
tenth of the least that any fit had, or, where that is near 1, if 1 minus it is seven tenths of what the best
has. Prints a Markdown table.
"""

import sys
import time

import numpy as np

from evo.backends import windows as decades
from evo.backends.backend import backend
from evo.backends.windows import fit_in_windows
from evo.kernels.effort import Effort
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points
from evo.targets.target import Target

TARGETS = (
    ("sqrt(x)", ("1e-5", "1e5")),
    ("cbrt(x)", ("1e-5", "1e5")),
    ("1/sqrt(x)", ("1e-5", "1e5")),
    ("1/x^(3/10)", ("1e-4", "1e4")),
    ("log1p(x)", ("1e-5", "1e5")),
    ("exp(-x)*sqrt(x)", ("1e-5", "10")),
    ("x^(2/3)", ("1e-6", "1e4")),
)
FORMS = (
    "v1 = x + c1\nv2 = c2 / v1\nv3 = c3 - v2",
    "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 + c3\nv4 = x / v3",
    "v1 = x + c1\nv2 = c2 / v1\nv3 = c3 - v2\nv4 = v3 * v3",
    "v1 = c1 / x\nv2 = x * c2\nv3 = v1 + v2\nv4 = v3 + c3",
)
WINDOWS = (0, 6, 12, 24)
ENGINE = backend("native")


def errors(target: Target, text: str, fits: int, rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """For each number of windows: the largest errors [fits], and the seconds of processor time they took."""
    program, points, select = parse(text), fit_points(target), select_points(target)
    shape = (fits, program.n_constants)
    starts = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-2, 2, shape)
    batch, stream = Batch.of([program] * fits, starts.tolist()), np.arange(fits, dtype=np.uint64)
    out = []
    for decades.WINDOWS in WINDOWS:
        began = time.process_time()
        fitted = fit_in_windows(ENGINE, batch, points, select, Effort(), stream, np.full(fits, np.inf))
        out.append((fitted.error.copy(), time.process_time() - began))
    return out


def main() -> None:
    """Prints the table."""
    fits, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 60, np.random.default_rng(0)
    shares, seconds = np.zeros(len(WINDOWS)), np.zeros(len(WINDOWS))
    targets = [make_target(name, interval) for name, interval in TARGETS]
    for target in targets:
        for text in FORMS:
            found = errors(target, text, fits, rng)
            best = min(error.min() for error, _ in found)
            enough = 1.1 * best if best < 0.5 else 1 - 0.7 * (1 - best)
            shares += [np.mean(error < enough) for error, _ in found]
            seconds += [took for _, took in found]
    count = len(TARGETS) * len(FORMS)
    print(f"{count} forms, {fits} fits each\n\n| windows | successes | time |\n|---|---|---|")
    for windows, share, took in zip(WINDOWS, shares / count, seconds / seconds[0], strict=True):
        print(f"| {windows} | {share:.1%} | {took:.1f} |")


if __name__ == "__main__":
    main()
