"""The classical forms as programs: exact on rationals, as cheap as they say, and found by symmetry."""

from dataclasses import replace
from fractions import Fraction

import flint
import pytest

from evo.classical.frames import Frame, Plain, Quotient, Shifted
from evo.classical.shapes import Builder, odd_fraction, write_odd, write_rational
from evo.classical.traits import traits
from evo.programs.program import X
from evo.targets.making import make_target

DEGREES = [(m, n) for m in range(6) for n in range(5) if m + n]


def numbers(count, seed):
    return [Fraction(3 * k * k + seed, 2 * k + seed) for k in range(1, count + 1)]


def polynomial(coefficients, x):
    return sum(c * x**k for k, c in enumerate(coefficients))


@pytest.mark.parametrize(("m", "n"), DEGREES)
def test_a_rational_function_is_written_exactly_with_the_fewest_ops(m, n):
    p, q = numbers(m + 1, 1), numbers(n + 1, 4)
    code = Builder()
    write_rational(code, X, p, q)
    assert code.program.ops == 2 * max(m, n) + min(m, n)
    assert len(code.constants) == m + n + 1
    for x in (Fraction(1, 3), Fraction(-7, 5), Fraction(11)):
        assert code.program.evaluate(None, x, code.constants) == polynomial(p, x) / polynomial(q, x)


FRAMES = {
    "J(2,2)": (Frame(), (2, 2), 6),
    "P(3)": (Frame(), (3, 0), 6),
    "(1,2)+2": (Frame(squarings=2), (1, 2), 7),
    "J(1,1)(x^2)": (Frame(core=Plain(even=True)), (1, 1), 4),
    "x*(2,1)": (Frame("x"), (2, 1), 6),
    "x*J(1,1)(x^2)": (Frame("x", Plain(even=True)), (1, 1), 5),
    "x*(0,1)(x^2)": (Frame("x", Plain(even=True)), (0, 1), 3),
    "x*(0,1)(x^2)+1": (Frame("x", Plain(even=True), 1), (0, 1), 5),
    "c+x*(0,1)(x^2)": (Frame(core=Shifted(Fraction(1, 2))), (0, 1), 4),
    "x*(c+x*P(1)(x^2))": (Frame("x", Shifted(Fraction(1, 2))), (1, 0), 6),
    "c+s*(1,2)(s^2)": (Frame(core=Shifted(Fraction(2), Fraction(3))), (1, 2), 11),
    "S(2,2)+1": (Frame(core=Quotient(), squarings=1), (2, 2), 11),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_means_the_same_as_text_as_value_and_as_program(name):
    frame, (m, n), ops = FRAMES[name]
    p, q = numbers(m + 1, 1), numbers(n + 1, 4)
    code = frame.write(p, q, pole=True)
    assert frame.name(m, n) == name
    assert code.program.ops == ops
    for x in (Fraction(1, 3), Fraction(7, 5)):
        s = frame.core.odd(x) if isinstance(frame.core, Shifted) else x
        t = s * s if frame.core.even else s
        value = frame.value(x, polynomial(p, t) / polynomial(q, t))
        assert code.program.evaluate(None, x, code.constants) == value


@pytest.mark.parametrize("name", FRAMES)
def test_wanted_undoes_value(name):
    frame, _, _ = FRAMES[name]
    if isinstance(frame.core, Shifted):
        constant, ratio = (c and flint.arb(float(c)) for c in (frame.core.constant, frame.core.ratio))
        frame = replace(frame, core=Shifted(constant, ratio))
    x, r = flint.arb("0.75"), flint.arb("2.5")
    assert abs(frame.wanted(x, frame.value(x, r)) - r) < 1e-12


def test_one_over_x_is_not_written_where_zero_is_inside():
    p, q = numbers(1, 1), numbers(2, 4)
    assert "/ x" not in str(Frame("x", Plain(even=True)).write(p, q, pole=False).program)
    assert "/ x" in str(Frame("x", Plain(even=True)).write(p, q, pole=True).program)


@pytest.mark.parametrize("j", range(1, 5))
def test_the_odd_fraction_of_a_quotient_is_that_quotient(j):
    top, below = numbers(j // 2 + 1 + j % 2, 1), numbers(j // 2 + 1, 4)
    scale, constants = odd_fraction(top, below)
    c, d, e = Fraction(1, 7), Fraction(2, 5), Fraction(9, 4)
    code = write_odd(constants, c, d, e, 1)
    assert (len(constants), code.program.ops) == (j, 3 + 2 * j + 1)
    x = Fraction(5, 3)
    odd = x ** (1 - j % 2 * 2) if j % 2 else x
    quotient = polynomial(top, x * x) / polynomial(below, x * x) * odd / scale
    assert code.program.evaluate(None, x, code.constants) == (c + d / (e + quotient)) ** 2


SYMMETRIES = {
    ("sin", None): {Frame("x"), Frame("x", Plain(even=True))},
    ("cos", None): {Frame(), Frame(core=Plain(even=True))},
    ("erf", ("1/2", "1")): {Frame(), Frame("x"), Frame("x", Plain(even=True))},
    ("sqrt", None): {Frame()},
    ("exp2", None): {Frame(), Frame(core=Quotient())},
    ("exp(3*x)", ("-1", "1")): {Frame(), Frame(core=Quotient())},
    ("x*exp(x)", None): {Frame("x")},
    ("1/(1+x^2)", ("-1", "2")): {Frame(), Frame(core=Plain(even=True))},
    ("bessel", None): {Frame("sqrt(x)"), Frame("sqrt(x)", Plain(even=True))},
}


@pytest.mark.parametrize(("name", "interval"), SYMMETRIES)
def test_symmetries_are_found_by_testing_the_function(name, interval):
    with flint.ctx.workprec(384):
        assert set(traits(make_target(name, interval)).frames) == SYMMETRIES[name, interval]


@pytest.mark.parametrize(
    ("name", "interval", "offset"),
    [("sigmoid", None, 0.5), ("gelu", None, 0.5), ("erfc", None, 1.0), ("log2", None, 0.5)],
)
def test_a_function_that_is_odd_but_for_a_constant_gets_that_constant(name, interval, offset):
    with flint.ctx.workprec(384):
        cores = [frame.core for frame in traits(make_target(name, interval)).frames]
    found = [core for core in cores if isinstance(core, Shifted)]
    assert [float(core.constant) for core in found] == [offset]
    assert (found[0].ratio is not None) == (name == "log2")


@pytest.mark.parametrize(
    ("name", "interval", "points"),
    [
        ("exp2", ("0", "1"), (1, -1)),
        ("exp(x)+1", ("0", "1"), (2, 0)),
        ("1/(2+tanh(x))", ("0", "1"), (0.5, 0.0)),
        ("exp2", ("-1", "1"), None),  # the odd fraction has 1/x
        ("cos", None, None),
        ("log2", None, None),
    ],
)
def test_the_involution_between_f_x_and_f_of_minus_x_shows_its_fixed_points(name, interval, points):
    with flint.ctx.workprec(384):
        found = traits(make_target(name, interval)).moebius
        assert tuple(float(z) for z in found.get(0, ())) == pytest.approx(points or (), abs=1e-30)
