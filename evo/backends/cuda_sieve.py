"""The families of all programs up to a size on an NVIDIA GPU: made, told apart and kept there
(evo/kernels/sieve.cuh).

Two tables hold as many functions and families as fit. Where there are more, they are kept by shards of their
keys, for each of which all programs are made again. The result is that of evo/complete/enumeration.py, bit
for bit, but for programs of the most ops that are left out as soon as their types are known.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evo.backends.backend import Report, Settled, Sieved
from evo.backends.cuda_batch import OnDevice, launch, on_device
from evo.backends.device import Device
from evo.kernels.binding import CSieve, CTable, CWords
from evo.kernels.layout import TYPE_SHAPE
from evo.kernels.words import SizeError, Words, beginnings, count_beginnings, count_constants

DEPTH = 5
"""Words of a beginning, at most: there are 3 million of 8 ops over + - * /."""
_BEGINNINGS = 1 << 22
"""At most."""
AT_ONCE = 1 << 14
"""Beginnings of a launch, at first."""
ROOM = 1 << 28
"""Programs that a launch makes at most."""
SHARE = 0.8
"""Of the free memory, for tables; threads, and numbers on their way, have the rest."""
FAMILIES = 1 / 3
"""Of the tables' memory, for families; functions have the rest."""
_ENTRY = 16
"""Bytes of a place."""
_MOST_PLACES = 1 << 32
_DECODED = 1 << 22
"""Numbers that are made words at a time."""
_TOGETHER = 1 << 26
"""Functions whose families are asked for at a time."""
_NUMBER = 64
"""Bits of a program's number."""
_NO_NUMBER = (1 << 64) - 1
"""Of a place without a key."""


class FullError(Exception):
    """A table has no room for a key."""


@dataclass(frozen=True)
class Size:
    """Places of a table, and shards of the keys that it holds by turns."""

    places: int
    shards: int = 1

    @classmethod
    def within(cls, room: float) -> "Size":
        """The most that so many bytes hold."""
        return cls(min(int(room / _ENTRY), _MOST_PLACES))


class _Table:
    """Keys on the device, and of each the least number."""

    def __init__(self, device: Device, size: Size, shard: int) -> None:
        xp = device.arrays
        self._device, self._size = device, size
        self._arrays = {
            "key": xp.zeros(size.places, np.uint64),
            "least": xp.full(size.places, _NO_NUMBER, np.uint64),
            "lost": xp.zeros(1, np.uint64),
        }
        at = {name: device.address(array) for name, array in self._arrays.items()}
        struct = CTable(**at, places=size.places, shards=size.shards, shard=shard)
        self.there = on_device(device, struct, self._arrays)

    def check(self) -> None:
        """Raises FullError if it is."""
        if self._device.get(self._arrays["lost"])[0]:
            raise FullError

    def numbers(self) -> Any:
        """Of all programs, ascending; the table is gone then."""
        xp, places = self._device.arrays, self._size.places
        count = int(xp.count_nonzero(self._arrays["key"]))
        found, taken = xp.empty(count, np.uint64), xp.zeros(1, np.uint64)
        launch(self._device, "numbers", 1, places, self.there, found, taken)
        self._device.get(taken)
        for name in ("key", "least"):
            self._arrays[name] = None
        found.sort()
        return found


