"""A search of ops and one of predicted time: which has the faster program at an error.

    evonum bench ops --dtype float64 --output costs.json
    evonum search exp2 --interval 0 1 --out by-ops
    evonum search exp2 --interval 0 1 --out by-time --cost costs.json
    python experiments/costs.py by-ops by-time --cost costs.json

Every member of the first is compared with the member of the second that is no worse and has the least
predicted time. All are timed in C in one run, in turns, over an array in the cache; times are tenth
percentiles [ns an element], with loads and stores, which predictions leave out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from evo import api
from evo.bench.functions import FLOOR, named, race_front
from evo.bench.predicted import predicted_time
from evo.costs.model import read_model
from evo.fronts.front import Member

FINEST = 4e-16
"""Error below which float64 says nothing of a formula."""
EQUAL = 1.001


def main() -> None:
    """Prints a line for each error, and how well predictions and times agree."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("by_ops")
    options.add_argument("by_time")
    options.add_argument("--cost", type=Path, required=True)
    options.add_argument("--size", type=int, default=1024, help="elements of the array")
    options.add_argument("--rounds", type=int, default=201)
    chosen = options.parse_args()
    model = read_model(chosen.cost)
    few = [replace(m, cost=None) for m in api.front(chosen.by_ops) if m.sampled_error > FINEST]
    fast = [m for m in api.front(chosen.by_time) if m.sampled_error > FINEST]
    members = [*few, *fast]
    rows = {row.name: row for row in race_front(members, chosen.size, chosen.rounds, model=model)}

    def taken(member: Member) -> float:
        return rows[named(member, members)].tenth

    def figures(member: Member) -> str:
        return f"{member.ops}, {predicted_time(member, model):.3f}, {taken(member):.3f}"

    print(f"x + 1: {rows[FLOOR].tenth:.3f} ns; {model.platform}, {model.dtype}")
    print(
        "error | by ops: ops, predicted, measured | by time: error, ops, predicted, measured | ratio measured"
    )
    for member in few:
        as_good = [m for m in fast if m.sampled_error <= EQUAL * member.sampled_error]
        line = f"{member.sampled_error:.2e} | {figures(member)}"
        if not as_good:
            print(f"{line} | none |")
            continue
        best = min(as_good, key=lambda m: predicted_time(m, model))
        ratio = taken(member) / taken(best)
        print(f"{line} | {best.sampled_error:.2e}, {figures(best)} | {ratio:.2f}")


if __name__ == "__main__":
    main()
