"""Exact numbers, exact coefficients, and the ends of intervals where functions bend."""

import math
import re
from fractions import Fraction

import flint
import mpmath
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from evo.minimax.polish import polish
from evo.numbers import known
from evo.numbers.constants import ConstantError, exact, text_of
from evo.numbers.reals import PI, E, Real
from evo.programs.program import parse
from evo.proofs.certificate import Certificate
from evo.proofs.enclosure import evaluator
from evo.proofs.prove import Refusal, check, prove
from evo.targets.expansions import EXPANSIONS, expansion
from evo.targets.making import make_target
from evo.targets.points import holdout_points
from evo.targets.sampled import sampled_error


def test_a_number_of_many_terms_is_known_by_its_ball_and_soon():
    long = PI + E + sum((Real.of(n).sqrt() for n in (2, 3, 5, 7)), Real.of(0))
    power = long**100
    assert power.form is None
    assert float(power) == pytest.approx(float(long) ** 100, rel=1e-12)
    below = 1 / long**20
    assert float(below * long**20 - 1) == pytest.approx(0, abs=1e-30)
    assert ((PI + E) ** 3).form is not None


def test_a_number_without_a_form_asks_each_of_its_factors_once():
    asked = []
    one = Real.known_by(lambda: asked.append(1) or arb(3).sqrt())
    assert float(one**64) == pytest.approx(3.0**32, rel=1e-15)
    assert len(asked) == 1  # at one precision, by six squarings


fractions = st.fractions(min_value=-100, max_value=100, max_denominator=50)
reals = st.builds(lambda a, b, c: Real.of(a) + PI * b + E * c, fractions, fractions, fractions)


@given(reals, reals, reals)
def test_the_laws_of_a_field_hold_exactly(a, b, c):
    assert (a + b) * c == a * c + b * c
    assert (a - a).is_zero
    assert ((a * b - b * a) / (PI * PI + 1)).is_zero
    if not a.is_zero:
        assert b * a / a == b


@given(reals, reals)
def test_a_ball_holds_the_number_and_float_rounds_it(a, b):
    x = a / (b * b + 1)
    with mpmath.workdps(60):
        exact = [_mpmath(v) for v in (a, b)]
        value = exact[0] / (exact[1] ** 2 + 1)
        assert float(x) == pytest.approx(float(value), rel=1e-15, abs=1e-300)
    with flint.ctx.workprec(200):
        assert x.ball().overlaps(arb(mpmath.nstr(value, 50), arb("1e-45").upper()))


def _mpmath(x: Real) -> mpmath.mpf:
    top = x.form[0].to_dict()
    return sum(
        mpmath.mpf(int(c.p)) / int(c.q) * mpmath.pi ** int(p) * mpmath.e ** int(q)
        for (p, q, *_), c in top.items()
    ) + mpmath.mpf(0)


@given(reals, reals, st.fractions(0, 40), st.sampled_from([2, 3, 5, 6, 7, 12, 42]))
def test_square_roots_are_exact_and_equal_numbers_have_equal_forms(a, b, q, n):
    root = Real.of(n).sqrt()
    x = a + b * root
    assert (root * root).rational == n
    assert (x * (a - b * root)) == a * a - b * b * n
    assert Real.of(q * q * n).sqrt() == root * q
    if not x.is_zero:
        inverse = 1 / x
        assert inverse * x == 1
        assert str(inverse) == str((a - b * root) / (a * a - b * b * n))
        assert float(inverse) == pytest.approx(1 / float(x), rel=1e-12)
        assert exact(text_of(inverse)) == inverse


@given(st.fractions(0, 50, max_denominator=50), st.integers(1, 9), st.integers(-9, 9))
def test_roots_and_powers_are_exact_or_none(q, degree, times):
    assert Real.of(q**degree).root(degree) == q
    near = Real.of(q**degree + Fraction(1, 10**30)).root(degree)
    assert degree == 1 or near is None or near**degree == q**degree + Fraction(1, 10**30)
    if q:
        exponent = Fraction(times, degree)
        assert Real.of(q**degree).power(exponent) == q**times
        power = Real.of(q).power(exponent)
        assert power is None or float(power) == pytest.approx(float(q) ** float(exponent), rel=1e-12)


