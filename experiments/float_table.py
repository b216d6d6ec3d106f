"""Float32 functions in C beside SLEEF, libmvec, libm and NumPy: times of one run, largest errors, who wins.

    python experiments/float_table.py --output table.json [FRONT.json ...]

Functions are those of the library; fronts that searches left come to them. Each function's contestants run
interleaved on one core. Ours have the largest error of every input as they were checked, the others' is that
of every STRIDE-th float32 from NaN to NaN in the domain, results that are normal numbers. Ours wins where it
is no slower than the fastest other one whose error is no smaller; where no other one errs as much there is
nothing to win.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evo.bench.functions import Timing, errors_of_others, race_front
from evo.fronts.front import Front, Member
from evo.kernels import processor
from evo.library.shelf import rows
from evo.numbers.formats import FLOAT_FORMATS
from evo.reductions.table import find_reduction

FORMAT = FLOAT_FORMATS["float32"]
WORTH = 12.0
"""Ulp: members that err more are no functions to ship."""
CHUNK = 1 << 20
FLOOR = "x + 1 (floor)"


def main() -> None:
    """Writes the rows as JSON and prints the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("fronts", nargs="*", type=Path)
    options.add_argument("--functions", nargs="+")
    options.add_argument("--size", type=int, default=8192)
    options.add_argument("--stride", type=int, default=16)
    options.add_argument("--interval", nargs=2, type=float)
    options.add_argument("--output", type=Path, required=True)
    given = options.parse_args()
    members = {
        name: found
        for name, found in contestants(given.fronts).items()
        if name in (given.functions or [name])
    }
    interval = tuple(given.interval) if given.interval else None
    times = {name: race_front(found, given.size, interval=interval) for name, found in members.items()}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        asked = {name: pool.submit(others, found[0], given.stride) for name, found in members.items()}
        errors = {name: future.result() for name, future in asked.items()}
    table = {
        name: [row._replace(error=errors[name].get(row.name, row.error))._asdict() for row in rows]
        for name, rows in times.items()
    }
    machine = {"processor": processor.model(), "system": platform.platform(), "load": os.getloadavg()[0]}
    words = {"size": given.size, "stride": given.stride, "interval": interval}
    given.output.write_text(json.dumps({"machine": machine, **words, "functions": table}, indent=1) + "\n")
    print(printed(table))


def contestants(fronts: Sequence[Path]) -> dict[str, list[Member]]:
    """Members of each function, of the library and of the fronts, of each size the one that errs least."""
    found = [
        replace(point.member, sampled_error=point.ulp)
        for row in rows()
        if row.dtype == FORMAT.name
        for point in row.points
    ]
    found += [m for path in fronts for m in Front.load(path) if m.full and m.dtype == FORMAT.name]
    best: dict[str, dict[int, Member]] = {}
    for m in sorted(found, key=lambda m: m.sampled_error):
        if m.sampled_error < WORTH:
            best.setdefault(m.target, {}).setdefault(m.ops, m)
    return {name: sorted(sizes.values(), key=lambda m: m.ops) for name, sizes in sorted(best.items())}


def others(member: Member, stride: int) -> dict[str, float]:
    """Largest errors of the others at every `stride`-th float of the domain."""
    lo, hi = find_reduction(member.function, member.way, member.core).span(FORMAT)

    def inputs() -> Iterator[np.ndarray]:
        for first in range(0, 1 << 32, CHUNK * stride):
            x = np.arange(first, first + CHUNK * stride, stride, np.uint32).view(np.float32)
            if (inside := x[(x >= lo) & (x <= hi)]).size:
                yield inside

    return errors_of_others(member, inputs())


def printed(table: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown, a row for each function."""
    lines = ["| function | ours: operations, ns, ulp | others: ns, ulp | wins |", "|---|---|---|---|"]
    for name, found in table.items():
        timings = [Timing(**row) for row in found]
        ours = [row for row in timings if row.name.startswith("evonum")]
        rest = [row for row in timings if row not in ours and row.name != FLOOR]
        words = ["; ".join(map(_figures, some)) for some in (ours, rest)]
        lines.append(f"| {name} | {words[0]} | {words[1]} | {wins(ours, rest)} |")
    return "\n".join(lines)


def _figures(row: Timing) -> str:
    name = row.name.removeprefix("evonum").strip(", ")
    return f"{name} {row.median:.3f} ({row.tenth:.3f}), {row.error:.3f}".strip()


def wins(ours: Sequence[Timing], rest: Sequence[Timing]) -> str:
    """Of each of ours: how much faster than the fastest other one that errs no less."""
    words = []
    for row in ours:
        rivals = [other for other in rest if other.error is not None and other.error >= (row.error or 0)]
        if rivals:
            fastest = min(rivals, key=lambda other: other.median)
            words.append(f"{fastest.median / row.median:.2f} times {fastest.name}")
        else:
            words.append("no other errs as much")
    return "; ".join(words)


if __name__ == "__main__":
    main()
