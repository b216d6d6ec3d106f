"""A search's directory: its name, and the lock under which it is read, checked and written."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evo.errors import EvonumError
from evo.files import open_lock, word

_LOCK = "lock"
_NO_NAMES = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""What the system says of a name under which no disk has a directory."""


class DirectoryError(EvonumError, OSError):
    """A search directory that cannot be used; one line says why."""


class DirectoryBusyError(DirectoryError):
    """Another process runs the search in it."""

    kind = "machine"


class UnwritableError(DirectoryError):
    """The disk is full, broken or not to be written."""

    kind = "machine"


def default_directory(target: str, seed: int) -> Path:
    """A new directory under `runs`, named by target, seed and time."""
    safe = "".join(c if c.isalnum() else "-" for c in target).strip("-")[:40]
    base = f"{safe}-seed{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (Path("runs") / (base if n == 1 else f"{base}-{n}") for n in range(1, 1000))
    return next(name for name in names if not name.exists())


def refuse_if_taken(directory: Path) -> None:
    """Checks that a new search may use a directory.

    Raises:
        DirectoryError: it holds a search already.
    """
    if any((directory / name).exists() for name in ("spec.json", "checkpoint.npz", "front.json")):
        raise DirectoryError(
            f"{directory} holds a search already: go on with --resume {word(directory)} (which "
            "starts over if that search died before its first checkpoint), or use another --out."
        )


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the directory for one process; it is made if missing, and goes again if nothing came into it.

    What is in the directory must be read and checked under the lock: before, another process may write it.

    Raises:
        DirectoryError: another process runs this search, or the directory cannot be made.
    """
    made: list[Path] = []
    try:
        _make(directory, made)
        with _lock(directory / _LOCK):
            try:
                yield
            finally:
                if _entries(directory) == [_LOCK]:
                    (directory / _LOCK).unlink(missing_ok=True)  # under the lock: `_lock` tells it is gone
    finally:
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # holds something by now
                folder.rmdir()


def _make(directory: Path, made: list[Path]) -> None:
    """Makes the folders that are missing, and adds each to `made`."""
    try:
        for folder in reversed([directory, *directory.parents]):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)  # another process may be faster
                made.append(folder)
    except (OSError, ValueError) as error:
        raise cannot_keep(directory, error) from None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    while True:
        try:
            file = open_lock(path)
        except OSError as error:
            raise cannot_keep(path.parent, error) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DirectoryBusyError(f"Another process runs the search in {path.parent}.") from None
            if _is_file(path, file):
                yield
                return


def _is_file(path: Path, file: IO[bytes]) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _entries(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # somebody deleted it
        return []


def cannot_keep(directory: Path, error: Exception) -> DirectoryError:
    """The error of a directory that cannot be written: its name is no good, or the disk is."""
    reason = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) in (errno.EEXIST, errno.ENOTDIR):
        reason = "a file has that name, or that of a folder above"
    is_name = isinstance(error, ValueError) or getattr(error, "errno", None) in _NO_NAMES
    kind = DirectoryError if is_name else UnwritableError
    return kind(f"The search cannot be kept in {directory}: {reason}.")
