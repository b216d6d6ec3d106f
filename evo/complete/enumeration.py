"""Every program of at most so many ops, each function once, then each family once.

The programs of each size are made in one order by compiled code (evo/kernels/enumerate.h), a task for each
beginning of two instructions. What is irredundant by its rank is told apart by its exact fingerprint; of
equal ones the first stays, the smallest. What is left is told apart by its family's fingerprint
(evo/kernels/family.h). Either is done by ranges of the keys, from parts on the disk (evo/complete/spill.py).
So neither the tasks' order nor the number of threads nor the ranges change the result.
"""

import contextlib
import hashlib
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evo.backends.backend import Backend, Report
from evo.complete.screen import NOTHING, Screen, Screened
from evo.complete.spill import Spill, first_of_each, in_order, record_of
from evo.files import NO_ARCHIVE, replaced_atomically
from evo.kernels.build import cache_folder, source_digest
from evo.kernels.fingerprint import families as family_keys
from evo.kernels.library import kernels
from evo.kernels.words import Words, batch_of, beginnings, count_constants
from evo.programs.batch import Batch

_ROOM = 1 << 16
"""Programs that a call of compiled code returns."""
_HELD = 16
"""Calls whose programs a task holds before equal functions go."""
FAMILIES = "families.npz"
"""In a survey's folder: what is too large for the cache folder."""
_MOST_CACHED = 1 << 31
"""Bytes of words in the cache folder."""
_BEGINNING = 2
"""Instructions that the programs of a task have in common."""


@dataclass(frozen=True)
class Families:
    """Families of at most so many ops, the small ones first.

    Attributes:
        names: of the ops.
        n: instructions, uint8 [rows], ascending.
        word: the words of a program of each (evo/kernels/words.py), uint16 [rows, max_ops].
        screened: what was done to programs of the most ops before they were told apart.
    """

    names: tuple[str, ...]
    n: np.ndarray
    word: np.ndarray
    screened: Screened = NOTHING

    def __len__(self) -> int:
        return len(self.n)

    @property
    def max_ops(self) -> int:
        """Most instructions."""
        return self.word.shape[1]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many families there are of exactly 1, 2, ... ops."""
        return tuple(_sizes(self.n, self.max_ops).tolist())

    @property
    def most_constants(self) -> int:
        """Of any of them."""
        return max((int(count_constants(some).max()) for some in self._blocks()), default=0)

    def _blocks(self) -> Iterable[np.ndarray]:
        return (self.word[begin : begin + _ROOM] for begin in range(0, len(self), _ROOM))

    @cached_property
    def digest(self) -> str:
        """Of the ops and the programs: equal on all machines and for any number of threads."""
        made = hashlib.blake2b(" ".join(self.names).encode(), digest_size=16)
        made.update(np.ascontiguousarray(self.n).data)
        for some in self._blocks():
            made.update(np.ascontiguousarray(some, "<u2").data)
        return made.hexdigest()

    def batch(self, rows: np.ndarray) -> Batch:
        """Families of one size; constants are 0."""
        return batch_of(self.word[rows, : int(self.n[rows[0]])])


def _sizes(n: np.ndarray, max_ops: int) -> np.ndarray:
    """How many are 1, 2, ... of these sizes."""
    return np.bincount(n, minlength=max_ops + 1)[1:]


class _Task(NamedTuple):
    """Programs with a common beginning, by its words' places."""

    words: Words
    beginning: tuple[int, ...]


def _tasks(names: Sequence[str], max_ops: int, families: bool) -> list[_Task]:
    made = []
    for ops in range(1, max_ops + 1):
        words = Words.of(names, ops, families)
        depth = min(_BEGINNING, ops - 1)
        made += [_Task(words, tuple(row)) for row in beginnings(words, depth)[:, :depth].tolist()]
    return made


def _made_of(names: Sequence[str]) -> str:
    """Tells apart parts over other ops, or made by other sources."""
    return hashlib.blake2b(f"{' '.join(names)} {source_digest()}".encode(), digest_size=8).hexdigest()


def _irredundant(task: _Task, max_ops: int) -> np.ndarray:
    """The functions of a task, of each the first program, by key."""
    words, fixed = task.words, len(task.beginning)
    at = np.full(words.ops, -1, np.int32)
    at[:fixed] = task.beginning
    found = [np.empty(0, record_of(max_ops))]
    word, key = np.empty((_ROOM, words.ops), np.uint16), np.empty(_ROOM, np.uint64)
    made = _ROOM
    while made == _ROOM:
        made = kernels().enumerate(words.c(), at, fixed, _ROOM, word, key)
        records = np.zeros(made, record_of(max_ops))
        records["key"], records["n"] = key[:made], words.ops
        records["word"][:, : words.ops] = word[:made]
        found.append(first_of_each(records))
        if len(found) > _HELD:
            found = [first_of_each(np.concatenate(found))]
    return first_of_each(np.concatenate(found))


