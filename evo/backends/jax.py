"""A device of JAX as a backend: thousands of programs in step.

Precision is float64 within the calls only: the global `jax_enable_x64` stays as it was. Compiled code
is kept in the user's cache folder, unless JAX has been told of another place; that setting is global
and made when the first backend is.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evo.backends.backend import Report, Settled
from evo.backends.fit import Fits, Measures
from evo.backends.jax_fit import (
    Clearing,
    Fitted,
    Sample,
    Tape,
    cleared,
    errors_at,
    initial,
    levenberg_marquardt,
    minimax,
    sum_by_halves,
    values,
    values_and_jacobian,
)
from evo.backends.native import NativeBackend, clearing
from evo.kernels.build import cache_folder
from evo.kernels.effort import NUMBER, Effort
from evo.kernels.layout import FITTED, NOT_FINITE
from evo.kernels.strict import judge
from evo.kernels.vary import offspring
from evo.kernels.words import Words, batch_of
from evo.programs.batch import CONSTANT, VALUE, Batch, Programs
from evo.targets.points import Points

FEWEST_ROWS = 64
"""Smaller batches are padded to this many rows."""
CHUNK = {"cpu": 256}
"""Most rows of one call, by platform: what the caches of a CPU hold."""
ACCELERATOR_CHUNK = 1 << 16


@jax.jit
def _batch_values(codes: Tape, constants: Array, x: Array) -> Array:
    return jax.vmap(values, (0, 0, None))(codes, constants, x)


@jax.jit
def _batch_jacobian(codes: Tape, constants: Array, x: Array) -> tuple[Array, Array]:
    return jax.vmap(values_and_jacobian, (0, 0, None))(codes, constants, x)


@partial(jax.jit, static_argnames=("starts", "anew", "finalists"))
def _batch_least_squares(
    codes: Tape, clears: Clearing, constants: Array, stream: Array, sample: Sample, few: Array, steps: Array,
    first: Array, final: Array, starts: int, anew: bool, finalists: int,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Multi-start least squares: constants, sum of squares, max error, LM iterations of every row."""
    lm = jax.vmap(levenberg_marquardt, (0, 0, None, None, None, 0))
    tried, worth = [constants], []
    for number in range(starts):
        begin = jax.vmap(partial(initial, number, anew))(constants, stream)
        found = jax.vmap(cleared, (0, 0, 0, None, None))(codes, clears, begin, few, steps)
        errors = jax.vmap(errors_at, (0, 0, None))(codes, found, sample)
        tried.append(found)
        worth.append(sum_by_halves((errors * errors).T))
    kept = min(finalists, starts)
    stacked = jnp.stack(tried)
    if kept:
        order = jnp.argsort(jnp.stack(worth), axis=0, stable=True)[:kept] + 1
        stacked = jnp.concatenate([stacked[:1], jnp.take_along_axis(stacked, order[..., None], axis=0)])
    infinite, zero = jnp.full(len(stream), jnp.inf), jnp.zeros(len(stream), jnp.int32)

    inherited, cleared_start = NUMBER["INHERITED_DAMPING"], NUMBER["CLEARED_DAMPING"]

    # One start after another keeps a batch in the processor's cache. The last run goes on from the best.
    def run(number: Array, best: Fitted) -> Fitted:
        last = number > kept
        begin = jnp.where(last, best.constants, stacked[jnp.minimum(number, kept)])
        damping = jnp.where(last, best.damping, jnp.where(number == 0, inherited, cleared_start))
        found = lm(codes, begin, sample, sample.weight, jnp.where(last, final, first), damping)
        better = last | (found.squares < best.squares)
        return Fitted(
            jnp.where(better[:, None], found.constants, best.constants),
            jnp.where(better, found.squares, best.squares),
            jnp.where(better, found.damping, best.damping),
            best.iterations + found.iterations,
        )

    fitted = lax.fori_loop(0, kept + 2, run, Fitted(constants, infinite, infinite, zero))
    errors = jax.vmap(errors_at, (0, 0, None))(codes, fitted.constants, sample).max(axis=1)
    return fitted.constants, fitted.squares, errors, fitted.iterations


@jax.jit
def _batch_minimax(
    codes: Tape, constants: Array, sample: Sample, rounds: Array, steps: Array, stop: Array
) -> tuple[Array, Array, Array]:
    return jax.vmap(minimax, (0, 0, None, None, None, None))(codes, constants, sample, rounds, steps, stop)


def double() -> AbstractContextManager[None]:
    """float64 inside, whatever JAX's global setting."""
    module: Any = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    context: AbstractContextManager[None] = module.enable_x64(True)
    return context


def _codes(batch: Batch) -> Tape:
    """Operands' slots of evo/programs/batch.py become rows of the tape."""
    arg = batch.arg.astype(np.int32)
    rows = np.where(arg < VALUE, arg, arg - VALUE + CONSTANT + batch.width)
    columns: tuple[Any, ...] = (batch.op.astype(np.int32), rows, batch.n, batch.k)
    return Tape(*columns)


