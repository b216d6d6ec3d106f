"""Formulas for other programs: one file per format, one row of `EXPORT_FORMATS` each.

A row's function gets formulas (one, or a family where the row allows it) with everything that is known of
them, and returns the whole file. How an op is written in a language stands in the op table.

`evo.export` is the Python interface; the package has another name because it cannot share that one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import Any

from evo.exports.formula import Formula, Origin, make_formula
from evo.exports.measure import measured
from evo.exports.names import ExportError
from evo.fronts.front import Member
from evo.programs.piece import Piece
from evo.reductions.reduction import Reduction
from evo.reductions.table import find_reduction
from evo.targets.target import Target

__all__ = ["EXPORT_FORMATS", "ExportError", "export", "find_export", "prepare", "write"]


@dataclass(frozen=True)
class ExportFormat:
    """A row.

    Attributes:
        name: what `--to` takes.
        suffix: of files.
        render: "module.function" below this package, of formulas; imported when needed.
        many: whether one file can hold a family.
        full: whether it can hold the function on all floats.
        binary: bytes instead of text.
        real: exact arithmetic: the dtype does not matter.
    """

    name: str
    suffix: str
    render: str
    many: bool = True
    full: bool = True
    binary: bool = False
    real: bool = False

    def __call__(self, formulas: Sequence[Formula]) -> Any:
        """The file's content, str or bytes."""
        module, function = self.render.split(".")
        call: Callable[..., Any] = getattr(import_module(f"evo.exports.{module}"), function)
        return call(formulas)


EXPORT_FORMATS: dict[str, ExportFormat] = {
    row.name: row
    for row in (
        ExportFormat("c", "h", "c.render"),
        ExportFormat("cuda", "cuh", "cuda.render"),
        ExportFormat("rust", "rs", "rust.render"),
        ExportFormat("numpy", "py", "numpy.render"),
        ExportFormat("jax", "py", "jax.render"),
        ExportFormat("jax-fast", "py", "jax.render_fast"),
        ExportFormat("triton", "py", "triton.render"),
        ExportFormat("stablehlo", "mlir", "stablehlo.render_text", many=False),
        ExportFormat("jax-export", "jax", "stablehlo.render_bytes", many=False, binary=True),
        ExportFormat("sympy", "py", "sympy.render", full=False, real=True),
        ExportFormat("latex", "tex", "latex.render", many=False, full=False, real=True),
        ExportFormat("fpcore", "fpcore", "fpcore.render", many=False, full=False),
        ExportFormat("json", "json", "text.render_json"),
        ExportFormat("text", "txt", "text.render_text", many=False, full=False, real=True),
    )
}
"""The formats: to add one, add a file and a row."""


def find_export(name: str) -> ExportFormat:
    """The row of a name.

    Raises:
        ExportError: unknown; lists the known ones and the nearest.
    """
    if name in EXPORT_FORMATS:
        return EXPORT_FORMATS[name]
    near = get_close_matches(name, EXPORT_FORMATS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ExportError(f"Unknown format {name!r}; known are {', '.join(EXPORT_FORMATS)}.{hint}")


def prepare(
    member: Member,
    dtype: str = "float64",
    full: bool = False,
    name: str | None = None,
    origin: Origin | None = None,
) -> Formula:
    """A member with its constants rounded and its float errors measured.

    Raises:
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    formula = make_formula(member, dtype, name, origin)
    reduction = reduction_of(member) if full else None
    return measured(replace(formula, reduction=reduction))


def reduction_of(member: Member) -> Reduction:
    """What makes a member a function of all floats.

    Raises:
        ExportError: cores that nobody gave.
        ReductionError: there is none.
    """
    return _reduction(member.function, member.way, member.core, member.given)


@lru_cache(maxsize=64)
def _reduction(function: Target, way: str, core: str, pieces: tuple[Piece, ...]) -> Reduction:
    """One object for the same words: by it `measured` knows a formula again."""
    found = find_reduction(function, way, core)
    given = {piece.core: piece.on_floats() for piece in pieces}
    if missing := [core.name for core in found.cores[1:] if core.name not in given]:
        raise ExportError(
            f"{function.name} takes further cores: search them with"
            f" {' and '.join(f'--part {name}' for name in missing)}, and this one as --given."
        )
    return found.with_given(given)


def write(formulas: Sequence[Formula], to: str) -> Any:
    """The content of a file in this format.

    Raises:
        ExportError: the format is unknown, or cannot hold these.
    """
    row = find_export(to)
    if not formulas:
        raise ExportError("There is no formula to export.")
    names = [f.name for f in formulas]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ExportError(f"Two formulas would have the name {min(twice)}; export them one by one.")
    if len(formulas) > 1 and not row.many:
        able = ", ".join(r.name for r in EXPORT_FORMATS.values() if r.many)
        raise ExportError(f"{to} holds one formula; name it with --ops, or use {able}.")
    if any(f.reduction for f in formulas) and not row.full:
        able = ", ".join(r.name for r in EXPORT_FORMATS.values() if r.full)
        raise ExportError(
            f"{to} has no form for the function on all floats; leave out --full, or use {able}."
        )
    for f in formulas:
        if f.reduction and f.reduction.only and to not in f.reduction.only:
            raise ExportError(
                f"{f.name} is made of single instructions of NVIDIA's GPUs (way {f.reduction.way!r}):"
                f" {to} has none of them; use {' or '.join(f.reduction.only)}."
            )
    return row([replace(f, to=to) for f in formulas])


def export(
    member: Member | Sequence[Member],
    to: str,
    *,
    dtype: str = "float64",
    full: bool = False,
    name: str | None = None,
    origin: Origin | None = None,
) -> Any:
    """The text of a member, or of a front's members as a family, in a format.

    Args:
        member: one, or several.
        to: a key of `EXPORT_FORMATS`.
        dtype: "float64" or "float32".
        full: the function on all floats, where evo/reductions/table.py has a row for it.
        name: of the function; `<target>_ops<NN>` by default.
        origin: what to say of where it comes from.

    Returns:
        str, or bytes for binary formats.

    Raises:
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    find_export(to)
    members = [member] if isinstance(member, Member) else list(member)
    if name is not None and len(members) > 1:
        raise ExportError("A name is for one formula, not for a family.")
    return write([prepare(m, dtype, full, name, origin) for m in members], to)
