"""Best rational functions against known answers."""

from functools import partial

import flint
import numpy as np
import pytest
from flint import arb

from evo.classical.remez import (
    FitError,
    Goal,
    interpolate,
    least_squares,
    minimax,
    pade,
    substituted,
    through,
)


@pytest.fixture(autouse=True)
def _precision():
    with flint.ctx.workprec(256):
        yield


def absolute(function):
    points = [arb(u) for u in (-np.cos(np.linspace(0, np.pi, 257))).tolist()]
    return Goal(lambda u, e: function(u) + e, lambda u, r: r - function(u), points)


@pytest.mark.parametrize("n", [2, 3, 6, 9])
def test_a_power_by_lower_powers_errs_by_chebyshev(n):
    goal = absolute(lambda u: u**n)
    assert minimax(goal, n - 1, 0, interpolate(goal, n - 1, 0)).error == pytest.approx(
        2.0 ** (1 - n), rel=1e-6
    )


@pytest.mark.parametrize(("m", "n"), [(3, 0), (1, 1), (2, 2), (1, 3), (4, 2)])
def test_the_errors_of_a_minimax_alternate_at_equal_height(m, n):
    goal = absolute(lambda u: (u * 2).exp())
    best = minimax(goal, m, n, interpolate(goal, m, n))
    errors = np.array([float(goal.error(u, best(u))) for u in goal.points])
    runs = np.split(errors, np.flatnonzero(np.diff(np.sign(errors))) + 1)
    assert [float(np.abs(run).max()) for run in runs] == pytest.approx([best.error] * (m + n + 2), rel=2e-3)


def test_a_nonlinear_goal_is_levelled_in_its_own_error():
    def value(u):
        return (u / 3).exp()

    goal = Goal(
        lambda u, e: (value(u) * (1 + e)).root(4), lambda u, r: r**4 / value(u) - 1, absolute(value).points
    )
    best = minimax(goal, 1, 0, interpolate(goal, 1, 0))
    ends = [float(goal.error(u, best(u))) for u in (goal.points[0], goal.points[-1])]
    assert ends == pytest.approx([ends[0]] * 2, rel=1e-4)
    assert abs(min(float(goal.error(u, best(u))) for u in goal.points)) == pytest.approx(
        abs(ends[0]), rel=1e-3
    )


@pytest.mark.parametrize(("m", "n"), [(2, 1), (1, 2), (2, 3)])
def test_a_rational_function_is_found_again(m, n):
    def function(u):
        return (1 + u / 3 + u * u * (m > 1)) / (2 + u / 2 + (u * u / 5) * (n > 1) + (u**3 / 7) * (n > 2))

    goal = absolute(function)
    assert interpolate(goal, m, n).error < 1e-60
    assert least_squares(goal, m, n).error < 1e-12


def test_pade_of_the_exponential_is_the_known_one():
    series = [1 / arb(k).fac() for k in range(5)]
    p, q = pade(series, 2, 2)
    assert [float(c) for c in p] == pytest.approx([1, 1 / 2, 1 / 12])
    assert [float(c) for c in q] == pytest.approx([1, -1 / 2, 1 / 12])


def test_substitution_is_composition():
    inner = substituted([arb(1), arb(2), arb(3)], arb(5), arb(7))
    assert [float(c) for c in inner] == [1 + 10 + 75, 14 + 210, 147]


def test_what_cannot_be_fitted_says_why():
    with pytest.raises(FitError, match="singular"):
        through([arb(1), arb(2), arb(3)], [arb(1), arb(1), arb(1)], 1, 1)
    with pytest.raises(FitError, match="no value"):
        interpolate(absolute(partial(arb.log)), 2, 0)
    goal = absolute(lambda u: u)
    with pytest.raises(FitError, match="pole"):
        interpolate(Goal(lambda u, e: 1 / (3 * u + 1), goal.error, goal.points), 0, 1)
