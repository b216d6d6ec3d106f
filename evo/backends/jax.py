"""The fit of evo/native/fit.h in JAX: any device that JAX has, thousands of programs in step.

Every function below is about one program, and `jax.vmap` makes it about a batch. A program is data
here, not code: a loop over its instructions gathers the operands from a tape of slots, evaluates every
row of the op table on them and selects by opcode. So a compiled function depends on shapes alone
(rows padded to a power of two, width, points). Derivatives by constant come from adjoints scattered
backwards over the same tape; on a CPU that takes a quarter to a half of the time of tangents
(forward mode), and sums of masked contributions are slower still.

Where an op divides by zero or takes the root of a negative number, the selection by opcode (never a
product with 0 or 1) keeps the rows apart that did not ask for that op.

Precision is float64 within the calls only: the global `jax_enable_x64` stays as it was. Compiled code
is kept in the user's cache folder, unless JAX has been told of another place; that setting is global
and made when the first backend is.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evo.batch import CONSTANT, MAX_CONSTANTS, VALUE, Batch
from evo.fit import FITTED, NOT_FINITE, Effort, Fits
from evo.native.build import cache_folder
from evo.ops import OPS
from evo.points import Points

FEWEST_ROWS = 64
"""Smaller batches are padded to this many rows."""
CHUNK = {"cpu": 256}
"""Most rows of one call, by platform: what the caches of a CPU hold."""
ACCELERATOR_CHUNK = 1 << 16
_ARITY = max(op.arity for op in OPS)


class Code(NamedTuple):
    """A program without its constants.

    Attributes:
        op: opcodes, int32 [width].
        arg: operands' rows of the tape (x, `width` constants, `width` values), int32 [width, 3].
        n: instructions.
        k: constants.
    """

    op: Array
    arg: Array
    n: Array
    k: Array


class Sample(NamedTuple):
    """Points of a fit and their weights, all [points]; `weight` holds the metric's alone."""

    x: Array
    exact: Array
    weight: Array


class Fitted(NamedTuple):
    """State of a Levenberg-Marquardt run: constants [width], sum of squares, damping, iterations."""

    constants: Array
    squares: Array
    damping: Array
    iterations: Array


def _select(code: Array, candidates: list[Array]) -> Array:
    """The candidate of this opcode; the others may be anything, NaN included."""
    chosen = candidates[0]
    for number, candidate in enumerate(candidates[1:], start=1):
        chosen = jnp.where(code == number, candidate, chosen)
    return chosen


def _apply(code: Array, operands: list[Array]) -> Array:
    """The op's value on three operands, each [points]."""
    return _select(code, [op.real(jnp, *operands[: op.arity]) for op in OPS])


def _partials(code: Array, operands: list[Array]) -> list[Array]:
    """d value / d operand, three of [points]; 0 beyond the arity."""
    columns: list[list[Array]] = [[] for _ in range(_ARITY)]
    for op in OPS:
        value, pull = jax.vjp(partial(op.real, jnp), *operands[: op.arity])
        zeros = [jnp.zeros_like(value)] * (_ARITY - op.arity)
        for column, partial_derivative in zip(columns, [*pull(jnp.ones_like(value)), *zeros], strict=True):
            column.append(partial_derivative)
    return [_select(code, column) for column in columns]


def _operands(code: Code, i: Array, tape: Array) -> list[Array]:
    return [tape[code.arg[i, j]] for j in range(_ARITY)]


def _tape(code: Code, constants: Array, x: Array) -> Array:
    """All slots: x, constants, values of the instructions; [1 + 2 width, points]."""
    width = len(code.op)
    tape = jnp.zeros((1 + 2 * width, len(x))).at[0].set(x).at[1 : 1 + width].set(constants[:, None])

    def step(i: Array, tape: Array) -> Array:
        return tape.at[1 + width + i].set(_apply(code.op[i], _operands(code, i, tape)))

    return lax.fori_loop(0, width, step, tape)


def _result(code: Code, tape: Array) -> Array:
    return tape[len(code.op) + code.n]


