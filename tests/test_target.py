import json
import logging
import pickle
import re
import threading
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.targets import checks
from evo.targets.catalogue import CATALOGUE
from evo.targets.checks import anchors
from evo.targets.ends import end_value
from evo.targets.functions import FUNCTIONS
from evo.targets.making import make_target, read_target
from evo.targets.metric import METRICS
from evo.targets.target import Target, TargetError

NAMES = list(CATALOGUE)

REFERENCES = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "exp": mpmath.exp,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log": mpmath.log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: (1 + mpmath.tanh(x / 2)) / 2,
    "silu": lambda x: x * (1 + mpmath.tanh(x / 2)) / 2,
    "exp10": lambda x: mpmath.mpf(10) ** x,
    "gelu": lambda x: x * mpmath.ncdf(x),
    "gelu_tanh": lambda x: (
        x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))) / 2
    ),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "normcdf": mpmath.ncdf,
    "asinh": mpmath.asinh,
    "acosh": mpmath.acosh,
    "atanh": mpmath.atanh,
    "srgb_power": lambda x: mpmath.root(x, 12) ** 5,
    "log10": mpmath.log10,
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfinv": mpmath.erfinv,
    "atan": mpmath.atan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "sqrt": mpmath.sqrt,
    "cbrt": mpmath.cbrt,
    "airy": lambda x: mpmath.airyai(-7 * x),
    "bessel": lambda x: mpmath.sqrt(2 / (mpmath.pi * x)) * mpmath.sinh(x),
    "bessel_i0": lambda x: mpmath.besseli(0, x),
    "bessel_j0": lambda x: mpmath.besselj(0, x),
    "tgamma": mpmath.gamma,
    "lgamma": mpmath.loggamma,
}


def refusal(*args):
    with pytest.raises(TargetError) as raised:
        make_target(*args)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_catalogue_target_is_fit_to_be_approximated(name):
    row = CATALOGUE[name]
    target = make_target(name)
    assert target.metric == row.metric
    assert row.description


@pytest.mark.parametrize("name", NAMES)
def test_exact_values_are_mpmaths_rounded_to_nearest(name):
    target = make_target(name)
    first, last = target.span
    x = np.concatenate([[max(first, 1e-300), last], np.linspace(first, last, 41)[1:-1]])
    with mpmath.workdps(60):
        expected = [float(REFERENCES[name](mpmath.mpf(v))) for v in x.tolist()]
    assert target.exact(x).tolist() == expected


@pytest.mark.parametrize("name", NAMES)
def test_pickles_and_json_rebuild_an_equal_target_with_the_same_function(name):
    target = make_target(name)
    middle = np.mean(target.span, keepdims=True)
    for again in (
        pickle.loads(pickle.dumps(target)),
        read_target(json.loads(json.dumps({**target.to_json(), "ops": 5}))),
    ):
        assert again == target
        assert hash(again) == hash(target)
        assert again.exact(middle) == target.exact(middle)
    assert len(pickle.dumps(target)) < 300


def test_a_users_expression_pickles_too():
    target = make_target(" sin(x) / x ")
    assert target.name == "sin(x)/x"
    again = pickle.loads(pickle.dumps(target))
    with flint.ctx.workprec(128):
        assert again.ball(arb(0.5)).overlaps(target.ball(arb(0.5)))


def test_the_defaults_are_the_catalogues_or_relative_on_zero_to_one():
    assert make_target("sin") == Target("sin", "0", "pi/4", "relative")
    assert make_target(" sin ") == make_target("sin")
    assert make_target("log2").interval == ("1", "2")
    assert make_target("log2").metric == "absolute"
    assert make_target("1+x") == Target("1+x", "0", "1", "relative")
    assert make_target("log2", ("1", "1.5"), "relative") == Target("log2", "1", "1.5", "relative")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1.0", "1"), ("1e0", "1"), ("0.10", "0.1"), ("1/3", "1/3"), (" pi / 4", "pi/4"),
     ("1.00000000000000000001", "1.00000000000000000001"), (" sqrt(2) ", "sqrt(2)"), (".5", "0.5")],
)  # fmt: skip
def test_interval_ends_keep_their_value_and_constants_their_text(written, kept):
    assert make_target("exp2", ("-1", written)).hi == kept


def test_negative_zero_is_zero():
    assert make_target("exp2", ("-0", "1")).lo == "0"


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=50)
def test_the_span_is_the_interval_without_its_ends(lo, width):
    target = Target("exp2", repr(lo), repr(lo + width), "absolute")
    first, last = target.span
    ends = target.ends
    assert ends[0] < Fraction(first) < Fraction(last) < ends[1]
    assert Fraction(float(np.nextafter(first, -np.inf))) <= ends[0]
    assert Fraction(float(np.nextafter(last, np.inf))) >= ends[1]


