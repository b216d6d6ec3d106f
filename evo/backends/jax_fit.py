"""The fit of evo/kernels/fit.h in JAX, for one program: `jax.vmap` makes it about a batch.

A program is data here, not code: a loop over its instructions gathers the operands from a tape of slots,
evaluates every row of the op table on them and selects by opcode. So a compiled function depends on shapes
alone (rows padded to a power of two, width, points). Derivatives by constant come from adjoints scattered
backwards over the same tape; on a CPU that takes a quarter to a half of the time of tangents (forward
mode), and sums of masked contributions are slower still.

Where an op divides by zero or takes the root of a negative number, the selection by opcode (never a
product with 0 or 1) keeps the rows apart that did not ask for that op.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evo.kernels.effort import NUMBER
from evo.programs.batch import MAX_CONSTANTS
from evo.programs.ops import OPS

_ARITY = max(op.arity for op in OPS)
_SCALES = int(NUMBER["SCALES"])
_POWERS = [2.0 ** (i - _SCALES // 2) for i in range(_SCALES)]


class Tape(NamedTuple):
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


def _operands(code: Tape, i: Array, tape: Array) -> list[Array]:
    return [tape[code.arg[i, j]] for j in range(_ARITY)]


def _tape(code: Tape, constants: Array, x: Array) -> Array:
    """All slots: x, constants, values of the instructions; [1 + 2 width, points]."""
    width = len(code.op)
    tape = jnp.zeros((1 + 2 * width, len(x))).at[0].set(x).at[1 : 1 + width].set(constants[:, None])

    def step(i: Array, tape: Array) -> Array:
        return tape.at[1 + width + i].set(_apply(code.op[i], _operands(code, i, tape)))

    return lax.fori_loop(0, width, step, tape)


def _result(code: Tape, tape: Array) -> Array:
    return tape[len(code.op) + code.n]


def _adjoint(code: Tape, tape: Array, adjoint: Array) -> Array:
    """Takes the adjoints given for values [1 + 2 width, points] down to the constants: [width, points]."""
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

    return lax.fori_loop(0, width, step, adjoint)[1 : 1 + width]


def _jacobian(code: Tape, tape: Array) -> Array:
    """d result / d constant, [width, points]; 0 for constants beyond the program's own."""
    return _adjoint(code, tape, jnp.zeros_like(tape).at[len(code.op) + code.n].set(1.0))


def values(code: Tape, constants: Array, x: Array) -> Array:
    """Results at `x` [points]."""
    return _result(code, _tape(code, constants, x))


def values_and_jacobian(code: Tape, constants: Array, x: Array) -> tuple[Array, Array]:
    """Results [points], and derivatives by constant [width, points]."""
    tape = _tape(code, constants, x)
    return _result(code, tape), _jacobian(code, tape)


class Factor(NamedTuple):
    """QR of unit columns: R [width, width], Q^T times the right-hand side [width], column scales [width]."""

    r: Array
    b: Array
    scale: Array


def sum_by_halves(terms: Array) -> Array:
    """Sum over the first axis by halves: the order of a `jnp.sum` may change with the size of the batch."""
    while len(terms) > 1:
        half = (len(terms) + 1) // 2
        terms = terms[:half].at[: len(terms) - half].add(terms[half:])
    return terms[0]


