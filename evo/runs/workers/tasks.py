"""A complete survey's fits as tasks of a Ray cluster: any process of any node takes the next one.

A task holds all that its outcome depends on (evo/complete/fitting.py), so Ray makes one again whose process
died, and a task whose outcome is lost with its node is given anew. Outcomes come in the order of the tasks,
some of which are under way ahead: the survey is the same as on one machine.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from evo.backends.backend import BACKENDS, backend_on
from evo.complete.fitting import Fitter, Found, Task
from evo.runs.workers.actors import RESTARTS, connect, is_its_own, kind_of, last_line, share
from evo.runs.workers.contract import LostError, WorkersError
from evo.targets.target import Target

_AHEAD = 3
"""Tasks under way or waiting for each process: the next one is there when one ends, and a slow one holds up
nobody for a while."""


class RayFits:
    """Runs tasks on the cluster of an address, for one target.

    Args:
        address: of a running cluster; "local" starts one here.
        target: what is approximated.
        backend: what fits, by name.
        starts: points that a fit starts from at most.

    Raises:
        WorkersError: no cluster, or one that has no GPU for a backend that needs one.
    """

    def __init__(self, address: str, target: Target, backend: str, starts: int) -> None:
        self._owns = connect(address)
        import ray

        self._ray, self._subject = ray, (target, backend, starts)
        try:
            self._fit, self._most = self._remote(backend)
        except WorkersError:
            self.close()
            raise

    def _remote(self, backend: str) -> tuple[Any, int]:
        """The remote function, and how many tasks are given at a time."""
        cpus, gpus = (self._ray.cluster_resources().get(name, 0.0) for name in ("CPU", "GPU"))
        processes = max(1, int(cpus))
        if per_gpu := BACKENDS[backend].per_gpu:
            if not gpus:
                raise WorkersError(f"the {backend} backend needs a GPU, and Ray has found none.")
            processes = per_gpu * int(gpus)
        remote = self._ray.remote(
            max_retries=RESTARTS,
            num_cpus=share(cpus, processes),
            num_gpus=share(gpus, processes) if per_gpu else 0,
        )
        return remote(fit), _AHEAD * processes

    def run(self, tasks: Iterable[Task]) -> Iterator[Found]:
        """The outcomes of tasks, in their order.

        Raises:
            WorkersError: a fit failed for good.
            LostError: an outcome was lost again and again.
        """
        under_way = deque[tuple[Task, Any]]()
        try:
            for task in tasks:
                under_way.append((task, self._given(task)))
                if len(under_way) == self._most:
                    yield self._outcome(*under_way.popleft())
            while under_way:
                yield self._outcome(*under_way.popleft())
        finally:
            for _, left in under_way:
                self._ray.cancel(left)

    def _given(self, task: Task) -> Any:
        return self._fit.remote(self._subject, task)

    def _outcome(self, task: Task, given: Any) -> Found:
        for _ in range(RESTARTS):
            try:
                found: Found = self._ray.get(given)
                return found
            except self._ray.exceptions.RayError as error:
                if is_its_own(self._ray, error):
                    raise WorkersError(f"A fit failed: {last_line(error)}") from error
                lost, given = error, self._given(task)
        raise LostError(f"A fit's outcome is lost {RESTARTS} times ({kind_of(lost)}).") from lost

    def close(self) -> None:
        """Ends a cluster that began with it; a connection that was there stays."""
        if self._owns:
            self._ray.shutdown()


def fit(subject: tuple[Target, str, int], task: Task) -> Found:
    """One task, in a process of the cluster."""
    return _fitter(*subject).fit(task)


@lru_cache(maxsize=4)
def _fitter(target: Target, backend: str, starts: int) -> Fitter:
    return Fitter.of(target, backend_on(backend), starts)