def _jacobian(code: Code, tape: Array) -> Array:
    """d result / d constant by adjoints, [width, points]; 0 for constants beyond the program's own."""
    width = len(code.op)

    def step(back: Array, adjoint: Array) -> Array:
        i = width - 1 - back
        seed = adjoint[1 + width + i]
        # Beyond the program (there, `x + x`) and beyond the arity, parts are nought and go to x's slot.
        for j, derivative in enumerate(_partials(code.op[i], _operands(code, i, tape))):
            # One operand after another (v * v has one slot twice), so that the order of sums is fixed.
            slot = code.arg[i, j]
            adjoint = adjoint.at[slot].set(adjoint[slot] + seed * derivative)
        return adjoint

    adjoint = lax.fori_loop(0, width, step, jnp.zeros_like(tape).at[width + code.n].set(1.0))
    return adjoint[1 : 1 + width]


def _values(code: Code, constants: Array, x: Array) -> Array:
    return _result(code, _tape(code, constants, x))


def _values_and_jacobian(code: Code, constants: Array, x: Array) -> tuple[Array, Array]:
    tape = _tape(code, constants, x)
    return _result(code, tape), _jacobian(code, tape)


def _normal_equations(
    code: Code, constants: Array, sample: Sample, weight: Array
) -> tuple[Array, Array, Array]:
    """Weighted sum of squares (infinite or NaN where the program is not finite), J^T J and J^T r."""
    values, jacobian = _values_and_jacobian(code, constants, sample.x)
    # One product for all three: a sum over the points would be compiled differently by batch size.
    rows = jnp.concatenate([jacobian, (values - sample.exact)[None]]) * weight
    products = rows @ rows.T
    return products[-1, -1], products[:-1, :-1], products[-1, :-1]


def _damped_step(hessian: Array, gradient: Array, damping: Array) -> Array:
    """Cholesky solve of the damped normal equations; NaN if they are not positive definite."""
    diagonal = jnp.diagonal(hessian)
    damped = hessian + jnp.diag(diagonal * damping + 1e-290)
    lower = lax.linalg.cholesky(damped, symmetrize_input=False)
    return -jax.scipy.linalg.cho_solve((lower, True), gradient)


def _levenberg_marquardt(
    code: Code, start: Array, sample: Sample, weight: Array, steps: Array, damping: Array
) -> Fitted:
    """As evo/native/fit.h; the Jacobian is evaluated with every trial, because rows run in step.

    Pass 0 evaluates the start, in the loop's own code: half the time to compile.
    """
    width = len(start)
    first = Fitted(start, jnp.full_like(damping, jnp.inf), damping, jnp.full_like(code.k, -1))

    def running(state: tuple[Fitted, Array, Array, Array]) -> Array:
        return state[3] & (state[0].iterations < steps)

    def step(state: tuple[Fitted, Array, Array, Array]) -> tuple[Fitted, Array, Array, Array]:
        (constants, best, damping, iterations), hessian, gradient, _ = state
        new = iterations < 0
        trial = jnp.where(new, start, constants + _damped_step(hessian, gradient, damping))
        found, trial_hessian, trial_gradient = _normal_equations(code, trial, sample, weight)
        better = found < best  # never, if NaN
        stalled = jnp.where(better, best - found < 1e-9 * best, damping * 6.0 > 1e9)
        damped = jnp.where(better, jnp.maximum(damping * 0.15, 1e-14), damping * 6.0)
        fitted = Fitted(
            jnp.where(better, trial, constants),
            jnp.where(better, found, best),
            jnp.where(new, damping, damped),
            iterations + 1,
        )
        hessian = jnp.where(better, trial_hessian, hessian)
        gradient = jnp.where(better, trial_gradient, gradient)
        return fitted, hessian, gradient, jnp.where(new, better & (code.k > 0), ~stalled)

    begun = (first, jnp.eye(width), jnp.zeros(width), jnp.full_like(code.k, 1, bool))
    fitted = lax.while_loop(running, step, begun)[0]
    return fitted._replace(iterations=jnp.maximum(fitted.iterations, 0))


def _mix(z: Array) -> Array:
    """splitmix64's finaliser, as in evo/native/program.h."""
    z = (z ^ (z >> 30)) * jnp.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> 27)) * jnp.uint64(0x94D049BB133111EB)
    return z ^ (z >> 31)


