"""Files that are whole or not there: temporary file, fsync, rename."""

import contextlib
import errno
import os
import shlex
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

NO_ARCHIVE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What reading an archive of arrays raises where its bytes are not what they were."""


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Replaces `path` by `data`; see `replaced_atomically`."""
    with replaced_atomically(path) as file:
        file.write(data)


@contextlib.contextmanager
def replaced_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written that replaces `path` at the end.

    After a crash at any point the old or the new file is whole.

    Raises:
        OSError: no space, no permission, no such folder; it names `path`. The old file is untouched and no
            scratch file stays.
    """
    try:
        with _replacement(path) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    with contextlib.suppress(OSError):  # the new file is there; some file systems cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def open_regular(path: Path) -> IO[bytes]:
    """A regular file, opened for reading: a pipe or a device of that name would be waited for without end.

    Raises:
        OSError: there is none, or it cannot be read; `strerror` says why.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def open_lock(path: Path) -> IO[bytes]:
    """A file to be locked, made if missing; what it holds is left alone, and a pipe is not waited for.

    Raises:
        OSError: it cannot be opened for writing.
    """
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666), "rb", buffering=0)


def word(path: Path) -> str:
    """A file's name in a command that is told: what is pasted names this file and does nothing else."""
    text = str(path)
    if text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        chr(byte) if chr(byte).isprintable() and byte < 128 and chr(byte) not in "\\'" else f"\\x{byte:02x}"
        for byte in os.fsencode(text)
    )
    return f"$'{''.join(escaped)}'"


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk` from the top, which in Python 3.11 ends at a thousand folders below each other."""
    todo = [folder]
    while todo:
        here = todo.pop()
        below: list[str] = []
        names: list[str] = []
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                (below if entry.is_dir(follow_symlinks=False) else names).append(entry.name)
        yield here, below, names
        todo += [here / name for name in reversed(below)]


def clear_scratch(path: Path) -> None:
    """Deletes what writers of `path` that were killed left behind; nobody may be writing it now."""
    for scratch in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            scratch.unlink()


@contextlib.contextmanager
def _replacement(path: Path) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
