"""What is shipped: for each function and format members of its front, each with what every input gave.

A file in data/ is written by `ship` from a front that a search left, and never by hand. What takes a
platform's own instructions stands in a folder of its name, data/nvidia, and is found by that name alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from evo.errors import EvonumError
from evo.exports.export import reduction_of
from evo.exports.formula import Figure, Formula, Origin, make_formula
from evo.files import write_atomically
from evo.fronts.front import Front, Member
from evo.numbers.arithmetic import find_arithmetic
from evo.reductions.nvidia import ONLY, WAY
from evo.targets.metric import ULP

VERSION = 1
DATA = Path(__file__).with_name("data")
ANY, NVIDIA = "", WAY
"""Platforms: every one, and NVIDIA's GPUs by instructions that no other has."""


class ShelfError(EvonumError, LookupError):
    """What is not shipped; one line says what is."""


@dataclass(frozen=True)
class Point:
    """A function that users can choose.

    Attributes:
        member: its program, as a search left it.
        ulp: the largest error of all inputs, after the last rounding.
        misrounded: results that are not correctly rounded; None where nobody counted them.
        inputs: how many were asked.
        of: "every input", or what sample.
    """

    member: Member
    ulp: float
    misrounded: int | None
    inputs: int
    of: str

    def to_object(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "member": self.member.to_object()}

    @classmethod
    def of_object(cls, found: dict[str, Any]) -> "Point":
        """What `to_object` made."""
        (member,) = Front.from_objects([found["member"]])
        return cls(**{**found, "member": member})


@dataclass(frozen=True)
class Shipped:
    """A function in a format.

    Attributes:
        function: its name in the catalogue.
        dtype: of arguments and results.
        points: fewer operations and larger errors first.
        platform: where it runs, ANY or NVIDIA.
    """

    function: str
    dtype: str
    points: tuple[Point, ...]
    platform: str = ANY

    @property
    def words(self) -> str:
        """Function, format and platform."""
        return f"{self.function} {self.dtype}{_for(self.platform)}"

    def point(self, ulp: float | None = None) -> Point:
        """The one of fewest operations that errs by at most so many ulp; without, the most accurate.

        Raises:
            ShelfError: none is so accurate.
        """
        best = min(point.ulp for point in self.points)
        wanted = best if ulp is None else ulp
        if not wanted >= best:
            raise ShelfError(
                f"{self.function} in {self.dtype} is shipped with {best:.4g} ulp at best, not with {ulp:g}."
            )
        return next(point for point in self.points if point.ulp <= wanted)


def ship(function: str, dtype: str, points: Sequence[Point], folder: Path = DATA) -> None:
    """Writes a function's file."""
    objects = [point.to_object() for point in points]
    text = json.dumps({"version": VERSION, "points": objects}, indent=1) + "\n"
    write_atomically(folder / f"{function}-{dtype}.json", text.encode())


@cache
def shelf(platform: str = ANY) -> dict[tuple[str, str], Shipped]:
    """All that is shipped for a platform, by function and format, sorted."""
    found = {}
    for path in sorted((DATA / platform).glob("*.json")):
        function, _, dtype = path.stem.rpartition("-")
        points = tuple(map(Point.of_object, json.loads(path.read_text())["points"]))
        found[function, dtype] = Shipped(function, dtype, points, platform)
    return found


def rows(function: str | None = None, platform: str = ANY) -> tuple[Shipped, ...]:
    """What is shipped for a platform, or that function of it.

    Raises:
        ShelfError: it is not shipped.
    """
    if function is not None and function not in functions(platform):
        known = ", ".join(functions(platform))
        raise ShelfError(f"{function!r} is not shipped{_for(platform)}; there are {known}.")
    return tuple(row for row in shelf(platform).values() if function in (None, row.function))


def rows_in(to: str | None, function: str | None = None) -> tuple[Shipped, ...]:
    """What an export can hold, for whatever platform; None: all that there is.

    Raises:
        ShelfError: it is not shipped.
    """
    special = function is None or function in functions(NVIDIA)
    more = rows(function, NVIDIA) if special and (to is None or to in ONLY) else ()
    return (*rows(function), *more)


def functions(platform: str = ANY) -> tuple[str, ...]:
    """The names of what is shipped for a platform."""
    return tuple(sorted({function for function, _ in shelf(platform)}))


def find(function: str, dtype: str, platform: str = ANY) -> Shipped:
    """A function in a format.

    Raises:
        ShelfError: it is not shipped.
    """
    if (function, dtype) in shelf(platform):
        return shelf(platform)[function, dtype]
    known = ", ".join(row.dtype for row in rows(function, platform))
    raise ShelfError(f"{function} is shipped for {known}, not for {dtype}{_for(platform)}.")


def _for(platform: str) -> str:
    return f" for {platform}" if platform else ""


def formula_of(point: Point) -> Formula:
    """A function as its exports print it, with the error of every input that its file has."""
    member = point.member
    computes = find_arithmetic(member.dtype).computes.name
    reduction = reduction_of(member)
    words = f"{member.dtype}_{NVIDIA}" if reduction.only else member.dtype
    name = f"evo_{member.target}_{words}_{member.ops}ops"
    words = f"rounded to {member.dtype}, {point.of} of {point.inputs:,}"
    return replace(
        make_formula(member, computes, name, Origin("evo.library")),
        reduction=reduction,
        float_errors=(Figure(point.ulp, None, ULP),),
        float_points=words,
        float_inputs=point.inputs,
    )
