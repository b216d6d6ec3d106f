import pickle

import flint
import mpmath
import pytest
from flint import arb, arb_series
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.targets.expression import MAX_DEPTH, MAX_LENGTH, ExpressionError, _narrowed, parse_expression
from evo.targets.functions import FUNCTIONS


def without_two_zeros(s):
    zeros = (mpmath.besseljzero(0, k) for k in (1, 2))
    return mpmath.besselj(0, mpmath.sqrt(s)) / mpmath.fprod(1 - s / zero**2 for zero in zeros)


REFERENCES = {
    "exp": mpmath.exp,
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log": mpmath.log,
    "log2": lambda x: mpmath.log(x, 2),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "tanh": mpmath.tanh,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "atan": mpmath.atan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "sqrt": mpmath.sqrt,
    "cbrt": mpmath.cbrt,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "gamma": mpmath.gamma,
    "lgamma": mpmath.loggamma,
    "airy_ai": mpmath.airyai,
    "bessel_i": lambda x: mpmath.besseli(mpmath.mpf(1) / 3, x),
    "bessel_j": lambda x: mpmath.besselj(mpmath.mpf(1) / 3, x),
    "bessel_j0_beyond": without_two_zeros,
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
    "log10": mpmath.log10,
    "exp10": lambda x: mpmath.mpf(10) ** x,
    "asinh": mpmath.asinh,
    "acosh": lambda x: mpmath.acosh(1 + x),  # of 1 + x, as `call` writes it
    "atanh": mpmath.atanh,
    "abs": abs,
    "erfinv": mpmath.erfinv,
}
MEANT = {
    "sign(x-0.5)": lambda x: mpmath.sign(x - 0.5),
    "min(x, 1-x)": lambda x: min(x, 1 - x),
    "max(exp(x), 2)": lambda x: max(mpmath.exp(x), mpmath.mpf(2)),
    "x*sigmoid(x)": lambda x: x / (1 + mpmath.exp(-x)),
    "silu(2*x)": lambda x: 2 * x / (1 + mpmath.exp(-2 * x)),
    "softplus(x)": lambda x: mpmath.log1p(mpmath.exp(x)),
    "gelu(x)": lambda x: x * mpmath.ncdf(x),
    "probit(x)": lambda x: mpmath.sqrt(2) * mpmath.erfinv(2 * x - 1),
    "+x": lambda x: x,
    "sigmoid(sigmoid(x))": lambda x: 1 / (1 + mpmath.exp(-1 / (1 + mpmath.exp(-x)))),
}


@pytest.fixture(autouse=True)
def precision():
    with flint.ctx.workprec(160), mpmath.workdps(50):
        yield


def orders(name):
    """What comes before the argument."""
    return ("2, " if name == "bessel_j0_beyond" else "1/3, ") * (FUNCTIONS[name].arity - 1)


def call(name, argument="x"):
    argument = f"1+{argument}" if name == "acosh" else argument
    return f"{name}({orders(name)}{argument})"


def value(text, x=0):
    return parse_expression(text).ball(arb(x))


def to_arb(number):
    """With a radius that covers mpmath's last digits."""
    return arb(mpmath.nstr(number, 45, strip_zeros=False), "1e-40")


@pytest.mark.parametrize("text", MEANT)
@pytest.mark.parametrize("x", ["0.3", "0.9"])
def test_names_that_stand_for_expressions_mean_what_they_say(text, x):
    assert parse_expression(text).ball(arb(x)).overlaps(to_arb(MEANT[text](mpmath.mpf(x))))


def test_every_function_of_the_table_has_a_reference_here():
    assert set(REFERENCES) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("x", ["0.3", "0.9"])
def test_balls_agree_with_mpmath(name, x):
    ball = parse_expression(call(name)).ball(arb(x))
    assert ball.rad() < 1e-40
    assert ball.overlaps(to_arb(REFERENCES[name](mpmath.mpf(x))))


@pytest.mark.parametrize("radius", ["1e-30", "1e-9", "0.1", "3", "20"])
@pytest.mark.parametrize("middle", ["5.75", "5.7831859629467845", "5.9", "18", "30.4712623436620864", "64"])
def test_j0_beyond_two_zeros_is_enclosed_next_to_them_too(middle, radius):
    expression = parse_expression("bessel_j0_beyond(2, x)")
    ball = expression.ball(arb(middle, radius))
    assert ball.rad() < 1e-10 + 500 * float(radius)
    series = expression.ball(arb_series([arb(middle, radius), 1], 3))
    for t in (-1, -0.3, 0.5, 1):
        taylor = mpmath.taylor(without_two_zeros, mpmath.mpf(middle) + t * mpmath.mpf(radius), 2)
        assert ball.overlaps(arb(mpmath.nstr(taylor[0], 25), "1e-20"))
        for k, number in enumerate(taylor):
            assert series[k].overlaps(arb(mpmath.nstr(number, 15), "1e-12"))


