"""Backends: many programs at many points in one compiled call, behind one interface.

`native` is C compiled for this processor; `jax` runs on any device that JAX has; `cuda` is kernels for NVIDIA
GPUs. All keep the same contract (tests/test_backends.py); to add one, write the class and its row here.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np

from evo.backends.fit import Fits, Measures
from evo.errors import EvonumError
from evo.kernels.cache import Cache
from evo.kernels.effort import Effort
from evo.kernels.strict import Judgement
from evo.kernels.vary import Offspring, Variation
from evo.kernels.words import Words
from evo.numbers.formats import FloatFormat
from evo.programs.batch import Batch, Programs
from evo.targets.points import Points

Settled = Callable[[np.ndarray], np.ndarray]
"""Says of types, by number (evo/complete/degrees.py), whether all functions of each have too large an error,
bool [types]."""

Report = Callable[[int, int], None]
"""Told of how many tasks of the largest size are done, of how many: the others take no time beside them."""


class Sieved(NamedTuple):
    """Families.

    Attributes:
        n: sizes, uint8 [rows].
        word: words of the first program of each, in order, uint16 [rows, most ops].
        settled: how many programs of the most ops were left out.
    """

    n: np.ndarray
    word: np.ndarray
    settled: int = 0


class Defaults(NamedTuple):
    """What a search on a backend has where its user says nothing."""

    offspring: int
    parents: int
    niche: int
    cache_entries: int


ON_PROCESSORS = Defaults(offspring=4096, parents=256, niche=32, cache_entries=1 << 20)
ON_A_GPU = Defaults(offspring=1 << 19, parents=2048, niche=256, cache_entries=1 << 22)
"""A generation that fills it; from fewer parents it would make the same programs again."""


class BackendRow(NamedTuple):
    """What is asked of a backend before there is one.

    Attributes:
        module: where its class is.
        cls: the class.
        first: what a search's user is told to wait for at first.
        defaults: of a search.
        per_gpu: island processes that share a GPU, one of which makes offspring while the other fits; 0: it
            needs none.
        numbered: whether islands take the devices that their process sees in turns.
        threaded: whether it is told how many threads fit.
        families: that a survey fits at a time.
    """

    module: str
    cls: str
    first: str = ""
    defaults: Defaults = ON_PROCESSORS
    per_gpu: int = 0
    numbered: bool = False
    threaded: bool = False
    families: int = 4096

    def options(self, device: int = 0, threads: int = 1) -> dict[str, int]:
        """What its class is told of the device and the threads that it may take."""
        return {"number": device} if self.numbered else {"threads": threads} if self.threaded else {}


BACKENDS = {
    "native": BackendRow("evo.backends.native", "NativeBackend", threaded=True),
    "jax": BackendRow(
        "evo.backends.jax",
        "JaxBackend",
        first="JAX compiles the fits first, for a minute or two ...",
        numbered=True,
    ),
    "cuda": BackendRow(
        "evo.backends.cuda",
        "CudaBackend",
        first="GPU kernels are compiled first, unless cached ...",
        defaults=ON_A_GPU,
        per_gpu=2,
        families=1 << 21,
    ),
}


class BackendError(EvonumError, RuntimeError):
    """A backend that cannot be used on this machine; one line says why."""

    kind = "machine"


class UnknownBackendError(BackendError):
    """A name that is no backend's on any machine."""

    kind = "input"


class Backend(Protocol):
    """What a backend does; all arrays are NumPy's, float64."""

    name: str
    device: str

    def offspring(
        self, stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
    ) -> Offspring:
        """New programs for it to fit: evo.kernels.vary.offspring, or the same on its device."""
        ...

    def programs(self, words: np.ndarray) -> Programs:
        """Programs of one size of their words (evo/kernels/words.py), uint16 [rows, ops]; constants are 0."""
        ...

    def values(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """Results of every row at `x` [points]: [rows, points]."""
        ...

    def jacobian(self, batch: Batch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Results [rows, points] and derivatives by constant [rows, width, points] (0 beyond a row's own)."""
        ...

    def sieve(self, words: Sequence[Words], report: Report, settled: Settled | None = None) -> Sieved | None:
        """The families of all programs of 1, 2, ... ops; None: the processor has them made in threads.

        Args:
            words: of programs of each size.
            report: told of how much is done, of how much.
            settled: which programs of the most ops are left out, before they are told apart; none if None.

        Raises:
            SizeError: larger programs than the device can enumerate.
        """
        ...

    def judge(self, batch: Batch, points: Points, fmt: FloatFormat, limit: float) -> Judgement:
        """Errors of every row at the points in float arithmetic: evo.kernels.strict.judge, bit for bit."""
        ...

    def fit(
        self, batch: Programs, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """Fits every row's constants, starting from those it has; `batch` stays as it is.

        Args:
            batch: a `Batch`, or programs that this backend made and keeps on its device.
            points: where, and the exact values and metric's weights there.
            stream: random stream of each row's starts, uint64 [rows]: a fit depends on the row and its
                stream, not on its place in the batch.
            worth: rms above which a row is not worth the minimax stage, float64 [rows].
        """
        ...

    def measure(self, batch: Programs, rows: np.ndarray, points: Points, probes: int) -> Measures:
        """Max weighted error of the chosen rows at the points, infinite if one has a pole between them.

        Args:
            batch: as for `fit`.
            rows: which, int64.
            probes: how many of the points, evenly chosen, make the behaviour.
        """
        ...


def backend(name: str, **options: Any) -> Backend:
    """The backend of that name, made with these options; imports what it needs only now.

    Raises:
        UnknownBackendError: unknown name; lists the known ones.
        BackendError: what it needs is not here.
    """
    row = _row(name)
    made: Backend = getattr(import_module(row.module), row.cls)(**options)
    return made


def backend_on(name: str, device: int = 0, threads: int = 1) -> Backend:
    """The same, told of the device or the threads that it may take, if it is one that asks."""
    return backend(name, **_row(name).options(device, threads))


def _row(name: str) -> BackendRow:
    if name not in BACKENDS:
        raise UnknownBackendError(f"Unknown backend {name!r}; there are {', '.join(BACKENDS)}.")
    return BACKENDS[name]