def test_powers_that_have_no_form_or_are_too_large_are_none():
    assert Real.of(2).power(Fraction(1, 3)) is None
    assert PI.power(Fraction(1, 2)) is None
    assert Real.of(2).power(Fraction(10**9)) is None
    assert Real.of(2**3001).root(3001) is None
    assert Real.of(2).power(Fraction(3, 2)) == Real.of(2).sqrt() * 2


@pytest.mark.parametrize("text", ["r2", "sqrt(2", "sqrt(-2)", "sqrt(11)", "sqrt(2)/0", "2)/(sqrt(2)"])
def test_what_only_looks_like_a_root_is_no_constant(text):
    with pytest.raises(ConstantError):
        exact(text)


def test_numbers_without_a_form_are_never_taken_for_zero():
    root = Real.of(11).sqrt()
    assert not (root - root).is_zero
    assert Real.of(Fraction(121, 100)).sqrt() == Fraction(11, 10)
    assert root > 1.41
    assert not (1 / (PI - PI)).ball().is_finite()


POINTS = [
    *(Real.of(v) for v in (0, 1, -1, 2, 100, Fraction(1, 3), Fraction(1, 8))),
    *(PI * Fraction(k, 6) for k in range(-7, 13)),
]
FUNCTIONS = {
    "lgamma": mpmath.loggamma, "log2": lambda x: mpmath.log(x, 2), "log10": lambda x: mpmath.log(x, 10),
    "log1p": lambda x: mpmath.log(1 + x), "expm1": lambda x: mpmath.exp(x) - 1,
    "exp2": lambda x: mpmath.mpf(2) ** x, "exp10": lambda x: mpmath.mpf(10) ** x,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPANSIONS)
def test_exact_coefficients_are_those_of_the_function(name):
    function, seen = FUNCTIONS.get(name, getattr(mpmath, name, None)), 0
    with mpmath.workdps(40):
        for point in POINTS:
            x = _mpmath(point)
            for k, coefficient in enumerate(expansion(name, point, 7)):
                if coefficient is not None:
                    exact = mpmath.taylor(function, x, k)[k] if k else function(x)
                    assert float(mpmath.re(exact)) == pytest.approx(float(coefficient), rel=1e-12, abs=1e-12)
                    seen += 1
    assert seen


@given(st.lists(fractions, min_size=4, max_size=4), st.lists(fractions, min_size=4, max_size=4))
def test_known_series_multiply_and_divide_like_series(a, b):
    left, right = (tuple(Real.of(v) for v in values) for values in (a, b))
    exact = [sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(4)]
    assert [c.rational for c in known.times(left, right)] == exact
    if b[0]:
        assert known.over(known.times(left, right), right) == left


def test_what_is_not_known_stays_unknown_unless_a_zero_hides_it():
    zero, one = Real.of(0), Real.of(1)
    assert known.times((zero, zero), (None, one)) == (zero, zero)
    assert known.over((zero, zero, one), (None, one, one)) == (zero, zero, None)
    assert known.plus((None, zero), (zero, zero)) == (None, zero)


def proved(text, constants, function, interval, metric):
    result = prove(parse(text), constants, make_target(function, interval, metric))
    assert isinstance(result, Certificate), result
    check(Certificate.from_json(result.to_json()))
    assert float(result.lower) <= float(result.bound) <= float(result.lower) * 1.003
    return float(result.lower)


LINE = "v1 = c1 * x\nv2 = v1 + c2"
PARABOLA = "v1 = c1 * x\nv2 = v1 * x\nv3 = v1 - v2"


