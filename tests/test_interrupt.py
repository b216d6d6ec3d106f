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


DROPPED = """
class Dropping:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass
class Finder:
    def find_spec(self, name, *rest):
        if name == "ray":
            Dropping()
            for _ in range(3000):
                time.sleep(0.01)
sys.meta_path.insert(0, Finder())
"""
"""A signal in a finalizer, while Ray is imported; the import ends by the signal alone."""


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


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_where_python_drops_exceptions_ends_the_start_of_a_search_silently(name, code, tmp_path):
    """It was `Exception ignored in: <function _releaseLock ...>` and a traceback, where Ray forks."""
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"import os, signal, sys, time\n{heard}\n{DROPPED.format(name=name)}\n"
    start += "from evo.__main__ import main\nmain()"
    words = ["search", "exp2", "--max-ops", "2", "--time", "1s", "--no-record", "--out", "s"]
    done = subprocess.run(
        [sys.executable, "-c", start, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert not (tmp_path / "s").exists()
