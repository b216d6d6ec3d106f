"""Puts fronts of float functions on the shelf that the package ships: evo/library/data.

    python experiments/ship.py experiments/floats/*.json

Of each function's fronts the member of fewest operations for every level of error stays, and every input of
its format is asked: what is wrong at a special value, or breaks what its search required, is not shipped.
"""

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from evo.exports.check import check
from evo.exports.export import reduction_of
from evo.fronts.front import Front
from evo.library.shelf import DATA, Point, ship

WORTH = 6.0
"""Ulp that a search gave: nobody ships what errs more, and every input of float32 takes a minute to ask."""
ALIKE = 1.05
"""Ratio of errors that are no reason for another operation, where roundings are not counted."""
LEVELS = (0.5, 1.0, 4.0)
"""Ulp: right on every input, as good as a library's, fast."""


def main() -> None:
    """Asks every input, writes what is worth it, and says so."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("fronts", nargs="+", type=Path)
    options.add_argument("--to", type=Path, default=DATA)
    given = options.parse_args()
    (given.to / "nvidia").mkdir(parents=True, exist_ok=True)
    for stem, paths in groupby(sorted(given.fronts, key=lambda path: path.stem), lambda path: path.stem):
        members = [member for path in paths for member in Front.load(path)]
        found = [check(member, ways=False) for member in members if member.sampled_error < WORTH]
        right = [c for c in found if not c.faults and not c.unmet and c.unit == "ulp"]
        points = chosen([Point(c.member, c.error, c.misrounded, c.inputs, c.of) for c in right])
        for point in points:
            words = f"{point.ulp:8.4f} ulp {point.misrounded!s:>6} misrounded of {point.inputs:,}"
            print(f"{stem:20} {point.member.ops:2} ops {words}", flush=True)
        if points:
            function, _, dtype = stem.rpartition("-")
            platform = "nvidia" if reduction_of(points[0].member).only else ""
            ship(function, dtype, points, given.to / platform)


def chosen(points: Sequence[Point]) -> list[Point]:
    """Of each level of error the one of fewest operations; the most accurate one is among them."""
    best = min(points, key=lambda point: point.ulp, default=None)
    slack = ALIKE if best and best.misrounded is None else 1.0
    least = slack * best.ulp if best else 0.0
    found = {}
    for level in LEVELS:
        for point in sorted(points, key=lambda point: (point.member.ops, point.ulp)):
            if point.ulp <= max(level, least):
                found[point.member.ops] = point
                break
    return [found[ops] for ops in sorted(found)]


if __name__ == "__main__":
    main()