def test_j0_beyond_a_part_of_a_zero_is_not_defined():
    assert not value("bessel_j0_beyond(1/2, x)", 1).is_finite()
    assert not value("bessel_j0_beyond(-1, x)", 1).is_finite()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_series_agree_with_mpmaths_derivatives(name):
    series = parse_expression(call(name, "x^2")).ball(arb_series([arb("0.7"), 1], 4))
    taylor = mpmath.taylor(lambda x: REFERENCES[name](x * x), mpmath.mpf("0.7"), 3)
    for k, number in enumerate(taylor):
        assert abs(series[k] - to_arb(number)) < 1e-15, f"coefficient {k}"


@pytest.mark.parametrize("name", FUNCTIONS)
@given(t=st.floats(-1, 1), middle=st.floats(0.2, 0.8), radius=st.floats(1e-12, 0.05))
@settings(max_examples=20, deadline=None)
def test_enclosures_of_a_box_hold_the_value_at_each_of_its_points(name, t, middle, radius):
    expression = parse_expression(call(name))
    with flint.ctx.workprec(160):
        box, point = arb(middle, radius), arb(middle) + arb(radius) * arb(t)
        for enclose in (expression.ball, expression.enclose):
            enclosure = enclose(box)
            assert enclosure.is_finite()
            assert enclosure.overlaps(expression.ball(point))
            assert enclosure.contains(expression.ball(point).mid())


@pytest.mark.parametrize(
    "text", ["x-sin(x)", "exp(x)-1-x-x^2/2", "(1-cos(x))/x", "x^3/(x-sin(x))", "log(1+x)^2"]
)
@given(t=st.floats(-1, 1), middle=st.floats(-40, -1), radius=st.floats(0.01, 0.2), terms=st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_enclosures_hold_the_values_where_terms_cancel(text, t, middle, radius, terms):
    expression = parse_expression(text)
    with flint.ctx.workprec(320):
        scale = arb(2) ** arb(middle)
        box, point = scale * arb(1, radius), scale * (1 + arb(radius) * arb(t))
        enclosure = expression.enclose(box, terms)
        assert not enclosure.is_finite() or enclosure.contains(expression.ball(point).mid())


@pytest.mark.parametrize("text", ["exp(x)", "sin(3*x)", "1/x"])
@given(t=st.floats(-1, 1), radius=st.floats(0.01, 0.2))
@settings(max_examples=20, deadline=None)
def test_every_narrowed_coefficient_holds_those_at_the_points_of_the_box(text, t, radius):
    series = parse_expression(text).ball
    with flint.ctx.workprec(160):
        middle, point, box = arb(1), 1 + arb(radius) * arb(t), arb(1, radius)
        at_middle, at_point, wide = (series(arb_series([x, 1], 6)) for x in (middle, point, box))
        for plain in (wide, arb_series([*([arb.nan()] * 5), wide[5]], 6)):
            narrowed = _narrowed(at_middle, plain, box - middle)
            for k in range(6):
                assert narrowed[k].is_finite()
                assert narrowed[k].contains(at_point[k].mid()), f"coefficient {k}"


def test_the_series_of_the_cube_root_is_odd():
    cbrt = parse_expression("cbrt(x)").ball
    right, left = (cbrt(arb_series([arb(x), 1], 4)) for x in (0.7, -0.7))
    for k in range(4):
        assert (left[k] + (-1) ** k * right[k]).contains(0)
        assert left[k].rad() < 1e-40


def test_enclose_sees_through_cancellation_that_plain_balls_do_not():
    expression, box = parse_expression("x - sin(x)"), arb(1.5e-9, 0.2e-9)
    assert expression.ball(box).contains(0)
    assert expression.enclose(box) > 0


def test_enclose_leaves_the_series_cap_as_it_was():
    cap = flint.ctx.cap
    parse_expression("exp(x)").enclose(arb(0, 1), terms=cap + 5)
    assert flint.ctx.cap == cap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1+2*3", 7),
        ("10-4-3", 3),
        ("16/4/2", 2),
        ("-3^2", -9),
        ("(-3)^2", 9),
        ("2^3^2", 512),
        ("2**3**2", 512),
        ("2^-2", 0.25),
        ("2*-3", -6),
        ("--3", 3),
        ("-2^-1*4", -2),
        (".5e1 + 5.", 10),
        ("1E2", 100),
        ("(x)^3", -8),
        ("x^-3", -0.125),
        ("x^0", 1),
        ("cbrt(4*x)", -2),
        (" ( x\t+ 1 ) * 2 ", -2),
    ],
)
def test_precedence_and_powers_are_those_of_school(text, expected):
    got = value(text, -2)
    assert got.contains(arb(expected))
    assert got.rad() < 1e-40