def _start(number: int, inherited: Array, stream: Array) -> Array:
    """The constants of one start; draw m of constant j depends on (stream, number, j, m) alone."""
    counter = 3 * (number * MAX_CONSTANTS + jnp.arange(len(inherited), dtype=jnp.uint64))

    def uniform(m: int) -> Array:
        word = _mix(stream + jnp.uint64(0x9E3779B97F4A7C15) * (counter + jnp.uint64(m + 1)))
        return (word >> 11).astype(jnp.float64) * 2.0**-53

    if number % 4 == 1:  # nearby
        normal = jnp.sqrt(-2.0 * jnp.log(1.0 - uniform(0))) * jnp.cos(2 * np.pi * uniform(1))
        return inherited * (1.0 + 0.3 * normal)
    if number % 4 == 2:  # half of them anew
        sign = jnp.where(uniform(2) < 0.5, -1.0, 1.0)
        return jnp.where(uniform(0) < 0.5, inherited, sign * 10.0 ** (4.0 * uniform(1) - 2.0))
    if number % 4 == 3:  # another scale of x: powers of two
        return inherited * jnp.array([0.25, 0.5, 1.0, 2.0, 4.0])[(5 * uniform(0)).astype(jnp.int32)]
    return inherited


def _errors(code: Code, constants: Array, sample: Sample) -> Array:
    """Weighted error at every point, infinite where not finite."""
    errors = jnp.abs(_values(code, constants, sample.x) - sample.exact) * sample.weight
    return jnp.where(errors < jnp.inf, errors, jnp.inf)


def _sum(terms: Array) -> Array:
    """Sum of [points] by halves: the order of a `jnp.sum` may change with the size of the batch."""
    while len(terms) > 1:
        half = (len(terms) + 1) // 2
        terms = terms[:half].at[: len(terms) - half].add(terms[half:])
    return terms[0]


class Reweighting(NamedTuple):
    """State of Lawson's reweighting; `alive` until it converges, `rounds` done so far."""

    trial: Array
    errors: Array
    lawson: Array
    damping: Array
    best: Array
    constants: Array
    rounds: Array
    iterations: Array
    alive: Array


def _minimax(
    code: Code, constants: Array, sample: Sample, rounds: Array, steps: Array, stop: Array
) -> tuple[Array, Array, Array]:
    """Constants of least max error seen, that error, and LM iterations; as evo/native/fit.h."""
    errors = _errors(code, constants, sample)
    first = Reweighting(
        constants, errors, jnp.ones_like(errors), jnp.full_like(errors[0], 1e-6), errors.max(), constants,
        jnp.zeros_like(code.k), jnp.zeros_like(code.k), code.k > 0,
    )  # fmt: skip

    def running(s: Reweighting) -> Array:
        largest = s.errors.max()
        return s.alive & (s.rounds < rounds) & (largest > 0.0) & (largest < jnp.inf)

    def step(s: Reweighting) -> Reweighting:
        lawson = s.lawson * jnp.maximum(s.errors / s.errors.max(), 1e-9)
        lawson *= len(lawson) / _sum(lawson)
        fitted = _levenberg_marquardt(
            code, s.trial, sample, sample.weight * jnp.sqrt(lawson), steps, jnp.minimum(s.damping, 1e-2)
        )
        errors = _errors(code, fitted.constants, sample)
        found = errors.max()
        bound = jnp.sqrt(_sum(lawson * errors * errors) / len(lawson))
        better = found < s.best
        return Reweighting(
            fitted.constants, errors, lawson, fitted.damping, jnp.where(better, found, s.best),
            jnp.where(better, fitted.constants, s.constants), s.rounds + 1,
            s.iterations + fitted.iterations, found > stop * bound,
        )  # fmt: skip

    last = lax.while_loop(running, step, first)
    return last.constants, last.best, last.iterations


@jax.jit
def _batch_values(codes: Code, constants: Array, x: Array) -> Array:
    return jax.vmap(_values, (0, 0, None))(codes, constants, x)


@jax.jit
def _batch_jacobian(codes: Code, constants: Array, x: Array) -> tuple[Array, Array]:
    return jax.vmap(_values_and_jacobian, (0, 0, None))(codes, constants, x)


