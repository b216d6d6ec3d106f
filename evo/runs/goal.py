"""When a search has what it is for: an error that is reached, with as few operations as it can tell."""

from evo.fronts.front import Front

PATIENCE = 16
"""Generations of each island that a formula of fewer operations is waited for, at least."""


class Goal:
    """An error to reach.

    No search knows that there is no cheaper formula. So it goes on until as many generations again as the
    cheapest one took to be found have brought no cheaper one.

    Args:
        error: what a member's sampled error is to be at most; None: there is no goal.
        islands: how many evolve.
    """

    def __init__(self, error: float | None, islands: int) -> None:
        self._error, self._least = error, PATIENCE * islands
        self._price: float | None = None
        self._found = 0

    def is_reached(self, front: Front, generations: int) -> bool:
        """Whether the search may end.

        Args:
            front: so far.
            generations: of all islands in this session, so far.
        """
        error = self._error
        price = next((m.price for m in front if error is not None and m.sampled_error <= error), None)
        if price is None:
            return False
        if price != self._price:
            self._price, self._found = price, generations
        return generations >= self._found + max(self._found, self._least)
