"""Figures of a front, drawn from its records alone.

Through the object interface of matplotlib, which no other thread's figures can disturb.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from tracking.tables import best_error

Member = Mapping[str, Any]
EVOLVED = "#c8361d"
PROVED = "#1d4e89"
FAMILIES = tuple(
    zip(("#7d7d7d", "#d99000", "#4aa3d8", "#009e73", "#b565a7", "#7a4b2a"), "ovs^DP", strict=True)
)
GRID = "#d9d9d9"
EXACT = 1e-290  # smaller errors have no place on a logarithmic axis
INK = "#333333"
LABEL = (0.1, 0.035)  # width and height of an error's words, as parts of the axes


def front_figure(
    members: Sequence[Member], families: Mapping[str, Sequence[tuple[int, float]]] | None = None
) -> Figure:
    """Error against ops.

    Args:
        members: objects of front.json, at least one. A filled point is a polished error, a hollow one
            only a sampled error; a proved bound is a bar of its own.
        families: baselines to compare with: (ops, error) of each by name.

    Raises:
        ValueError: no members.
    """
    members = _sorted(members)
    figure = Figure(figsize=(8.5, 5.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    styles = zip(
        FAMILIES * (len(families or {}) // len(FAMILIES) + 1), (families or {}).items(), strict=False
    )
    for (colour, marker), (name, points) in styles:
        shown = sorted((ops, error) for ops, error in points if error > 0 and math.isfinite(error))
        if shown:
            axes.plot(
                *zip(*shown, strict=True), "--", color=colour, marker=marker, ms=4.5, lw=1.1, label=name
            )
    ops = [member["ops"] for member in members]
    errors = [best_error(member)[1] or math.nan for member in members]
    axes.plot(ops, errors, "-", color=EVOLVED, lw=2, zorder=3)
    for key, face in (("polished_error", EVOLVED), ("sampled_error", "white")):
        shown = [(n, e) for n, e, m in zip(ops, errors, members, strict=True) if best_error(m)[0] == key]
        if shown:
            label = f"evolved, {key.split('_')[0]}"
            axes.plot(
                *zip(*shown, strict=True), "o", color=EVOLVED, mfc=face, ms=7, mew=1.6, zorder=4, label=label
            )
    bounds = [(m["ops"], m["proved_bound"]) for m in members if (m.get("proved_bound") or 0) > EXACT]
    if bounds:
        axes.plot(*zip(*bounds, strict=True), "_", color=PROVED, ms=20, mew=2, zorder=5, label="proved bound")
    below = {"xytext": (-6, -13), "ha": "right"}  # the families' lines are above
    for n, error in _labelled(ops, errors):
        axes.annotate(
            f"{error:.2e}", (n, error), textcoords="offset points", fontsize=9, color=EVOLVED, zorder=6,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            **(below if families else {"xytext": (7, 6)}),
        )  # fmt: skip
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=20, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.margins(x=0.11 if families else 0.09, y=0.1)
    axes.set_xlabel("operations")
    axes.set_ylabel(_error_name(members[0]))
    axes.set_title(f"{_target(members[0])}: {_error_name(members[0])} against operations", color=INK)
    axes.legend(fontsize=9, loc="lower left" if families else "best", framealpha=0.9, edgecolor="none")
    _tidy(axes)
    return figure


def _labelled(ops: Sequence[int], errors: Sequence[float]) -> list[tuple[int, float]]:
    """The points whose errors are written beside them: not those whose words would lie on each other."""
    found: list[tuple[int, float]] = []
    logs = [math.log10(error) for error in errors if error > 0]
    height = LABEL[1] * (max(logs) - min(logs)) if logs else 0.0
    width = LABEL[0] * (ops[-1] - ops[0])
    for n, error in zip(ops, errors, strict=True):
        near = found and n - found[-1][0] < width and error > 0 and found[-1][1] > 0
        if not near or math.log10(found[-1][1] / error) >= height:
            found.append((n, error))
    return found


def curves_figure(
    members: Sequence[Member], curves: Mapping[str, Mapping[str, Sequence[float | None]]]
) -> Figure:
    """The signed error over the interval, one panel a member, its extrema marked.

    Equal heights of alternating extrema, one more than there are constants, mean an optimal fit.

    Args:
        members: objects of front.json.
        curves: by ops as text, `x` and `error` of equal length; an error that is no number is None.

    Raises:
        ValueError: no member has a curve.
    """
    shown = [member for member in _sorted(members) if str(member["ops"]) in curves]
    if not shown:
        raise ValueError("No member has an error curve.")
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    width, height = 4.2 * columns, 2.6 * rows + 0.9
    figure = Figure(figsize=(width, height), dpi=110)  # placed by hand: automatic layout draws it twice
    for n, member in enumerate(shown, start=1):
        _panel(figure.add_subplot(rows, columns, n), member, curves[str(member["ops"])])
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.2 / width,
        top=1 - 0.7 / height,
        bottom=0.5 / height,
        wspace=0.3,
        hspace=0.35,
    )
    figure.suptitle(f"{_target(shown[0])}: signed {shown[0]['metric']} error", color=INK, y=1 - 0.2 / height)
    figure.supxlabel("x", fontsize=10, y=0.1 / height)
    return figure


def timings_figure(title: str, rows: Sequence[tuple[str, float, float]]) -> Figure:
    """Errors against time, evolved functions as a line of steps.

    Args:
        title: what was timed.
        rows: name, time [ns an element] and error [ulp] of each; evolved ones are called "evonum...".

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("there are no errors: only functions of all floats have them.")
    figure = Figure(figsize=(8, 5.5))
    axes = figure.add_subplot()
    ours = sorted((time, error) for name, time, error in rows if name.startswith("evonum"))
    front = [(t, e) for k, (t, e) in enumerate(ours) if all(e < other for _, other in ours[:k])]
    axes.plot(*zip(*front, strict=True), color=EVOLVED, lw=1.2, drawstyle="steps-post")
    others = [name for name, *_ in sorted(rows, key=lambda row: row[1]) if not name.startswith("evonum")]
    for name, time, error in rows:
        evolved = name.startswith("evonum")
        axes.plot(time, error, "o" if evolved else "s", color=EVOLVED if evolved else PROVED, ms=5)
        above = (4, 4) if evolved else (2, 6 + 11 * (others.index(name) % 4))  # neighbours share no line
        label = name.removeprefix("evonum, ")
        axes.annotate(label, (time, error), above, textcoords="offset points", fontsize=8, color=INK)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ns an element", fontsize=10)
    axes.set_ylabel("largest error [ulp]", fontsize=10)
    axes.set_title(title, fontsize=11, color=INK)
    _tidy(axes)
    return figure


