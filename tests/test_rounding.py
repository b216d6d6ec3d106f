import math
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.numbers.balls import BALLS
from evo.programs.ops import OPS
from evo.programs.program import parse
from evo.proofs import rounding
from evo.proofs.enclosure import ball
from evo.proofs.prove import Refusal, prove
from evo.proofs.rounding import ROUNDED, Rounded, RoundingBound, bound_float64_error, sampled_float_error
from evo.targets.making import make_target
from evo.targets.points import holdout_points
from evo.targets.sampled import sampled_error_at
from published import F2, F5, F10, PUBLISHED
from strategies import RATIONAL, programs, random_batch

EXP2 = make_target("exp2")
CONSTANTS = ["0.1", "-1.3", "7", "0.0123", "2.6"]


def bounded(program, constants, target=EXP2):
    result = bound_float64_error(program, constants, target)
    assert isinstance(result, RoundingBound), result
    return result


def floats_in(bound, count=300):
    """Random float64 in the range of validity, half of them crowding towards its lower end."""
    rng = np.random.default_rng(5)
    lo, hi = bound.from_x, bound.to_x
    near = lo + (hi - lo) * 2.0 ** -rng.uniform(0, 59, count // 2)
    return np.clip(np.concatenate([[lo, hi], rng.uniform(lo, hi, count // 2), near]), lo, hi)


def test_the_sampled_error_agrees_with_mpmath():
    x = holdout_points(EXP2).x[::20]
    program, constants = F10
    got = program.evaluate(np, x, [float(c) for c in constants])
    with mpmath.workdps(40):
        errors = [
            abs(mpmath.mpf(g) / mpmath.mpf(2) ** v - 1) for g, v in zip(got.tolist(), x.tolist(), strict=True)
        ]
    error, worst = sampled_float_error(program, constants, EXP2, x)
    assert error == pytest.approx(float(max(errors)), rel=1e-6)
    assert worst == x[int(np.argmax(errors))]


def test_a_result_that_is_not_finite_is_an_infinite_error():
    x = np.array([0.25, 0.5])
    for text in ("v1 = x - c1\nv2 = x / v1", "v1 = x - c1\nv2 = sqrt(v1)", "v1 = c1 - c1\nv2 = x / v1"):
        error, worst = sampled_float_error(parse(text), ["0.5"], EXP2, x)
        assert error == math.inf
        assert worst in x


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_bounds_of_the_published_programs_hold_and_are_near(name):
    (program, constants), _ = PUBLISHED[name]
    bound = bounded(program, constants)
    error, _ = sampled_float_error(program, constants, EXP2, floats_in(bound))
    assert error <= bound.bound
    assert bound.rounding < 25 * 2.0**-53
    assert bound.bound <= 1.01 * float(prove(program, constants, EXP2).bound) + 25 * 2.0**-53


def test_where_the_bound_holds_is_part_of_it():
    whole = bounded(*F2)
    assert whole.whole
    assert (whole.from_x, whole.to_x) == EXP2.span
    towards_zero = bounded(*F5)
    assert not towards_zero.whole
    assert 0 < towards_zero.from_x <= 2.0**-59
    assert towards_zero.to_x == EXP2.span[1]


def test_a_rounding_error_that_grows_towards_the_end_limits_the_range():
    target = make_target("sin")
    program, constants = parse("v1 = x + c1\nv2 = v1 - c1\nv3 = v2 * c2"), ["1", "0.9"]
    bound = bounded(program, constants, target)
    assert bound.from_x == pytest.approx(2.0**-21 * math.pi / 4, rel=1.0)
    below = np.array([bound.from_x * 2.0**-40])
    assert sampled_float_error(program, constants, target, below)[0] > bound.bound
    assert sampled_float_error(program, constants, target, floats_in(bound))[0] <= bound.bound


def test_a_constant_that_float64_does_not_hold_counts():
    program = parse("v1 = x * x\nv2 = v1 + c1")
    exact, off = ("1", "1.00000000000000011")  # the second is nearly half an ulp from 1
    target = make_target("x^2+1")
    assert bounded(program, [off], target).rounding > bounded(program, [exact], target).rounding + 5e-17


def random_bounds(seed, count):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, count, ops=[op.name for op in OPS], size=(2, 8))
    for row in range(count):
        program = batch.program(row)
        constants = [repr(float(c)) for c in rng.choice([-1, 1, 1], 4) * 10 ** rng.uniform(-2, 2, 4)]
        bound = bound_float64_error(program, constants, EXP2)
        if isinstance(bound, RoundingBound):
            yield program, constants, bound


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_no_float64_exceeds_the_bounds_of_random_programs(count):
    found = 0
    for program, constants, bound in random_bounds(3, count):
        found += 1
        error, worst = sampled_float_error(program, constants, EXP2, floats_in(bound, 60))
        assert error <= bound.bound, (str(program), constants, worst)
    assert found > 0.4 * count


def deviation(program, constants, x):
    """|float64 result - exact result|, by rational arithmetic.

    Raises:
        ZeroDivisionError: there is no exact result.
    """
    exact = program.evaluate(math, Fraction(x), [Fraction(c) for c in constants])
    with np.errstate(all="ignore"):
        got = float(program.evaluate(np, np.float64(x), [np.float64(c) for c in constants]))
    return abs(Fraction(got) - exact)


def analysed(program, constants, x):
    numbers = [Rounded(ball(Fraction(c)), abs(ball(Fraction(c) - Fraction(float(c))))) for c in constants]
    return program.evaluate(ROUNDED, Rounded(arb(x), arb(0)), numbers).error


@given(programs(RATIONAL, max_size=8), st.floats(-1e200, 1e200) | st.floats(-2, 2))
@settings(deadline=None, max_examples=300)
def test_the_analysis_holds_at_a_point_against_rational_arithmetic(program, x):
    with flint.ctx.workprec(128):
        error = analysed(program, CONSTANTS, x)
        if error.is_finite():
            try:
                assert not ball(deviation(program, CONSTANTS, x)) > error
            except ZeroDivisionError:  # in a value that the result does not need
                return


def test_underflow_counts():
    for text, x in (("v1 = x * x", 1e-170), ("v1 = x / c1", 5e-324), ("v1 = x * x\nv2 = v1 * c1", 1e-160)):
        program = parse(text)
        with flint.ctx.workprec(128):
            assert ball(deviation(program, ["3"], x)) <= analysed(program, ["3"], x)


def test_a_root_hands_its_operands_error_on():
    program, x = parse("v1 = x - c1\nv2 = sqrt(v1)"), 0.1 + 2.0**-40
    with flint.ctx.workprec(128):
        exact = (arb(x) - ball(Fraction("0.1"))).sqrt()
        error = abs(arb(float(program.evaluate(np, np.float64(x), [0.1]))) - exact)
        assert 1e-13 < error < analysed(program, ["0.1"], x) < 1.5 * error


def test_without_the_rounding_of_the_ops_the_bound_would_be_exceeded(monkeypatch):
    monkeypatch.setattr(rounding, "_UNIT", arb(0))
    program = parse("v1 = x * x\nv2 = x + v1\nv3 = v2 / x")
    with flint.ctx.workprec(128):
        assert any(ball(deviation(program, [], k / 7)) > analysed(program, [], k / 7) for k in range(1, 7))


def test_a_refused_proof_is_handed_on():
    refusal = bound_float64_error(parse("v1 = x - c1\nv2 = c2 / v1"), ["0.25", "1"], EXP2)
    assert isinstance(refusal, Refusal)
    assert refusal.status == "pole"


def test_a_proof_at_hand_is_used():
    certificate = prove(*F5, EXP2, 0.5)
    assert bound_float64_error(*F5, EXP2, certificate).real == float(certificate.bound)


def test_the_sampled_error_is_the_real_one_where_rounding_is_small():
    program, constants = F2
    x = holdout_points(EXP2).x[:50]
    exact = lambda p: program.evaluate(BALLS, p, [arb(c) for c in constants])  # noqa: E731
    real = max(sampled_error_at(exact, EXP2, float(v)) for v in x)
    assert sampled_float_error(program, constants, EXP2, x)[0] == pytest.approx(real, rel=1e-12)
