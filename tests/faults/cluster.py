"""Faults of a Ray cluster on which a service's jobs run, each done so many times.

python tests/faults/cluster.py [FAULT ...] [--times N]

Prints a table (`table`); the time of a head that was killed counts from its return on until the search gets
further, and has the other node's begin in it. Ends with code 1 if anything was lost, hung, or left behind.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults import table
from services import Service, processes_of, running, until
from test_ray import children, free_port, islands_of, raylet, start_node, stop

TIME = 30.0
"""Of a job [s]."""
LONG = 60.0
"""Of one that loses a node [s]: Ray takes half of it to miss that, unless its head is told to be quicker."""


class Cluster:
    """A head and another node, of one CPU each; the head may die and come back at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.began = 0.0

    def begin(self) -> None:
        """Starts both, and waits until they are there; notes when the head was."""
        self.nodes = [
            start_node(
                self.folder,
                "head",
                "--head",
                "--include-dashboard",
                "false",
                "--port",
                self.port,
                "--num-cpus",
                1,
            )
        ]
        self.began = time.monotonic()
        address = f"127.0.0.1:{self.port}"
        self.nodes.append(start_node(self.folder, "second", "--address", address, "--num-cpus", 1))

    def islands(self) -> list[int]:
        """Processes of islands."""
        found = []
        for node in self.nodes:
            with suppress(StopIteration):  # it is gone
                found += islands_of(node)
        return found

    def kill(self) -> None:
        """Ends the head with all of its processes at once; the other node ends without a head."""
        head, second = self.nodes
        for group in {os.getpgid(pid) for pid in tree(head.pid)}:
            os.killpg(group, signal.SIGKILL)
        head.wait()
        second.wait(120)

    def end(self) -> None:
        """Ends those that were started, whatever is left of them."""
        for node in reversed(self.nodes):
            stop(node)


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
    os.kill(islands_of(cluster.nodes[1])[0], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: len(cluster.islands()) == 2, 120)
    assert service.get(f"/jobs/{id}")["attempts"] == 1
    return time.monotonic() - began


def head_killed(service: Service, cluster: Cluster, id: str) -> float:
    """SIGKILL to the head and all of its processes; another comes back at its address after a while."""
    cluster.kill()
    service.wait(id, "recovering", seconds=120)
    until(lambda: "No Ray cluster" in service.get(f"/jobs/{id}")["cause"], 60)
    had = len(table.metrics(service.search(id)))
    cluster.begin()
    until(lambda: len(table.metrics(service.search(id))) > had, 180)
    return time.monotonic() - cluster.began


def node_killed(service: Service, cluster: Cluster, id: str) -> float:
    """SIGKILL to the raylet of the second node and to all that it started, its islands among them."""
    victims = [raylet(cluster.nodes[1]), *children(raylet(cluster.nodes[1]))]
    for number in victims:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    began = time.monotonic()
    log, records = service.data / "jobs" / id / "log.txt", service.search(id) / "records.jsonl"
    until(lambda: "Going back from" in log.read_text(), 120)
    size = records.stat().st_size
    until(lambda: records.stat().st_size > size, 60)
    assert service.get(f"/jobs/{id}")["attempts"] == 1
    return time.monotonic() - began


def deaths(service: Service, id: str) -> int:
    """How many processes of a job the service saw die."""
    return sum("it is resumed in" in event["cause"] for event in service.get(f"/jobs/{id}/history"))


FAULTS: dict[str, Callable[[Service, Cluster, str], float]] = {
    fault.__name__: fault for fault in (worker_killed, node_killed, head_killed)
}


def once(fault: Callable[[Service, Cluster, str], float], folder: Path) -> table.Cost:
    """Does a fault to a job of two CPUs, one on each node."""
    cluster = Cluster(folder)
    try:
        cluster.begin()
        with running(folder / "data", cluster=f"127.0.0.1:{cluster.port}") as service:
            id = service.submit(time=LONG if fault is node_killed else TIME, cores=2, islands=4)
            search = service.search(id)
            until((search / "checkpoint.npz").exists, 120)
            until(lambda: [len(islands_of(node)) for node in cluster.nodes] == [1, 1], 120)
            before = table.errors(search)
            back = fault(service, cluster, id)
            end = service.wait(id, "succeeded", "failed", seconds=180)
            gone = table.worse(before, table.errors(search))
            assert end["attempts"] == 1 + deaths(service, id), "a process was begun beside one that lives"
            until(lambda: not processes_of(folder / "data"), 60, lambda: "processes were left behind")
            until(lambda: not cluster.islands(), 60, lambda: "islands were left behind")
    finally:
        cluster.end()
    return table.Cost(end["state"] != "succeeded", gone, end["attempts"], back)


if __name__ == "__main__":
    table.main(FAULTS, once, __doc__)
