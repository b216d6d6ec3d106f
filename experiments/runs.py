"""Runs that are compared: one process each, pinned to a core of its own, its results written as they come.

`launch` starts the runs of a comparison, several at a time; `evolve` is our search in one process for a
given wall time. Neither needs Ray or MLflow.
"""

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo.files import write_atomically
from evo.fronts.front import Front
from evo.islands.exchange import emigrate
from evo.islands.generation import step
from evo.islands.members import Members
from evo.islands.operators import Operators
from evo.islands.state import State, init
from evo.runs.search import make_problem
from evo.runs.spec import make_spec

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Moment:
    """A search between two generations: seconds since its start, its front, the island's state."""

    wall_s: float
    front: Front
    state: State


def evolve(entries: dict[str, Any], budget_s: float, tell: Callable[[Moment], None]) -> None:
    """One island evolves in this process until its wall time is over; `tell` is told after every generation.

    What the island has of news is polished as a search's islands do it, within the same time.

    Args:
        entries: of `evo.runs.spec.SearchSpec`.
        budget_s: stops at the end of the generation in which this time is over [s].
    """
    started = time.monotonic()
    problem = make_problem(make_spec(entries).settled()).of_island(0)
    operators, members, state, front = Operators(problem), Members(problem), init(problem), Front(())
    while (wall := time.monotonic() - started) < budget_s or not state.generation:
        state, _ = step(operators, 0, state)
        news, state = emigrate(operators, state)
        front = Front.of([*front, *members.of(news)]).found_first(front)
        wall = time.monotonic() - started
        tell(Moment(wall, front, state))


def machine() -> dict[str, Any]:
    """What the figures of a run depend on besides its code."""
    cpu = "unknown"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "pinned": sorted(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def write(path: Path, result: Any) -> None:
    """The result as JSON, whole or not at all; numbers that are not finite become null."""
    write_atomically(path, (json.dumps(_finite(result), indent=1) + "\n").encode())


def read(directory: Path) -> list[dict[str, Any]]:
    """All results of a directory, by file name."""
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def is_finished(path: Path) -> bool:
    """Whether a run's file is there and says so."""
    return path.exists() and bool(json.loads(path.read_text()).get("finished"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def add_options(parser: argparse.ArgumentParser, seconds: float) -> None:
    """The options that every comparison has."""
    parser.add_argument("--out", type=folder, required=True, help="directory of the results, one file a run")
    parser.add_argument("--time", type=duration, default=seconds, help="wall time of each run [s]")
    parser.add_argument("--seeds", type=count, default=5, help="seeds 0, 1, ...")
    parser.add_argument("--processes", type=count, default=1, help="runs at a time")
    parser.add_argument(
        "--cores", type=parse_cores, default="", help="cores for them, such as 0-29 or 2,3; all by default"
    )


def folder(text: str) -> Path:
    """A directory, or what can become one."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no directory")
    return path


def results_in(text: str) -> Path:
    """A directory that holds results."""
    path = folder(text)
    if not any(path.glob("*.json")):
        raise argparse.ArgumentTypeError(f"{text} holds no results (*.json); `start` makes them")
    for file in path.glob("*.json"):
        try:
            sound = "finished" in json.loads(file.read_bytes())
        except (OSError, RecursionError, TypeError, ValueError):
            sound = False
        if not sound:
            raise argparse.ArgumentTypeError(f"{file} is not the result of a run")
    return path


def duration(text: str) -> float:
    """A positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, got {text!r}")
    return value


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def parse_cores(text: str) -> list[int]:
    """Core numbers of `0-3,8`; those this process may use if empty.

    Raises:
        argparse.ArgumentTypeError: another form, or a core that this process may not use.
    """
    free = sorted(os.sched_getaffinity(0))
    if not text:
        return free
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", text):
        raise argparse.ArgumentTypeError(f"expected core numbers such as 0-29 or 2,3, got {text[:60]!r}")
    spans = [part.partition("-") for part in text.split(",")]
    cores = [core for lo, _, hi in spans for core in range(int(lo), int(hi or lo) + 1)]
    if not cores or not set(cores) <= set(free):
        mine = ",".join(map(str, free))
        raise argparse.ArgumentTypeError(f"{text[:60]} are not all cores of this process, which has {mine}")
    return cores


def launch(
    script: str, jobs: Iterable[Sequence[str]], done: Callable[[Sequence[str]], bool], args: Any
) -> int:
    """Runs `python SCRIPT run JOB... --time T --out DIR` for every job that is not done, one core each.

    Returns:
        The number of jobs that failed; what they said stands in the `.log` file of their name.
    """
    cores = deque(args.cores[: args.processes])
    waiting = deque(job for job in jobs if not done(job))
    running: dict[subprocess.Popen[bytes], tuple[Sequence[str], int, Any]] = {}
    failed = 0
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"{len(waiting)} runs of {args.time:g} s on cores {list(cores)}", flush=True)
    try:
        while waiting or running:
            while waiting and cores:
                job, core = waiting.popleft(), cores.popleft()
                words = "-".join(job[:3]).replace("--", "").replace(" ", "-")
                log = (args.out / f"{words}.log").open("wb")
                command = [
                    sys.executable,
                    script,
                    "run",
                    *job,
                    "--time",
                    str(args.time),
                    "--out",
                    str(args.out),
                ]
                process = subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **SINGLE},
                    preexec_fn=lambda core=core: os.sched_setaffinity(0, {core}),
                )
                running[process] = job, core, log
            time.sleep(0.1)
            for process in [p for p in running if p.poll() is not None]:
                job, core, log = running.pop(process)
                log.close()
                cores.append(core)
                failed += process.returncode != 0
                print(f"{' '.join(job)}: {'ok' if process.returncode == 0 else 'FAILED'}", flush=True)
    finally:
        for process in running:
            process.terminate()
    return failed