@dataclass(frozen=True)
class _Programs:
    """Those of one size.

    Attributes:
        words: that they are of.
        bits: of a digit of their numbers.
        beginning: their first words, by place, int32 [beginnings, ops].
        depth: how many these are.
        room: ops and constants that the kernels are compiled for, the same for all sizes.
        there: the words on the device.
        arrays: what words and digits are in each other, there.
    """

    words: Words
    bits: int
    beginning: np.ndarray
    depth: int
    room: int
    there: OnDevice
    arrays: dict[str, Any]

    @classmethod
    def of(cls, device: Device, words: Words, largest: Words, bits: int) -> "_Programs":
        arrays = {name: device.put(getattr(words, name)) for name in ("word", "uses", "kind")}
        at = {name: device.address(array) for name, array in arrays.items()}
        counts = {name: getattr(words, name) for name in ("ops", "arity", "families")}
        there = on_device(device, CWords(**at, **counts, rows=len(words.word)), arrays)
        digit = 1 + np.searchsorted(largest.word, words.word)
        place = np.zeros(1 << bits, np.int32)
        place[digit] = np.arange(len(digit))
        numbers = {"digit": device.put(digit.astype(np.uint64)), "place": device.put(place)}
        depth = _depth(words)
        room = largest.ops * max(largest.arity - 1, 1)
        return cls(words, bits, beginnings(words, depth), depth, room, there, numbers)

    def numbers(self, device: Device) -> Iterator[tuple[Any, int]]:
        """Of all programs, some at a time, ascending, and how many beginnings are done."""
        begin, some = 0, AT_ONCE
        while begin < len(self.beginning):
            part = self.beginning[begin : begin + some]
            room, count = device.arrays.empty(ROOM, np.uint64), device.arrays.zeros(1, np.uint64)
            tasks = len(part) * len(self.words.word)
            launch(
                device, "programs", self.room, tasks, self.there, self.sieve(device, part), room, ROOM, count
            )
            made = int(device.get(count)[0])
            if made > ROOM:
                if len(part) == 1:
                    raise MemoryError(f"{made:,} programs begin with the same {self.depth} words")
                some = len(part) // 2
                continue
            begin += len(part)
            numbers = room[:made]
            numbers.sort()
            yield numbers, begin
            if made < ROOM // 4:
                some *= 2

    def sieve(self, device: Device, some: np.ndarray) -> OnDevice:
        """What a launch is told of them, with these beginnings."""
        given = {"beginning": some, "taken": np.zeros(1, np.uint64)}
        arrays = {**self.arrays, **{name: device.put(array) for name, array in given.items()}}
        at = {name: device.address(array) for name, array in arrays.items()}
        return on_device(device, CSieve(**at, beginnings=len(some), depth=self.depth, bits=self.bits), arrays)


class _Screen:
    """Leaves out the programs of settled types; of each type that there is this is asked once.

    Attributes:
        left_out: how many programs, since it was set to 0.
    """

    def __init__(self, device: Device, settled: Settled) -> None:
        self._device, self._ask, self.left_out = device, settled, 0
        self._met = np.zeros(math.prod(TYPE_SHAPE), bool)
        self._settled = self._met.copy()

    def left(self, programs: _Programs, numbers: Any) -> Any:
        """Those of these numbers that stay, in their order."""
        xp = self._device.arrays
        code, there = xp.empty(len(numbers), np.uint32), xp.zeros(len(self._met), bool)
        nothing = programs.sieve(self._device, programs.beginning[:0])
        arguments = programs.there, nothing, numbers, len(numbers), code
        launch(self._device, "types", programs.room, len(numbers), *arguments)
        there[code] = True
        new = np.flatnonzero(self._device.get(there) & ~self._met)
        self._met[new] = True
        self._settled[new] = self._ask(new)
        kept = numbers[~self._device.put(self._settled)[code]]
        self.left_out += len(numbers) - len(kept)
        return kept


def _depth(words: Words) -> int:
    """How many words a beginning has: with more there are too many."""
    depth = 0
    while depth < min(DEPTH, words.ops - 1) and count_beginnings(words, depth + 1) <= _BEGINNINGS:
        depth += 1
    return depth


def sieve(
    device: Device,
    words: Sequence[Words],
    report: Report,
    functions: Size,
    families: Size,
    settled: Settled | None = None,
) -> Sieved:
    """The families of programs of 1, 2, ... ops.

    Args:
        words: of programs of each size, the smallest first.
        functions: the table to begin with; it takes more shards where that turns out to be too small.
        families: the same.
        settled: see `Backend.sieve`.

    Raises:
        SizeError: a program's number has more than 64 bits.
    """
    bits = _bits(words[-1])
    if bits * len(words) > _NUMBER:
        most = max(n for n, each in enumerate(words, start=1) if n * _bits(each) <= _NUMBER)
        raise SizeError(f"A GPU enumerates programs of these operations of at most {most} ops.")
    programs = [_Programs.of(device, each, words[-1], bits) for each in words]
    screen = settled and _Screen(device, settled)
    kernels = "programs", *(("types",) if screen else ()), "function_sieve", "family_sieve"
    device.prepare([(kernel, programs[-1].room) for kernel in kernels])
    parts: list[Any] = []
    while len(parts) < families.shards:
        try:
            part, functions = _families(device, programs, functions, families, len(parts), report, screen)
        except FullError:
            families, parts = replace(families, shards=2 * families.shards), []
        else:
            parts.append(part if families.shards == 1 else device.get(part))
    numbers = parts[0] if len(parts) == 1 else device.put(np.sort(np.concatenate(parts)))
    decoded = _decoded(device, numbers, programs, words[-1].word)
    return Sieved(*decoded, screen.left_out if screen else 0)


