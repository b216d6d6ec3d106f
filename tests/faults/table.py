"""What all scripts of faults share: what a fault cost, and the table of it."""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

WORSE = 1.002
"""A member is lost if the least error with its number of operations is larger by this factor: what gains less
than a thousandth over fewer operations is left out of fronts."""
HEAD = """| fault | times | jobs lost | members lost | processes of a job | back after [s], median and most |
|---|---|---|---|---|---|"""


class Cost(NamedTuple):
    """Of a fault, done once.

    Attributes:
        lost: jobs that were accepted, and did not succeed.
        worse: members of their fronts that were there before, and are worse at the end.
        processes: that a job was begun with, at most.
        back: time until all ran again [s].
    """

    lost: int
    worse: int
    processes: int
    back: float


def errors(search: Path) -> dict[int, float]:
    """Of a search's front, by operations."""
    try:
        members = json.loads((search / "front.json").read_text())
    except OSError:
        return {}
    return {m["ops"]: m["sampled_error"] for m in members}


def worse(before: Mapping[int, float], after: Mapping[int, float]) -> int:
    """How many members of a front are lost later."""
    least = {ops: min((e for n, e in after.items() if n <= ops), default=float("inf")) for ops in before}
    return sum(least[ops] > error * WORSE for ops, error in before.items())


def metrics(search: Path) -> list[dict[str, Any]]:
    """A search's records of numbers so far."""
    try:
        lines = (search / "records.jsonl").read_text().split("\n")[:-1]  # the last one may be half written
    except OSError:
        return []
    return [record for record in map(json.loads, lines) if record["kind"] == "metrics"]


def generations(search: Path) -> int:
    """How far a search's records are."""
    return max((record["step"] for record in metrics(search)), default=0)


def main(
    faults: Mapping[str, Callable[..., Any]], once: Callable[[Any, Path], Cost], doc: str | None
) -> None:
    """Prints the table of the faults that the command line names; ends with code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("faults", nargs="*", choices=[*faults, []], default=[])
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    bad = 0
    print(HEAD, flush=True)
    for name in asked.faults or faults:
        found = []
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                found.append(once(faults[name], Path(folder)))
                print(f"{name}: {found[-1]}", file=sys.stderr, flush=True)
        bad += sum(cost.lost + cost.worse for cost in found)
        print(row(name, found), flush=True)
    sys.exit(1 if bad else 0)


def row(name: str, found: Sequence[Cost]) -> str:
    """Of the table: what a fault cost each time that it was done."""
    lost, gone = sum(cost.lost for cost in found), sum(cost.worse for cost in found)
    times, processes = [cost.back for cost in found], max(cost.processes for cost in found)
    values = f"{lost} | {gone} | {processes} | {statistics.median(times):.1f}, {max(times):.1f}"
    return f"| {name.replace('_', ' ')} | {len(found)} | {values} |"