def _factorise(columns: Array, rhs: Array) -> Factor:
    """Modified Gram-Schmidt on columns [points, width] and rhs [points], as evo/kernels/solve.h."""
    width = columns.shape[1]
    norm = jnp.sqrt(sum_by_halves(columns * columns))
    scale = jnp.where((norm > NUMBER["LEAST_NORM"]) & (norm < NUMBER["MOST_NORM"]), 1.0 / norm, 0.0)
    unit = jnp.where(scale > 0.0, columns * scale, 0.0)
    later = jnp.arange(width + 1)

    def step(j: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, r = state
        length = jnp.sqrt(sum_by_halves(rest[:, j] * rest[:, j]))
        independent = length > NUMBER["DEPENDENT"]
        q = jnp.where(independent, rest[:, j] / length, 0.0)
        parts = jnp.where(later > j, sum_by_halves(rest * q[:, None]), 0.0)
        return rest - q[:, None] * parts, r.at[j].set(parts.at[j].set(jnp.where(independent, length, 0.0)))

    rows = jnp.concatenate([unit, rhs[:, None]], axis=1), jnp.zeros((width, width + 1))
    r = lax.fori_loop(0, width, step, rows)[1]
    alive = jnp.diagonal(r) > 0.0
    square = r[:, :-1] + jnp.diag(jnp.where(alive, 0.0, 1.0))
    return Factor(square, r[:, -1], jnp.where(alive, scale, 0.0))


def _full_step(f: Factor) -> Array:
    return -f.scale * jax.scipy.linalg.solve_triangular(f.r, f.b)


def _damped_step(f: Factor, damping: Array) -> Array:
    """Least squares of R and b over `damping` times the identity."""
    width = len(f.b)
    stacked = jnp.concatenate([f.r, jnp.sqrt(damping) * jnp.eye(width)])
    damped = _factorise(stacked, jnp.concatenate([f.b, jnp.zeros(width)]))
    return f.scale * _full_step(damped)


def _equations(code: Tape, constants: Array, sample: Sample, weight: Array) -> tuple[Array, Factor]:
    """Weighted sum of squares (infinite or NaN where the program is not finite), and the linear problem."""
    values, jacobian = values_and_jacobian(code, constants, sample.x)
    residual = (values - sample.exact) * weight
    return sum_by_halves(residual * residual), _factorise((jacobian * weight).T, residual)


class Clearing(NamedTuple):
    """Of one program (evo/kernels/clear.h): root's instruction, multiplicities, goal and power [points]."""

    root: Array
    multiplicity: Array
    goal: Array
    power: Array


def cleared(code: Tape, clear: Clearing, start: Array, x: Array, steps: Array) -> Array:
    """The best constants on the way of Gauss-Newton steps with cleared denominators."""
    width = len(code.op)

    def step(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        trial, best, constants = state
        tape = _tape(code, trial, x)
        values = tape[1 + width :]
        residual = (values[clear.root] - clear.goal) * clear.power
        squares = sum_by_halves(residual * residual)
        better = squares < best
        divides = clear.multiplicity[:, None] != 0.0
        seeds = jnp.where(divides, residual * clear.multiplicity[:, None] / values, 0.0)
        adjoint = jnp.zeros_like(tape).at[1 + width :].set(seeds).at[1 + width + clear.root].add(clear.power)
        factor = _factorise(_adjoint(code, tape, adjoint).T, residual)
        return (
            jnp.where(jnp.isfinite(squares), trial + _full_step(factor), trial),
            jnp.where(better, squares, best),
            jnp.where(better, trial, constants),
        )

    found = lax.fori_loop(0, steps + 1, step, (start, jnp.inf, start))[2]
    return jnp.where(clear.root >= 0, found, start)


def levenberg_marquardt(
    code: Tape, start: Array, sample: Sample, weight: Array, steps: Array, damping: Array
) -> Fitted:
    """As evo/kernels/fit.h; the Jacobian is evaluated with every trial, because rows run in step.

    Pass 0 evaluates the start, in the loop's own code: half the time to compile.
    """
    first = Fitted(start, jnp.full_like(damping, jnp.inf), damping, jnp.full_like(code.k, -1))

    def running(state: tuple[Fitted, Factor, Array]) -> Array:
        return state[2] & (state[0].iterations < steps)

    def step(state: tuple[Fitted, Factor, Array]) -> tuple[Fitted, Factor, Array]:
        (constants, best, damping, iterations), factor, _ = state
        new = iterations < 0
        trial = jnp.where(new, start, constants + _damped_step(factor, damping))
        found, tried = _equations(code, trial, sample, weight)
        better = found < best  # never, if NaN
        raised = damping * NUMBER["DAMPING_RISE"]
        stalled = jnp.where(
            better, best - found < NUMBER["LEAST_GAIN"] * best, raised > NUMBER["MOST_DAMPING"]
        )
        damped = jnp.where(
            better, jnp.maximum(damping * NUMBER["DAMPING_FALL"], NUMBER["LEAST_DAMPING"]), raised
        )
        fitted = Fitted(
            jnp.where(better, trial, constants),
            jnp.where(better, found, best),
            jnp.where(new, damping, damped),
            iterations + 1,
        )
        factor = Factor(*(jnp.where(better, a, b) for a, b in zip(tried, factor, strict=True)))
        return fitted, factor, jnp.where(new, better & (code.k > 0), ~stalled)

    width = len(start)
    empty = Factor(jnp.eye(width), jnp.zeros(width), jnp.zeros(width))
    fitted = lax.while_loop(running, step, (first, empty, jnp.full_like(code.k, 1, bool)))[0]
    return fitted._replace(iterations=jnp.maximum(fitted.iterations, 0))


def _mix(z: Array) -> Array:
    """splitmix64's finaliser, as in evo/kernels/mix.h."""
    z = (z ^ (z >> 30)) * jnp.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> 27)) * jnp.uint64(0x94D049BB133111EB)
    return z ^ (z >> 31)


