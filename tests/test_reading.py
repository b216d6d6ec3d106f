"""Formulas from elsewhere are read back, or refused with a reason."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from evo.exports.export import ExportError, export
from evo.fronts.front import FrontError
from evo.fronts.reading import read_members
from evo.numbers.constants import exact
from evo.numbers.reals import Real
from evo.programs.program import ProgramError
from evo.targets.target import TargetError
from exported import member
from strategies import ALL, programs


@pytest.mark.parametrize("name", ["json", "fpcore", "text"])
@given(program=programs(ops=ALL, dead=False))
@settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=list(HealthCheck))
def test_texts_read_back_as_the_same_program_and_constants(name, program):
    texts = ("0.75", "-1.25", "3.1", "1e-7", "-2.5e3")[: program.n_constants]
    given_ = member(program, texts, "sin(x)/x", ("0", "1"))
    try:
        text = export(given_, name)
    except ExportError:
        return
    try:
        (back,) = read_members(text, "FILE")
    except (TargetError, FrontError) as error:  # nothing finite to measure
        pytest.fail(str(error))
    assert (back.target, back.interval, back.metric) == ("sin(x)/x", ("0", "1"), "relative")
    x = np.linspace(0.01, 0.99, 50)
    again, first = back(x), replace(given_, program=str(program.pruned()))(x)
    np.testing.assert_array_equal(again, first)


def test_a_foreign_fpcore_with_a_spec_is_read_with_its_interval():
    text = """; from somewhere else
    (FPCore (t) :name "a try" :pre (and (<= 0 t 0.5) TRUE) :spec (- (exp t) 1)
      (let ([s (* t t)]) (+ t (* s (! :precision binary32 (- 0.5 (* -1/4 t)))))))"""
    (found,) = read_members(text, "FILE")
    assert found.target == "(exp(x)-1)"
    assert found.interval == ("0", "0.5")
    assert found.constants == ("0.5", "-0.25")
    assert found(0.3) == pytest.approx(0.3 + 0.09 * (0.5 + 0.075))


WRONG = {
    "not JSON": ("{", "not JSON"),
    "no program": ('{"target": "exp2"}', "lacks a program"),
    "no target": ('{"program": "v1 = x + c1", "constants": ["1"]}', "target"),
    "unknown target": ('{"program": "v1 = x + c1", "constants": ["1"], "target": "exq2"}', "exp2"),
    "too few constants": ('{"program": "v1 = x + c2", "constants": ["1"], "target": "exp2"}', "c2"),
    "infinite constant": (
        '{"program": "v1 = x + c1", "constants": ["inf"], "target": "exp2"}',
        "finite decimal",
    ),
    "no text form": ("# target: exp2\nv1 = x ** 2", "Line 2"),
    "text without a target": ("v1 = x * x", "target"),
    "text without a number": ("# target: exp2\nv1 = x * c1", "c1"),
    "empty": ("", "instruction"),
    "an array of numbers": ("[1, 2]", "expected an object"),
    "FPCore of two arguments": ("(FPCore (x y) (+ x y))", "one argument"),
    "FPCore with a loop": ("(FPCore (x) (while (< x 1) ([x x (+ x 1)]) x))", "while"),
    "FPCore that stops": ("(FPCore (x) (+ x 1", "bracket"),
    "FPCore with a function": ('(FPCore (x) :evo-target "exp2" (foo x))', "foo"),
    "FPCore beyond float64": ("(FPCore (x) (+ x 0x1p9999))", "beyond the largest"),
    "FPCore with half a number": ("(FPCore (x) (+ x 0x.p1))", "no number"),
    "FPCore divided by nothing": ("(FPCore (x) (+ x 1/0))", "no number"),
    "FPCore of nothing": ("(FPCore (()) (+ x 1))", "a name is expected"),
    "FPCore of a number": ("(FPCore (1) (+ 1 1))", "a name is expected"),
    "FPCore that binds a list": ("(FPCore (x) (let ([(a) x]) x))", "a name is expected"),
    "FPCore with an empty annotation": ("(FPCore (x) (!))", "no operation of a formula: there are"),
    "long FPCore": (
        f'(FPCore (x) :evo-target "exp2" (let* ({"[a (* x x)] " * 1001}) (+ x 1)))',
        "at most 1000",
    ),
    "a constant of many digits": (f"# target: exp2\n# c1 = {'1' * 100_000}\nv1 = x + c1", "finite decimal"),
    "FPCore without a target": ("(FPCore (x) (+ x 1))", "approximates: add it, such as :spec"),
    "FPCore in square brackets": ("[FPCore (x) (+ x 1)]", "begins with a round bracket"),
    "deep FPCore": ("(" * 500, "deep"),
}


def test_an_fpcore_may_cast_and_its_hexadecimal_numbers_are_exact_beyond_float64():
    core = "(FPCore (x) :pre (< 0 x SQRT1_2) :spec (exp x) (cast (+ (* x SQRT2) 0x1.0000000000000001p0)))"
    (member,) = read_members(core, "FILE")
    assert sorted(map(exact, member.constants), key=float) == [
        1 + Fraction(1, 1 << 64),
        Real.of(2).sqrt(),
    ]


@pytest.mark.parametrize("name", WRONG)
def test_a_text_that_is_no_formula_is_refused_with_a_reason(name):
    text, reason = WRONG[name]
    with pytest.raises((FrontError, ProgramError, TargetError), match=reason) as caught:
        read_members(text, "FILE")
    assert "\n" not in str(caught.value)