class JaxBackend:
    """One of JAX's devices.

    Args:
        number: which, counted round: islands of one process take the devices that it sees in turns.
    """

    name = "jax"

    def __init__(self, number: int = 0) -> None:
        config: Any = jax.config
        if config.jax_compilation_cache_dir is None:
            config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
            config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        devices = jax.local_devices()
        self._on = devices[number % len(devices)]
        self.device: str = self._on.device_kind
        self._chunk = CHUNK.get(self._on.platform, ACCELERATOR_CHUNK)

    offspring = staticmethod(offspring)
    judge = staticmethod(judge)

    programs = staticmethod(batch_of)

    def sieve(self, words: Sequence[Words], report: Report, settled: Settled | None = None) -> None:
        """See `Backend.sieve`."""

    def values(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """See `Backend.values`."""
        x = np.asarray(x, float)
        (values,) = self._call(
            lambda code, constants: [_batch_values(code, constants, x)],
            [(len(x),)], _codes(batch), batch.constants,
        )  # fmt: skip
        return values

    def jacobian(self, batch: Batch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Backend.jacobian`."""
        x = np.asarray(x, float)
        values, derivatives = self._call(
            lambda code, constants: _batch_jacobian(code, constants, x),
            [(len(x),), (batch.width, len(x))], _codes(batch), batch.constants,
        )  # fmt: skip
        return values, derivatives

    def measure(self, batch: Programs, rows: np.ndarray, points: Points, probes: int) -> Measures:
        """See `Backend.measure`; on the processor."""
        return NativeBackend().measure(batch, rows, points, probes)

    def fit(
        self, batch: Programs, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """See `Backend.fit`."""
        batch = batch.take(slice(None))
        arrays: tuple[Any, ...] = (points.x, points.exact, points.weight)
        sample, code, own = Sample(*arrays), _codes(batch), np.arange(batch.width) < batch.k[:, None]
        few = _few(points, int(NUMBER["FEW"]) * batch.width)
        clear = clearing(batch, few)
        constants, squares, error, steps = self._call(
            lambda code, *rest: _batch_least_squares(
                code, Clearing(*rest[:4]), *rest[4:], sample, few.x, effort.clear_steps, effort.first_steps,
                effort.final_steps, starts=effort.starts, anew=bool(effort.anew), finalists=effort.finalists,
            ),
            [(batch.width,), (), (), ()], code, *clear, batch.constants, np.asarray(stream, np.uint64),
        )  # fmt: skip
        rms = np.sqrt(squares / len(points.x))
        iterations = int(steps.sum())
        # Few rows are worth the minimax stage: they go on as a smaller batch.
        rows = np.flatnonzero((rms <= worth) & np.isfinite(rms))
        constants[rows], error[rows], steps = self._call(
            partial(
                _batch_minimax, sample=sample, rounds=effort.lawson_rounds, steps=effort.lawson_steps,
                stop=effort.lawson_stop,
            ),
            [(batch.width,), (), ()], Tape(*(field[rows] for field in code)), constants[rows],
        )  # fmt: skip
        finite = np.isfinite(rms) & np.isfinite(error)
        return Fits(
            replace(batch, constants=np.where(own, constants, batch.constants)),
            np.where(finite, rms, np.inf),
            np.where(finite, error, np.inf),
            np.where(finite, FITTED, NOT_FINITE).astype(np.uint8),
            iterations + int(steps.sum()),
        )

    def _call(
        self, function: Callable[..., Any], shapes: list[tuple[int, ...]], code: Tape, *columns: np.ndarray
    ) -> list[np.ndarray]:
        """The function's results for every row, chunk by chunk, each padded to a power of two.

        Args:
            function: of code and columns, all with the rows first.
            shapes: of one row's results.
        """
        rows = len(code.n)
        parts: list[list[np.ndarray]] = [[np.empty((0, *shape))] for shape in shapes]
        for begin in range(0, rows, self._chunk):
            some = [np.asarray(a)[begin : begin + self._chunk] for a in (*code, *columns)]
            count = len(some[0])
            padded: list[Any] = [_pad(a, max(FEWEST_ROWS, 1 << (count - 1).bit_length())) for a in some]
            with double(), jax.default_device(self._on):
                results = function(Tape(*padded[:4]), *padded[4:])
                for part, result in zip(parts, results, strict=True):
                    part.append(np.asarray(result)[:count])
        return [np.concatenate(part) for part in parts]


def _few(points: Points, wanted: int) -> Points:
    """At least `wanted` of the points if there are as many, evenly chosen; a multiple of 8 of them."""
    n = min(-(-wanted // 8) * 8, len(points.x))
    chosen = (2 * np.arange(n) + 1) * len(points.x) // (2 * n)
    return Points(points.x[chosen], points.exact[chosen], points.weight[chosen])


def _pad(array: np.ndarray, rows: int) -> np.ndarray:
    """Copies of the first row at the end."""
    return np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)])