def initial(number: int, anew: bool, inherited: Array, stream: Array) -> Array:
    """The constants of one start; draw m of constant j depends on (stream, number, j, m) alone."""
    counter = 3 * (number * MAX_CONSTANTS + jnp.arange(len(inherited), dtype=jnp.uint64))

    def uniform(m: int) -> Array:
        word = _mix(stream + jnp.uint64(0x9E3779B97F4A7C15) * (counter + jnp.uint64(m + 1)))
        return (word >> 11).astype(jnp.float64) * 2.0**-53

    def drawn(decades: str) -> Array:
        sign = jnp.where(uniform(2) < 0.5, -1.0, 1.0)
        return sign * 10.0 ** (NUMBER[decades] * uniform(1) - NUMBER[f"{decades}_BELOW"])

    if anew:
        return drawn("ANEW_DECADES")
    if number % 4 == 1:
        return drawn("DECADES")
    if number % 4 == 2:  # half of them
        return jnp.where(uniform(0) < 0.5, inherited, drawn("DECADES"))
    if number % 4 == 3:  # another scale of x: powers of two
        return inherited * jnp.array(_POWERS)[(_SCALES * uniform(0)).astype(jnp.int32)]
    normal = jnp.sqrt(-2.0 * jnp.log(1.0 - uniform(0))) * jnp.cos(2 * np.pi * uniform(1))
    return inherited * (1.0 + NUMBER["NEARBY"] * normal) if number else inherited  # nearby; as they are


def errors_at(code: Tape, constants: Array, sample: Sample) -> Array:
    """Weighted error at every point, infinite where not finite."""
    errors = jnp.abs(values(code, constants, sample.x) - sample.exact) * sample.weight
    return jnp.where(errors < jnp.inf, errors, jnp.inf)


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


def minimax(
    code: Tape, constants: Array, sample: Sample, rounds: Array, steps: Array, stop: Array
) -> tuple[Array, Array, Array]:
    """Constants of least max error seen, that error, and LM iterations; as evo/kernels/fit.h."""
    errors = errors_at(code, constants, sample)
    damping = jnp.full_like(errors[0], NUMBER["CLEARED_DAMPING"])
    first = Reweighting(
        constants, errors, jnp.ones_like(errors), damping, errors.max(), constants,
        jnp.zeros_like(code.k), jnp.zeros_like(code.k), code.k > 0,
    )  # fmt: skip

    def running(s: Reweighting) -> Array:
        largest = s.errors.max()
        return s.alive & (s.rounds < rounds) & (largest > 0.0) & (largest < jnp.inf)

    def step(s: Reweighting) -> Reweighting:
        lawson = s.lawson * jnp.maximum(s.errors / s.errors.max(), NUMBER["LEAST_LAWSON"])
        lawson *= len(lawson) / sum_by_halves(lawson)
        fitted = levenberg_marquardt(
            code,
            s.trial,
            sample,
            sample.weight * jnp.sqrt(lawson),
            steps,
            jnp.minimum(s.damping, NUMBER["LAWSON_DAMPING"]),
        )
        errors = errors_at(code, fitted.constants, sample)
        found = errors.max()
        bound = jnp.sqrt(sum_by_halves(lawson * errors * errors) / len(lawson))
        better = found < s.best
        return Reweighting(
            fitted.constants, errors, lawson, fitted.damping, jnp.where(better, found, s.best),
            jnp.where(better, fitted.constants, s.constants), s.rounds + 1,
            s.iterations + fitted.iterations, found > stop * bound,
        )  # fmt: skip

    last = lax.while_loop(running, step, first)
    return last.constants, last.best, last.iterations
