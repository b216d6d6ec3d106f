"""Hostile commands and files, made from a seed: evonum has to answer each of them decently.

    python experiments/attack.py --count 1000 --seed 0

Every command runs in a forked process, in a folder of its own that holds searches, fronts, certificates and
formulas, sound ones and damaged ones. A fault is: a traceback or a warning of Python, an exit code that is
not documented, a refusal that is not one line beginning with "evonum: ", success without a result, JSON that
is none, an error that recomputing (experiments/recompute.py) finds larger than what is said, a file that
changed though the command may not change it, control characters on the terminal, and no end. Exit code 1 if
there is any.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import hashlib
import json
import math
import os
import random
import re
import resource
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import mpmath

import recompute
from evo.cli.app import main as evonum
from evo.errors import EXIT_CODES
from hostile import Command, commands
from hostile_files import seed_folder

LIMIT_S = 40.0
"""Of a command, on a machine with other work."""
MEMORY = 24 << 30
"""Bytes of address space: more is asked for by nothing that is sound."""
LONGEST_LINE = 3000
"""Characters of a refusal."""
CODES = {0, *EXIT_CODES.values()}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
WARNING = re.compile(r"\b[A-Z]\w*Warning\b: ")
POINTS, DIGITS = 60, 40
"""Of the errors that are computed again."""


@dataclasses.dataclass(frozen=True)
class Done:
    """How a command ended; `code` is None after `LIMIT_S`, negative after a signal."""

    code: int | None
    out: str
    error: str
    seconds: float


def run(command: Command, folder: Path) -> Done:
    """Runs a command in `folder`, forked from this process."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        child = os.fork()
        if child == 0:
            _become(command, folder, out.fileno(), error.fileno())
        code = _wait(child, began + LIMIT_S)
        said, complained = _text_of(out), _text_of(error)
    return Done(code, said, complained, time.monotonic() - began)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _wait(child: int, deadline: float) -> int | None:
    code = None
    while code is None and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started, too
    if code is None:
        os.waitpid(child, 0)
    return code


def _become(command: Command, folder: Path, out: int, error: int) -> None:
    """The child: the command line as it is, in a session of its own."""
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(error, 2)
        sys.stdout, sys.stderr = (
            os.fdopen(os.dup(n), "w", errors=e) for n, e in ((1, "strict"), (2, "backslashreplace"))
        )
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        os.chdir(folder)
        if command.read_only:
            _obey_modes()
        sys.argv = ["evonum", *command.words]
        evonum()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 71
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code & 0xFF)


def _obey_modes() -> None:
    """Takes from root, if that is who runs this, the right to write and read whatever a file's mode says."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    sets[0] &= ~0b110  # the effective set's CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    libc.capset(header, sets)


def files_of(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What lies in a folder: kind, mode and content of each."""
    found: dict[str, tuple[Any, ...]] = {}
    todo = [str(folder)]
    while todo:  # os.walk calls itself, and ends at a thousand folders below each other
        for entry in _entries(todo.pop()):
            state = os.lstat(entry.path)
            content: Any = None
            if stat.S_ISLNK(state.st_mode):
                content = os.readlink(entry.path)
            elif stat.S_ISREG(state.st_mode):
                content = hashlib.blake2b(Path(entry.path).read_bytes()).digest()
            elif stat.S_ISDIR(state.st_mode):
                todo.append(entry.path)
            found[os.path.relpath(entry.path, folder)] = (
                stat.S_IFMT(state.st_mode),
                stat.S_IMODE(state.st_mode),
                content,
            )
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Of a folder; none where its name is too long or its mode forbids it."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def faults_of(command: Command, done: Done, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is wrong with the answer to a command, a line each."""
    found = list(_faults_of_end(command, done))
    if not found:
        found += _faults_of_result(command, done) if done.code == 0 else _faults_of_refusal(command, done)
    changed = [name for name, state in before.items() if after.get(name) != state]
    for name in changed:
        if done.code == 2 or not command.may_change(name):
            found.append(f"{'changed' if name in after else 'deleted'}: {name}")
    if "pwned" in after:
        found.append("a word was executed")
    return found


def _faults_of_end(command: Command, done: Done) -> Iterator[str]:
    if done.code is None:
        yield f"no end within {LIMIT_S:.0f} s"
    elif done.code not in CODES:
        yield f"exit code {done.code}"
    for text in (done.out, done.error):
        if "Traceback" in text or "Exception ignored" in text:
            yield "a traceback"
        if told := WARNING.search(text):
            yield f"a warning: {text[told.start() : told.start() + 200]!r}"
    if CONTROL.search(done.error) or (CONTROL.search(done.out) and "--json" not in command.words):
        yield "control characters"


