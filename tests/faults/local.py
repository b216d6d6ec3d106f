"""Faults of the local launcher, each done so many times to a service with a running job.

python tests/faults/local.py [FAULT ...] [--times N]

Prints a table (`table`). Ends with code 1 if anything was lost, hung, or left behind. What sets the clock
needs Debian's package faketime (make faketime).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from evo.service.launcher import COMMAND
from evo.service.processes import of_directory
from faults import table
from services import Service, processes_of, running, until

TIME = 6.0
"""Of a job [s]."""


@dataclass
class Case:
    """A service with a job under way.

    Attributes:
        service: that runs it.
        id: of the job.
        clock: a file with what the clocks of the service and of its jobs are ahead.
        back: time until the job ran again [s].
    """

    service: Service
    id: str
    clock: Path
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


def clock_set_back(case: Case) -> None:
    """An hour, of the service and the search; both go on, and the search has its whole time."""
    reached = table.generations(case.service.search(case.id))
    set_back(case)
    until(lambda: table.generations(case.service.search(case.id)) > reached or over(case))
    case.back = time.monotonic() - case.began
    case.service.wait(case.id, "succeeded", "failed")
    lines = (case.service.search(case.id) / "records.jsonl").read_text().splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    assert last["time"] < first["time"], "the search's clock was not set back"
    assert last["final"]["final/seconds"] >= 0.95 * TIME, last["final"]


def clock_set_back_driver_killed(case: Case) -> None:
    """An hour; then SIGKILL to the search."""
    set_back(case)
    driver_killed(case)


def set_back(case: Case) -> None:
    """Sets the clocks back by an hour."""
    case.clock.write_text("-3600\n")
    case.hit()


def over(case: Case) -> bool:
    """Whether the job has ended."""
    return case.service.get(f"/jobs/{case.id}")["state"] in ("succeeded", "failed")


def shifted(clock: Path) -> dict[str, str]:
    """The environment of processes whose clock, not the monotonic one, a file sets.

    Raises:
        RuntimeError: there is no libfaketime.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError("libfaketime is missing: make faketime")
    return {
        "LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }  # fmt: skip


FAULTS: dict[str, Callable[[Case], None]] = {
    fault.__name__: fault
    for fault in (
        driver_killed, driver_terminated, service_killed, both_killed, checkpoint_truncated,
        checkpoint_flipped, stale_driver, clock_set_back, clock_set_back_driver_killed,
    )
}  # fmt: skip


def once(fault: Callable[[Case], None], folder: Path) -> table.Cost:
    """Does a fault to a job."""
    clock = folder / "clock"
    clock.write_text("+0\n")
    environment = shifted(clock) if fault.__name__.startswith("clock") else {}
    with running(folder / "data", environment) as service:
        case = Case(service, service.submit(time=TIME), clock)
        search = service.search(case.id)
        until((search / "checkpoint.npz").exists)
        before = table.errors(search)
        fault(case)
        end = service.wait(case.id, "succeeded", "failed", "stopped")
        gone = table.worse(before, table.errors(search))
        until(lambda: not processes_of(folder / "data"), 60, lambda: "processes were left behind")
    return table.Cost(end["state"] != "succeeded", gone, end["attempts"], case.back)


if __name__ == "__main__":
    table.main(FAULTS, once, __doc__)
