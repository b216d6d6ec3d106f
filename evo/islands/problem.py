"""What an island searches for, and how: settings alone, which travel to whoever evolves it."""

from dataclasses import dataclass, field, replace

import numpy as np

from evo.backends.backend import BACKENDS, Programs
from evo.costs.pricing import Pricing
from evo.floats.goal import FloatGoal
from evo.islands.stretch import stretched
from evo.kernels import vary
from evo.kernels.effort import Effort
from evo.programs.batch import Batch
from evo.targets.target import Target


@dataclass(frozen=True)
class Problem:
    """What an island searches for, and how.

    Attributes:
        target: function, interval, metric.
        variation: ops, largest program, mutations, equivalence tiers.
        seed: of all random streams.
        offspring: new programs of a generation.
        parents: size of the population.
        niche: candidates kept of each cost.
        cache_entries: functions remembered, a power of two.
        effort: of a fit.
        backend: what fits.
        deep_fits: most candidates of a generation that are fitted beyond float64.
        stretch: interval lengths by island, in turns, as multiples of the target's (evo/islands/stretch.py).
        home: the target as given, where `target` is stretched.
        goal: what counts in float arithmetic; None over the reals.
        pricing: what programs cost; their ops if it is None.
        device: which of the devices that a process sees, where the backend takes one of several.
    """

    target: Target
    variation: vary.Variation
    seed: int
    offspring: int
    parents: int
    niche: int
    cache_entries: int
    effort: Effort = field(default_factory=Effort)
    backend: str = "native"
    deep_fits: int = 4
    stretch: tuple[float, ...] = (1.0,)
    home: Target | None = None
    goal: FloatGoal | None = None
    pricing: Pricing | None = None
    device: int = 0

    @property
    def most(self) -> int:
        """The largest cost of a program."""
        max_ops = self.variation.max_ops
        return max_ops if self.pricing is None else self.pricing.most(max_ops)

    def costs(self, programs: Programs) -> np.ndarray:
        """What each row costs, int64 [rows]: its ops, or the cell of its time (evo/costs/pricing.py)."""
        if self.pricing is None:
            return programs.ops
        return self.pricing.cells(programs if isinstance(programs, Batch) else programs.take(slice(None)))

    def of_island(self, island: int) -> "Problem":
        """What this island searches for."""
        target = stretched(self.target, self.stretch[island % len(self.stretch)])
        device = island if BACKENDS[self.backend].numbered else 0
        if (target, device) == (self.target, self.device):
            return self
        home = self.home if target == self.target else self.target
        return replace(self, target=target, home=home, device=device)
