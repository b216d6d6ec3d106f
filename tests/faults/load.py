"""Eight jobs by two owners on two cores, and a service that is killed again and again meanwhile.

python tests/faults/load.py [--kills N] [--time SECONDS]

Says how many jobs succeeded, which share of its time budget the worst of them got, core seconds per owner,
and what was left behind. Ends with code 1 if a job was lost or began twice, or if the owners' shares differ
by over 20 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from services import processes_of, running, until


def token(data: Path, owner: str) -> str:
    """Of an owner."""
    words = [sys.executable, "-m", "evo", "token", "create", owner, "--data", str(data)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """The numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--time", type=float, default=8.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        tokens = [token(data, owner) for owner in ("ann", "bob")]
        with running(data) as service:
            ids = [service.submit(tokens[i // 4], time=asked.time, seed=i) for i in range(8)]
            for _ in range(asked.kills):
                time.sleep(3 * asked.time / asked.kills)  # all jobs take four times that of one
                service.kill()
                service.begin()
            jobs = [service.wait(id, "succeeded", "failed", "stopped", seconds=30 * asked.time) for id in ids]
            until(lambda: not processes_of(data), 60, lambda: "processes were left behind")
            seconds = [spent(service.search(id)) for id in ids]
            begun = [sessions(service.search(id)) for id in ids]
    lost = sum(job["state"] != "succeeded" for job in jobs)
    twice = sum(n > 1 for n in begun)
    shares: Counter[str] = Counter()
    for job in jobs:
        shares[job["owner"]] += job["core_seconds"]
    apart = abs(shares["ann"] / shares["bob"] - 1)
    print(f"jobs: {len(jobs)}, service killed: {asked.kills} times, lost: {lost}, begun twice: {twice}")
    print(f"least share of its time budget that a job had: {min(seconds) / asked.time:.2f}")
    print(f"core seconds: ann {shares['ann']:.1f}, bob {shares['bob']:.1f}, apart by {100 * apart:.0f} %")
    sys.exit(1 if lost or twice or apart > 0.2 or min(seconds) < 0.95 * asked.time else 0)


def spent(directory: Path) -> float:
    """Search time [s]."""
    return json.loads((directory / "records.jsonl").read_text().splitlines()[-1])["final"]["final/seconds"]


def sessions(directory: Path) -> int:
    """How often the search began or went on."""
    lines = (directory / "records.jsonl").read_text().splitlines()
    return sum(json.loads(line)["kind"] == "start" for line in lines)


if __name__ == "__main__":
    main()
