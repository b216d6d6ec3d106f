"""What islands tell each other where the target has zeros: only candidates that can match them exactly."""

from dataclasses import replace

import numpy as np

from evo.islands.exchange import _MOST_HELD, emigrate
from evo.islands.operators import Operators
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.islands.state import init
from evo.kernels.vary import Variation
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target

LOG = ("log", ("1", "2"), "relative")  # its zero is at 1
EXP2 = ("exp2", ("0", "1"), "relative")
ON, OFF = "v1 = x - c1", "v1 = c1 / x"
"""Constants of the first can be moved so that it vanishes at 1; the second vanishes nowhere near."""


def told(target, *candidates):
    """(program, error) of what an island tells, of candidates (program, constant, error) in its archive."""
    own = Operators(
        Problem(make_target(*target), Variation(("add", "sub", "mul", "div"), 4), 3, 8, 8, 8, 1 << 10)
    )
    state = init(own.problem)
    programs = [parse(text) for text, _, _ in candidates]
    batch = Batch.of(programs, [[constant] for _, constant, _ in candidates], state.archive.batch.width)
    count = len(candidates)
    keys, nothing = np.arange(1, count + 1, dtype=np.uint64), np.zeros(count)
    error = np.array([error for *_, error in candidates])
    pool = Pool(batch, np.zeros_like(batch.constants), batch.ops, error, nothing, keys, keys, nothing)
    news, _ = emigrate(own, replace(state, archive=pool))
    return [(str(news.batch.program(row)), news.error[row]) for row in range(len(news))]


def test_a_candidate_that_cannot_match_a_zero_does_not_stand_before_one_that_can():
    assert told(LOG, (OFF, 0.01, 0.1), (ON, 1.001, 0.5)) == [(ON, 0.5)]


def test_where_the_target_has_no_zero_the_least_error_is_told():
    assert told(EXP2, (OFF, 0.01, 0.1), (ON, 1.001, 0.5)) == [(OFF, 0.1)]


def test_a_zero_at_0_is_met_by_floats_and_nobody_is_asked():
    assert told(("expm1", ("0", "1"), "relative"), (OFF, 0.01, 0.1), (ON, 1.001, 0.5)) == [(OFF, 0.1)]


def test_only_the_best_few_of_a_size_are_asked_and_the_next_is_told_as_it_is():
    refused = [(OFF, 0.01, 0.1 + 0.01 * k) for k in range(_MOST_HELD + 1)]
    assert told(LOG, *refused, (ON, 1.001, 0.5)) == [(OFF, refused[-1][2])]
