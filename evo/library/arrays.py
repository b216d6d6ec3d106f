"""Functions of arrays made of exported modules: which member, in which type; run once, then remembered."""

import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evo.exports.export import write
from evo.exports.formula import Formula
from evo.library.shelf import Point, find, formula_of, functions

Compiler = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]
Module = dict[str, Any]
Maker = Callable[[Module, Formula], Callable[[Any], Any]]


@dataclass(frozen=True)
class Function:
    """A shipped function of arrays; results are of the argument's type.

    Attributes:
        name: as in `functions()`.
        to: the export that it is made of.
        array: makes an array of what it is given, with a `dtype`.
        made: the function of such arrays, of an exported module and a formula in it.
    """

    name: str
    to: str
    array: Callable[[Any], Any]
    made: Maker

    def __call__(self, x: Any, ulp: float | None = None) -> Any:
        """The function at x.

        Args:
            x: an array, or what makes one; its type is the format.
            ulp: the largest error that is accepted; the most accurate member by default.

        Raises:
            ShelfError: not shipped in this format, or not so accurate.
        """
        x = self.array(x)
        dtype = str(x.dtype).removeprefix("torch.")
        return _function(find(self.name, dtype).point(ulp), self.to, self.made)(x)


def casting(compiled: Compiler) -> Maker:
    """For arrays with `astype`: computed in the formula's type, rounded to the array's."""

    def made(module: Module, formula: Formula) -> Callable[[Any], Any]:
        call, computes = compiled(module[formula.name]), formula.fmt.type

        def function(x: Any) -> Any:
            with np.errstate(all="ignore"):  # an infinite result is no accident
                return call(x.astype(computes)).astype(x.dtype)

        return function

    return made


@cache
def _function(point: Point, to: str, made: Maker) -> Callable[[Any], Any]:
    return made(exported(point, to), formula_of(point))


@cache
def exported(point: Point, to: str) -> Module:
    """A shipped function's own code, run: no text or number of a user's comes into it."""
    formula = formula_of(point)
    module: Module = {"__name__": f"evo.library.{to}.{formula.name}"}
    text, file = write([formula], to), f"<{formula.name} {to}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # Triton reads sources
    exec(compile(text, file, "exec"), module)
    return module


def attribute(module: str, name: str, to: str, array: Callable[[Any], Any], made: Maker) -> Function:
    """What a module of the library has by a name: a shipped function.

    Raises:
        AttributeError: there is none.
    """
    if name not in functions():
        raise AttributeError(f"{module} has no {name!r}; there are {', '.join(functions())}.")
    return Function(name, to, array, made)


def names() -> Sequence[str]:
    """What such a module has."""
    return functions()
