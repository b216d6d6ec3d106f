"""Faults of a Ray cluster on which a service's jobs run, each done so many times.

python tests/faults/cluster.py [FAULT ...] [--times N]

For each: jobs that were lost, processes that a job was begun with, and the time until it ran again [s]; that
of a head from its return on. Ends with code 1 if a job was lost.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from services import Service, running, until
from test_ray import free_port, islands_of, start_node, stop

TIME = 25.0
"""Of a job [s]."""


class Cluster:
    """A head of two CPUs, which may die and come back at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.begin()

    def begin(self) -> None:
        """Starts it, and waits until it is there."""
        self.node = start_node(self.folder, "head", "--head", "--port", self.port, "--num-cpus", 2)

    def kill(self) -> None:
        """Ends all of its processes at once."""
        for group in {os.getpgid(pid) for pid in tree(self.node.pid)}:
            os.killpg(group, signal.SIGKILL)
        self.node.wait()


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines()}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [one for one in found if one in parents]


def worker_killed(service: Service, cluster: Cluster, id: str) -> float:
    """SIGKILL to a process of islands: Ray begins another, and the job does not notice."""
    os.kill(islands_of(cluster.node)[0], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: len(islands_of(cluster.node)) == 2, 120)
    assert service.get(f"/jobs/{id}")["attempts"] == 1
    return time.monotonic() - began


def head_killed(service: Service, cluster: Cluster, id: str) -> float:
    """SIGKILL to the head and all of its processes; another comes back at its address after a while."""
    cluster.kill()
    service.wait(id, "recovering", seconds=120)
    until(lambda: "No Ray cluster" in service.get(f"/jobs/{id}")["cause"], 60)
    cluster.begin()
    began = time.monotonic()
    service.wait(id, "running", "succeeded", "failed", seconds=180)
    return time.monotonic() - began


FAULTS: dict[str, Callable[[Service, Cluster, str], float]] = {
    fault.__name__: fault for fault in (worker_killed, head_killed)
}


def once(fault: Callable[[Service, Cluster, str], float], folder: Path) -> tuple[bool, int, float]:
    """Whether the job was lost, how many processes it took, and the time until it ran again [s]."""
    cluster = Cluster(folder)
    try:
        with running(folder / "data", cluster=f"127.0.0.1:{cluster.port}") as service:
            id = service.submit(time=TIME, cores=2, islands=4)
            until((service.search(id) / "checkpoint.npz").exists, 120)
            back = fault(service, cluster, id)
            end = service.wait(id, "succeeded", "failed", seconds=180)
    finally:
        stop(cluster.node)
    return end["state"] != "succeeded", end["attempts"], back


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    bad = 0
    print("| fault | times | jobs lost | processes of a job | back after [s], median and most |")
    print("|---|---|---|---|---|")
    for name in asked.faults or FAULTS:
        found = []
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory() as folder:
                found.append(once(FAULTS[name], Path(folder)))
        lost, times = sum(one[0] for one in found), sorted(one[2] for one in found)
        bad += lost
        row = f"{max(one[1] for one in found)} | {times[len(times) // 2]:.1f}, {times[-1]:.1f}"
        print(f"| {name.replace('_', ' ')} | {len(found)} | {lost} | {row} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
