"""Results as tables for people; programs take `--json`."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from evo.api import FAMILIES, Baseline, Certificate, Front, Member, Verified, best_forms, targets

COLUMNS: tuple[tuple[str, Callable[[Member], str]], ...] = (
    ("ops", lambda m: str(m.ops)),
    ("max error", lambda m: f"{m.sampled_error:.4e}"),
    ("proved", lambda m: "" if m.proved_bound is None else f"{m.proved_bound:.4e}"),
    ("worst x", lambda m: f"{m.worst_x:.3g}"),
    ("found", lambda m: f"{m.seconds_to_find:.1f}s"),
)


def printable(text: str) -> str:
    """Text from elsewhere for a table: no markup, no control characters."""
    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


NARROW, ALWAYS = 72, ("ops", "max error")
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


def verified_table(pairs: Iterable[tuple[Member, Verified]]) -> Table:
    """The errors of each member as it came, polished, proved, and in float64."""
    table = Table(header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), box=SIMPLE_HEAD, show_edge=False)
    for name in ("ops", "as given", "polished", "proved", "float64", "its bound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("constants", overflow="fold")
    for given, one in pairs:
        bound = one.member.proved_bound if isinstance(one.proof, Certificate) else None
        rounded = getattr(one.float64_bound, "bound", None)
        table.add_row(
            str(given.ops), f"{given.sampled_error:.4e}", f"{one.member.sampled_error:.4e}", _bound(bound),
            f"{one.float64_error:.4e}", _bound(rounded), one.status,
        )  # fmt: skip
    return table


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:.4e}"


def baselines_table(found: Iterable[Baseline], title: str = "") -> Table:
    """The best form of at most so many ops."""
    table = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    for name in ("ops", "max error", "worst x", "form", "family"):
        table.add_column(name, justify="left" if name in ("form", "family") else "right", no_wrap=True)
    for ops, best in best_forms(found).items():
        form = best.form if best.ops == ops else f"{best.form} ({best.ops} ops)"
        table.add_row(str(ops), f"{best.error:.4e}", f"{best.worst_x:.6g}", form, best.family)
    return table


def families_table(found: Sequence[Baseline]) -> Table:
    """The max error of each family at each op count, where it is better than with fewer ops."""
    names = [name for name in FAMILIES if any(b.family == name for b in found)]
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    for name in ("ops", *names):
        table.add_column(name, overflow="fold")
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
