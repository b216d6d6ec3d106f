"""Workers: where the islands' epochs run. Epochs go in as tasks on handles, outcomes come out.

A kind of workers is a row of `WORKERS`.
"""

from collections.abc import Callable, Mapping

from evo.islands.problem import Problem
from evo.runs.workers.actors import RayWorkers
from evo.runs.workers.contract import LostError, Workers, WorkersError
from evo.runs.workers.knock import check_address, knock
from evo.runs.workers.serial import SerialWorkers
from evo.runs.workers.tasks import RayFits

__all__ = [
    "WORKERS", "LostError", "RayFits", "RayWorkers", "SerialWorkers", "Workers", "WorkersError",
    "check_address", "knock", "make_workers",
]  # fmt: skip

WORKERS: Mapping[str, Callable[[Problem, int, str | None, int | None], Workers]] = {
    "ray": lambda problem, islands, address, most: RayWorkers(problem, islands, address, processes=most),
    "serial": lambda problem, islands, address, most: SerialWorkers(problem),
}
"""By name: of a problem, so many islands, on the cluster of an address (None: this machine), in at most so
many processes (None: one per CPU)."""


def make_workers(
    problem: Problem, islands: int, kind: str, address: str | None, most: int | None = None
) -> Workers:
    """Workers of a kind of `WORKERS`.

    Raises:
        WorkersError: no cluster answers.
    """
    return WORKERS[kind](problem, islands, address, most)
