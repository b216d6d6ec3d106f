import math
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest
from flint import arb, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.fronts.front import Front
from evo.numbers.reals import ball
from evo.programs.program import parse
from evo.proofs import enclosure
from evo.targets.making import make_target
from evo.targets.points import fit_points, holdout_points
from evo.targets.sampled import sampled_error, sampled_error_at

C = (25.596749740144819, 17.746150088734609, -0.99999366143081858, -8.8505996518073289)
D = (15141.981176922711, -250.55247494972059, 5783.5330096027765, 501.10494991027866, -0.99999999999999956)
EXP2 = make_target("exp2")
FRONTS = Path(__file__).parent.parent / "experiments" / "fronts"


def f5(x, number=arb):
    c1, c2, c3, c4 = map(number, C)
    return c2 / (c4 + (x + c1 / x)) - c3


def f10(x, number=arb):
    c1, c2, c3, c4, c5 = map(number, D)
    t = x + c3 / x
    v = c4 / (c2 + (c1 / t + t)) - c5
    for _ in range(3):
        v = v * v
    return v


def by_mpmath(program, x):
    """Largest relative error on exp2 over `x`, without balls."""
    with mpmath.workdps(60):
        points = [mpmath.mpf(v) for v in x.tolist()]
        return float(max(abs(program(p, mpmath.mpf) / mpmath.mpf(2) ** p - 1) for p in points))


def test_the_published_five_op_program_has_its_published_error():
    for x in (holdout_points(EXP2).x, fit_points(EXP2).x):
        error, worst = sampled_error(f5, EXP2, x)
        assert error == pytest.approx(6.3386e-6, rel=1e-5)
        assert 0 < worst < 1e-9


def test_the_published_two_and_ten_op_programs_have_their_published_errors():
    x = holdout_points(EXP2).x
    f2 = lambda x: arb(-2.1258595374472384) / (arb(-2.0413845597733418) + x)  # noqa: E731
    assert sampled_error(f2, EXP2, x)[0] == pytest.approx(4.1381e-2, rel=2e-5)
    assert sampled_error(f10, EXP2, x)[0] == pytest.approx(3.553e-15, rel=1e-3)


@pytest.mark.parametrize(("file", "ops"), [("exp2-10ops", 9), ("erf-10ops", 9), ("cos-10ops", 7)])
def test_the_largest_of_level_extrema_is_found_to_a_billionth(file, ops):
    member = Front.load(FRONTS / f"{file}.json").best(ops=ops)
    target = make_target(member.target, member.interval, member.metric)
    program = enclosure.evaluator(member.code, member.constants)
    x = holdout_points(target).x
    coarse = np.linspace(x[0], x[-1], 2001)
    with flint.ctx.workprec(256):
        sizes = [sampled_error_at(program, target, point) for point in coarse.tolist()]
        tops = [k for k in range(1, 2000) if sizes[k] == max(sizes[k - 1 : k + 2]) > 0.99 * max(sizes)]
        fine = [np.linspace(coarse[k - 1], coarse[k + 1], 101).tolist() for k in tops]
        largest = max(sampled_error_at(program, target, point) for points in fine for point in points)
    assert sampled_error(program, target, x)[0] >= largest * (1 - 1e-9)


@pytest.mark.parametrize("program", [f5, f10])
def test_the_maximum_agrees_with_mpmath_on_a_dense_grid(program):
    dense = np.concatenate([[1e-18], np.linspace(0, 1, 2001)[1:-1], [1 - 1e-15]])
    assert sampled_error(program, EXP2, fit_points(EXP2).x)[0] == pytest.approx(
        by_mpmath(program, dense), rel=1e-4
    )


@given(st.integers(0, 47))
@settings(deadline=None, max_examples=20)
def test_the_error_at_a_point_agrees_with_mpmath(k):
    x = fit_points(EXP2).x[k : k + 1]
    assert sampled_error_at(f10, EXP2, float(x[0])) == pytest.approx(by_mpmath(f10, x), rel=2e-3, abs=1e-30)


