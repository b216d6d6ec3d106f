"""Faults of the local launcher, each done so many times to a service with a running job.

python tests/faults/local.py [FAULT ...] [--times N]

For each: jobs that were lost (accepted, and not succeeded at the end), members of the front that got worse,
and the time until the job ran again [s]. Ends with code 1 if anything was lost, hung, or left behind.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from evo.service.launcher import COMMAND
from evo.service.processes import of_directory
from services import Service, processes_of, running, until

TIME = 6.0
"""Of a job [s]."""


@dataclass
class Case:
    """A service with a job under way.

    Attributes:
        service: that runs it.
        id: of the job.
        back: time until the job ran again [s].
    """

    service: Service
    id: str
    back: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """Of the job's process."""
        found = of_directory(self.service.search(self.id), COMMAND)
        assert found is not None, "the job has no process"
        return found.pid

    def hit(self) -> None:
        """The fault is done: from now on it counts."""
        self.began = time.monotonic()

    def runs_again(self, tries: int = 1) -> None:
        """Waits until the job has begun so many processes and runs, or ended."""

        def there() -> bool:
            job = self.service.get(f"/jobs/{self.id}")
            return job["state"] in ("succeeded", "failed") or (
                job["state"] == "running" and job["attempts"] > tries
            )

        until(there, 120)
        self.back = time.monotonic() - self.began

    def errors(self) -> dict[int, float]:
        """Of the front, by operations."""
        try:
            members = json.loads((self.service.search(self.id) / "front.json").read_text())
        except OSError:
            return {}
        return {m["ops"]: m["sampled_error"] for m in members}


def driver_killed(case: Case) -> None:
    """SIGKILL to the search."""
    os.kill(case.pid, signal.SIGKILL)
    case.hit()
    case.runs_again()


def driver_terminated(case: Case) -> None:
    """SIGTERM to the search, from nobody here: a machine that is shut down."""
    os.kill(case.pid, signal.SIGTERM)
    case.hit()
    case.runs_again()


def service_killed(case: Case) -> None:
    """SIGKILL to the service; it comes back and finds the search running."""
    before = case.pid
    case.service.kill()
    case.hit()
    case.service.begin()
    state = case.service.get(f"/jobs/{case.id}")["state"]
    case.back = time.monotonic() - case.began
    assert state in ("running", "starting", "succeeded"), state
    assert state == "succeeded" or case.pid == before, "it was begun again beside the one that lives"


def both_killed(case: Case) -> None:
    """SIGKILL to the service and to the search: power cut."""
    pid = case.pid
    case.service.kill()
    os.kill(pid, signal.SIGKILL)
    case.hit()
    case.service.begin()
    case.runs_again()


def checkpoint_truncated(case: Case) -> None:
    """The checkpoint loses its second half, and the search dies."""
    path = case.service.search(case.id) / "checkpoint.npz"
    os.kill(case.pid, signal.SIGKILL)
    os.truncate(path, path.stat().st_size // 2)
    case.hit()
    case.runs_again()


def checkpoint_flipped(case: Case) -> None:
    """Bytes in the middle of the checkpoint change, and the search dies."""
    path = case.service.search(case.id) / "checkpoint.npz"
    os.kill(case.pid, signal.SIGKILL)
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 64)
    case.hit()
    case.runs_again()


def stale_driver(case: Case) -> None:
    """A second process on the same directory, begun by somebody else: it is refused, the job unharmed."""
    directory = str(case.service.search(case.id))
    words = [
        sys.executable,
        "-m",
        "evo",
        "search",
        "--resume",
        directory,
        "--workers",
        "serial",
        "--no-record",
    ]
    case.hit()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    case.back = time.monotonic() - case.began
    job = case.service.get(f"/jobs/{case.id}")
    refused = done.returncode == 1 and "Another process" in done.stderr
    assert refused or job["state"] == "succeeded", (done.returncode, done.stderr)
    assert job["attempts"] == 1


FAULTS: dict[str, Callable[[Case], None]] = {
    fault.__name__: fault
    for fault in (
        driver_killed, driver_terminated, service_killed, both_killed, checkpoint_truncated,
        checkpoint_flipped, stale_driver,
    )
}  # fmt: skip


def once(fault: Callable[[Case], None], folder: Path) -> tuple[bool, int, float]:
    """Whether the job was lost, how many members got worse, and the time until it ran again [s]."""
    with running(folder / "data") as service:
        case = Case(service, service.submit(time=TIME))
        until(lambda: (service.search(case.id) / "checkpoint.npz").exists())
        before = case.errors()
        fault(case)
        end = service.wait(case.id, "succeeded", "failed", "stopped")
        after = case.errors()
        worse = sum(after.get(ops, float("inf")) > error * 1.001 for ops, error in before.items())
        until(lambda: not processes_of(folder / "data"), 60, lambda: "processes were left behind")
    return end["state"] != "succeeded", worse, case.back


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    bad = 0
    print("| fault | times | jobs lost | members lost | back after [s], median and most |")
    print("|---|---|---|---|---|")
    for name in asked.faults or FAULTS:
        found = []
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory() as folder:
                found.append(once(FAULTS[name], Path(folder)))
        lost, worse = sum(one[0] for one in found), sum(one[1] for one in found)
        times = sorted(one[2] for one in found)
        bad += lost + worse
        row = f"{times[len(times) // 2]:.1f}, {times[-1]:.1f}"
        print(f"| {name.replace('_', ' ')} | {len(found)} | {lost} | {worse} | {row} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
