"""Ctrl-C before and after a command's work: while its modules are imported, and while Python closes them."""

import signal
import subprocess
import sys

import pytest

IMPORTING = """
class Finder:
    def find_spec(self, name, *rest):
        if name == "evo.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
EXITING = """
import atexit
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
"""
WORKING = """
import evo.cli.app
def targets():
    os.kill(os.getpid(), signal.SIGINT)
    return ()
evo.cli.app.api.targets = targets
"""


@pytest.mark.parametrize(
    ("when", "code"), [(IMPORTING, -signal.SIGINT), (EXITING, -signal.SIGINT), (WORKING, 130)]
)
def test_ctrl_c_ends_silently_whenever_it_comes(when, code):
    """A process that the signal ends is 130 to a shell, too."""
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # a job in the background ignores it
    start = f"import os, signal, sys\n{heard}\n{when}\nfrom evo.__main__ import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", start, "targets", "--json"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == code


def test_a_thread_that_still_delivers_does_not_spoil_the_exit_code():
    """Python ends such threads wherever they are, amid C++ code with an abort; so it does not end itself."""
    start = (
        "import atexit, os, sys, threading\nfrom tracking.mlflow_sink import THREAD\n"
        "threading.Thread(target=threading.Event().wait, name=THREAD, daemon=True).start()\n"
        "atexit.register(os.abort)\nfrom evo.__main__ import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, "front", "none"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("evonum: ")
