"""Ray actors that run the islands: this module, `reservation` and `tasks` import Ray, and no other.

States and new functions stay in Ray's object store. Actors are few, one per CPU: they run the islands by
turns. Their CPUs are reserved together. Ray is imported once a search needs it: it takes a
second, and reads its settings then.
"""

import contextlib
import math
import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evo.backends.backend import BACKENDS
from evo.islands.epoch import Finished, IslandHost, Task
from evo.islands.problem import Problem
from evo.kernels.library import arithmetic
from evo.runs.workers.contract import LostError, WorkersError
from evo.runs.workers.knock import NAMES, knock
from evo.runs.workers.reservation import Reservation, due

RESTARTS = 10
"""Times that an island's process may die before the search gives up."""
_FETCH_S = 60.0  # what does not come within this time is lost
_LOOK_S = 1.0  # least time between two looks at the cluster's nodes
_QUIET_S = 8.0  # without an outcome before the first look: a node with nothing of ours on it holds up nobody
_LINEAGE = 1 << 18
"""Most bytes that Ray keeps of how to make lost values again. A state needs the one before it, back to the
search's start: by default the driver grows by 8 KB an epoch, without end, for what takes hours to run."""


class RayWorkers:
    """Actors, at most one per CPU, that run the islands. Ray restarts a dead one and repeats its calls.

    Of a cluster that was there, half is taken unless a number is given (`due`).

    With a node, the values that were made there are gone, too, and Ray cannot make them again; and the actors
    that were there may find no CPU elsewhere. Either is a `LostError`; what is left is reserved anew.

    Args:
        problem: goes to each process once.
        islands: how many.
        address: of a running cluster; None: a local one.
        host: what an actor is.
        processes: how many actors at most; one per CPU by default, of a cluster what is `due`.
        settings: given to each actor after the problem.

    Raises:
        WorkersError: no cluster, or one that cannot hold the islands.
    """

    ahead = 2
    """The next epoch is there when a process ends one. What waits there cannot be taken back, and a search
    that ends waits for it."""

    def __init__(
        self,
        problem: Problem,
        islands: int,
        address: str | None,
        host: type = IslandHost,
        processes: int | None = None,
        settings: Sequence[Any] = (),
    ) -> None:
        self._owns = connect(address)
        import ray

        self._ray = ray
        self._asks_for_none = processes is None and address not in (None, "local")
        self._problem, self._islands = problem, islands
        self._host, self._settings, self._most = host, settings, processes
        self._actors: list[Any] = []
        self._reservation: Reservation | None = None
        try:
            self.restart()
        except WorkersError:
            self.close()
            raise

    def restart(self) -> None:
        """See `Workers.restart`."""
        self._end_actors()
        self._running: dict[Any, tuple[Any, Any]] = {}
        self._given: Counter[int] = Counter()  # epochs under way, by process
        self._processors: Counter[str] = Counter()
        try:
            self._gone, self._heard = self._dead_nodes(), time.monotonic()
            self._looked = self._heard
            self._actors = self._begin_actors()
            self._starting = {actor.__ray_call__.remote(_about): i for i, actor in enumerate(self._actors)}
        except Exception as error:  # Ray raises many kinds, its own and plain ones
            raise WorkersError(f"Ray cannot start the islands: {last_line(error)}") from None

    def _begin_actors(self) -> list[Any]:
        ray, problem = self._ray, self._problem
        cpus = ray.cluster_resources().get("CPU", 1.0)
        count, gpus = max(1, int(cpus)), ray.cluster_resources().get("GPU", 0.0)
        if per_gpu := BACKENDS[problem.backend].per_gpu:
            if not gpus:
                raise WorkersError(f"the {problem.backend} backend needs a GPU, and Ray has found none.")
            if self._asks_for_none:
                gpus = due(ray, "GPU", math.ceil(self._islands / per_gpu))
            count = per_gpu * int(gpus)
        elif self._asks_for_none:
            count = due(ray, "CPU", self._islands)
        count = min(self._islands, self._most or count)
        shares = {"CPU": share(cpus, count), "GPU": share(gpus, count) if per_gpu else 0.0}
        self._reservation = Reservation(count, {name: share for name, share in shares.items() if share})
        remote = ray.remote(
            max_restarts=RESTARTS, max_task_retries=RESTARTS, num_cpus=shares["CPU"], num_gpus=shares["GPU"]
        )(self._host)
        places = [self._reservation.place(i) for i in range(count)]
        return [remote.options(scheduling_strategy=p).remote(problem, *self._settings) for p in places]

    def _end_actors(self) -> None:
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._actors = []
        if self._reservation is not None:
            self._reservation.drop()
        self._reservation = None

    def _dead_nodes(self) -> set[str]:
        return {node["NodeID"] for node in self._ray.nodes() if not node["Alive"]}

    @property
    def processes(self) -> int:
        """How many hold the islands."""
        return len(self._actors)

    def reserved(self, timeout: float) -> bool:
        """See `Workers.reserved`."""
        if self._reservation is None or self._reservation.is_filled(timeout):
            return True
        self._look()
        return False

    def submit(self, task: Task, state: Any, known: Sequence[Any]) -> None:
        """See `Workers.submit`."""
        process = self._process(task.island)
        run = self._actors[process].run.options(num_returns=3)
        outcome, after, found = run.remote(task, state, *known)
        self._running[outcome] = after, found
        self._given[process] += 1

    def collect(self, timeout: float) -> Sequence[Finished]:
        """See `Workers.collect`."""
        if not self._running:
            return ()
        refs = list(self._running)
        try:
            if not self._ray.wait(refs, timeout=timeout)[0]:
                self._look()
                return ()
            done = self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]
            outcomes = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            if is_its_own(self._ray, error):
                raise WorkersError(f"An island failed: {last_line(error)}") from error
            raise LostError(f"An island is lost ({kind_of(error)}).") from error
        self._heard = time.monotonic()
        self._given.subtract(self._process(outcome.island) for outcome in outcomes)
        return [Finished(o, *self._running.pop(ref)) for ref, o in zip(done, outcomes, strict=True)]

    def _look(self) -> None:
        """Looks whether a node died: its islands may wait for CPUs without end, and all others for them."""
        now = time.monotonic()
        if now - self._heard >= _QUIET_S and now - self._looked >= _LOOK_S:
            self._looked = now
            if self._dead_nodes() - self._gone:
                raise LostError("A node of the cluster died.")

    def fetch(self, handle: Any) -> Any:
        """See `Workers.fetch`."""
        if not isinstance(handle, self._ray.ObjectRef):
            return handle
        try:
            return self._ray.get(handle, timeout=_FETCH_S)
        except self._ray.exceptions.RayError as error:
            raise LostError(f"What an island keeps is lost ({kind_of(error)}).") from error

    def put(self, value: Any) -> Any:
        """See `Workers.put`."""
        return self._ray.put(value)

    def queued(self, island: int) -> int:
        """See `Workers.queued`."""
        return self._given[self._process(island)]

    def _process(self, island: int) -> int:
        return island % len(self._actors)

    def waiting(self) -> Sequence[int]:
        """See `Workers.waiting`."""
        if self._starting:
            ready, _ = self._ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
            self._starting = {ref: i for ref, i in self._starting.items() if ref not in ready}
            for ref in ready:
                with contextlib.suppress(Exception):  # its first epoch says what is wrong
                    self._processors[self._ray.get(ref)] += 1
        late = set(self._starting.values())
        return [i for i in range(self._islands) if self._process(i) in late]

    def processors(self) -> Mapping[str, int]:
        """See `Workers.processors`."""
        return self._processors

    def close(self) -> None:
        """See `Workers.close`; a local cluster ends with it, a connection that its caller made stays."""
        self._end_actors()
        if self._owns:
            self._ray.shutdown()


