"""Functions over many decades: fits that start in windows, Remez on a longer and longer part of the axis."""

import flint
import numpy as np
import pytest
from mpmath import mp, mpf

from evo import api
from evo.backends.backend import backend
from evo.backends.windows import SMALL, fit_in_windows
from evo.classical.baselines import baselines, best_forms
from evo.classical.frames import Frame
from evo.classical.goals import Goals
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.kernels.effort import Effort
from evo.kernels.vary import Variation
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points

SQRT = make_target("sqrt(x)", ("1e-5", "1e5"))
POINTS = fit_points(SQRT)
FORM = parse("v1 = x + c1\nv2 = c2 / v1\nv3 = c3 - v2")
LARGE = parse("v1 = x + c1\nv2 = c2 / v1\nv3 = v2 + x\nv4 = v3 + c3\nv5 = c4 / v4\nv6 = c5 - v5")
BEST = 0.8971
"""Of c1 - c2/(x + c3), by Remez; 0.9875 is the least of a straight line."""
ENGINE = backend("native")


def starts(program, rows: int) -> Batch:
    rng = np.random.default_rng(1)
    shape = (rows, program.n_constants)
    numbers = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-2, 2, shape)
    return Batch.of([program] * rows, numbers.tolist(), 8)


def fits(batch: Batch, fit, rows: slice = slice(None)):
    stream, worth = np.arange(len(batch), dtype=np.uint64)[rows], np.full(len(batch), np.inf)[rows]
    return fit(batch.take(rows), POINTS, Effort(), stream, worth)


def over_decades(*args):
    batch, points, *rest = args
    return fit_in_windows(ENGINE, batch, points, select_points(SQRT), *rest)


def test_most_fits_come_near_the_optimum_where_plain_ones_do_not():
    batch = starts(FORM, 40)
    near = 0.95
    assert np.mean(fits(batch, ENGINE.fit).error < near) < 0.1
    assert np.mean(fits(batch, over_decades).error < near) > 0.5


def test_constants_are_those_of_the_error_and_no_fit_is_worse_than_without_windows():
    batch = Batch.concatenate([starts(FORM, 10), starts(LARGE, 10)])
    plain, found = fits(batch, ENGINE.fit), fits(batch, over_decades)
    assert (found.error <= plain.error).all()
    values = ENGINE.values(found.batch, POINTS.x)
    np.testing.assert_allclose(np.abs(values / POINTS.exact - 1).max(axis=1), found.error, rtol=1e-9)
    large = batch.ops > SMALL
    assert large.any()
    np.testing.assert_array_equal(found.constants[large], plain.constants[large])


def test_a_fit_depends_on_its_row_alone():
    batch = Batch.concatenate([starts(FORM, 6), starts(LARGE, 6)])
    whole, part = fits(batch, over_decades), fits(batch, over_decades, slice(4, 9))
    np.testing.assert_array_equal(whole.constants[4:9], part.constants)
    np.testing.assert_array_equal(whole.error[4:9], part.error)


@pytest.mark.parametrize(("target", "windows"), [(SQRT, True), (make_target("exp2"), False)])
def test_islands_take_windows_where_the_axis_is_logarithmic_only(target, windows):
    operators = Operators(Problem(target, Variation(("add", "sub", "mul", "div"), 8), 0, 64, 16, 4, 1 << 10))
    batch = starts(FORM, 20)
    stream, worth = np.arange(20, dtype=np.uint64), np.full(20, np.inf)
    plain = ENGINE.fit(batch, operators.fit_points, operators.problem.effort, stream, worth)
    assert np.array_equal(operators.fit(batch, stream, worth).constants, plain.constants) != windows


def test_a_search_finds_the_quotient_of_three_operations(tmp_path):
    front = api.search(
        "sqrt(x)", interval=["1e-5", "1e5"], ops="+ - * /", max_ops=3, generations=2, islands=1, seed=0,
        out=tmp_path / "s", workers="serial", record=False,
    )  # fmt: skip
    assert front.best(ops=3).sampled_error == pytest.approx(BEST, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "exact"),
    [("sqrt(x)", mp.sqrt), ("cbrt(x)", mp.cbrt), ("1/x^(3/10)", lambda x: x ** mpf("-0.3"))],
)
def test_quotients_alternate_as_often_as_the_best_ones_do(name, exact):
    with flint.ctx.workprec(384):
        goals = Goals(make_target(name, ("1e-5", "1e5")))
        code = goals.code(Frame(), goals.start(Frame(), 2, 2))
        numbers = [c.str(40, radius=False) for c in code.constants]
    with mp.workdps(40):
        x = [mpf(10) ** (mpf(k) / 400) for k in range(-1999, 2000)]
        values = [code.program.evaluate(mp, a, [mpf(c) for c in numbers]) for a in x]
        errors = np.array([float(value / exact(a) - 1) for a, value in zip(x, values, strict=True)])
    parts = np.split(errors, 1 + np.flatnonzero(np.diff(errors > 0)))
    peaks = [np.abs(part).max() for part in parts]
    assert len(peaks) == 6
    assert min(peaks) == pytest.approx(max(peaks), rel=1e-2)


def test_the_classical_forms_of_a_root_over_ten_decades():
    found = best_forms(baselines(SQRT, 3), 3)
    assert found[3].error == pytest.approx(BEST, rel=1e-3)
    assert found[3].form == "J(1,1)"
