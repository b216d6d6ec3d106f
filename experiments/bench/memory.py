"""How the memory of a search grows: its driver, its islands and Ray's own processes, sampled while it runs.

    python experiments/bench/memory.py [--warm 600] [--every 5] [--json] TARGET --time 60m --out DIR ...

Everything after the options is handed to `evonum search`. Every `--every` seconds the memory of the command
and of all its descendants is read from /proc: `anonymous` is what they allocated; `pss` adds their share of
what several have (Ray's object store) and of files' pages, which come and go with the machine's load. Growth
compares the median of the minute after `--warm` seconds with the median of the last minute. Prints a Markdown
table; samples go to DIR/memory.csv.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc")
KINDS = ("driver", "islands", "ray", "all")
MEASURES = ("anonymous", "pss")
MINUTE = 60.0

Sample = Mapping[tuple[str, str], float]


def parents() -> dict[int, int]:
    """Parent of every process that can be read."""
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):  # it ended meanwhile
                continue
    return found


def descendants(root: int) -> list[int]:
    """`root` and all processes below it."""
    above, found = parents(), [root]
    for pid in found:
        found += sorted(child for child, parent in above.items() if parent == pid)
    return found


def memory(pid: int) -> dict[str, float]:
    """Memory of a process [MiB]; nothing if it is gone."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return dict.fromkeys(MEASURES, 0.0)
    kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return {"anonymous": kib["Anonymous"] / 1024, "pss": kib["Pss"] / 1024}


def kind(pid: int, root: int) -> str:
    """What a process is there for."""
    if pid == root:
        return "driver"
    try:
        return "islands" if b"Island" in (PROC / str(pid) / "cmdline").read_bytes() else "ray"
    except OSError:
        return "ray"


def sample(root: int) -> Sample:
    """Memory of every kind of process [MiB]."""
    total = {(k, m): 0.0 for k in KINDS for m in MEASURES}
    for pid in descendants(root):
        own, which = memory(pid), kind(pid, root)
        for m in MEASURES:
            total[which, m] += own[m]
            total["all", m] += own[m]
    return total


def growth(samples: list[tuple[float, Sample]], warm: float) -> list[dict[str, object]]:
    """A row for each kind and measure: the minute after `warm`, the last minute, the most between, growth."""
    last = samples[-1][0]
    rows = []
    for k in KINDS:
        for m in MEASURES:
            first, end = (
                statistics.median(s[k, m] for t, s in samples if begin <= t < begin + MINUTE)
                for begin in (warm, last - MINUTE)
            )
            most = max(s[k, m] for t, s in samples if t >= warm)
            percent = 100 * (end / first - 1) if first else 0.0
            rows.append({"processes": k, "measure": m, "first_mib": first, "last_mib": end, "most_mib": most,
                         "growth_percent": percent})  # fmt: skip
    return rows


def main() -> None:
    """Runs the search and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--warm", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options, words = parser.parse_known_args()
    if "--out" not in words:
        parser.error("--out DIR is needed: the samples go there")
    directory = Path(words[words.index("--out") + 1])
    search = subprocess.Popen([sys.executable, "-m", "evo", "search", *words], stdout=sys.stderr)
    began = time.monotonic()
    samples: list[tuple[float, Sample]] = []
    while search.poll() is None:
        at = time.monotonic() - began
        samples.append((at, sample(search.pid)))
        if directory.is_dir():
            with (directory / "memory.csv").open("w", newline="") as file:
                names = [(k, m) for k in KINDS for m in MEASURES]
                write = csv.writer(file).writerow
                write(["seconds", *(f"{k}_{m}_mib" for k, m in names)])
                for t, taken in samples:
                    write([f"{t:.0f}", *(f"{taken[name]:.1f}" for name in names)])
        time.sleep(options.every)
    # The end (proofs, the last records) is no part of the search's steady state.
    running = [(t, s) for t, s in samples if s["islands", "pss"] > 0 or "serial" in words]
    if search.returncode or running[-1][0] < options.warm + MINUTE:
        sys.exit(
            f"the search ended with {search.returncode} after {running[-1][0]:.0f} s: nothing to compare"
        )
    rows = growth(running, options.warm)
    if options.json:
        print(json.dumps({"command": words, "samples": len(running), "results": rows}, indent=1))
        return
    print("| processes | measure | first minute [MiB] | last minute [MiB] | most [MiB] | growth |")
    print("|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['processes']} | {r['measure']} | {r['first_mib']:.1f} | {r['last_mib']:.1f} "
              f"| {r['most_mib']:.1f} | {r['growth_percent']:+.1f} % |")  # fmt: skip


if __name__ == "__main__":
    main()