def _faults_of_refusal(command: Command, done: Done) -> Iterator[str]:
    lines = done.error.splitlines()
    ours = [line for line in lines if line.startswith("evonum: ")]
    if len(ours) != 1 or lines[-1] != ours[0]:
        yield f"not one line that begins with evonum: {lines[-3:]!r}"
    elif len(lines) > 1 and not command.says_progress:
        yield f"more than one line: {lines[:3]!r}"
    elif len(ours[0]) > LONGEST_LINE:
        yield f"a message of {len(ours[0])} characters"
    elif len(ours[0]) < 20:
        yield f"a message that says nothing: {ours[0]!r}"
    if done.out.strip() and "--json" in command.words and command.words[0] not in ("verify",):
        yield "a result though it failed"


def _faults_of_result(command: Command, done: Done) -> Iterator[str]:
    if not done.out.strip():
        yield "success without a result"
    if "--json" not in command.words or "--help" in command.words:
        return
    try:
        result = json.loads(done.out, parse_constant=_no_constant)
    except ValueError as error:
        yield f"no JSON: {error}"
        return
    if command.words[0] == "front":  # shows what a file says
        return
    for member in _members(result):
        yield from _faults_of_member(member)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _members(result: Any) -> Iterator[dict[str, Any]]:
    if isinstance(result, dict):
        if "program" in result and "sampled_error" in result:
            yield result
        for value in result.values():
            yield from _members(value)
    elif isinstance(result, list):
        for value in result:
            yield from _members(value)


def _faults_of_member(member: dict[str, Any]) -> Iterator[str]:
    """Of a formula in an answer; what recomputing does not know is left out."""
    for name in ("sampled_error", "polished_error", "proved_bound"):
        claim = member.get(name)
        if claim is not None and not (isinstance(claim, int | float) and 0 <= claim < math.inf):
            yield f"{name} {claim!r}"
            return
    if member.get("dtype", "real") != "real":
        return
    mpmath.mp.dps = DIGITS
    try:
        recompute._check(member)
    except recompute.NoFrontError:
        return
    try:
        with _within(LIMIT_S):
            error, worst_x = recompute.recompute(member, POINTS, {})
    except TimeoutError:
        return
    claims = [member["sampled_error"] * (1 + 1e-3), member["proved_bound"]]
    if error > min(claim for claim in claims if claim is not None):
        yield f"error {error:.6e} at {worst_x:.6g}, larger than {claims}"


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """A context that ends in a TimeoutError: constants of thousands of digits take mpmath for ever."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attack(
    count: int, seed: int, kinds: set[str], report: Any = None
) -> list[tuple[Command, Done, list[str]]]:
    """Runs `count` commands; each with its end and its faults."""
    results = []
    with _scratch() as scratch:
        base, place = Path(scratch) / "base", Path(scratch) / "here"
        os.chmod(scratch, 0o755)
        seed_folder(base, lambda words, where: run(Command(tuple(words)), where))
        rng = random.Random(seed)
        for command in commands(rng, count, base, kinds):
            shutil.copytree(base, place, symlinks=True)
            command.prepare(place)
            before = files_of(place)
            done = run(command, place)
            results.append((command, done, faults_of(command, done, before, files_of(place))))
            _remove(place)
            if report is not None:
                report(*results[-1])
    return results


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """A folder that is removed afterwards."""
    folder = tempfile.mkdtemp(prefix="attack-")
    try:
        yield folder
    finally:
        _remove(Path(folder))


def _remove(folder: Path) -> None:
    """Whatever its modes; shutil.rmtree ends at a thousand folders below each other."""
    subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", folder], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=[], help="commands, such as verify; all by default")
    parser.add_argument("--log", type=Path, help="every command and its answer, a JSON object a line")
    args = parser.parse_args()
    log = args.log.open("w") if args.log else None

    def report(command: Command, done: Done, found: list[str]) -> None:
        if log is not None:
            said = {**command.told(), **dataclasses.asdict(done), "faults": found}
            print(json.dumps(said), file=log, flush=True)
        if found:
            print(f"{command.file}: " if command.file else "", shlex.join(command.words)[:400], sep="")
            for line in found:
                print(f"    {line}", flush=True)

    results = attack(args.count, args.seed, set(args.kinds), report)
    ends = Counter((command.words[0] if command.words else "", done.code) for command, done, _ in results)
    for name in sorted({name for name, _ in ends}):
        codes = ", ".join(f"{code}: {n}" for (of, code), n in sorted(ends.items(), key=str) if of == name)
        print(f"{name[:20]!r:24} {codes}")
    faulty = sum(1 for *_, found in results if found)
    slowest = max(done.seconds for _, done, _ in results)
    print(f"{len(results)} commands, {faulty} with faults, the slowest took {slowest:.1f} s")
    return min(faulty, 1)


if __name__ == "__main__":
    sys.exit(main())
