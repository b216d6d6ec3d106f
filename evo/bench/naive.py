"""The fit that everyone would write first in JAX, for comparison only (evo/bench/kernels.py).

One program's interpreter with `lax.switch` and dynamic indexing, `jax.jacfwd`, `jnp.linalg.solve`,
and `jax.vmap` over it all.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evo.programs.batch import CONSTANT, VALUE, Batch
from evo.programs.ops import OPS
from evo.targets.points import Points

_BRANCHES = [lambda a, b, c, op=op: op.real(jnp, *(a, b, c)[: op.arity]) for op in OPS]


def _value(op: Array, arg: Array, constants: Array, x: Array) -> Array:
    """One program at one point; `arg` counts x, the constants and then the values."""
    first = 1 + len(constants)
    slots = jnp.concatenate([x[None], constants, jnp.zeros(len(op))])

    def step(i: Array, slots: Array) -> Array:
        a, b, c = (slots[arg[i, j]] for j in range(3))
        return slots.at[first + i].set(lax.switch(op[i], _BRANCHES, a, b, c))

    return lax.fori_loop(0, len(op), step, slots)[-1]


def _fit(
    op: Array, arg: Array, start: Array, x: Array, exact: Array, weight: Array, steps: int
) -> tuple[Array, Array]:
    def residual(constants: Array) -> Array:
        return (jax.vmap(partial(_value, op, arg, constants))(x) - exact) * weight

    def iterate(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        constants, damping, best = state
        r, jacobian = residual(constants), jax.jacfwd(residual)(constants)
        hessian = jacobian.T @ jacobian
        step = jnp.linalg.solve(hessian + damping * jnp.diag(jnp.diag(hessian)), -jacobian.T @ r)
        found = jnp.sum(residual(constants + step) ** 2)
        better = found < best
        return (
            jnp.where(better, constants + step, constants),
            jnp.where(better, damping * 0.15, damping * 6.0),
            jnp.where(better, found, best),
        )

    state = (start, jnp.asarray(1e-3), jnp.sum(residual(start) ** 2))
    constants, _, best = lax.fori_loop(0, steps, iterate, state)
    return constants, best


_fits = jax.jit(jax.vmap(_fit, (0, 0, 0, None, None, None, None)))


def naive_fit(batch: Batch, points: Points, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Exactly `steps` LM iterations of every row, in float64 if the caller enabled it.

    Args:
        batch: programs that all have `width` instructions and one number of constants.

    Returns:
        Constants [rows, k] and sums of squares [rows].

    Raises:
        ValueError: programs of several sizes.
    """
    if not len(batch) or np.ptp(batch.k) or (batch.n != batch.width).any():
        raise ValueError("The naive fit takes programs of one number of ops, the width, and of constants.")
    k, arg = int(batch.k[0]), batch.arg.astype(np.int32)
    arg = np.where(arg < VALUE, arg, arg - VALUE + CONSTANT + k)
    constants, squares = _fits(
        batch.op.astype(np.int32), arg, batch.constants[:, :k], points.x, points.exact, points.weight, steps
    )
    return np.asarray(constants), np.asarray(squares)
