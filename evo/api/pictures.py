"""Figures of fronts and of timings."""

import json
from collections.abc import Sequence
from pathlib import Path

from evo.api.functions import MAX_CLASSICAL
from evo.bench.functions import Timing
from evo.classical.baselines import baselines as classical
from evo.classical.pictures import curves, lines
from evo.fronts.front import Front, FrontError
from evo.targets.making import make_target


def draw(found: Front, path: Path, with_baselines: bool = False) -> tuple[Path, Path]:
    """Writes the figures of a front: errors against ops to `path`, error curves beside it.

    Raises:
        FrontError: no members, or no figure can be there.
    """
    from tracking.figures import curves_figure, front_figure

    if not len(found):
        raise FrontError("The front has no members to draw.")
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    drawn = found.of_each_size()
    first, most = drawn[0], min(max(drawn[-1].ops, 2), MAX_CLASSICAL)
    target = make_target(first.target, first.interval, first.metric)
    shown = lines(classical(target, most)) if with_baselines else None
    members = json.loads(drawn.to_json())
    beside = path.with_name(f"{path.stem}-curves{path.suffix}")
    try:
        front_figure(members, shown).savefig(path)
        curves_figure(members, curves(drawn)).savefig(beside)
    except (OSError, ValueError) as error:
        raise FrontError(f"Cannot draw {path}: {error}") from None
    return path, beside


def draw_timings(members: Front, timings: Sequence[Timing], path: Path) -> None:
    """Draws errors against time, of functions of all floats, to a file.

    Raises:
        FrontError: no figure can be there.
    """
    from tracking.figures import timings_figure

    title = f"{members[0].target}, {members[0].dtype}"
    rows = [(row.name, row.median, row.error) for row in timings if row.error]
    try:
        timings_figure(title, rows).savefig(path)
    except (OSError, ValueError) as error:
        raise FrontError(f"Cannot draw {path}: {error}") from None