def test_the_span_of_an_end_that_is_no_float_is_strictly_inside():
    first, last = Target("exp2", "0.1", "0.3", "absolute").span
    assert Fraction(first) > Fraction("0.1")
    assert Fraction(last) < Fraction("0.3")


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("sin(x)/x", ("0", "1")),
        ("(exp(x)-1)/x", ("0", "1")),
        ("(exp(x)-1-x)/x^2", ("0", "1")),
        ("(1-cos(x))/x^2", ("0", "1")),
        ("x^2/(1-cos(x))", ("0", "1")),
        ("x^3/(x-sin(x))", ("0", "1")),
        ("x/(exp(x)-1)", ("0", "1")),
        ("log(1+x)/x", ("0", "1")),
        ("(x^2-1)/(x-1)", ("0", "1")),
        ("x^x", ("0", "1")),
        ("1-x^0.01", ("0", "1")),
        ("x*log(x)", ("0", "1")),
        ("acos(x)", ("-1", "1")),
        ("1-cos(x)", ("0", "1")),
        ("sin", ("0", "pi")),
        ("log", ("1", "2")),
        ("cbrt", ("0", "1")),
    ],
)
def test_removable_ends_and_zeros_at_ends_are_accepted(text, interval):
    assert make_target(text, interval, "relative").name == text


