"""How long polishing, proving and bounding in float64 take against the number of ops.

    python experiments/bench/prove.py [repeats]

The candidates are those of experiments/bench/polish.py. Prints a Markdown table.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from evo.minimax.polish import polish
from evo.proofs.certificate import Certificate
from evo.proofs.prove import check, prove
from evo.proofs.rounding import bound_float64_error
from evo.targets.making import make_target
from polish import FORMS, form


def timed(repeats: int, call: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the median time [ms]."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begin)
    return result, 1e3 * median(seconds)


def main(repeats: int) -> None:
    target = make_target("exp2")
    print(
        "| ops | max relative error | proved bound | pieces | polish ms | prove ms | check ms | float64 ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for ops, levels, squarings in FORMS:
        program, start = form(levels, squarings)
        polished, polishing = timed(repeats, lambda p=program, s=start: polish(p, s, target))
        proof, proving = timed(repeats, lambda p=program, c=polished.constants: prove(p, c, target))
        assert isinstance(proof, Certificate), proof
        _, checking = timed(repeats, lambda c=proof: check(c))
        _, rounding = timed(
            repeats, lambda p=program, c=polished.constants, q=proof: bound_float64_error(p, c, target, q)
        )
        times = " | ".join(f"{ms:.0f}" for ms in (polishing, proving, checking, rounding))
        print(f"| {ops} | {polished.error:.4e} | {proof.bound} | {len(proof.pieces)} | {times} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
