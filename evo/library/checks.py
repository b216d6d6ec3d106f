"""What is shipped, asked again: every input of every function."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evo.errors import EvonumError
from evo.exports.check import Checked, check
from evo.library.shelf import Point, Shipped, rows_in

_SLACK = 1 + 1e-9
"""Of errors that another processor's float64 may have rounded otherwise."""


class ChangedError(EvonumError, ValueError):
    """A shipped function that gives other results than its file says."""

    kind = "refuted"


@dataclass(frozen=True)
class Rechecked:
    """A shipped function, and what every input gave now.

    Attributes:
        row, point: what is shipped.
        found: what its inputs gave.
    """

    row: Shipped
    point: Point
    found: Checked

    @property
    def holds(self) -> bool:
        """Whether it is what its file says."""
        same = self.found.misrounded == self.point.misrounded and self.found.inputs == self.point.inputs
        wrong = self.found.faults or self.found.unmet
        return same and not wrong and self.found.error <= _SLACK * self.point.ulp


def rechecked(function: str | None = None) -> Iterator[Rechecked]:
    """Asks what is shipped, or that function of it.

    Raises:
        ShelfError: it is not shipped.
    """
    for row in rows_in(None, function):
        for point in row.points:
            yield Rechecked(row, point, check(point.member))


def refuse_changed(found: Sequence[Rechecked]) -> None:
    """Refuses what is not as it was shipped.

    Raises:
        ChangedError: names it.
    """
    if wrong := [one for one in found if not one.holds]:
        names = ", ".join(f"{r.row.words} {r.point.member.ops} ops" for r in wrong)
        raise ChangedError(f"Not as their files say: {names}.")
