"""Kinds of numbers: one row each, with the functions that an op's meaning finds in its `m`.

Every kind has Python's operators (`1 / a`, too) and, in its module, what operators do not write: `m.sqrt(a)`.
An op whose `real` needs another function has to be given that by every kind; tests/test_ops.py asks them all.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of number.

    Attributes:
        functions: what ops get as `m`.
        number: a number of this kind from a float, for tests of ops; None where the kind needs more.
        value: the float that it is near to.
    """

    functions: ModuleType
    number: Callable[[float], Any]
    value: Callable[[Any], float]


KINDS: dict[str, Kind] = {}
"""All kinds, by name; each module that has one adds it here."""


def kind_of_number(
    name: str, number: Callable[[float], Any], value: Callable[[Any], float], **functions: Callable[..., Any]
) -> ModuleType:
    """Adds a kind; the functions as a namespace to pass to `Op.real`."""
    KINDS[name] = Kind(function_module(**functions), number, value)
    return KINDS[name].functions


def function_module(**functions: Callable[..., Any]) -> ModuleType:
    """A namespace of functions to pass to `Op.real` as `m`."""
    module = ModuleType("functions")
    module.__dict__.update(functions)
    return module
