"""Beyond float64: candidates that it cannot rank get constants of higher precision and their true error."""

import numpy as np
import pytest
from mpmath import mp, mpf

from evo.islands.deep import EVERY, FLOOR, NOISE, START, Optima, affordable, at_floor, deepen, optima
from evo.islands.pool import Pool
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points
from published import F5, F10

EXP2 = make_target("exp2", ("0", "1"))
POINTS = fit_points(EXP2)


def deep(*candidates) -> Pool:
    batch = Batch.of(
        [program for program, _ in candidates], [[float(c) for c in cs] for _, cs in candidates], 12
    )
    return deepen(EXP2, batch, batch.ops, np.arange(1, len(candidates) + 1, dtype=np.uint64), 1.5)


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
    assert pool.fingerprint.tolist() == [1] or np.isfinite(pool.error).all()
    assert pool.error[0] == pytest.approx(4.3408e-6, rel=1e-4)


def test_an_empty_batch_gives_an_empty_pool():
    assert len(deepen(EXP2, Batch.empty(0, 12), np.zeros(0, int), np.zeros(0, np.uint64), 0.0)) == 0


NONE = Optima(*(np.zeros(0) for _ in range(3)))
FREE = np.full(5, np.inf)
K = np.full(5, 4)


def test_the_cheapest_candidates_at_the_floor_come_first():
    rms = np.array([1e-3, FLOOR / 2, np.inf, FLOOR / 4, FLOOR / 3])
    ops = np.array([5, 12, 10, 10, 11])
    assert at_floor(rms, ops, K, FREE, NONE, POINTS, most=2) == [3, 4]
    assert at_floor(rms, ops, K, FREE, NONE, POINTS, most=9) == [3, 4, 1]


def test_an_optimum_is_polished_once_unless_a_candidate_has_more_constants():
    rms = FLOOR * np.array([0.5, 0.501, 0.499, 0.5, 0.3])
    ops, k = np.array([9, 9, 10, 10, 9]), np.array([4, 4, 4, 5, 4])
    assert at_floor(rms, ops, k, FREE, NONE, POINTS, most=9) == [4, 0, 3]
    known = Optima(np.array([FLOOR / 2]), np.array([9]), np.array([4]))
    assert at_floor(rms, ops, k, FREE, known, POINTS, most=9) == [4, 3]


def test_what_cannot_beat_its_niche_is_left_out_unless_float64_cannot_tell():
    rms = np.array([NOISE * 8, NOISE * 8, NOISE / 2, NOISE / 2, 1.0])
    limit = np.array([NOISE * 4, NOISE * 9, 0.0, 0.0, np.inf])
    assert at_floor(rms, np.full(5, 9), K, limit, NONE, POINTS, most=9) == [2, 3, 1]


def test_the_optima_of_an_archive_are_found_from_polished_constants():
    """Three forms of one function, from other constants, have the rms that the polished one has."""
    pool = deep(F10)
    known = optima(pool, POINTS)
    assert (len(known.rms), known.ops.tolist(), known.k.tolist()) == (1, [10], [5])
    assert 1.3 < pool.error[0] / known.rms[0] < 1.6  # minimax over least squares, near sqrt(2)
    others = ((1.01, 10, 5), (1.03, 10, 5), (1.0, 9, 5), (1.0, 10, 6))
    rms, ops, k = np.array(others).T
    assert known.have(Optima(known.rms[0] * rms, ops, k)).tolist() == [True, False, False, False]
    assert len(optima(deep(F5), POINTS).rms) == 0, "far above the floor"


def test_one_optimum_in_two_forms_is_one_behaviour():
    """f10's core with its last constant's sign and the difference turned round."""
    program, constants = F10
    turned = parse(str(program).replace("v7 = v6 - c5", "v7 = c5 - v6"))
    assert turned != program
    pool = deep(F10, (turned, constants))
    assert len(pool) == 2
    assert pool.behaviour[0] == pool.behaviour[1]
    assert len(pool.distinct()) == 1


def test_polishes_that_bring_no_news_become_one_in_several_generations():
    counts = {"deep": 0, "deep_new": 0}
    made = []
    for generation in range(30 * EVERY):
        made.append(affordable(counts, generation, 4))
        counts["deep"] += made[-1]
    assert made[0] == 4
    assert sum(made[-EVERY:]) == 1
    assert sum(made) == START + 29
    counts["deep_new"] += 1
    assert affordable(counts, generation, 4) == 4
    assert affordable(counts, generation, 0) == 0
