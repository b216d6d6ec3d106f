"""Records on disk, sorted by key: so many that memory holds only a range of the keys at a time.

A part is written whole or not at all, so that a run that ended goes on with the parts that are missing. Its
name says of what it is, as another run in the same folder may be of something else.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evo.files import NO_ARCHIVE, replaced_atomically

MEMORY = 1 << 29
"""Bytes of records that are read at a time, about, by all threads together."""
_TOGETHER = 4
"""Words of 16 bits that are compared as one number."""
_KEYS = 1 << 64
_PREFIX = "part-"


def record_of(ops: int) -> np.dtype:
    """A program of at most `ops` instructions: its key, its size, and its words, 0 beyond its own."""
    return np.dtype([("key", np.uint64), ("n", np.uint8), ("word", np.uint16, (ops,))])


def in_order(records: np.ndarray) -> np.ndarray:
    """Small programs first, then by their words."""
    words = records["word"]
    whole = np.zeros((len(words), -(-words.shape[1] // _TOGETHER) * _TOGETHER), ">u2")
    whole[:, : words.shape[1]] = words
    columns = whole.view(">u8").astype(np.uint64).T
    return records[np.lexsort((*columns[::-1], records["n"]))]


def first_of_each(records: np.ndarray) -> np.ndarray:
    """The first record of each key, by key."""
    place = np.argsort(records["key"], kind="stable")
    key = records["key"][place]
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    return records[place[new]]


class Spill:
    """Parts of one kind of records in a folder, `parts` of them, the preferred records in the first.

    Args:
        name: of the kind; other records have another one.
    """

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self._paths = [folder / f"{_PREFIX}{name}-{part:06d}.npy" for part in range(parts)]

    def has(self, part: int) -> bool:
        """Whether it is written, and as long as it was."""
        try:
            np.load(self._paths[part], mmap_mode="r")
        except NO_ARCHIVE:
            return False
        return True

    def write(self, part: int, records: np.ndarray) -> None:
        """Keeps a part, whose records have the keys in ascending order.

        Raises:
            OSError: no space.
        """
        with replaced_atomically(self._paths[part]) as file:
            np.save(file, records)

    def shards(self, threads: int = 1) -> int:
        """How many ranges of the keys it takes to hold one for each thread in memory."""
        return 1 + threads * sum(path.stat().st_size for path in self._paths) // MEMORY

    def read(self, shards: int) -> Iterator[np.ndarray]:
        """The records of all parts, by ranges of their keys."""
        return (self.shard(shard, shards) for shard in range(shards))

    def shard(self, shard: int, shards: int) -> np.ndarray:
        """The records of all parts in one of so many ranges of the keys, in the parts' order."""
        begin, end = (edge * _KEYS // shards for edge in (shard, shard + 1))
        return np.concatenate([_between(path, begin, end) for path in self._paths])

    def delete(self) -> None:
        """Takes the parts from the disk."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Takes what any run left in a folder from the disk: parts, and what it had begun to write."""
    for path in (*folder.glob(f"{_PREFIX}*.npy"), *folder.glob(f".{_PREFIX}*.npy.*")):
        with contextlib.suppress(OSError):
            path.unlink()


def _between(path: Path, begin: int, end: int) -> np.ndarray:
    records = np.load(path, mmap_mode="r")
    first = np.searchsorted(records["key"], np.uint64(begin))
    last = np.searchsorted(records["key"], np.uint64(end)) if end < _KEYS else len(records)
    return np.array(records[first:last])
