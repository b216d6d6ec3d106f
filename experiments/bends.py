"""Functions with bends, searched for a short while: what of their fronts is proved, what is exported.

    .venv/bin/python experiments/bends.py [--time 15s] [--only TEXT]

Branch points, zeros inside, poles at an end, kinks, ten decades. Every member of every front has to be
proved, or named here as unproved with the reason, and to be exported to C. The exit code is the number of
members that are not exported, or were wrong about themselves.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from evo import api
from evo.errors import EvonumError

BENDS = (
    ("sqrt(x)", ("0", "1"), "relative", "+ - * /"),
    ("sqrt(1-x^2)", ("-1", "1"), "absolute", "+ - * / sqrt"),
    ("acos(x)", ("-1", "1"), "absolute", "+ - * / sqrt"),
    ("asin(x)", ("0", "1"), "relative", "+ - * / sqrt"),
    ("x^(2/3)", ("0", "1"), "absolute", "+ - * / sqrt"),
    ("cbrt(x)", ("1e-5", "1e5"), "relative", "+ - * / sqrt"),
    ("sqrt(x)", ("1e-5", "1e5"), "relative", "+ - * /"),
    ("1/sqrt(x)", ("1e-5", "1e5"), "relative", "+ - * /"),
    ("log(x)", ("1e-5", "1e5"), "absolute", "+ - * / sqrt"),
    ("x*log(x)", ("0", "1"), "absolute", "+ - * / sqrt"),
    ("log(x)", ("1/2", "2"), "relative", "+ - * /"),
    ("sin(x)", ("0", "pi"), "relative", "+ - * /"),
    ("sin(pi*x)", ("-1", "1"), "relative", "+ - * / fma"),
    ("cos(x)", ("0", "pi"), "relative", "+ - * /"),
    ("tan(x)", ("0", "pi/2"), "relative", "+ - * /"),
    ("gamma(x)", ("0", "2"), "relative", "+ - * /"),
    ("1/expm1(x)", ("0", "4"), "relative", "+ - * /"),
    ("acosh(x)", ("1", "10"), "relative", "+ - * / sqrt"),
    ("abs(x-1/2)", ("0", "1"), "absolute", "+ - * / sqrt"),
    ("exp(-sqrt(x))", ("0", "4"), "relative", "+ - * / sqrt"),
)
"""Target, interval, metric, ops."""


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--time", default="15s", help="of each search")
    asked.add_argument("--max-ops", type=int, default=8)
    asked.add_argument("--only", default="", help="functions whose text holds this")
    options = asked.parse_args()
    print("| function | interval | metric | members | proved | exported | least max error |\n|" + "---|" * 7)
    rows = [row for row in BENDS if options.only in row[0]]
    return sum(_row(*row, time=options.time, max_ops=options.max_ops) for row in rows)


def _row(target: str, interval: tuple[str, str], metric: str, ops: str, **how: object) -> int:
    """Prints a row of the table and what is wrong; how many members are."""
    with tempfile.TemporaryDirectory() as folder:
        front = api.search(
            target, interval=list(interval), metric=metric, ops=ops, islands=1, seed=0,
            out=Path(folder) / "search", workers="serial", record=False, **how,
        )  # fmt: skip
        found = [api.verify(member) for member in front]
        wrong = [f"{one.member.ops} ops: {text}" for one in found for text in one.complaints]
        failures = sum(bool(one.faults) for one in found)
        exported = 0
        for member in front:
            try:
                exported += bool(api.export(member, "c", dtype="float64"))
            except EvonumError as error:
                wrong.append(f"{member.ops} ops: not exported: {error}")
                failures += 1
    proved = sum(member.proved_bound is not None for member in front)
    least = f"{front[-1].sampled_error:.4e}" if len(front) else "none"
    ends = ", ".join(interval)
    print(
        f"| `{target}` | ({ends}) | {metric} | {len(front)} | {proved} | {exported} | {least} |", flush=True
    )
    for line in wrong:
        print(f"{target} on ({ends}), {line}", file=sys.stderr, flush=True)
    return failures + (not len(front))


if __name__ == "__main__":
    sys.exit(main())