@partial(jax.jit, static_argnames="starts")
def _batch_least_squares(
    codes: Code, constants: Array, stream: Array, sample: Sample, steps: Array, final: Array, starts: int
) -> tuple[Array, Array, Array, Array]:
    """Multi-start least squares: constants, sum of squares, max error, LM iterations of every row."""
    lm = jax.vmap(_levenberg_marquardt, (0, 0, None, None, None, 0))
    tried = jnp.stack([jax.vmap(partial(_start, number))(constants, stream) for number in range(starts)])
    infinite, zero = jnp.full(len(stream), jnp.inf), jnp.zeros(len(stream), jnp.int32)

    # One start after another keeps a batch in the processor's cache. The last run goes on from the best.
    def run(number: Array, best: Fitted) -> Fitted:
        last = number == starts
        begin = jnp.where(last, best.constants, tried[jnp.minimum(number, starts - 1)])
        damping = jnp.where(last, best.damping, 1e-3)
        found = lm(codes, begin, sample, sample.weight, jnp.where(last, final, steps), damping)
        better = last | (found.squares < best.squares)
        return Fitted(
            jnp.where(better[:, None], found.constants, best.constants),
            jnp.where(better, found.squares, best.squares),
            jnp.where(better, found.damping, best.damping),
            best.iterations + found.iterations,
        )

    fitted = lax.fori_loop(0, starts + 1, run, Fitted(constants, infinite, infinite, zero))
    errors = jax.vmap(_errors, (0, 0, None))(codes, fitted.constants, sample).max(axis=1)
    return fitted.constants, fitted.squares, errors, fitted.iterations


@jax.jit
def _batch_minimax(
    codes: Code, constants: Array, sample: Sample, rounds: Array, steps: Array, stop: Array
) -> tuple[Array, Array, Array]:
    return jax.vmap(_minimax, (0, 0, None, None, None, None))(codes, constants, sample, rounds, steps, stop)


def double() -> AbstractContextManager[None]:
    """float64 inside, whatever JAX's global setting."""
    module: Any = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    context: AbstractContextManager[None] = module.enable_x64(True)
    return context


def _codes(batch: Batch) -> Code:
    """Operands' slots of evo/batch.py become rows of the tape."""
    arg = batch.arg.astype(np.int32)
    rows = np.where(arg < VALUE, arg, arg - VALUE + CONSTANT + batch.width)
    columns: tuple[Any, ...] = (batch.op.astype(np.int32), rows, batch.n, batch.k)
    return Code(*columns)


class JaxBackend:
    """The default device of JAX."""

    name = "jax"

    def __init__(self) -> None:
        config: Any = jax.config
        if config.jax_compilation_cache_dir is None:
            config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
            config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        device = jax.devices()[0]
        self.device: str = device.device_kind
        self._chunk = CHUNK.get(device.platform, ACCELERATOR_CHUNK)

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

    def fit(
        self, batch: Batch, points: Points, effort: Effort, stream: np.ndarray, worth: np.ndarray
    ) -> Fits:
        """See `Backend.fit`."""
        arrays: tuple[Any, ...] = (points.x, points.exact, points.weight)
        sample, code, own = Sample(*arrays), _codes(batch), np.arange(batch.width) < batch.k[:, None]
        constants, squares, error, steps = self._call(
            partial(
                _batch_least_squares, sample=sample, steps=effort.first_steps, final=effort.final_steps,
                starts=effort.starts,
            ),
            [(batch.width,), (), (), ()], code, batch.constants, np.asarray(stream, np.uint64),
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
            [(batch.width,), (), ()], Code(*(field[rows] for field in code)), constants[rows],
        )  # fmt: skip
        finite = np.isfinite(rms) & np.isfinite(error)
        return Fits(
            np.where(own, constants, batch.constants),
            np.where(finite, rms, np.inf),
            np.where(finite, error, np.inf),
            np.where(finite, FITTED, NOT_FINITE).astype(np.uint8),
            iterations + int(steps.sum()),
        )

    def _call(
        self, function: Callable[..., Any], shapes: list[tuple[int, ...]], code: Code, *columns: np.ndarray
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
            with double():
                results = function(Code(*padded[:4]), *padded[4:])
                for part, result in zip(parts, results, strict=True):
                    part.append(np.asarray(result)[:count])
        return [np.concatenate(part) for part in parts]


def _pad(array: np.ndarray, rows: int) -> np.ndarray:
    """Copies of the first row at the end."""
    return np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)])
