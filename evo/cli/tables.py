"""Results as tables for people; programs take `--json`."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from time import localtime, strftime

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from evo.api import (
    FAMILIES,
    FLOOR,
    Backwards,
    Baseline,
    Checked,
    Figures,
    Front,
    Kept,
    Member,
    Timing,
    Verified,
    best_forms,
    targets,
)

COLUMNS: tuple[tuple[str, Callable[[Member], str]], ...] = (
    ("ops", lambda m: str(m.ops)),
    ("max error", lambda m: f"{m.sampled_error:.4e}"),
    ("predicted", lambda m: "" if m.cost is None else f"{m.cost:.4g} ns"),
    ("proved", lambda m: "" if m.proved_bound is None else f"{m.proved_bound:.4e}"),
    ("worst x", lambda m: f"{m.worst_x:.3g}"),
    ("found", lambda m: f"{m.seconds_to_find:.1f}s"),
)


def printable(text: str) -> str:
    """Text from elsewhere for a table: no markup, no control characters."""
    return escape(visible(text))


def visible(text: str) -> str:
    """Text from elsewhere for a terminal: no control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def brief(word: str) -> str:
    """A word of a message; the middle of a very long one is left out."""
    return word if len(word) <= LONGEST else f"{word[: LONGEST // 2]}...{word[-LONGEST // 4 :]}"


LONGEST = 400
"""Characters of a word of a message: longer are no names of files."""
NARROW, ALWAYS = 72, ("ops", "max error", "predicted")
"""Width of a terminal below which only these are shown beside the formula: a number is whole or not there."""


def front_table(front: Front, title: str = "", width: int = NARROW) -> Table:
    """The front as a table: ops, errors (those that are known), where the worst is, formula."""
    table = Table(title=printable(title) or None, title_justify="left", header_style="bold", pad_edge=False)
    fitting = [(name, cell) for name, cell in COLUMNS if width >= NARROW or name in ALWAYS]
    known = [(name, cell) for name, cell in fitting if any(cell(m) for m in front)]
    for name, _ in known:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    for m in front:
        table.add_row(*(cell(m) for _, cell in known), printable(m.formula))
    return table


VERIFIED: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("max error", lambda figures: f"{figures.error:.4e}"),
    ("proved", lambda figures: "refuted" if figures.refuted else _bound(figures.bound)),
    ("float64", lambda figures: _bound(getattr(figures.float64, "error", None))),
    ("its bound", lambda figures: _bound(getattr(figures.float64_bound, "bound", None)) + _part(figures)),
    ("float32", lambda figures: _bound(getattr(figures.float32, "error", None))),
)


def _backwards(found: Backwards | None) -> str:
    if found is None:
        return ""
    return f"{found.count:,}" + ("" if found.x is None else f", {found.most:.3g} ulp at {found.x:.9g}")


CHECKED: tuple[tuple[str, Callable[[Checked], str]], ...] = (
    ("ops", lambda one: str(one.member.ops)),
    ("dtype", lambda one: one.member.dtype),
    ("inputs", lambda one: f"{one.inputs:,}"),
    ("of", lambda one: one.of),
    ("max error", lambda one: f"{one.error:.4f} ulp" if one.unit == "ulp" else f"{one.error:.4e}"),
    ("worst x", lambda one: f"{one.worst_x:.9g}"),
    ("misrounded", lambda one: "" if one.misrounded is None else f"{one.misrounded:,}"),
    ("backwards", lambda one: _backwards(one.backwards)),
    ("special", lambda one: f"{len(one.faults)} wrong" if one.faults else "right" if one.member.full else ""),
    (
        "required",
        lambda one: f"{len(one.unmet)} broken" if one.unmet else "kept" if one.member.require else "",
    ),
)


def checked_table(found: Iterable[Checked]) -> Table:
    """What every input gave, a function a row."""
    table = Table(header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), box=SIMPLE_HEAD, show_edge=False)
    for name, _ in CHECKED:
        table.add_column(
            name,
            justify="left" if name in ("dtype", "of", "special", "required") else "right",
            overflow="fold",
        )
    for one in found:
        table.add_row(*(cell(one) for _, cell in CHECKED))
    return table


def timings_table(members: Front, timings: Iterable[Timing]) -> Table:
    """Contestants, fastest first."""
    first, rows = members[0], list(timings)
    ops = f", {first.ops} ops" if len(members) == 1 else ""
    table = Table(
        title=f"{printable(first.target)}{ops}, {first.dtype}", title_justify="left",
        header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), box=SIMPLE_HEAD, show_edge=False,
    )  # fmt: skip
    with_errors = any(row.error is not None for row in rows)
    with_predictions = any(row.predicted is not None for row in rows)
    floor = next(row.tenth for row in rows if row.name == FLOOR)
    names = ["", "median ns", "10 %", "of ours"]
    names += ["max ulp"] * with_errors + ["10 % less floor", "predicted"] * with_predictions
    for name in names:
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for row in rows:
        errors = ("" if row.error is None else f"{row.error:.3g}",) if with_errors else ()
        net = (f"{row.tenth - floor:.3f}", "" if row.predicted is None else f"{row.predicted:.3f}")
        figures = (*errors, *(net if with_predictions else ()))
        table.add_row(row.name, f"{row.median:.3f}", f"{row.tenth:.3f}", f"{row.ratio:.2f}", *figures)
    return table


