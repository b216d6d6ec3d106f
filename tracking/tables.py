"""A front as text to read: CSV for spreadsheets, Markdown for the run's description."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

Member = Mapping[str, Any]
MOST = 160
"""Letters of a formula in a line."""
COLUMNS = (
    "ops", "formula", "sampled_error", "polished_error", "proved_bound", "worst_x", "seconds_to_find",
    "constants", "program",
)  # fmt: skip


def best_error(member: Member) -> tuple[str, float]:
    """The most exact measured error and the key it stands under; never the bound, which is another thing."""
    key = "sampled_error" if member.get("polished_error") is None else "polished_error"
    return key, float(member[key])


def headline(members: Sequence[Member], run_id: str, options: str = "") -> str:
    """The most exact formula, what is known of it, and the command that exports it; one line."""
    best = min(members, key=lambda member: best_error(member)[1])
    bound, formula = best.get("proved_bound"), str(best.get("formula", "")).replace("`", "'")
    proved = "" if bound is None else f", proved {float(bound):.4e}"
    shown = formula if len(formula) <= MOST else f"{formula[:MOST]} ..."
    error = f"**{best_error(best)[1]:.4e}** max {best['metric']} error{proved}, with {best['ops']} ops"
    return f"{error} · `evonum export {run_id} --ops {best['ops']} --to c{options}` · `{shown}`"


def front_csv(members: Sequence[Member]) -> str:
    """One row a member; constants and the lines of programs are joined by `; `."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for member in members:
        row = dict(member)
        row["constants"] = "; ".join(map(str, member.get("constants") or ()))
        row["program"] = "; ".join(str(member.get("program") or "").splitlines())
        writer.writerow(["" if row.get(column) is None else row[column] for column in COLUMNS])
    return text.getvalue()


def front_markdown(members: Sequence[Member]) -> str:
    """A table of ops, errors and formula."""
    first = members[0]
    low, high = first["interval"]
    lines = [
        f"Front of **{first['target']}** on ({low}, {high}), max {first['metric']} error",
        "",
        "| ops | &ensp;sampled | &ensp;polished | &ensp;proved bound | &ensp;formula |",
        "|---:|---:|---:|---:|:---|",
    ]
    for member in members:
        errors = (member.get(key) for key in ("sampled_error", "polished_error", "proved_bound"))
        cells = ["" if error is None else f"&ensp;{float(error):.3e}" for error in errors]
        formula = str(member.get("formula", "")).replace("|", "\\|")
        lines.append(f"| {member['ops']} | {' | '.join(cells)} | &ensp;`{formula}` |")
    return "\n".join(lines) + "\n"
