"""Commands in forks of one process that has the command line imported: a start costs milliseconds.

As a program it is that process: a line of JSON asks for a command, a line answers with its exit code.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


def run(
    words: Sequence[object], cwd: Path, env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """`evonum WORDS` to its end, with nothing to read.

    Args:
        env: all of its environment.
        seconds: after which it is killed, with what it started.

    Raises:
        subprocess.TimeoutExpired: it was.
    """
    argv = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder) / "out", Path(folder) / "error"
        asked = {"argv": argv, "cwd": str(cwd), "env": dict(env), "out": str(out), "error": str(error)}
        code = _answer(json.dumps({**asked, "seconds": seconds}))
        if code is None:
            raise subprocess.TimeoutExpired(argv, seconds)
        return subprocess.CompletedProcess(argv, code, out.read_text(), error.read_text())


def _answer(line: str) -> int | None:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(line + "\n")
    server.stdin.flush()
    said = server.stdout.readline()
    assert said, f"the process that is forked ended: {server.wait()}"
    answer: int | None = json.loads(said)
    return answer


@cache
def _server() -> "subprocess.Popen[str]":
    """One for each process of tests; it ends when its input does."""
    words = [sys.executable, __file__]
    server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)
    return server


def main() -> None:
    """Answers until there are no more lines; in a fork, ends as the command does."""
    import evo.islands.selection  # noqa: F401 - every search imports it later
    from evo.cli.app import main as evonum

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
            evonum()
            return
        print(json.dumps(_waited(child, asked["seconds"])), flush=True)


def _become(asked: dict[str, object]) -> None:
    """A session of its own, in the folder and environment that are asked for."""
    os.setsid()
    files = [os.open(os.devnull, os.O_RDONLY)]
    files += [os.open(str(asked[name]), os.O_WRONLY | os.O_CREAT) for name in ("out", "error")]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    os.chdir(str(asked["cwd"]))
    sys.argv = ["evonum", *asked["argv"]]  # type: ignore[misc]


def _waited(child: int, seconds: float) -> int | None:
    """Its exit code, negative after a signal; None where it took too long."""
    watched = os.pidfd_open(child)
    ready, _, _ = select.select([watched], [], [], seconds)
    os.close(watched)
    if not ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if ready else None


if __name__ == "__main__":
    main()
