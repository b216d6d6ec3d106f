"""Targets are made here: of what a user says, or of a file, each of them checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from evo.targets.catalogue import CATALOGUE
from evo.targets.checks import check_target
from evo.targets.ends import TargetError, end_text
from evo.targets.metric import METRICS
from evo.targets.target import Target, expression_of


def make_target(text: str, interval: tuple[str, str] | None = None, metric: str | None = None) -> Target:
    """The target of a catalogue name or of a user's expression in x, checked.

    Args:
        text: catalogue name or expression.
        interval: both ends, decimal numbers or constant expressions such as `pi/4`, exact as written. Left
            out: the catalogue's, or 0 and 1.
        metric: one of `METRICS`. Left out: the catalogue's, or "relative".

    Raises:
        TargetError: one line with the reason and, where one applies, the place on the interval.
    """
    text = text.strip()
    row = CATALOGUE.get(text)
    name = text if row else expression_of(text).text
    lo, hi = interval or ((row.lo, row.hi) if row else ("0", "1"))
    target = Target(name, end_text(lo), end_text(hi), metric or (row.metric if row else next(iter(METRICS))))
    check_target(target)
    return target


def read_target(data: Mapping[str, Any]) -> Target:
    """The target of a front.json entry, whose other members are ignored; ends may be numbers.

    Raises:
        TargetError: as `make_target`, or a member is missing.
    """
    if missing := [key for key in ("target", "interval", "metric") if key not in data]:
        raise TargetError(f"A target needs target, interval and metric; {', '.join(missing)} is missing.")
    ends = data["interval"]
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        raise TargetError(f"'interval' must be a list of two ends, got {str(ends)[:60]!r}.")
    return make_target(str(data["target"]), (str(ends[0]), str(ends[1])), str(data["metric"]))
