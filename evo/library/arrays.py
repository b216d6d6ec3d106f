"""Functions of arrays made of exported modules: which member, in which type; run once, then remembered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evo.exports.export import write
from evo.library.shelf import Point, find, formula_of, functions
from evo.numbers.arithmetic import find_arithmetic

Compiler = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]


@dataclass(frozen=True)
class Function:
    """A shipped function of arrays; results are of the argument's type.

    Attributes:
        name: as in `functions()`.
        to: the export that it is made of.
        array: makes an array of what it is given, with a `dtype` and `astype`.
        compiled: a function, compiled, where the export is no compiled code yet.
    """

    name: str
    to: str
    array: Callable[[Any], Any]
    compiled: Compiler

    def __call__(self, x: Any, ulp: float | None = None) -> Any:
        """The function at x.

        Args:
            x: an array, or what makes one; its type is the format.
            ulp: the largest error that is accepted; the most accurate member by default.

        Raises:
            ShelfError: not shipped in this format, or not so accurate.
        """
        x = self.array(x)
        dtype = str(x.dtype)
        call = _made(find(self.name, dtype).point(ulp), self.to, self.compiled)
        with np.errstate(all="ignore"):  # an infinite result is no accident
            return call(x.astype(find_arithmetic(dtype).computes.type)).astype(x.dtype)


@cache
def _made(point: Point, to: str, compiled: Compiler) -> Callable[[Any], Any]:
    """A shipped function's own code, run: no text or number of a user's comes into it."""
    formula = formula_of(point)
    module: dict[str, Any] = {"__name__": f"evo.library.{to}.{formula.name}"}
    exec(compile(write([formula], to), f"<{formula.name}>", "exec"), module)
    return compiled(module[formula.name])


def attribute(
    module: str, name: str, to: str, array: Callable[[Any], Any], compiled: Compiler = lambda f: f
) -> Function:
    """What a module of the library has by a name: a shipped function.

    Raises:
        AttributeError: there is none.
    """
    if name not in functions():
        raise AttributeError(f"{module} has no {name!r}; there are {', '.join(functions())}.")
    return Function(name, to, array, compiled)


def names() -> Sequence[str]:
    """What such a module has."""
    return functions()
