"""Programs on a device: what it makes, fits and measures is copied here only where it is asked for."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from evo.backends.device import Device
from evo.kernels.binding import CBatch
from evo.kernels.words import MOST_OPS, count_constants
from evo.programs.batch import Batch, Programs

UNPACKED = 2 * MOST_OPS
"""Ops and constants of programs made of words, at most: one kernel for all sizes."""
NAMES = tuple(f.name for f in fields(Batch))


@dataclass(frozen=True)
class OnDevice:
    """A structure of the kernels, and the arrays that it points to."""

    struct: Any
    arrays: dict[str, Any]


def on_device(device: Device, struct: ctypes.Structure, arrays: dict[str, Any]) -> OnDevice:
    """A copy of the structure there."""
    return OnDevice(device.put(np.frombuffer(bytes(struct), np.uint8)), arrays)


def launch(device: Device, kernel: str, size: int, todo: int, *arguments: Any) -> None:
    """Runs a kernel on numbers, arrays and structures on the device."""

    def word(argument: Any) -> int:
        if isinstance(argument, int):
            return argument
        return device.address(argument.struct if isinstance(argument, OnDevice) else argument)

    device.threads(kernel, size, todo, *map(word, arguments))


class Resident:
    """A batch on a device; see `evo.programs.batch.Programs`.

    Args:
        arrays: those of a `Batch`, there.
        rows: how many of their rows are in use.
    """

    def __init__(self, device: Device, arrays: dict[str, Any], rows: int) -> None:
        self._device = device
        self._rows = rows
        self.width = int(arrays["op"].shape[1])
        at = {name: device.address(a) if a.size else None for name, a in arrays.items()}
        self.there = on_device(device, CBatch(**at, rows=rows, width=self.width), arrays)

    @classmethod
    def of(cls, device: Device, batch: Programs) -> "Resident":
        """A batch, copied there unless it is there."""
        if isinstance(batch, Resident):
            return batch
        own = batch if isinstance(batch, Batch) else batch.take(slice(None))
        there = cls(device, {name: device.put(getattr(own, name)) for name in NAMES}, len(own))
        there.n, there.k = own.n, own.k
        return there

    @classmethod
    def of_words(cls, device: Device, words: np.ndarray) -> "Resident":
        """See `Backend.programs`; they are unpacked there."""
        rows, ops = words.shape
        k = count_constants(words).astype(np.int32)
        made = cls.room(device, rows, max(ops, int(k.max(initial=1))))
        if rows:
            launch(device, "unpacked", UNPACKED, rows, device.put(words), rows, ops, made.there)
        made.n, made.k = np.full(rows, ops, np.int32), k
        return made

    @classmethod
    def room(cls, device: Device, rows: int, width: int) -> "Resident":
        """Programs still to be written."""
        empty = Batch.empty(0, width)
        shapes = {name: getattr(empty, name) for name in NAMES}
        xp = device.arrays
        return cls(device, {n: xp.zeros((rows, *a.shape[1:]), a.dtype) for n, a in shapes.items()}, rows)

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def n(self) -> np.ndarray:
        """Instructions of each row, int32 [rows]."""
        return self._column("n")

    @cached_property
    def k(self) -> np.ndarray:
        """See `Programs.k`."""
        return self._column("k")

    @cached_property
    def ops(self) -> np.ndarray:
        """See `Programs.ops`."""
        return self.take(slice(None)).ops

    @property
    def constants(self) -> np.ndarray:
        """See `Programs.constants`."""
        return self._column("constants")

    def take(self, rows: np.ndarray | slice | Sequence[int]) -> Batch:
        """See `Programs.take`."""
        chosen = np.arange(self._rows)[rows]
        some = Resident.room(self._device, len(chosen), self.width)
        some.collect(self.there, self._device.put(np.ascontiguousarray(chosen, np.int64)), 0)
        return Batch(*(self._device.get(some.there.arrays[name]) for name in NAMES))

    def collect(self, source: OnDevice, chosen: Any, first: int) -> None:
        """Takes the chosen rows of programs on the device into the rows `first`, `first` + 1, ..."""
        if len(chosen):
            arguments = (source, chosen, len(chosen), self.there, first)
            launch(self._device, "copies", self.width, len(chosen), *arguments)

    def refitted(self) -> "Resident":
        """The same programs with room for other constants, which are these so far."""
        return self._having(self.there.arrays["constants"].copy())

    def with_constants(self, constants: np.ndarray | float) -> "Resident":
        """See `Programs.with_constants`."""
        xp, own = self._device.arrays, self.there.arrays["constants"]
        new = xp.full(own.shape, constants) if isinstance(constants, float) else self._device.put(constants)
        return self._having(new)

    def better(self, other: "Resident", where: np.ndarray) -> "Resident":
        """See `Programs.better`."""
        own, new = (some.there.arrays["constants"][: self._rows] for some in (self, other))
        return self._having(self._device.arrays.where(self._device.put(where)[:, None], new, own))

    def _having(self, constants: Any) -> "Resident":
        """The same programs with other constants, which are there."""
        other = Resident(self._device, {**self.there.arrays, "constants": constants}, self._rows)
        other.n, other.k = self.n, self.k
        return other

    def replace(self, rows: np.ndarray, constants: np.ndarray) -> None:
        """Writes constants, float64 [rows, width]."""
        self.there.arrays["constants"][self._device.put(rows)] = self._device.put(constants)

    def first(self, rows: int) -> "Resident":
        """Its first rows."""
        return Resident(self._device, {n: a[:rows] for n, a in self.there.arrays.items()}, rows)

    def _column(self, name: str) -> np.ndarray:
        return self._device.get(self.there.arrays[name][: self._rows])
