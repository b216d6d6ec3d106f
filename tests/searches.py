"""Small searches for the tests, as separate processes: the command itself, killed if need be."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import forked
from evo.cli.app import main

SMALL = {
    "target": "exp2",
    "max_ops": 4,
    "islands": 2,
    "offspring": 256,
    "parents": 64,
    "epoch": 3,
    "niche": 8,
    "cache_entries": 1 << 14,
}
"""A specification whose generations take milliseconds."""
EVONUM = [sys.executable, "-m", "evo"]


def write_spec(folder: Path, **entries: object) -> Path:
    """The YAML file (JSON is YAML) of SMALL with these entries."""
    path = folder / "spec.yaml"
    path.write_text(json.dumps({**SMALL, **entries}))
    return path


def command_of(words: Sequence[object], recorded: bool = False) -> list[str]:
    """The command; MLflow costs a search some seconds of processor time, so most tests do without."""
    unrecorded = ["--no-record"] if words[:1] == ("search",) and not recorded else []
    return [*EVONUM, *map(str, words), *unrecorded]


def evonum(
    *words: object, cwd: Path, env: dict[str, str] | None = None, recorded: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end, in a process of its own."""
    return forked.run(command_of(words, recorded)[len(EVONUM) :], cwd, {**os.environ, **(env or {})}, 240)


def evonum_here(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process: for what is refused before anything starts."""
    out, error = io.StringIO(), io.StringIO()
    before = sys.argv, os.getcwd()
    sys.argv = ["evonum", *map(str, words)]
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), error.getvalue())
    finally:
        sys.argv = before[0]
        os.chdir(before[1])
    raise AssertionError("the command did not end by an exit")


def start(*words: object, cwd: Path, recorded: bool = False) -> subprocess.Popen[str]:
    """Starts the command in a session of its own."""
    command = command_of(words, recorded)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=cwd, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for(condition: object, process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Waits until `condition()` holds; fails if the process ends first."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def without_times(front_json: Path) -> list[dict[str, object]]:
    """The members of a front.json apart from the times."""
    return [
        {k: v for k, v in m.items() if k != "seconds_to_find"} for m in json.loads(front_json.read_text())
    ]
