"""What an island searches for: its settings, and what a worker makes of them (points, backend, operators).

The settings travel, with the points once they are sampled; backend and operators are made where they are
used.
"""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from deap import base, tools

from evo.backends.backend import BACKENDS, Backend, backend
from evo.islands.stretch import stretched
from evo.kernels import vary
from evo.kernels.effort import Effort
from evo.targets.points import Points, fit_points, select_points
from evo.targets.target import Target

PROBES = 12


@dataclass(frozen=True)
class Problem:
    """What an island searches for, and how.

    Attributes:
        target: function, interval, metric.
        variation: ops, largest program, mutations, equivalence tiers.
        seed: of all random streams.
        offspring: new programs of a generation.
        parents: size of the population.
        niche: candidates kept per op count.
        cache_entries: functions remembered, a power of two.
        effort: of a fit.
        backend: what fits.
        deep_fits: most candidates of a generation that are fitted beyond float64.
        stretch: interval lengths by island, in turns, as multiples of the target's (evo/islands/stretch.py).
        home: the target as given, where `target` is stretched.
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
    device: int = 0

    def of_island(self, island: int) -> "Problem":
        """What this island searches for."""
        target = stretched(self.target, self.stretch[island % len(self.stretch)])
        device = island if BACKENDS[self.backend].numbered else 0
        if (target, device) == (self.target, self.device):
            return self
        home = self.home if target == self.target else self.target
        return replace(self, target=target, home=home, device=device)

    @cached_property
    def fit_points(self) -> Points:
        """Where constants are fitted."""
        return fit_points(self.target)

    @cached_property
    def select_points(self) -> Points:
        """Where candidates are compared."""
        return select_points(self.target)

    @cached_property
    def engine(self) -> Backend:
        """The backend itself."""
        return backend(self.backend, **BACKENDS[self.backend].options(self.device))

    @cached_property
    def toolbox(self) -> base.Toolbox:
        """DEAP's toolbox: the operators of a generation, on whole batches."""
        toolbox = base.Toolbox()
        toolbox.register("vary", self.engine.offspring, variation=self.variation, rows=self.offspring)
        toolbox.register("fit", self.engine.fit, points=self.fit_points, effort=self.effort)
        toolbox.register("measure", self.engine.measure, points=self.select_points, probes=PROBES)
        toolbox.register("select", tools.selNSGA2, nd="log")
        return toolbox

    def with_points(self) -> "Problem":
        """Itself, its points sampled: they travel with it."""
        _ = self.fit_points, self.select_points
        return self

    def __getstate__(self) -> dict[str, Any]:
        names = (*(f.name for f in fields(self)), "fit_points", "select_points")
        return {name: self.__dict__[name] for name in names if name in self.__dict__}