@given(
    a=st.integers(-9, 9),
    b=st.integers(-9, 9),
    c=st.integers(1, 9),
    ops=st.tuples(*[st.sampled_from("+-*/")] * 2),
)
@settings(deadline=None)
def test_arithmetic_of_numbers_is_exact(a, b, c, ops):
    text = f"({a}){ops[0]}(({b}){ops[1]}{c})"
    try:
        got = parse_expression(text)
    except ExpressionError as error:
        assert "Division by zero" in str(error)  # noqa: PT017
        return
    numbers = [flint.fmpq(n) for n in (a, b, c)]
    table = {
        "+": lambda p, q: p + q,
        "-": lambda p, q: p - q,
        "*": lambda p, q: p * q,
        "/": lambda p, q: p / q,
    }
    expected = table[ops[0]](numbers[0], table[ops[1]](numbers[1], numbers[2]))
    assert [node.number for node in got.nodes] == [expected]


def test_decimals_stay_exact_as_written():
    third = parse_expression("0.1").nodes[0].number
    assert third == flint.fmpq(1, 10)


def test_an_even_power_of_a_ball_around_zero_is_finite():
    assert value("x^2", arb(0, 1)).is_finite()


def test_the_cube_root_of_a_ball_around_zero_holds_both_signs():
    got = value("cbrt(x)", arb(0, 8))
    assert got.is_finite()
    assert got.contains(arb(-2, 0))
    assert got.contains(arb(2, 0))


def test_a_non_integer_power_of_a_negative_number_is_undefined():
    assert not value("x^0.5", -1).is_finite()


LEAF = st.sampled_from(["x", "pi", "e", "2", "0.25", "1e-3"])
TEXTS = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds("({}) {} {}".format, inner, st.sampled_from(["+", "-", "*"]), LEAF),
        st.builds("- {} ** 2".format, LEAF),
        st.builds("sin( {} )".format, inner),
        st.builds("bessel_i( 1/2 ,{})".format, inner),
    ),
    max_leaves=12,
)


@given(TEXTS)
@settings(deadline=None)
def test_the_normalised_text_and_the_pickle_parse_to_the_same_tree(text):
    expression = parse_expression(text)
    again = parse_expression(expression.text)
    assert again == expression
    assert pickle.loads(pickle.dumps(expression)) == expression


@given(st.text(max_size=60) | st.text("x0123456789.eE+-*/^(), sinpgam", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_parses_or_is_refused_in_one_line(text):
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert isinstance(expression.ball(arb(0.5)), arb)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "position 1, got the end"),
        ("   ", "position 1, got the end"),
        ("x y", "position 3, got 'y'"),
        ("2x", "position 2, got 'x'"),
        ("x +", "position 4, got the end"),
        ("(x", "to close the one at position 1 at position 3"),
        ("x)", "position 2, got '\\)'"),
        ("sin x", "Expected '\\(' after sin at position 5"),
        ("sim(x)", "Unknown name 'sim' at position 1.*Did you mean 'sin'"),
        ("absolute(x)", "Unknown name 'absolute'"),
        ("exp(x, 2)", "to close exp, which takes 1 argument,"),
        ("bessel_i(x)", "takes 2 arguments"),
        ("bessel_i(x, x)", "order of bessel_i at position 1"),
        ("bessel_i(1e9, x)", "from -100 to 100"),
        ("__import__('os')", 'Unexpected character "\'" at position 12'),
        ("x.__class__", "Unexpected character '.' at position 2"),
        ("x\0", r"'\\x00' at position 2"),
        ("x\n", r"'\\n' at position 2"),
        ("\u0663", "at position 1"),
        ("9^9^9^9^9", "exceeds 1000"),
        ("x^1001", "integer power at position 2 exceeds 1000"),
        ("1e999999999", "exponent at position 1 exceeds 400"),
        ("1e" + "9" * 900, "exceeds 400"),
        ("1/0", "Division by zero at position 2"),
        ("x/(1-1)", "Division by zero at position 2"),
        ("0^-1", "Division by zero"),
        ("(" * 100_000, f"at most {MAX_LENGTH} characters"),
        ("(" * 101 + "x" + ")" * 101, f"deeper than {MAX_DEPTH} at position 101"),
        ("-" * 500 + "x", "deeper than"),
        ("x^" * 400 + "x", "deeper than"),
        ("sin(" * 200, "deeper than"),
    ],
)
def test_hostile_or_wrong_text_is_refused_with_its_position(text, reason):
    with pytest.raises(ExpressionError, match=reason) as raised:
        parse_expression(text)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "pi^" * 90 + "pi",
        "((9^1000)^1000)^1000",
        "exp(exp(exp(exp(1e400))))",
        "gamma(gamma(gamma(1e300)))",
        "sin(exp(1e300)) + tan(1e400)",
        "airy_ai(-1e400)",
        "bessel_i(99.5, 1e400) + bessel_i(99.5, 100)",
        "+".join(["x"] * 500),
        "*".join(["1e400"] * 160),
        "(" * 100 + "x" + ")" * 100,
    ],
)
def test_extreme_but_legal_text_evaluates(text):
    expression = parse_expression(text)
    for x in (arb(0.5), arb(0, 1), arb("1e300")):
        expression.ball(x)
        expression.enclose(x)