@pytest.mark.parametrize(
    ("text", "interval", "reason"),
    [
        ("tan", ("0", "3"), "tan has no finite value near x = 1.5708 inside (0, 3)"),
        ("1/(x-0.3)", ("0", "1"), "near x = 0.3 inside (0, 1)"),
        ("1/x", ("-1", "1"), "near x = 0 inside (-1, 1)"),
        ("gamma(x)", ("-2.5", "-1.5"), "near x = -2 inside"),
        ("asin(x)", ("0", "2"), "no finite value"),
        ("sqrt(x)", ("-1", "1"), "no finite value towards the end x = -1"),
        ("log", ("0", "1"), "log grows without bound towards the end x = 0"),
        ("log(-log(x))", ("0", "0.3"), "grows without bound towards the end x = 0"),
        ("exp(1/x)", ("0", "1"), "grows without bound towards the end x = 0"),
        ("lgamma", ("0", "1"), "grows without bound"),
        ("exp2", ("0", "2000"), "beyond the largest float64"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_poles_and_unbounded_ends_are_refused_by_place(text, interval, reason, metric):
    assert reason in refusal(text, interval, metric)


@pytest.mark.parametrize(
    ("text", "interval", "place"),
    [("sin(x)-0.1", ("0", "1"), "0.10017"), ("airy_ai(x)", ("-3", "0"), "-2.3381"),
     ("(x-1/1009)*(x+1)", ("0", "1"), "0.00099108"), ("exp(x)-2", ("0", "1"), "0.69315"),
     ("x^3-2", ("1", "2"), "1.2599"), ("2^x-3", ("1", "2"), "1.585"), ("2^x-1.4142135", ("0", "1"), "0.5"),
     ("cbrt(x)-2.0000000001", ("1", "10"), "8")],
)  # fmt: skip
def test_a_zero_at_no_exact_place_is_refused_for_the_relative_metric_only(text, interval, place):
    reason = refusal(text, interval, "relative")
    assert f"near x = {place} inside" in reason
    assert "use --metric absolute, or an interval that ends before it or begins after it, such as (" in reason
    assert make_target(text, interval, "absolute").metric == "absolute"


@pytest.mark.parametrize(
    ("text", "interval", "places"),
    [("sin", ("0", "4"), [0, "pi"]), ("sin", ("-1", "1"), [0]), ("(x-0.5)^2", ("0", "1"), [0.5]),
     ("log", ("0.5", "2"), [1]), ("gelu", ("-1", "1"), [0]), ("x^3-0.001", ("0", "1"), [0.1]),
     ("sin(x)", ("0", "pi"), [0, "pi"]), ("tan", ("0", "pi/2"), [0, "pi/2"]), ("1/x", ("0", "1"), [0]),
     ("6/x*(1+2*(1/(exp(x)-1)-1/x))", ("-1", "1"), [0]), ("log2(x)", ("1", "2"), [1]),
     ("sin(x)", ("-10", "10"), ["-3*pi", "-2*pi", "-pi", 0, "pi", "2*pi", "3*pi"]),
     ("exp(x)-1", ("-1", "2"), [0]), ("acos(x)", ("0", "1"), [1]),
     ("cos(pi*x)", ("0", "3"), [0.5, 1.5, 2.5]), ("sin(x)-sqrt(3)/2", ("0", "2"), ["pi/3"]),
     ("cos(x)*sqrt(2)-1", ("pi/4", "1"), ["pi/4"]), ("log(x)-1", ("2", "3"), ["e"]),
     ("tan(x)-sqrt(3)", ("0", "1.5"), ["pi/3"]), ("acos(x)-pi/4", ("0", "1"), ["sqrt(1/2)"]),
     ("asin(x)-pi/6", ("0", "1"), [0.5]), ("atan(x)-pi/6", ("0", "1"), ["sqrt(1/3)"]),
     ("exp(x)-e", ("1", "2"), [1]), ("2^x-sqrt(2)", ("0", "1"), [0.5]), ("cbrt(x)-2", ("1", "10"), [8]),
     ("cbrt(x)+2", ("-10", "-1"), [-8]), ("8^x-4", ("0", "1"), ["2/3"]), ("(1/2)^x-1/4", ("1", "3"), [2]),
     ("x^(2/3)-4", ("1", "10"), [8]), ("x^x-27", ("2", "4"), [3]), ("sqrt(2)^x-2", ("1", "3"), [2]),
     ("log(x)-2", ("1", "10"), ["e^2"]), ("log(x)+1", ("0.1", "1"), ["1/e"]), ("exp(x)-e^2", ("1", "3"), [2]),
     ("4^x-3*2^x+2", ("0.5", "2"), [1]), ("log2(x)-1/2", ("1", "2"), ["sqrt(2)"]),
     ("log2(x)+3/2", ("0.1", "1"), ["sqrt(1/8)"]), ("2^(x^2)-2", ("1", "2"), [1]),
     ("pi^x-pi", ("0.5", "2"), [1]), ("x^x-4", ("1", "2"), [2]),
     ("exp2(x)-sqrt(2)", ("1/2", "1"), [0.5]), ("(x-sqrt(2))*exp(x)", ("sqrt(2)", "2"), ["sqrt(2)"])],
)  # fmt: skip
def test_zeros_and_removable_singularities_at_exact_places_are_anchors(text, interval, places):
    found = [anchor.at for anchor in anchors(make_target(text, interval, "relative"))]
    assert found == [end_value(str(place)) for place in places]


@pytest.mark.parametrize("text", ["log(x)-log(2)", "sin(x)-sin(2)", "(log(x)-log(2))*exp(x)"])
def test_a_zero_at_an_end_that_nobody_knows_exactly_is_refused_with_what_can_be_done(text):
    reason = refusal(text, ("2", "3"), "relative")
    assert "at the end x = 2 of (2, 3), and no exact number is known" in reason
    assert "move that end inwards, such as to 2.001, or use --metric absolute" in reason
    assert make_target(text, ("2.001", "3"), "relative").metric == "relative"
    assert make_target(text, ("2", "3"), "absolute").metric == "absolute"


@pytest.mark.parametrize("text", ["sin(x)-0.3", "cosh(x)-2", "erf(x)-1/2"])
def test_the_intervals_that_a_refusal_names_are_taken(text):
    reason = refusal(text, ("0", "2"), "relative")
    sides = re.findall(r"\(([^(), ]+), ([^(), ]+)\)(?= or |\.$)", reason.split("such as ")[1])
    assert len(sides) == 2
    for side in sides:
        assert make_target(text, side, "relative").metric == "relative"


def test_a_removable_singularity_inside_is_an_anchor_of_the_absolute_metric():
    target = make_target("(exp(x)-1)/x", ("-1", "1"), "absolute")
    assert [(anchor.at, anchor.order, anchor.inner) for anchor in anchors(target)] == [(0, 0, True)]
    assert not anchors(make_target("sin", ("-1", "1"), "absolute"))


def test_a_value_too_small_for_a_relative_error_is_refused():
    assert "too small for a relative error" in refusal("exp2", ("-2000", "0"))
    assert make_target("exp2", ("-2000", "0"), "absolute")


@pytest.mark.parametrize(
    ("interval", "reason"),
    [
        (("1", "0"), "(1, 0) is reversed"),
        (("1", "1.0"), "(1, 1) is empty"),
        (("0", "inf"), "'inf' is not finite"),
        (("-Infinity", "0"), "'-Infinity' is not finite"),
        (("nan", "1"), "'nan' is not finite"),
        (("0", "1e309"), "'1e309' is beyond 1e308"),
        (("0", "10^400"), "'10^400' is beyond 1e308"),
        (("-9e307", "9.5e307"), "(-9e+307, 9.5e+307) is too wide"),
        (("0", "1e999999999"), "out of range"),
        (("0", "1/0"), "Division by zero"),
        (("0", "log(0)"), "'log(0)' is not finite"),
        (("0", "x"), "must be a constant"),
        (("0", "foo"), "'foo' is not a constant"),
        (("0", ""), "'' is not a constant"),
        (("1", "1.000000000001"), "too narrow: it holds 4503 float64"),
        (("0.1", "0.10000000000000000000001"), "too narrow"),
    ],
)
def test_bad_intervals_are_refused(interval, reason):
    assert reason in refusal("exp2", interval)


def test_an_unknown_name_lists_the_known_ones_and_the_nearest():
    reason = refusal("exp3")
    assert all(name in reason for name in NAMES)
    assert "'exp2'" in reason.split("Did you mean")[1]
    assert "write airy_ai(x)" in refusal("airy_ai")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "got the end"), ("pi", "does not depend on x"), ("2+2", "does not depend on x"),
     ("__import__('os')", "position 12"), ("(" * 100_000, "at most 1000"), ("9^9^9^9^9", "exceeds 1000"),
     ("x\0", "position 2"), ("x/(pi-pi)", "no finite value")],
)  # fmt: skip
def test_hostile_text_is_refused_in_one_short_line(text, reason):
    message = refusal(text)
    assert reason in message
    assert len(message) < 400