@pytest.mark.parametrize(
    ("text", "constants", "function", "interval", "metric", "largest"),
    [
        ("v1 = c1 * x\nv2 = c1 - v1", ["1.57"], "acos(x)", ("0", "1"), "absolute", 0.33086),
        (PARABOLA, ["3.5"], "sin(pi*x)", ("0", "1"), "relative", 0.125),
        ("v1 = x - c1\nv2 = v1 * c2", ["sqrt(2)", "2.5"], "x^2-2", ("1", "sqrt(2)"), "relative", 0.1161164),
        ("v1 = x - c1\nv2 = v1 * c2", ["sqrt(2)", "2.5"], "x^2-2", ("1", "2"), "relative", 0.2677669),
        (
            *("v1 = x * x\nv2 = c1 - v1\nv3 = c2 * v2", ["3", "0.6"]),
            *("sqrt(3-x^2)", ("-sqrt(3)", "sqrt(3)"), "absolute", 0.4166666),
        ),
        ("v1 = c1 / x\nv2 = v1 - c1", ["-0.75"], "log(x)", ("1", "2"), "relative", 0.45899),
        ("v1 = c1 / x\nv2 = v1 - c1", ["-0.8"], "log(x)", ("1", "2"), "relative", 0.42292),
        (
            "v1 = c2 * x\nv2 = v1 + c1\nv3 = sqrt(v2)\nv4 = v3 - c3", ["1.21", "1.5", "1.1"],
            "log(1+x)", ("0", "1"), "relative", 0.31818,
        ),
        (LINE, ["0", "-0.2"], "x*log(x)", ("0", "1"), "absolute", 0.2),
        (LINE, ["0", "0.25"], "x*log(x)^2", ("0", "1"), "absolute", 4 / math.e**2 - 0.25),
        (LINE, ["0", "0.8"], "x^x", ("0", "1"), "absolute", 0.2),
        (LINE, ["1", "0"], "x^pi", ("0", "1"), "absolute", 0.39945),
        (LINE, ["0", "0.5"], "x^(1/13)", ("0", "1"), "absolute", 0.5),
        (LINE, ["0", "0.5"], "-(x*log2(x)+(1-x)*log2(1-x))", ("0", "1"), "absolute", 0.5),
        (LINE, ["0", "1.57"], "acos(x)", ("-1", "1"), "absolute", 1.5715927),
    ],
)  # fmt: skip
def test_errors_are_proved_where_functions_bend(text, constants, function, interval, metric, largest):
    target = make_target(function, interval, metric)
    found = proved(text, constants, function, interval, metric)
    with mpmath.workdps(30):  # no point of a fine grid is above, and one is near
        errors = [
            abs(_error(text, constants, target, t)) for t in (k / mpmath.mpf(401) for k in range(1, 401))
        ]
    assert max(errors) <= found * 1.003
    assert found == pytest.approx(largest, rel=2e-3)


def _number(text):
    root = re.fullmatch(r"(-?)sqrt\((\d)\)", text)
    return mpmath.mpf(text) if root is None else mpmath.sqrt(int(root[2])) * (-1 if root[1] else 1)


def _error(text, constants, target, part):
    lo, hi = (_number(end) for end in target.interval)
    x = lo + (hi - lo) * part
    with flint.ctx.workprec(120):
        exact = mpmath.mpf(target.ball(arb(mpmath.nstr(x, 35))).mid().str(30, radius=False))
    got = parse(text).evaluate(mpmath, x, [_number(c) for c in constants])
    return (got - exact) / exact if target.metric == "relative" else got - exact


@pytest.mark.parametrize("constants", [["-0.8", "-0.79"], ["-0.8", "-0.8000000000000000000000000000001"]])
def test_constants_that_nearly_cancel_at_a_zero_are_a_pole(constants):
    target = make_target("log(x)", ("1", "2"), "relative")
    refusal = prove(parse("v1 = c1 / x\nv2 = v1 - c2"), constants, target)
    assert isinstance(refusal, Refusal)
    assert refusal.status == "pole"


@pytest.mark.parametrize(
    "text", ["v1 = c1 / x\nv2 = c1 / v1\nv3 = v2 + c2", "v1 = x * x\nv2 = c1 / v1\nv3 = c2 / v2"]
)
def test_a_program_that_divides_by_zero_at_an_inner_point_has_an_infinite_error(text):
    """Its limit exists there, and no point beside it shows anything."""
    program, target = parse(text), make_target("x+2", ("-1", "1"), "absolute")
    assert polish(program, ["1", "2"], target).error == math.inf
    assert sampled_error(evaluator(program, ["1", "2"]), target, holdout_points(target).x) == (math.inf, 0.0)
    assert isinstance(prove(program, ["1", "2"], target), Refusal)
