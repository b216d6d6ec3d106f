"""How long a service takes from nothing to ready, and a job from its submission to the first front.

python tests/faults/start.py [--times N] [--ray] [--nice N]

With --ray on a Ray cluster, which is there before. On a machine with other work, setsid --wait and --nice -10
(as root) put all of it before that. Prints median and most of wall time [s], and the processor time of the
service until it is ready [s].
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from evo.service.processes import step_back
from services import events, running, until
from test_ray import free_port, start_node, stop


def once(folder: Path, cluster: str | None) -> tuple[float, float, float]:
    """From nothing to ready, processor time of that, from submission to the first front [s]."""
    began = time.monotonic()
    with running(folder / "data", helpers=2, look=0.25, cluster=cluster) as service:
        until(lambda: service.ask("GET", "/readyz").status_code == 200)
        ready = time.monotonic() - began
        pid = service.process.pid
        used = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / 100
        time.sleep(2)
        began = time.monotonic()
        id = service.submit(time=3)
        for event in events(service, id):
            if event["event"] == "front":
                break
        first = time.monotonic() - began
        service.wait(id, "succeeded")
    return ready, used, first


def main() -> None:
    """The numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--nice", type=int, default=0)
    asked = parser.parse_args()
    if asked.nice:
        step_back(os.getpid(), asked.nice)
    found = []
    with ExitStack() as stack:
        cluster = begun(stack) if asked.ray else None
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory() as folder:
                found.append(once(Path(folder), cluster))
    for name, times in zip(
        ("ready", "ready, processor", "first front"), zip(*found, strict=True), strict=True
    ):
        ordered = sorted(times)
        print(f"{name}: {ordered[len(ordered) // 2]:.2f} s, at most {ordered[-1]:.2f} s")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"all processes: {(used.ru_utime + used.ru_stime) / asked.times:.1f} s of processor a time")


def begun(stack: ExitStack) -> str:
    """The address of a Ray cluster of one node, until the stack is closed."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    port = free_port()
    node = start_node(
        folder, "head", "--head", "--include-dashboard", "false", "--port", port, "--num-cpus", 2
    )
    stack.callback(stop, node)
    step_back(node.pid, 0)
    return f"127.0.0.1:{port}"


if __name__ == "__main__":
    main()
