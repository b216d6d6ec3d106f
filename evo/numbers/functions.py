"""Tables of functions by kind of number: what an op's meaning finds in its `m`."""

from collections.abc import Callable
from types import ModuleType
from typing import Any


def function_module(**functions: Callable[..., Any]) -> ModuleType:
    """A namespace of functions to pass to `Op.real` as `m`."""
    module = ModuleType("functions")
    module.__dict__.update(functions)
    return module
