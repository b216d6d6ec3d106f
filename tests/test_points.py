from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.targets.axis import is_logarithmic
from evo.targets.catalogue import CATALOGUE
from evo.targets.making import make_target
from evo.targets.points import fit_points, holdout_points, sample, select_points
from evo.targets.target import TargetError

NAMES = list(CATALOGUE)
SETS = (fit_points, select_points, holdout_points)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("points_of", SETS)
def test_points_are_sorted_distinct_inside_and_finite(name, points_of):
    target = make_target(name)
    points = points_of(target)
    lo, hi = target.ends
    assert (np.diff(points.x) > 0).all()
    assert lo < Fraction(points.x[0])
    assert Fraction(points.x[-1]) < hi
    assert len(points.x) == len(points.exact) == len(points.weight)
    assert np.isfinite([points.exact, points.weight]).all()


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_as_asked_and_the_holdout_shares_no_point(name):
    target = make_target(name)
    fit, select, holdout = (points_of(target).x for points_of in SETS)
    assert (len(fit), len(select), len(holdout)) == (48, 212, 1000)
    assert not np.isin(holdout, fit).any()
    assert not np.isin(holdout, select).any()


@given(st.floats(-100, 100), st.floats(1e-6, 100), st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_any_valid_interval_gives_as_many_fit_points_as_asked(lo, width, n):
    target = make_target("exp2", (repr(lo), repr(lo + width)))
    for points_of in SETS:
        points = points_of(target)
        assert (np.diff(points.x) > 0).all()
    assert len(fit_points(target, n).x) == n


def test_fit_points_are_the_zeros_of_the_chebyshev_polynomial():
    x = fit_points(make_target("exp2", ("-1", "1")), 9).x
    assert np.abs(np.polynomial.chebyshev.chebval(x, [0] * 9 + [1])).max() < 1e-13


def test_select_points_come_as_near_to_both_ends_as_two_to_the_minus_40():
    target = make_target("exp2", ("1", "3"))
    x = select_points(target).x
    assert x[0] == 1 + 2 * 2.0**-40
    assert x[-1] == 3 - 2 * 2.0**-40
    assert (x < 1 + 2e-6).sum() >= 5


def test_holdout_points_fill_the_interval_evenly():
    x = holdout_points(make_target("exp2")).x
    counts, _ = np.histogram(x, bins=10, range=(0, 1))
    assert counts.min() > 80
    assert np.diff(x).max() < 2e-3


def test_the_holdout_shares_no_point_where_floats_are_scarce():
    target = make_target("exp2", ("1", "1.000000000016"))
    fit, select, holdout = (points_of(target).x for points_of in SETS)
    assert len(holdout) > 900
    assert not np.isin(holdout, np.concatenate([fit, select])).any()


def test_weights_and_values_belong_to_the_target():
    relative, absolute = fit_points(make_target("exp2")), fit_points(make_target("log2"))
    assert relative.weight == pytest.approx(1 / np.exp2(relative.x), rel=1e-15)
    assert absolute.exact == pytest.approx(np.log2(absolute.x), rel=1e-15)
    assert (absolute.weight == 1).all()


def test_points_are_the_same_in_every_call_and_read_only():
    target = make_target("exp2")
    for points_of in SETS:
        points = points_of(target)
        assert points.x.tobytes() == points_of(target).x.tobytes()
        with pytest.raises(ValueError, match="read-only"):
            points.x[0] = 1


@pytest.mark.parametrize("x", [0.0, 1.0, -1.0, np.nan, np.inf])
def test_a_point_that_is_not_inside_is_refused_by_index(x):
    with pytest.raises(TargetError, match=r"x\[1\] = .* is not inside the open interval \(0, 1\)"):
        sample(make_target("exp2"), np.array([0.5, x]))


def test_sampling_leaves_the_callers_array_alone():
    x = np.array([0.25, 0.5])
    sample(make_target("exp2"), x)
    x[0] = 0.125
    assert x.flags.writeable


@pytest.mark.parametrize(
    ("text", "interval", "logarithmic"),
    [("sqrt(x)", ("1e-5", "1e5"), True), ("log(x)", ("1e-6", "1"), True), ("exp(-x)", ("1e-3", "100"), False),
     ("sqrt(x)", ("1", "4"), False), ("exp2", ("0", "1"), False), ("1/x", ("-1e4", "-1e-4"), True)],
)  # fmt: skip
def test_points_are_spread_over_decades_where_the_function_asks_for_it(text, interval, logarithmic):
    target = make_target(text, interval, "absolute" if text == "log(x)" else "relative")
    assert is_logarithmic(target) == logarithmic
    x = np.sort(np.abs(fit_points(target).x))
    if logarithmic:  # no gap between neighbours is more than a decade
        assert (x[1:] / x[:-1]).max() < 10
