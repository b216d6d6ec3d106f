"""A disk that is full in mid-search, and has room again after a while; run as root, which mounts a small one.

python tests/faults/disk.py [--times N]

Prints a table (`table`). The time counts from the return of room until the job has begun again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults import table
from services import SPEC, processes_of, running, until

ROOM = "24m"
TIME = 20.0
"""Of a job [s]."""


def disk_full(folder: Path) -> table.Cost:
    """Until no search can save, and the service cannot note it either."""
    with running(folder / "data", tries=8) as service:
        id = service.submit(time=TIME, cache_entries=1 << 16)
        search = service.search(id)
        until(lambda: (search / "checkpoint.npz").exists() and table.errors(search))
        before = table.errors(search)
        fill = folder / "fill"
        with open(fill, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                os.fsync(file.fileno())
        until(lambda: not searching(folder), 90)
        time.sleep(3)  # the service cannot note anything either
        refused = service.ask("POST", "/api/v1/jobs", json={"spec": SPEC})
        assert refused.status_code == 503, refused.text
        before |= table.errors(search)  # what was saved last
        fill.unlink()
        began = time.monotonic()
        until(lambda: service.get(f"/jobs/{id}")["attempts"] > 1, 120)
        service.wait(id, "running", "succeeded", "failed")
        back = time.monotonic() - began
        end = service.wait(id, "succeeded", "failed")
        worse = table.worse(before, table.errors(search))
    return table.Cost(end["state"] != "succeeded", worse, end["attempts"], back)


def once(fault: Callable[[Path], table.Cost], folder: Path) -> table.Cost:
    """Does a fault on a small disk of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder], check=True)
    try:
        return fault(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def searching(folder: Path) -> bool:
    """Whether a search runs there."""
    return any(
        b"search" in (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
        for pid in processes_of(folder / "data")
    )


if __name__ == "__main__":
    table.main({"disk_full": disk_full}, once, __doc__)
