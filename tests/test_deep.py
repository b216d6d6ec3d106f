"""Beyond float64: candidates that it cannot rank get constants of higher precision and their true error."""

import numpy as np
import pytest
from mpmath import mp, mpf
from published import F5, F10

from evo.batch import Batch
from evo.deep import FLOOR, at_floor, deepen
from evo.points import fit_points
from evo.pool import Pool
from evo.target import make_target

EXP2 = make_target("exp2", ("0", "1"))


def deep(*candidates) -> Pool:
    batch = Batch.of(
        [program for program, _ in candidates], [[float(c) for c in cs] for _, cs in candidates], 12
    )
    return deepen(EXP2, batch, np.arange(1, len(candidates) + 1, dtype=np.uint64), 1.5)


def max_error(program, constants) -> float:
    """By mpmath alone, on a dense grid."""
    with mp.workdps(50):
        numbers = [mpf(c) for c in constants]
        points = [(1 - mp.cos(mp.pi * i / 400)) / 2 for i in range(1, 401)] + [mpf(2) ** -40]
        return float(max(abs(program.evaluate(mp, x, numbers) / mpf(2) ** x - 1) for x in points))


def test_a_candidate_below_float64_gets_constants_that_reproduce_its_error():
    pool = deep(F10)
    assert pool.error[0] == pytest.approx(2.1918e-15, rel=1e-4)
    program = pool.batch.program(0)
    assert max_error(program, pool.decimals(0)) == pytest.approx(pool.error[0], rel=1e-3)
    rounded = max_error(program, [repr(c) for c in pool.batch.numbers(0)])
    assert rounded > 1.05 * pool.error[0], "float64 constants would do: the test shows nothing"


def test_candidates_without_a_finite_error_are_left_out_and_the_others_stay():
    pole = (F5[0], ("25.6", "17.7", "-1", "-12"))  # x + c1 / x = -c4 inside
    pool = deep(F5, pole)
    assert pool.key.tolist() == [1] or np.isfinite(pool.error).all()
    assert pool.error[0] == pytest.approx(4.3408e-6, rel=1e-4)


def test_an_empty_batch_gives_an_empty_pool():
    assert len(deepen(EXP2, Batch.empty(0, 12), np.zeros(0, np.uint64), 0.0)) == 0


def test_the_cheapest_candidates_at_the_floor_come_first():
    rms = np.array([1e-3, FLOOR / 2, np.inf, FLOOR / 4, FLOOR / 3])
    ops = np.array([5, 12, 10, 10, 11])
    assert at_floor(rms, ops, fit_points(EXP2), most=2).tolist() == [3, 4]
    assert at_floor(rms, ops, fit_points(EXP2), most=9).tolist() == [3, 4, 1]
