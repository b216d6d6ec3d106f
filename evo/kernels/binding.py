"""Calls into the compiled kernels: types of the exported functions, and arrays that are refused if wrong.

The rows of evo/kernels/layout.py say what each function takes. An array goes in as it is: a wrong element
type, gaps between elements or a read-only array that would be written are errors before the call.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from evo.kernels.layout import FUNCTIONS, KINDS, STRUCTS, Row, structure
from evo.programs.batch import Batch

OR_NULL = "_or_null"


def address(array: Any, row: Row) -> int:
    """Where the array's data lie.

    Raises:
        TypeError: not an array of the row's type, or not contiguous.
    """
    kind = KINDS[row.kind].dtype
    if not isinstance(array, np.ndarray) or array.dtype != kind or not array.flags.c_contiguous:
        if isinstance(array, np.ndarray):
            got = f"{array.dtype} of shape {array.shape} and strides {array.strides}"
        else:
            got = type(array).__name__
        raise TypeError(f"{row.name} must be a contiguous array of {kind}, got {got}.")
    return int(array.__array_interface__["data"][0])  # in half the time of array.ctypes.data


class Struct(ctypes.Structure):
    """A structure of the kernels; it keeps what it was made of, whose arrays it points to."""

    @classmethod
    def of(cls, source: Any, **numbers: int) -> Self:
        """From an object with attributes of the fields' names; `numbers` are those that it lacks.

        Raises:
            TypeError: an array is not what the kernels read; see `address`.
        """
        made = cls(**numbers)
        for row in STRUCTS[cls.__name__]:
            if row.name not in numbers:
                value = getattr(source, row.name)
                setattr(made, row.name, address(value, row) if row.pointer else value)
        made.source = source
        return made


TYPES = {name: structure(name, Struct) for name in STRUCTS}
CBatch, CPoints, CEffort = TYPES["Batch"], TYPES["Points"], TYPES["Effort"]
CCache, CBrood, CJob = TYPES["Cache"], TYPES["Brood"], TYPES["Job"]
CWords, CSieve, CTable = TYPES["Words"], TYPES["Sieve"], TYPES["Table"]


def batch_view(batch: Batch) -> Struct:
    """The kernels' view of a batch."""
    return CBatch.of(batch, rows=len(batch))


@dataclass(frozen=True)
class ArrayArgument:
    """An argument that is an array; ctypes asks `from_param`."""

    row: Row

    def from_param(self, array: Any) -> ctypes.c_void_p:
        """The array's address.

        Raises:
            TypeError: see `address`, or read-only though the function writes to it; ctypes makes it an
                ArgumentError with the argument's number.
        """
        if array is None and self.row.name.endswith(OR_NULL):
            return ctypes.c_void_p(None)
        place = address(array, self.row)
        if not (self.row.const or array.flags.writeable):
            raise TypeError(f"{self.row.name} is written, but the array is read-only.")
        return ctypes.c_void_p(place)


def _argument(row: Row) -> Any:
    if not row.pointer:
        return KINDS[row.kind].ctype
    return ctypes.POINTER(TYPES[row.kind]) if row.kind in TYPES else ArrayArgument(row)


_RESULTS = {
    "void": None,
    "const char *": ctypes.c_char_p,
    **{name: kind.ctype for name, kind in KINDS.items()},
}


def declare(library: ctypes.CDLL) -> None:
    """Tells ctypes what every exported function takes and returns.

    Raises:
        AttributeError: the library lacks one.
    """
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = _RESULTS[result]
        function.argtypes = [_argument(row) for row in arguments]