def _about(host: Any) -> str:
    """What an actor's results depend on, asked in its process, whose first answer says that it has begun."""
    return arithmetic()


def is_its_own(ray: Any, error: Exception) -> bool:
    """Whether the code that Ray ran raised this, and would again; else Ray did, for something lost."""
    if isinstance(error, ray.exceptions.RayTaskError):
        return not isinstance(error.cause, ray.exceptions.RayError)
    return isinstance(error, ray.exceptions.RayActorError) and error.actor_init_failed


def share(resource: float, processes: int) -> float:
    """Of so many CPUs or GPUs, what each process may ask for, so that all find a place: at most one."""
    each = math.ceil(processes / max(resource, 1.0))
    return int(10_000 / each) / 10_000


def connect(address: str | None) -> bool:
    """Joins the cluster at `address`, or starts a local one, unless this process has a connection already.

    Returns:
        Whether the connection was made here, and is to be closed.

    Raises:
        WorkersError: nothing answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_max_lineage_bytes", str(_LINEAGE))
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of epochs that a search dropped
    if address is not None and address not in NAMES:
        knock(address)
        # Ray itself looks for its token only where it starts or finds the cluster; read once, at its import.
        if _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    if ray.is_initialized():
        return False
    if address == "auto":
        knock(_found_cluster(), address)
    try:
        ray.init(
            address=address or "local", include_dashboard=False if address in (None, "local") else None,
            log_to_driver=False, logging_level="error",
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds, a plain Exception when its processes are slow
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise WorkersError(
            f"Ray does not start on this machine: {last_line(error)} Search without it: --workers serial."
            if address in (None, "local")
            else f"No Ray cluster at {address}: {last_line(error)} "
            "Start one with `ray start --head`, or leave out --address."
        ) from None
    return True


def _found_cluster() -> str:
    """The address of the cluster that "auto" stands for, which may be dead.

    Raises:
        WorkersError: there is none.
    """
    from ray._private.services import get_ray_address_from_environment

    try:
        return str(get_ray_address_from_environment("auto", None))
    except Exception as error:
        raise WorkersError(
            f"No Ray cluster at 'auto': {last_line(error)} Start one by `ray start --head`, or leave out"
            " --address to search on this machine alone."
        ) from None


def _has_token() -> bool:
    """Whether this user has a token of a Ray cluster."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or os.path.exists(os.path.expanduser("~/.ray/auth_token"))


def last_line(error: BaseException) -> str:
    """What an error of Ray says at its end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return re.sub(r"^evo\.[\w.]+: ", "", last)[:300]  # Python's name of an error of evonum's own


def kind_of(error: Any) -> str:
    """Ray's name for what went wrong, whose own words advise what does not help here."""
    return type(getattr(error, "cause", None) or error).__name__
