"""Fitted candidates as arrays: populations, archives and what islands send each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Context, Decimal

import numpy as np

from evo.programs.batch import Batch


@dataclass(frozen=True)
class Pool:
    """Candidates and what is known of each; all arrays are [rows] unless said otherwise.

    Attributes:
        batch: programs and constants.
        low: what float64 leaves of each constant, float64 [rows, width]; 0 unless fitted beyond float64.
        cost: ops, or the cell of the predicted time (`Problem.costs`), int64.
        error: max weighted error, float64, finite: in float64 at the select points, or, of a row that
            `evo.islands.deep.deepen` made, as the polish in multiple precision has it.
        worst_x: where, float64.
        fingerprint: of the function (tier 2), uint64.
        behaviour: of the error curve (tier 3), uint64.
        seconds: search time at which it was found, float64 [s]; nothing depends on it.
    """

    batch: Batch
    low: np.ndarray
    cost: np.ndarray = field(metadata={"stored": "ops"})
    error: np.ndarray
    worst_x: np.ndarray
    fingerprint: np.ndarray = field(metadata={"stored": "key"})
    behaviour: np.ndarray
    seconds: np.ndarray

    @classmethod
    def empty(cls, width: int) -> "Pool":
        """No candidates; programs of at most `width` ops."""
        return cls(
            Batch.empty(0, width),
            np.zeros((0, width)),
            np.zeros(0, np.int64),
            np.zeros(0),
            np.zeros(0),
            np.zeros(0, np.uint64),
            np.zeros(0, np.uint64),
            np.zeros(0),
        )

    def __len__(self) -> int:
        return len(self.cost)

    def decimals(self, row: int) -> list[str]:
        """One row's constants as decimal strings: exact, or to 36 digits where fitted beyond float64."""
        pairs = zip(self.batch.numbers(row), self.low[row].tolist(), strict=False)
        exact = Context(prec=36)
        return [str(exact.add(Decimal(high), Decimal(low))) if low else repr(high) for high, low in pairs]

    def take(self, rows: np.ndarray | slice | Sequence[int]) -> "Pool":
        """These rows, in this order."""
        rest = (getattr(self, f.name)[rows] for f in fields(self)[1:])
        return Pool(self.batch.take(rows), *rest)

    @classmethod
    def concatenate(cls, pools: Sequence["Pool"]) -> "Pool":
        """All rows of pools of one width."""
        rest = (np.concatenate([getattr(p, f.name) for p in pools]) for f in fields(cls)[1:])
        return cls(Batch.concatenate([p.batch for p in pools]), *rest)

    def widened(self, width: int) -> "Pool":
        """The same rows, with room for programs of at most `width` ops, no fewer than now."""
        more = width - self.batch.width
        if more <= 0:
            return self
        batch = {f.name: getattr(self.batch, f.name) for f in fields(Batch)}
        for name in ("op", "arg", "constants"):
            batch[name] = _columns(batch[name], more)
        return replace(self, batch=Batch(**batch), low=_columns(self.low, more))

    def distinct(self) -> "Pool":
        """Least error first; of rows of one behaviour only the cheapest, then the first, stays."""
        return self.take(distinct(self.cost, self.error, self.fingerprint, self.behaviour))


def _columns(array: np.ndarray, more: int) -> np.ndarray:
    """With so many columns of 0 appended, [rows, columns, ...]."""
    return np.concatenate([array, np.zeros((len(array), more, *array.shape[2:]), array.dtype)], axis=1)


def distinct(
    cost: np.ndarray, error: np.ndarray, fingerprint: np.ndarray, behaviour: np.ndarray
) -> np.ndarray:
    """The rows that stay of those with these columns [rows]: see `Pool.distinct`."""
    order = np.lexsort((behaviour, fingerprint, error, cost))
    _, first = np.unique(behaviour[order], return_index=True)
    kept = order[np.sort(first)]
    return kept[np.lexsort([column[kept] for column in (behaviour, fingerprint, cost, error)])]