def _with_families(records: np.ndarray) -> np.ndarray:
    """Functions under their families' keys; of each family the first program, by key."""
    records = in_order(records)
    for size in np.unique(records["n"]):
        rows = np.flatnonzero(records["n"] == size)
        records["key"][rows] = family_keys(batch_of(records["word"][rows, :size]))
    return first_of_each(records)


def functions(
    names: Sequence[str], max_ops: int, folder: Path, threads: int = 1, report: Report = lambda *_: None,
    families: bool = False,
) -> Spill:  # fmt: skip
    """The functions of all programs, task by task; those of one task once.

    Args:
        names: of ops.
        max_ops: most instructions.
        folder: where the parts are kept; those that are there already are not made again.
        threads: how many tasks are done at a time.
        report: told of progress.
        families: leave out programs whose family has another one as large.

    Raises:
        SizeError: larger programs than words can number.
        OSError: no space.
    """
    tasks = _tasks(names, max_ops, families)
    kind = "families" if families else "all"
    spill = Spill(folder, f"functions-{kind}-{max_ops}-{_made_of(names)}", len(tasks))

    def run(part: int) -> None:
        if not spill.has(part):
            spill.write(part, _irredundant(tasks[part], max_ops))

    small = sum(task.words.ops < max_ops for task in tasks)
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(run, range(len(tasks))), start=1):
            report(max(done - small, 0), len(tasks) - small)
    return spill


def count_functions(names: Sequence[str], max_ops: int, folder: Path, threads: int = 1) -> tuple[int, ...]:
    """How many different functions need exactly 1, 2, ... ops; see `functions`."""
    spill = functions(names, max_ops, folder, threads)
    counts = np.zeros(max_ops, np.int64)
    for some in spill.read(spill.shards()):
        counts += _sizes(first_of_each(some)["n"], max_ops)
    spill.delete()
    return tuple(counts.tolist())


def enumerate_families(
    names: Sequence[str], max_ops: int, folder: Path, threads: int = 1, report: Report = lambda *_: None
) -> Families:
    """The families of at most `max_ops` ops; see `functions` for arguments and errors."""
    found = functions(names, max_ops, folder, threads, report, families=True)
    shards = found.shards(threads)
    reduced = Spill(folder, f"families-{max_ops}-{_made_of(names)}", shards)

    def reduce(shard: int) -> None:
        reduced.write(shard, _with_families(first_of_each(found.shard(shard, shards))))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(reduce, range(shards)):
            pass  # an error of a thread is raised here
        ranges = reduced.shards(threads)
        kept = list(
            pool.map(lambda shard: first_of_each(in_order(reduced.shard(shard, ranges))), range(ranges))
        )
    records = in_order(np.concatenate(kept))
    for spill in (found, reduced):
        spill.delete()
    return Families(tuple(names), records["n"].copy(), records["word"].copy())


def kept_families(
    names: Sequence[str], max_ops: int, folder: Path, backend: Backend, threads: int = 1,
    report: Report = lambda *_: None, screen: Screen | None = None,
) -> Families:  # fmt: skip
    """The families of at most `max_ops` ops, made by the backend, or here in threads where that does not.

    Kept in the user's cache folder, where kernels of the same sources look first, or in `folder` where
    they are too many. A backend that makes them leaves out what the screen says; such are in `folder`.

    Raises:
        SizeError, OSError: as `functions`.
        BuildError: the kernels cannot be compiled.
    """
    cached = cache_folder() / f"enumerated-{source_digest()}" / f"{'-'.join(names)}-{max_ops}.npz"
    own = folder / FAMILIES
    words = [Words.of(names, ops, families=True) for ops in range(1, max_ops + 1)]
    if screen is not None:
        if (known := _load(own, names, max_ops, screen.error)) is not None:
            return known
        if sieved := backend.sieve(words, report, screen.settled):
            screened = Screened(sieved.settled, screen.error, screen.floor)
            return _kept(Families(tuple(names), sieved.n, sieved.word, screened), own)
    for path in (cached, own):
        if (known := _load(path, names, max_ops)) is not None:
            return known
    if sieved := backend.sieve(words, report):
        made = Families(tuple(names), sieved.n, sieved.word)
    else:
        made = enumerate_families(names, max_ops, folder, threads, report)
    return _kept(made, cached if made.word.nbytes <= _MOST_CACHED else own)


def _kept(made: Families, path: Path) -> Families:
    """The same, in a file, unless that cannot be written, which only costs the next run time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_atomically(path) as file:
            np.savez(file, names=np.array(made.names), n=made.n, word=made.word, **made.screened._asdict())
    return made


def _load(path: Path, names: Sequence[str], max_ops: int, error: float = math.inf) -> Families | None:
    """The families of a file; None where there is none of these, screened by this error, that can be read."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            screened = Screened(*(arrays[name].item() for name in Screened._fields))
            if arrays["names"].tolist() != list(names) or screened.error != error:
                return None
            found = Families(tuple(names), arrays["n"], arrays["word"], screened)
    except NO_ARCHIVE:
        return None
    return found if found.max_ops == max_ops else None
