"""A program that ends with whoever started it."""

import os
import signal
import subprocess
import sys
import time

import pytest

STARTER = """
import signal, sys, time
from tracking.kept import Kept
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
with Kept([sys.executable, "-c", sys.argv[1]]) as kept:
    sys.exit(kept.wait())
"""
PROGRAM = (
    "import os, subprocess, time; child = subprocess.Popen(['sleep', '1000']);"
    "print(os.getpid(), child.pid, flush=True); "
)


def started(program):
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pids):
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_program_and_its_children_end_with_their_starter_however_that_ends(number):
    with started(PROGRAM + "time.sleep(1000)") as starter:
        pids = list(map(int, starter.stdout.readline().split()))
        assert all(alive(pid) for pid in pids)
        os.kill(starter.pid, number)
        gone(pids)


def test_a_program_that_ends_by_itself_gives_its_exit_code_and_leaves_no_child():
    with started(PROGRAM + "raise SystemExit(7)") as starter:
        pids = list(map(int, starter.stdout.readline().split()))
        assert starter.wait(60) == 7
        gone(pids)
