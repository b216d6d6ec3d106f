"""A disk that is full in mid-search, and has room again after a while; run as root, which mounts a small one.

python tests/faults/disk.py [--times N]

Says whether the job was lost and how long after there was room again it ran.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from services import SPEC, processes_of, running, until

ROOM = "24m"


def once(folder: Path) -> tuple[bool, float]:
    """Whether the job was lost, and the time until it ran again [s]."""
    with running(folder / "data", tries=8) as service:
        id = service.submit(time=20, cache_entries=1 << 16)
        until((service.search(id) / "checkpoint.npz").exists)
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
        fill.unlink()
        began = time.monotonic()
        until(lambda: service.get(f"/jobs/{id}")["attempts"] > 1, 120)
        service.wait(id, "running", "succeeded", "failed")
        back = time.monotonic() - began
        end = service.wait(id, "succeeded", "failed")
    return end["state"] != "succeeded", back


def searching(folder: Path) -> bool:
    """Whether a search runs there."""
    return any(
        b"search" in (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
        for pid in processes_of(folder / "data")
    )


def main() -> None:
    """The row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    found = []
    for _ in range(asked.times):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder], check=True)
            try:
                found.append(once(Path(folder)))
            finally:
                subprocess.run(["umount", "-l", folder], check=True)
    lost, times = sum(one[0] for one in found), sorted(one[1] for one in found)
    print(f"| disk full | {len(found)} | {lost} | {times[len(times) // 2]:.1f}, {times[-1]:.1f} |")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
