"""How a search stands, as its directory says: in use or not, how far its checkpoint is, how it ended."""

import fcntl
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo.files import NO_ARCHIVE, open_regular

_TAIL = 1 << 22
"""Bytes of the records in which the last one is looked for: an end record holds the error curves, too."""


@dataclass(frozen=True)
class Standing:
    """What a search's directory says.

    Attributes:
        locked: a process holds it.
        specified: the search was begun at least once: it has a spec.json.
        checkpoint: "none", "whole" (as far as it was read) or "damaged".
        epochs: of all islands in the checkpoint.
        seconds: search time in the checkpoint [s].
        size: of the records [bytes].
        status: "FINISHED", "KILLED" or "FAILED" if an end record is the last one, else None.
        reason: of that end; empty if there is none.
    """

    locked: bool
    specified: bool
    checkpoint: str
    epochs: int
    seconds: float
    size: int
    status: str | None
    reason: str


def standing(directory: Path, records_at: int = 0, thorough: bool = False) -> Standing:
    """How a search stands.

    Args:
        directory: of the search; may be missing.
        records_at: bytes of the records that are of no interest: an end before is none.
        thorough: whether all of the checkpoint is read.
    """
    whole, epochs, seconds = _checkpoint(directory / "checkpoint.npz", thorough)
    records = directory / "records.jsonl"
    last = last_record(records, records_at)
    end = last if last.get("kind") == "end" else {}
    return Standing(
        locked=is_locked(directory),
        specified=(directory / "spec.json").exists(),
        checkpoint=whole,
        epochs=epochs,
        seconds=seconds,
        size=_size(records),
        status=str(end["status"]) if "status" in end else None,
        reason=str(end.get("reason", "")),
    )


def is_locked(directory: Path) -> bool:
    """Whether a process holds the directory's lock; nothing is written."""
    try:
        with open_regular(directory / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def last_record(records: Path, begin: int = 0) -> dict[str, Any]:
    """The last record after so many bytes; empty if there is none, or if it is torn."""
    try:
        with open_regular(records) as file:
            file.seek(max(begin, os.fstat(file.fileno()).st_size - _TAIL))
            last = json.loads(file.read().splitlines()[-1])
        return last if isinstance(last, dict) else {}
    except (OSError, ValueError, LookupError, RecursionError):
        return {}


def _checkpoint(path: Path, thorough: bool) -> tuple[str, int, float]:
    """Of a checkpoint: whether it can be read, epochs of all islands, search time [s].

    What is not thorough reads the first entry: the arrays are nearly all of the file.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            if thorough and archive.testzip():
                return "damaged", 0, 0.0
            text = np.lib.format.read_array(io.BytesIO(archive.read("meta.npy")), allow_pickle=False)
        meta = json.loads(text.tobytes())
        return "whole", sum(int(island["epochs"]) for island in meta["islands"]), float(meta["seconds"])
    except FileNotFoundError:
        return "none", 0, 0.0
    except NO_ARCHIVE:
        return "damaged", 0, 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
