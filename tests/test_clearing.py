"""Fits with cleared denominators: what they clear, and that they reach optima from random constants."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from emulated import engine_of
from evo.backends.backend import BACKENDS, backend
from evo.backends.native import clearing
from evo.kernels.effort import Effort
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points

EXP2, COS = make_target("exp2"), make_target("cos")
J22 = "v1 = x * x\nv2 = c3 + v1\nv3 = c2 / v2\nv4 = c4 + v1\nv5 = v3 + v4\nv6 = c1 / v5\nv7 = v6 + c5"
SHARED = "v1 = c2 + x\nv2 = c1 / v1\nv3 = v2 + x\nv4 = v2 - x\nv5 = v3 / v4"
SQUARED = "v1 = c2 + x\nv2 = c1 / v1\nv3 = v2 * v2\nv4 = v3 * v3"
TIMES_X = "v1 = c2 + x\nv2 = c1 / v1\nv3 = v2 * x"
COEFFICIENTS = {
    J22: (["-1671.475624977431", "609.2021071737", "15.0618897763", "34.6138863558", "23.268384995"], COS),
    "v1 = c4 * x\nv2 = c3 + v1\nv3 = c2 + x\nv4 = c1 / v3\nv5 = v4 + v2": (
        ["-14.4", "-4.9", "-1.94", "-0.35"], EXP2),
}  # fmt: skip


def batch_of(text, constants=(1.5, 0.7, 2.0, 3.0, 4.0)):
    return Batch.of([parse(text)], [constants], 10)


@pytest.mark.parametrize(
    ("text", "root", "divisors", "power"),
    [
        (J22, 6, {1: 1, 4: 1}, 1),
        (SHARED, 4, {0: 1, 3: 1}, 1),
        (SQUARED, 1, {0: 1}, 4),
        (TIMES_X, 1, {0: 1}, 1),
    ],
)
def test_each_divisor_is_cleared_once_and_squares_are_undone(text, root, divisors, power):
    points = fit_points(EXP2)
    found, multiplicity, goal, weight = clearing(batch_of(text), points)
    assert found[0] == root
    assert {i: m for i, m in enumerate(multiplicity[0]) if m} == divisors
    expected = points.exact ** (1 / power) / (points.x if text == TIMES_X else 1)
    np.testing.assert_allclose(goal[0], expected, rtol=1e-14)
    # A small relative error of the root is `power` times as large in the result.
    np.testing.assert_allclose(goal[0] * weight[0], power * points.exact * points.weight, rtol=1e-13)


@pytest.mark.parametrize("text", [J22, SHARED])
def test_the_cleared_program_is_a_polynomial_in_every_constant(text):
    """N = R D by exact arithmetic: its differences of an order above its degree vanish, those of R do not."""
    program = parse(text)
    _, multiplicity, _, _ = clearing(batch_of(text), fit_points(EXP2))
    x, base = Fraction(1, 3), [Fraction(n, 7) for n in (10, 4, 13, 17, 29)]

    def cleared(j, step):
        constants = [c + step * (k == j) for k, c in enumerate(base)]
        values = {"x": x, **{f"c{k}": c for k, c in enumerate(constants, 1)}}
        for line in text.splitlines():
            name, _, right = line.partition(" = ")
            a, op, b = right.split()
            a, b = values[a], values[b]
            values[name] = a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a / b
        denominator = Fraction(1)
        for i, m in enumerate(multiplicity[0]):
            denominator *= values.get(f"v{i + 1}", Fraction(1)) ** int(m)
        return values[f"v{len(program.instructions)}"] * denominator

    for j in range(program.n_constants):
        third = cleared(j, 3) - 3 * cleared(j, 2) + 3 * cleared(j, 1) - cleared(j, 0)
        assert third == 0


@pytest.mark.parametrize("engine", BACKENDS)
@pytest.mark.parametrize("text", COEFFICIENTS)
def test_textbook_forms_reach_their_optimum_from_random_constants(engine, text):
    constants, target = COEFFICIENTS[text]
    points, rows, rng = fit_points(target), 24, np.random.default_rng(1)
    fitter, program = engine_of(engine), parse(text)
    effort = Effort(lawson_rounds=0)
    near = Batch.of([program], [[float(c) for c in constants]], 10)
    none, stream = np.zeros(rows), np.arange(rows, dtype=np.uint64)
    optimum = fitter.fit(near, points, Effort(final_steps=60, lawson_rounds=0), stream[:1], none[:1]).rms[0]
    start = rng.choice([-1, 1], (rows, len(constants))) * 10 ** rng.uniform(-2, 2, (rows, len(constants)))
    batch, plain = Batch.of([program] * rows, start.tolist(), 10), Effort(starts=0, lawson_rounds=0)
    cleared, without = (fitter.fit(batch, points, e, stream, none).rms for e in (effort, plain))
    assert np.mean(cleared < 2 * optimum) > 0.8
    assert np.mean(without < 2 * optimum) < 0.2


def test_a_step_of_nearly_dependent_columns_keeps_its_digits():
    """QR against exact arithmetic where the normal equations have no digit left."""
    points = fit_points(EXP2)
    text = "v1 = c1 * x\nv2 = c2 + v1\nv3 = v2 * x\nv4 = v3 + c3\nv5 = v4 * x\nv6 = v5 + c4"
    fitted = backend("native").fit(
        batch_of(text, (1e3, -1e3, 1e3, 1.0)), points, Effort(starts=0, first_steps=8, lawson_rounds=0),
        np.zeros(1, np.uint64), np.zeros(1),
    )  # fmt: skip
    columns = [points.x**p * points.weight for p in (3, 2, 1, 0)]
    matrix = flint.fmpq_mat([[_exact_dot(u, v) for v in columns] for u in columns])
    right = flint.fmpq_mat([[_exact_dot(u, points.exact * points.weight)] for u in columns])
    best = matrix.solve(right)
    exact = [float(Fraction(int(best[i, 0].p), int(best[i, 0].q))) for i in range(4)]
    np.testing.assert_allclose(fitted.constants[0, :4], exact, rtol=1e-9)


def _exact_dot(u, v) -> flint.fmpq:
    total = sum(Fraction(a) * Fraction(b) for a, b in zip(u, v, strict=True))
    return flint.fmpq(total.numerator, total.denominator)