def test_an_unknown_metric_lists_the_known_ones():
    assert "known are relative, absolute. Did you mean 'relative'?" in refusal("exp2", None, "relativ")


@pytest.mark.parametrize("data", [{}, {"target": "exp2", "metric": "relative"},
    {"target": "exp2", "metric": "relative", "interval": "01"},
    {"target": "exp2", "metric": "relative", "interval": [0]}])  # fmt: skip
def test_json_without_its_members_is_refused(data):
    with pytest.raises(TargetError, match="interval"):
        read_target(data)


def test_json_ends_may_be_numbers():
    data = {"target": "exp2", "metric": "relative", "interval": [0, 0.5]}
    assert read_target(data) == Target("exp2", "0", "0.5", "relative")


def test_weights_turn_differences_into_errors_of_the_metric():
    x = np.array([0.25, 0.5])
    exact = np.array([-2.0, 4.0])
    assert make_target("exp2").weights(x, exact).tolist() == [0.5, 0.25]
    assert make_target("log2").weights(x, exact).tolist() == [1.0, 1.0]
    with pytest.raises(TargetError, match=r"at x = 0\.5"):
        make_target("exp2").weights(x, np.array([1.0, 0.0]))


def test_exact_survives_cancellation_next_to_a_removable_end():
    target = make_target("(exp(x)-1-x)/x^2", ("0", "1"))
    x = np.array([1e-200, 1e-20])
    assert target.exact(x).tolist() == [0.5, 0.5]


def test_exact_refuses_a_point_without_a_value():
    with pytest.raises(TargetError, match=r"no finite value at x = -1\.0"):
        make_target("log").exact(np.array([1.5, -1.0]))


def test_validation_leaves_the_precision_as_it_was():
    with flint.ctx.workprec(77):
        make_target("x+sin(x)/x").exact(np.array([0.5]))
        assert flint.ctx.prec == 77


def test_a_check_that_takes_long_says_so_once_while_it_is_at_work_and_a_short_one_is_silent(monkeypatch):
    lines, said = [], threading.Event()

    class Seen(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())
            said.set()

    log, handler = logging.getLogger("evo.targets.checks"), Seen()
    log.addHandler(handler)
    try:
        make_target("cos", ("0", "1"))
        assert not lines
        monkeypatch.setattr(checks, "PATIENCE", 0.01)
        monkeypatch.setattr(checks, "anchors", lambda target: said.wait(60) and ())
        make_target("cos", ("0", "1"))
    finally:
        log.removeHandler(handler)
    assert [line[:24] for line in lines] == ["Checking cos on (0, 1): "]


@pytest.mark.parametrize("order", [0, 1, 2, 7])
def test_bessel_functions_of_whole_order_are_the_balls_that_flint_has(order):
    with flint.ctx.workprec(128):
        for x in (arb(0), arb("0.3"), arb(2, 0.5), arb(-9), arb("21.75"), arb(12, 1e-3)):
            got, right = FUNCTIONS["bessel_i"].ball(flint.fmpq(order), x), x.bessel_i(arb(order))
            assert (got.mid(), got.rad()) == (right.mid(), right.rad())
            series = FUNCTIONS["bessel_i"].series(flint.fmpq(order), flint.arb_series([x, 1], 3))
            assert series[0].overlaps(right)
            assert (2 * series[1]).overlaps(x.bessel_i(arb(order - 1)) + x.bessel_i(arb(order + 1)))