@given(st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=30)
def test_an_interior_maximum_between_the_points_is_found(peak):
    target = make_target("x", None, "absolute")
    program = lambda x: x + 1 / (1 + 100 * (x - arb(peak)) * (x - arb(peak)))  # noqa: E731
    error, worst = sampled_error(program, target, fit_points(target, 40).x)
    assert error == pytest.approx(1.0, rel=1e-8)
    assert worst == pytest.approx(peak, abs=1e-4)


def test_among_many_maxima_the_largest_are_refined():
    target = make_target("x", None, "absolute")
    program = lambda x: x + (100 * x).sin() * x * (1 - x)  # noqa: E731
    x = np.linspace(0, 1, 1_000_001)
    expected = np.abs(np.sin(100 * x) * x * (1 - x)).max()
    assert sampled_error(program, target, fit_points(target, 300).x)[0] == pytest.approx(expected, rel=1e-7)


def test_the_supremum_next_to_an_open_end_is_found():
    target = make_target("x", None, "absolute")
    error, worst = sampled_error(lambda x: x * 2, target, np.array([0.5]))
    assert error == pytest.approx(1.0, rel=1e-14)
    assert worst > 1 - 1e-15


def test_the_metric_decides_what_is_measured():
    x = np.array([1.25, 1.5])
    assert sampled_error(lambda x: x, make_target("x^2", ("1", "2"), "absolute"), x)[0] == pytest.approx(2.0)
    assert sampled_error(lambda x: x, make_target("x^2", ("1", "2"), "relative"), x)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("exponent", [20, 60, 150])
def test_tiny_errors_are_resolved_beyond_float64(exponent):
    factor = 1 + fmpq(1, 10**exponent)
    error, _ = sampled_error(lambda x: EXP2.ball(x) * factor, EXP2, fit_points(EXP2).x)
    assert error == pytest.approx(10.0**-exponent, rel=1e-3)


def test_a_program_that_is_the_target_has_no_error_to_speak_of():
    assert sampled_error(EXP2.ball, EXP2, holdout_points(EXP2).x)[0] < 1e-300


@pytest.mark.parametrize(
    "program",
    [
        lambda x: 1 / (x - arb(0.5)),
        lambda x: (x - arb(0.25)).sqrt(),
        lambda x: x / 0,
        lambda x: x / (1 // 0),
        lambda x: arb.nan(),
        lambda x: (-x).log(),
        lambda x: (1 / x).exp().exp().exp().exp(),
    ],
)
def test_a_program_without_a_finite_value_has_infinite_error_and_never_nan(program):
    error, worst = sampled_error(program, EXP2, np.array([0.125, 0.5, 0.75]))
    assert error == math.inf
    assert 0 < worst < 1


def test_a_pole_met_only_while_climbing_counts_as_infinite_or_huge():
    pole = arb(1) / 3
    error, worst = sampled_error(lambda x: 1 / (x - pole), EXP2, fit_points(EXP2).x)
    assert error > 1e3
    assert worst == pytest.approx(1 / 3, abs=1e-3)


def test_a_thousand_points_take_hardly_more_than_a_value_each():
    x, asked = holdout_points(EXP2).x, 0

    def counted(point):
        nonlocal asked
        asked += 1
        return f10(point)

    sampled_error(counted, EXP2, x)
    assert len(x) <= asked < 2 * len(x)


def test_measuring_leaves_the_precision_as_it_was():
    with flint.ctx.workprec(77):
        sampled_error(f5, EXP2, np.array([0.5]))
        assert flint.ctx.prec == 77


def test_constants_become_balls_once_for_every_precision_and_are_exact_to_each(monkeypatch):
    read = []
    monkeypatch.setattr(enclosure, "ball", lambda number: read.append(number) or ball(number))
    by_text = enclosure.evaluator(parse("v1 = x * c1\nv2 = v1 + c2"), ["0.1", "1/3"])
    for precision in (53, 1024, 53, 1024):
        with flint.ctx.workprec(precision):
            for k in range(5):
                value = by_text(arb(k))
                assert value.overlaps(arb(fmpq(k, 10) + fmpq(1, 3)))
                assert value.rad() < 2.0 ** (3 - precision)
    assert len(read) == 4