def verified_table(found: Iterable[Verified], width: int = NARROW) -> Table:
    """The errors of each member as it stands, then polished: in the reals, proved, in floats.

    Two rows a member. On a narrow terminal those are a few lines of name and number, so that every number is
    whole at any width.
    """
    wide = width >= NARROW
    table = Table(
        show_header=wide, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0),
        box=SIMPLE_HEAD, show_edge=False,
    )  # fmt: skip
    table.add_column("ops", justify="right" if wide else "left", no_wrap=True)
    table.add_column("constants", overflow="fold")
    for name, _ in VERIFIED if wide else ():
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        for words, figures in (("as given", one.given), (f"polished: {one.status}", one.best)):
            label = (str(one.member.ops) if words == "as given" else "", words)
            numbers = [(name, cell(figures)) for name, cell in VERIFIED]
            if wide:
                table.add_row(*label, *(number for _, number in numbers))
                continue
            table.add_row(*label)
            for name, number in numbers:
                table.add_row(name, number)
        table.add_section()
    return table


def notes_on_floats(found: Iterable[Verified]) -> str:
    """How many inputs the errors in floats are of, and what a star at a bound means."""
    figures = [each for one in found for each in (one.given, one.best)]
    counts = {getattr(sample, "inputs", 0) for each in figures for sample in (each.float64, each.float32)}
    text = (
        f"float64 and float32: the largest errors at up to {max(counts):,} inputs; "
        "evonum export --to c --dtype float32 tries every one."
    )
    partial = " * holds on a part of the interval only, see float64_bound_from_x of --json."
    return text + partial if any(map(_part, figures)) else text


def _part(figures: Figures) -> str:
    """A star where the bound in float64 does not hold on the whole interval."""
    return "" if getattr(figures.float64_bound, "whole", True) else "*"


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:.4e}"


FORMS: tuple[tuple[str, Callable[[int, Baseline], str]], ...] = (
    ("ops", lambda ops, best: str(ops)),
    ("max error", lambda ops, best: f"{best.error:.4e}"),
    ("worst x", lambda ops, best: f"{best.worst_x:.6g}"),
    ("form", lambda ops, best: best.form if best.ops == ops else f"{best.form} ({best.ops} ops)"),
    ("family", lambda ops, best: best.family),
)


def baselines_table(found: Iterable[Baseline], title: str = "", width: int = NARROW) -> Table:
    """The best form of at most so many ops."""
    table = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    fitting = [(name, cell) for name, cell in FORMS if width >= NARROW or name in (*ALWAYS, "form")]
    for name, _ in fitting:
        words = name in ("form", "family")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for ops, best in best_forms(found).items():
        table.add_row(*(cell(ops, best) for _, cell in fitting))
    return table


def families_table(found: Sequence[Baseline], width: int = NARROW) -> Table:
    """The max error of each family at each op count, where it is better than with fewer ops.

    A column a family, or on a narrow terminal a line an error.
    """
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    if width < NARROW:
        for name in ("ops", "max error", "family"):
            table.add_column(name, no_wrap=name in ALWAYS, overflow="fold")
        for b in found:
            table.add_row(str(b.ops), f"{b.error:.1e}", b.family)
        return table
    names = [name for name in FAMILIES if any(b.family == name for b in found)]
    table.add_column("ops", no_wrap=True)
    for name in names:
        table.add_column(name, overflow="fold", min_width=7)
    for ops, group in groupby(found, key=lambda b: b.ops):
        errors = {b.family: f"{b.error:.1e}" for b in group}
        table.add_row(str(ops), *(errors.get(name, "") for name in names))
    return table


def targets_table() -> Table:
    """The catalogue."""
    table = Table("name", "interval", "metric", "function", header_style="bold", pad_edge=False)
    for row in targets():
        table.add_row(row.name, f"({row.lo}, {row.hi})", row.metric, row.description)
    return table


SEARCHES: tuple[tuple[str, Callable[[Kept], str]], ...] = (
    ("directory", lambda one: str(one.directory)),
    ("target", lambda one: f"{one.target} on ({', '.join(one.interval)})"),
    ("ops", lambda one: f"{one.ops}, up to {one.max_ops}"),
    ("least max error", lambda one: _least(one.members)),
    ("size", lambda one: bytes_text(one.size)),
    ("state", lambda one: one.state),
    ("changed", lambda one: strftime("%Y-%m-%d %H:%M", localtime(one.changed))),
)
WIDE = 110
"""Width of a terminal below which a search is a few lines of name and value."""


def searches_table(found: Iterable[Kept], width: int = WIDE) -> Table:
    """Searches on a disk, a row each, or a few lines each where that is too wide."""
    if width >= WIDE:
        table = Table(header_style="bold", pad_edge=False)
        for name, _ in SEARCHES:
            table.add_column(name, overflow="fold", no_wrap=name in ("size", "state", "changed"))
        for one in found:
            table.add_row(*(printable(cell(one)) for _, cell in SEARCHES))
        return table
    table = Table(show_header=False, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        for name, cell in SEARCHES:
            table.add_row(name, printable(cell(one)), end_section=name == SEARCHES[-1][0])
    return table


def _least(members: Sequence[Member]) -> str:
    if not members:
        return "no members"
    return f"{members[-1].sampled_error:.2e} ({members[-1].ops} ops; {len(members)} members)"


def bytes_text(size: int) -> str:
    """A number of bytes as people read it."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
