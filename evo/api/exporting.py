"""Formulas, and functions of the library, as files in a format."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo.api.sources import load, origin_of
from evo.exports.export import ExportError, find_export, prepare, write
from evo.exports.export import export as export_members
from evo.exports.formula import Formula
from evo.fronts.front import FrontError, Member
from evo.fronts.verify import false_claims
from evo.library.checks import Rechecked, rechecked
from evo.library.shelf import Shipped, formula_of, rows_in
from evo.library.softmax import SOFTMAX, softmax
from evo.numbers.arithmetic import REAL, find_arithmetic


@dataclass(frozen=True)
class Exported:
    """Formulas in a format.

    Attributes:
        content: of the file: str, or bytes for binary formats.
        formulas: what is in it.
    """

    content: str | bytes
    formulas: tuple[Formula, ...]


def export(member: Member | Sequence[Member], to: str, **options: Any) -> Any:
    """A member (or several, as a family) as the text of a format; options: dtype, full, name, origin.

    A member that a search of this process found says so, unless `origin` says otherwise.

    Raises:
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    first = member if isinstance(member, Member) else next(iter(member), None)
    if first is not None and "origin" not in options and (origin := origin_of(first)):
        options["origin"] = origin
    return export_members(member, to, **options)


def export_source(
    source: str | Path,
    to: str,
    *,
    ops: int | None = None,
    every: bool = False,
    dtype: str | None = None,
    full: bool = False,
    name: str | None = None,
    tracking_uri: str | None = None,
    core: str | None = None,
) -> Exported:
    """Formulas of a source in a format, with their origin, if they are what they say.

    Args:
        source: as for `front`.
        to: a name of `EXPORT_FORMATS`.
        ops: the member of so many; may be left out where there is one.
        every: all members, as a family in one file.
        dtype: "float64" or "float32"; what the member is computed in by default, float64 if it is real.
        full, name: as for `export`.
        tracking_uri, core: as for `front`.

    Raises:
        FrontError, StoreError: as `front`; or no such member; or one that is not what it says.
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    find_export(to)
    if every and (ops is not None or name is not None):
        raise ExportError("--all takes every member: leave out --ops and --name.")
    found = load(source, tracking_uri, core)
    members = found.chosen(ops, every)
    formulas = [
        replace(prepare(m, dtype or _computed_in(m), full or m.full, name, found.origin(m)), to=to)
        for m in members
    ]
    real = [m for m in members if m.dtype == REAL]
    if wrong := [f"{m.ops} ops: {text}" for m in real for text in false_claims(m)]:
        raise FrontError(f"{source} is not what it says (see evonum verify): {'; '.join(wrong)}")
    return Exported(write(formulas, to), tuple(formulas))


def _computed_in(member: Member) -> str:
    """The format of an export where nobody names one."""
    return "float64" if member.dtype == REAL else find_arithmetic(member.dtype).computes.name


def library(function: str | None = None) -> Sequence[Shipped]:
    """The functions that are shipped (evo/library), or that one of them.

    Raises:
        ShelfError: it is not shipped.
    """
    return rows_in(None, function)


def export_library(to: str, function: str | None = None) -> str | bytes:
    """Shipped functions, or softmax by one of them, as one file in a format.

    Raises:
        ShelfError: that one is not shipped.
        ExportError: the format is unknown, or cannot hold them.
    """
    if function == SOFTMAX:
        return softmax(to)
    content: str | bytes = write(
        [formula_of(point) for row in rows_in(to, function) for point in row.points], to
    )
    return content


def check_library(function: str | None = None) -> Iterator[Rechecked]:
    """Every input of the shipped functions, one after the other; see `refuse_changed`.

    Raises:
        ShelfError: that one is not shipped.
    """
    return rechecked(function)
