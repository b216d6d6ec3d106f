"""Metrics: what the error of an approximation is, one row each.

A metric takes numbers of any kind (balls, models, duals, arrays of floats) and says what a difference from
the exact value is worth. The signed error stands here and nowhere else.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NamedTuple

from evo.targets.ends import TargetError


class Metric(NamedTuple):
    """A row.

    Attributes:
        name: as users write it.
        unit: what the difference is divided by, from the exact value; None where it stays as it is.
    """

    name: str
    unit: Callable[[Any], Any] | None

    @property
    def by_target(self) -> bool:
        """Whether the unit is the target itself: what is written for a metric elsewhere (C, LaTeX) knows this
        and no unit."""
        return self.unit is _itself

    @property
    def divides(self) -> bool:
        """Whether errors are divided by the target: then its zeros have to be matched exactly."""
        return self.unit is not None

    def error(self, got: Any, exact: Any) -> Any:
        """The signed error of `got`, numbers of one kind."""
        return self.scaled(got - exact, exact)

    def scaled(self, difference: Any, exact: Any) -> Any:
        """What a difference from the exact value is worth."""
        return difference if self.unit is None else difference / self.unit(exact)

    def scale(self, exact: Any, one: Any) -> Any:
        """What a difference is multiplied by: a number of the kind of `one`, which is 1."""
        return one if self.unit is None else one / self.unit(exact)


def _itself(exact: Any) -> Any:
    return exact


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("relative", _itself),
        Metric("absolute", None),
    )
}
"""The metrics, the default first: to add one, add a row."""


ULP = "ulp"
"""Of results of floats only, whose format has a spacing: no row."""


def divides(name: str) -> bool:
    """Whether errors of a metric are quotients by the target; those in ulp, of floats, are none."""
    return name in METRICS and METRICS[name].divides


def find_metric(name: str) -> Metric:
    """The row of a name.

    Raises:
        TargetError: unknown; lists the known ones and the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name, METRICS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise TargetError(f"Unknown metric {name!r}; known are {', '.join(METRICS)}.{hint}")
