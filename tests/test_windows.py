"""Small programs of functions with a pole at an end: fits that start in windows with the point next to it."""

import numpy as np
import pytest

from evo import api
from evo.backends.backend import backend
from evo.backends.windows import SMALL, fit_at
from evo.complete.enumeration import enumerate_families
from evo.complete.survey import Surveyor
from evo.kernels.effort import Effort
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points

ENGINE = backend("native")
TAN = make_target("tan(x)", ("0", "pi/2"))
FORM = parse("v1 = c1 / x\nv2 = v1 - x\nv3 = c2 / v2")
C2 = np.pi**2 / 4
BEST = (C2 - 2) / (C2 + 2)
"""Of c2/(c1/x - x) for tan: next to 0 it is c2/c1 times as large, at the pole of c1 = pi^2/4 c2/2 times; c2
makes both errors one."""


def fits(target, program, fit, rows=40):
    rng = np.random.default_rng(1)
    shape = (rows, program.n_constants)
    numbers = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-2, 2, shape)
    batch = Batch.of([program] * rows, numbers.tolist(), 8)
    stream, worth = np.arange(rows, dtype=np.uint64), np.full(rows, np.inf)
    return fit(target, batch, fit_points(target), Effort(), stream, worth)


def plain(target, *args):
    return ENGINE.fit(*args)


def windows(target, *args):
    batch, points, *rest = args
    return fit_at(target, ENGINE, batch, points, select_points(target), *rest)


def errors(target, found):
    batch = found.batch
    return ENGINE.measure(batch, np.arange(len(batch)), select_points(target), 12).error


def test_the_pole_is_found_by_every_fit_and_by_few_plain_ones():
    assert np.mean(errors(TAN, fits(TAN, FORM, plain)) < 1.01 * BEST) < 0.1
    assert errors(TAN, fits(TAN, FORM, windows)) == pytest.approx(BEST, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "interval", "text"),
    [
        ("gamma(x)", ("-1", "-1/2"), "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 - c3"),
        ("1/sin(x)", ("pi/2", "pi"), "v1 = c1 - x\nv2 = c2 / v1\nv3 = v2 - c3"),
        ("1/(1-x)+exp(x)", ("0", "1"), "v1 = c1 - x\nv2 = c2 / v1\nv3 = v2 - c3"),
    ],
)
def test_poles_at_either_end_are_found(name, interval, text):
    target = make_target(name, interval)
    assert (errors(target, fits(target, parse(text), windows)) < 0.2).all()


@pytest.mark.parametrize(
    ("name", "interval", "text", "best"),
    [
        ("1/tan(x)", ("0", "pi/2"), "v1 = c1 / x\nv2 = c3 - v1\nv3 = c2 / v2\nv4 = v1 - v3", 0.0089067),
        ("log(x)", ("1", "2"), "v1 = x + c1\nv2 = c2 / v1\nv3 = c3 - v2", 0.00496),
    ],
)
def test_zeros_at_an_end_are_found_twice_as_often(name, interval, text, best):
    """Near enough for a polish."""
    target = make_target(name, interval)
    shares = [
        np.mean(errors(target, fits(target, parse(text), fit)) < 1.2 * best) for fit in (plain, windows)
    ]
    assert shares[1] > 0.4
    assert shares[1] >= shares[0]


@pytest.mark.parametrize(
    ("name", "interval", "text"),
    [
        ("1/sin(x)", ("pi/2", "pi"), "v1 = x + c1\nv2 = c2 / v1\nv3 = c3 - v2\nv4 = v3 * v3"),
        ("1/(1-x)+exp(x)", ("0", "1"), "v1 = x + c1\nv2 = x / v1\nv3 = v1 - v2\nv4 = c2 / v3"),
        ("tan(x)", ("0", "pi/2"), "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 + x\nv4 = v3 + c3"),
    ],
)
def test_no_fit_is_worse_where_fits_are_compared_than_without_windows(name, interval, text):
    target = make_target(name, interval)
    found, before = (errors(target, fits(target, parse(text), fit)) for fit in (windows, plain))
    assert (found <= before).all()


@pytest.mark.parametrize(
    ("name", "interval", "metric"),
    [("exp2", None, None), ("gamma(x)", ("0", "2"), None), ("log(x)", ("1", "2"), "absolute")],
)
def test_without_a_pole_or_a_zero_at_an_end_other_than_0_a_fit_is_what_it_was(name, interval, metric):
    target = make_target(name, interval, metric)
    found, before = fits(target, FORM, windows), fits(target, FORM, plain)
    np.testing.assert_array_equal(found.constants, before.constants)


def test_large_programs_are_fitted_as_they_were():
    large = parse("v1 = c1 / x\nv2 = v1 - x\nv3 = c2 / v2\nv4 = v3 + c3\nv5 = v4 * x")
    assert large.ops > SMALL
    found, before = fits(TAN, large, windows), fits(TAN, large, plain)
    np.testing.assert_array_equal(found.constants, before.constants)


def test_a_survey_finds_the_pole_at_once(tmp_path):
    families = enumerate_families(("add", "sub", "mul", "div"), 3, tmp_path)
    surveyor = Surveyor.of(families, TAN, ENGINE, starts=4)
    fresh = (one for one in surveyor.further(surveyor.begin()) if one.done == len(families))
    survey = next(fresh)
    assert survey.best[2] == pytest.approx(BEST, rel=1e-3)


def test_a_search_finds_it_beside_larger_programs(tmp_path):
    front = api.search(
        "tan", interval=["0", "pi/2"], ops="+ - * /", max_ops=5, generations=3, islands=1, seed=0,
        out=tmp_path / "s", workers="serial", record=False,
    )  # fmt: skip
    assert front.best(ops=3).sampled_error == pytest.approx(BEST, rel=1e-3)
