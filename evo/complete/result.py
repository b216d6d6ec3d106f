"""What a complete survey says, word by word, and how sure it is."""

import math
from dataclasses import asdict, dataclass
from decimal import ROUND_FLOOR, Context
from typing import Any

import numpy as np

from evo.complete.enumeration import Families
from evo.complete.fitting import ROUNDS
from evo.complete.screen import NOTHING, RANKED
from evo.complete.survey import SAME, Survey
from evo.fronts.front import Front
from evo.programs.ops import BY_TEXT

VERSION = 2


@dataclass(frozen=True)
class Size:
    """What is known of programs of at most so many ops.

    Attributes:
        ops: most instructions.
        families: of exactly so many.
        settled: those of them that were not fitted, as all functions of their types have a larger error.
        bound: the least error that was proved of settled ones, of at most so many ops; None without any.
        failed: those of the others without a finite error from any start.
        near: those of them within `NEAR` of the front, `MOST_NEAR` at most, which were fitted again; without
            those that had a pole in every round.
        success: share of the fits of those that reached the best one of their family; None without any.
        gained: those of them that a further fit made better.
        error: least max error of at most so many ops, polished; None where there is no finite one.
        screened: programs of so many ops that were left out before they were told apart, as all functions of
            their types have a larger error than was known.
    """

    ops: int
    families: int
    settled: int
    bound: float | None
    failed: int
    near: int
    success: float | None
    gained: int
    error: float | None
    screened: int = 0


@dataclass(frozen=True)
class Completed:
    """A complete front.

    Attributes:
        front: proved, as far as it can be.
        names: of the ops.
        digest: of the families (evo/complete/enumeration.py): equal on all machines.
        sizes: 1, 2, ... ops.
        success: as of a size, of all sizes together.
        starts: points that a fit started from at most.
    """

    front: Front
    names: tuple[str, ...]
    digest: str
    sizes: tuple[Size, ...]
    success: float | None
    starts: int

    @classmethod
    def of(cls, survey: Survey, families: Families, front: Front, starts: int) -> "Completed":
        """What an ended survey says, with the front that was made of it."""
        reached = _reached(survey.error)[:, : 1 + ROUNDS]  # what goes on from the best is no trial
        gained = survey.error.min(axis=1) * SAME < survey.error[:, 0]
        size_of = families.n[survey.rows]
        sizes = []
        for ops, count in enumerate(families.counts, start=1):
            at = (size_of == ops) & np.isfinite(survey.error).any(axis=1)
            errors = [m.sampled_error for m in front if m.ops <= ops]
            screened = families.screened if ops == families.max_ops else NOTHING
            sizes.append(
                Size(
                    ops,
                    count,
                    int(survey.settled[ops - 1]),
                    _finite(min(survey.floor[:ops].min(), screened.floor)),
                    int(survey.failed[ops - 1]),
                    int(np.count_nonzero(at)),
                    _share(reached[at]),
                    int(np.count_nonzero(gained & at)),
                    min(errors, default=None),
                    screened.programs,
                )
            )
        return cls(front, families.names, families.digest, tuple(sizes), _share(reached), starts)

    @property
    def statements(self) -> tuple[str, ...]:
        """One for each size that has a finite error."""
        symbols = " ".join(BY_TEXT[name].symbol for name in self.names)
        made, families, settled = [], 0, 0
        for size in self.sizes:
            families += size.families
            settled += size.settled
            if size.error is None:
                continue
            least = rounded_down(max(min(size.error, size.bound or math.inf), RANKED))
            whole = f"Of the {families:,} families of at most {size.ops} ops over {symbols}, "
            if size.screened:
                whole = (
                    f"Of the programs over {symbols} {size.screened:,} of {size.ops} ops are settled by "
                    f"their degrees; of the {families:,} families of at most {size.ops} ops of the others, "
                )
            fitted = f"none that was fitted reaches less than {least}"
            if size.error < RANKED:
                fitted = f"some reach less than {least}, below which fits tell none apart"
            if settled:
                whole += (
                    f"{settled:,} are settled by their degrees: no rational function of these has an error "
                    f"less than {least}, proved; of the others "
                )
            made.append(
                f"{whole}{fitted}; each was started from up to {self.starts} points; on known optima of "
                f"{size.ops} ops the fit succeeds with probability {_percent(size.success)}, measured on "
                f"{_families(size.near)} fitted {1 + ROUNDS} times."
            )
        return tuple(made)

    def to_object(self) -> dict[str, Any]:
        """Plain JSON, without the front."""
        return {
            "version": VERSION,
            "ops": list(self.names),
            "digest": self.digest,
            "starts": self.starts,
            "rounds": ROUNDS,
            "success": self.success,
            "sizes": [asdict(size) for size in self.sizes],
            "statements": list(self.statements),
        }


def _reached(error: np.ndarray) -> np.ndarray:
    """Whether each fit reached the best of its family, 1 or 0; NaN where that is not finite."""
    best = error.min(axis=1, keepdims=True)
    return np.where(np.isfinite(best), error <= SAME * best, np.nan)


def _share(reached: np.ndarray) -> float | None:
    known = reached[~np.isnan(reached)]
    return float(known.mean()) if len(known) else None


def _families(count: int) -> str:
    return "1 family" if count == 1 else f"{count:,} families"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def rounded_down(error: float) -> str:
    """Five digits of it, and no more than it is: what nothing goes below."""
    return f"{float(Context(prec=5, rounding=ROUND_FLOOR).create_decimal(error)):.4e}"
