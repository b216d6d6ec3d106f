"""Searches that lie on a disk: what there is, how large, and what of it can go."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo.files import walk
from evo.fronts.front import Front, FrontError, Member
from evo.runs.directory import DirectoryBusyError, DirectoryError, locked
from evo.runs.standing import is_locked, last_record
from evo.runs.yaml_file import SpecError, read_mapping
from evo.targets.catalogue import CATALOGUE

STATE = ("checkpoint.npz",)
"""What only `--resume` needs: nearly all of a search's size."""
REST = ("front.json", "spec.json", "seeds.json", "records.jsonl", "mlflow.json", "mlflow.lock")
"""What else a search keeps, besides its certificates."""
SCRATCH = (".checkpoint.npz.*", ".front.json.*", ".spec.json.*", ".seeds.json.*", "mlflow.json.tmp")


@dataclass(frozen=True)
class Kept:
    """A search in its directory.

    Attributes:
        directory: where.
        target, interval, metric, ops, max_ops: what it searches for; interval and metric as in the front, if
            there is one.
        members: of the front.
        size: of all files [bytes].
        state: "running", "finished" (its budget is spent), "resumable" (it was stopped or killed) or
            "front only" (no checkpoint: a resumed search would start over).
        changed: time of the last change [unix s].
    """

    directory: Path
    target: str
    interval: tuple[str, str]
    metric: str | None
    ops: str
    max_ops: int
    members: tuple[Member, ...]
    size: int
    state: str
    changed: float

    def to_object(self) -> dict[str, Any]:
        """As JSON has it; of each member its ops and error."""
        entries = {name: value for name, value in vars(self).items() if name != "members"}
        errors = [{"ops": m.ops, "sampled_error": m.sampled_error} for m in self.members]
        return {**entries, "directory": str(self.directory), "members": errors}


@dataclass(frozen=True)
class Leftover:
    """A file of a search that can go, and its size [bytes]."""

    path: Path
    size: int


def find_searches(folder: Path) -> list[Kept]:
    """The searches in a folder and the folders below, hidden ones apart; the last to change comes first.

    Raises:
        DirectoryError: no such folder.
    """
    if not folder.is_dir():
        raise DirectoryError(f"There is no folder {folder}.")
    found: list[Kept] = []
    for here, below, _ in walk(folder):
        if (spec := _spec(here)) is None:
            below[:] = sorted(name for name in below if not name.startswith("."))
        else:
            found.append(_kept(here, spec))
            below.clear()
    return sorted(found, key=lambda one: (-one.changed, one.directory))


def leftovers(directory: Path, everything: bool = False) -> list[Leftover]:
    """What can go of a search: what only a resumed search needs, or everything that it wrote itself.

    Raises:
        DirectoryError: the directory holds no search, or another process runs it.
    """
    if _spec(directory) is None:
        raise DirectoryError(f"{directory} is no search directory (it has no spec.json): nothing can go.")
    if is_locked(directory):
        raise DirectoryBusyError(f"Another process runs the search in {directory}: nothing can go.")
    return _leftovers(directory, everything)


def delete(directory: Path, everything: bool = False) -> list[Leftover]:
    """Deletes what can go, and folders that nothing is left in; what is gone.

    Raises:
        DirectoryError: as `leftovers`, or the directory cannot be written.
        OSError: a file cannot be deleted.
    """
    leftovers(directory, everything)  # before the lock, which would make a directory that is missing
    with locked(directory):
        gone = _leftovers(directory, everything)
        for one in gone:
            one.path.unlink()
        with contextlib.suppress(OSError):  # not empty
            (directory / "certificates").rmdir()
    with contextlib.suppress(OSError):
        directory.rmdir()
    return gone


def _leftovers(directory: Path, everything: bool) -> list[Leftover]:
    paths = [directory / name for name in (*STATE, *(REST if everything else ()))]
    paths += [path for pattern in SCRATCH for path in sorted(directory.glob(pattern))]
    certificates = directory / "certificates"
    if everything and not certificates.is_symlink():
        paths += sorted(certificates.glob("ops-*.json"))
    return [Leftover(path, path.lstat().st_size) for path in paths if path.is_symlink() or path.is_file()]


def _spec(directory: Path) -> dict[str, Any] | None:
    """The specification, if the directory is a search's."""
    try:
        spec = read_mapping(directory / "spec.json")
    except SpecError:
        return None
    return spec if isinstance(spec.get("target"), str) and isinstance(spec.get("ops"), str) else None


def _kept(directory: Path, spec: dict[str, Any]) -> Kept:
    try:
        front = Front.load(directory / "front.json")
    except FrontError:
        front = Front(())
    first = front[0] if len(front) else None
    row = CATALOGUE.get(spec["target"])
    usual = (row.lo, row.hi) if row else ("0", "1")
    low, high = first.interval if first else spec.get("interval") or usual
    sizes, times = zip(*((s.st_size, s.st_mtime) for s in _stats(directory)), strict=True)
    return Kept(
        directory=directory,
        target=spec["target"],
        interval=(str(low), str(high)),
        metric=first.metric if first else spec.get("metric") or (row.metric if row else None),
        ops=spec["ops"],
        max_ops=spec.get("max_ops", 0),
        members=front.members,
        size=sum(sizes),
        state=_state(directory),
        changed=max(times),
    )


def _stats(directory: Path) -> Iterator[os.stat_result]:
    """Of all files of a directory, spec.json at least."""
    for here, _, names in walk(directory):
        for name in names:
            with contextlib.suppress(OSError):  # gone by now
                yield os.lstat(here / name)


def _state(directory: Path) -> str:
    if is_locked(directory):
        return "running"
    if not (directory / "checkpoint.npz").exists():
        return "front only"
    return "finished" if last_record(directory / "records.jsonl").get("status") == "FINISHED" else "resumable"