def _panel(axes: Axes, member: Member, curve: Mapping[str, Sequence[float | None]]) -> None:
    x = np.array(curve["x"], dtype=np.float64)
    error = np.array(curve["error"], dtype=np.float64)
    axes.axhline(0, color=INK, lw=0.6)
    axes.plot(x, error, color=EVOLVED, lw=1.4)
    marks = extrema(error)
    top = float(np.max(np.abs(error[marks]))) if len(marks) else 0.0
    if top > 0:
        axes.plot(x[marks], error[marks], "o", color=PROVED, ms=4)
        axes.set_ylim(-1.2 * top, 1.2 * top)
        axes.set_yticks([-top, 0.0, top], [f"{-top:.1e}", "0", f"{top:.1e}"])
    ends = (x[0], (x[0] + x[-1]) / 2, x[-1])
    unit = max(x[-1] - x[0], 1e-300)  # an open end at 0 is 0, not 5e-324
    axes.set_xticks(ends, [f"{round(end / unit, 9) * unit + 0.0:.3g}" for end in ends])
    axes.set_title(f"{member['ops']} ops, max {top:.3g}, {len(marks)} extrema", fontsize=9, color=INK)
    axes.tick_params(labelsize=8)
    _tidy(axes)


def extrema(error: np.ndarray) -> np.ndarray:
    """Indices of the largest |error| between each two changes of sign. Shape [number of such parts]."""
    usable = np.flatnonzero(np.isfinite(error) & (error != 0))
    if not len(usable):
        return usable
    signs = np.sign(error[usable])
    parts = np.split(usable, np.flatnonzero(signs[1:] != signs[:-1]) + 1)
    return np.array([part[np.argmax(np.abs(error[part]))] for part in parts])


def _sorted(members: Sequence[Member]) -> list[Member]:
    if not members:
        raise ValueError("A figure of a front needs at least one member.")
    return sorted(members, key=lambda member: member["ops"])


def _target(member: Member) -> str:
    low, high = member["interval"]
    return f"{member['target']} on ({low}, {high})"


def _error_name(member: Member) -> str:
    return "max error [ulp]" if member["metric"] == "ulp" else f"max {member['metric']} error"


def _tidy(axes: Axes) -> None:
    axes.grid(True, color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
