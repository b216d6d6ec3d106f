"""How long polishing takes against the number of ops: continued fractions of 2^x on (0, 1].

    python experiments/bench/polish.py [repeats]

With y = 2^x = (1 + 2 / (coth(z) - 1))^(2^s), z = x log(2) / 2^(s+1), the start is the truncated continued
fraction coth(z) = 1/z + 1/(3/z + 1/(5/z + ...)), rewritten as a + b/(e + x + c/(x + c/(x + ...))): a Padé
approximant, good at 0 and poor at 1. Prints a Markdown table.
"""

import math
import sys
import time
from itertools import pairwise
from statistics import median

from flint import fmpq_poly

from evo.minimax.polish import polish
from evo.programs.program import Program, parse
from evo.targets.making import make_target

FORMS = ((5, 1, 0), (10, 3, 1), (15, 5, 2), (20, 7, 3))
"""(ops, levels of the continued fraction, squarings)."""


def coth_levels(levels: int) -> tuple[float, list[float]]:
    """coth z cut after `levels` + 1 terms (odd `levels`), as a (z + b1 / (z + b2 / (z + ... + b / z)))."""
    top, bottom = fmpq_poly([2 * levels + 1]), fmpq_poly([0, 1])
    for k in range(levels - 1, -1, -1):
        top, bottom = (2 * k + 1) * top + fmpq_poly([0, 1]) * bottom, fmpq_poly([0, 1]) * top
    slopes = []
    while bottom != 0:
        quotient, rest = divmod(top, bottom)
        slopes.append(quotient[1])
        top, bottom = bottom, rest
    ratios = [float(1 / (a * b)) for a, b in pairwise(slopes)]
    return float(slopes[0]), ratios


def form(levels: int, squarings: int) -> tuple[Program, list[float]]:
    """The program and its start."""
    slope, ratios = coth_levels(levels)
    scale = 0.5 * math.log(2) / 2**squarings
    lines, constants, tail = [], [], "x"
    for ratio in reversed(ratios):
        constants.append(ratio / scale**2)
        lines.append(f"c{len(constants)} / {tail}")
        lines.append(f"x + v{len(lines)}")
        tail = f"v{len(lines)}"
    constants += [-1 / (slope * scale), 2 / (slope * scale), 1.0]
    n = len(constants)
    lines.append(f"c{n - 2} + {tail}")
    lines.append(f"c{n - 1} / v{len(lines)}")
    lines.append(f"c{n} + v{len(lines)}")
    for _ in range(squarings):
        lines.append(f"v{len(lines)} * v{len(lines)}")
    return parse("\n".join(f"v{k} = {line}" for k, line in enumerate(lines, start=1))), constants


def main(repeats: int) -> None:
    target = make_target("exp2")
    print("| ops | constants | steps | max relative error | status | ms |")
    print("|---|---|---|---|---|---|")
    for ops, levels, squarings in FORMS:
        program, start = form(levels, squarings)
        assert program.ops == ops
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            polished = polish(program, start, target)
            seconds.append(time.perf_counter() - begin)
        cells = [ops, len(start), polished.iterations, f"{polished.error:.4e}", polished.status]
        print(f"| {' | '.join(map(str, cells))} | {1e3 * median(seconds):.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
