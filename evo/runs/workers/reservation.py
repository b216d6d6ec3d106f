"""What a search holds of a Ray cluster: the CPUs of all its processes, or none, by one placement group.

Two searches that each had some of their processes would wait for each other's. Ray gives a group back when
its driver is gone, however that ended.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

SETTLES_S = 5.0
"""Within which what others gave back is free [s]."""


def due(ray: Any, kind: str, needed: int) -> int:
    """How many CPUs or GPUs of a cluster that others use, too, are for a search that asks for no number.

    Half of them, so that a second search finds as many and neither waits for the other's end; of that half as
    many as are free. One at least: where none is free, the search waits for it.

    Args:
        ray: connected to the cluster.
        kind: "CPU" or "GPU".
        needed: that the search has use for.
    """
    wanted = min(needed, (int(ray.cluster_resources().get(kind, 0.0)) + 1) // 2)
    deadline = time.monotonic() + SETTLES_S
    while (free := int(ray.available_resources().get(kind, 0.0))) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return max(1, min(wanted, free))


class Reservation:
    """A placement group with a bundle for each process; it is asked for here, and filled as soon as all fit.

    Args:
        processes: how many.
        each: what one of them holds, by Ray's names of resources.
    """

    def __init__(self, processes: int, each: Mapping[str, float]) -> None:
        import ray
        from ray.util.placement_group import placement_group

        self._ray = ray
        self._group = placement_group([dict(each) for _ in range(processes)])
        self._filled = self._group.ready()

    def place(self, process: int) -> Any:
        """Where an actor goes, in Ray's terms; it begins once the group is filled."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=process)

    def is_filled(self, timeout: float) -> bool:
        """Whether all is reserved, or was once; waits for it, at most `timeout` [s]."""
        return bool(self._ray.wait([self._filled], timeout=timeout)[0])

    def drop(self) -> None:
        """Gives everything back; actors that are still there end."""
        from ray.util.placement_group import remove_placement_group

        with contextlib.suppress(Exception):  # of a cluster that is gone, nothing is left to give back
            remove_placement_group(self._group)