def _bits(words: Words) -> int:
    """Of a digit of a program's number; 0 is no word."""
    return len(words.word).bit_length()


def _families(
    device: Device,
    programs: Sequence[_Programs],
    functions: Size,
    families: Size,
    number: int,
    report: Report,
    screen: _Screen | None,
) -> tuple[Any, Size]:
    """Numbers of the first programs of the families in a shard, and how large a table the functions took.

    Raises:
        FullError: there is no room for a family.
    """
    kept, shard = _Table(device, families, number), 0
    constants = device.put(count_constants(programs[-1].words.word[:, None]).astype(np.uint8))
    while shard < functions.shards:
        try:
            numbers = _functions(device, programs, functions, shard, report, screen)
        except FullError:
            functions, shard = replace(functions, shards=2 * functions.shards), 0  # and all once more
            continue
        for each, ascending in _by_size(device, numbers, programs):
            nothing = each.sieve(device, each.beginning[:0])
            for some in _by_constants(device, ascending, each, constants):
                arguments = each.there, nothing, some, len(some), kept.there
                launch(device, "family_sieve", each.room, len(some), *arguments)
                kept.check()
        shard += 1
    return kept.numbers(), functions


def _functions(
    device: Device,
    programs: Sequence[_Programs],
    size: Size,
    shard: int,
    report: Report,
    screen: _Screen | None,
) -> Any:
    """Numbers of the first programs of the functions in one shard."""
    table = _Table(device, size, shard)
    if screen:
        screen.left_out = 0
    for each in programs:
        nothing = each.sieve(device, each.beginning[:0])
        for made, done in each.numbers(device):
            some = screen.left(each, made) if screen and each is programs[-1] else made
            arguments = each.there, nothing, some, len(some), table.there
            launch(device, "function_sieve", each.room, len(some), *arguments)
            table.check()
            if each is programs[-1]:
                whole = len(each.beginning)
                report(shard * whole + done, size.shards * whole)
    return table.numbers()


def _by_size(device: Device, numbers: Any, programs: Sequence[_Programs]) -> Iterator[tuple[_Programs, Any]]:
    """The numbers of programs of each size, of numbers that ascend."""
    begin = 0
    for each in programs:
        above = 1 << each.bits * each.words.ops
        end = len(numbers)
        if above <= _NO_NUMBER:
            end = int(
                device.get(device.arrays.searchsorted(numbers, device.put(np.array([above], np.uint64))))[0]
            )
        yield each, numbers[begin:end]
        begin = end


def _by_constants(device: Device, numbers: Any, programs: _Programs, constants: Any) -> Iterator[Any]:
    """The numbers of programs of one size, some at a time, those of few constants first.

    A family's fingerprint takes four times as long with each constant, and a warp's threads wait for it.

    Args:
        constants: of the words of the largest programs.
    """
    for begin in range(0, len(numbers), _TOGETHER):
        some = numbers[begin : begin + _TOGETHER]
        count = device.arrays.zeros(len(some), np.uint8)
        for digit in _digits(some, programs):
            count += constants[digit]
        yield some[device.arrays.argsort(count)]


def _digits(numbers: Any, programs: _Programs) -> Iterator[Any]:
    """The first words of programs of one size, the second ones, and so on, by their places among those of the
    largest programs."""
    mask = np.uint64((1 << programs.bits) - 1)
    for i in range(programs.words.ops):
        shift = np.uint64(programs.bits * (programs.words.ops - 1 - i))
        yield (numbers >> shift & mask).astype(np.int64) - 1


def _decoded(
    device: Device, numbers: Any, programs: Sequence[_Programs], listed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and words of the programs of such numbers, which ascend."""
    rows, max_ops = len(numbers), len(programs)
    n, word = np.zeros(rows, np.uint8), np.zeros((rows, max_ops), np.uint16)
    known, begin = device.put(listed), 0
    for each, some in _by_size(device, numbers, programs):
        n[begin : begin + len(some)] = each.words.ops
        for first in range(0, len(some), _DECODED):
            part = some[first : first + _DECODED]
            at = slice(begin + first, begin + first + len(part))
            for i, digit in enumerate(_digits(part, each)):
                word[at, i] = device.get(known[digit])
        begin += len(some)
    return n, word
