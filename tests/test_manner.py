"""FPCore files in the manner of FPBench's and Herbie's suites: read rightly, or refused by name."""

import math
from pathlib import Path

import numpy as np
import pytest

from evo import api
from evo.errors import EvonumError
from evo.fronts.fpcore import read_function
from evo.fronts.reading import read_members
from evo.fronts.verify import verify
from evo.runs.sources import function_of_file

FOLDER = Path(__file__).parent / "cases" / "manner"

READ = {
    "annotated": (np.expm1, lambda x: x * (1 + x / 2), 0.125, 1.5),
    "cast": (np.exp, lambda x: 1 + x * x, 0, 1),
    "digits": (np.exp, lambda x: 1 + x * 17 / 16, 0, 1),
    "fabs_pre": (np.exp, lambda x: 1 + x + x * x / 2, -0.5, 0.5),
    "fabs_spec": (np.abs, lambda x: np.sqrt(x * x + 0.01), -1, 1),
    "fma": (np.exp2, lambda x: x * (x * 0.34 + 0.66) + 1, 0, 1),
    "gt_chain": (np.log, lambda x: x - 1, 1, 2),
    "herbie": (np.exp, lambda x: 1 + x * (1 + x / 2), 0, 1),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 0.5 + x / (4 + 0.4 * x * x), -4, 4),
    "nested_let": (lambda x: np.cos(x), lambda x: 1 - (x**2 / 2 - x**4 / 24), 0, 1),
    "nmse31": (lambda x: np.sqrt(x + 1) - np.sqrt(x), lambda x: 1 / (np.sqrt(x + 1) + np.sqrt(x)), 1, 100),
    "nmse_p333": (
        lambda x: 1 / (x + 1) - 2 / x + 1 / (x - 1), lambda x: 2 / (x * (x * x - 1)), 2, 1e4
    ),
    "pi_ends": (
        np.sin, lambda x: 16 * x * (np.pi - x) / (5 * np.pi**2 - 4 * x * (np.pi - x)), 0, math.pi
    ),
    "predatorPrey": (lambda x: 4 * x * x, lambda x: 4 * x * x / (1 + (x / 1.11) ** 2), 0.1, 0.3),
    "signed": (np.log1p, lambda x: x * (1 - x / 2), -0.5, 0.5),
    "sine": (np.sin, lambda x: x - x**3 / 6 + x**5 / 120 - x**7 / 5040, -1.57079632679, 1.57079632679),
    "sineOrder3": (np.sin, lambda x: 0.954929658551372 * x - 0.12900613773279798 * x**3, -2, 2),
    "sqroot": (
        lambda x: np.sqrt(1 + x), lambda x: 1 + x / 2 - x**2 / 8 + x**3 / 16 - 0.0390625 * x**4, 0, 1
    ),
    "strings": (np.tanh, lambda x: x / (1 + x * x / 3), 0, 1),
    "variadic": (np.expm1, lambda x: x + x * x / 2 + x**3 / 6, 0.1, 1),
    "sums": (lambda x: 1 + x + x * x / 2, lambda x: 1 + x * (1 + x / 2), 0, 1),
    "unicode": (np.tan, lambda x: x * (1 + x * x / 3), 0, math.pi / 4),
    "verhulst": (lambda x: 4 * x / (1 + x / 1.11), lambda x: 4 * x / (1 + x / 1.11), 0.1, 0.3),
}  # fmt: skip
"""Spec, body and interval as NumPy has them."""
ABSOLUTE = {"fabs_spec", "logistic"}
REFUSED = {
    "bad_digits": 'Core "bad digits": .*digits 1 x 2',
    "array": 'Core "array": .*ref',
    "bad_property": 'Core "no value": .*:pre',
    "branch": 'Core "branch": .*if',
    "carbonGas": 'Core "carbonGas": .*add it, such as :spec',
    "distance_pre": r'Core "distance": .*\(> \(fabs x\) 1\)',
    "doppler1": 'Core "doppler1": .*one argument',
    "exp1x": 'Core "exp1x": .*exp',
    "infinity": 'Core "up to infinity": .*INFINITY',
    "no_argument": 'Core "rump\'s constant": .*one argument',
    "not_equal": r'Core "hole": .*\(!= x 0\)',
    "or_pre": r'Core "two pieces": .*\(or',
    "pole": r'Core "unbounded spec": .*near x = 0 inside \(-1, 1\)',
    "reversed": r'Core "empty precondition": .*\(2, 1\) is reversed',
    "tensor": "Core dot: .*one argument",
    "while_loop": 'Core "Newton-Raphson\'s method": .*while',
    "whole_file": 'Core "hypot" of 3: .*one argument',
}


def members(name):
    return read_members((FOLDER / f"{name}.fpcore").read_text(), name)


def test_every_file_is_here():
    assert {path.stem for path in FOLDER.iterdir()} == {*READ, *REFUSED}
    assert not {*READ} & {*REFUSED}


@pytest.mark.parametrize("name", READ)
def test_a_core_that_is_read_has_the_error_that_numpy_sees_and_is_proved(name):
    exact, got, lo, hi = READ[name]
    (member,) = members(name)
    x = np.linspace(lo, hi, 200_003)[1:-1]
    x = x[np.abs(x) > 1e-6]
    error = np.abs(got(x) - exact(x)) / (1 if name in ABSOLUTE else np.abs(exact(x)))
    assert member.sampled_error == pytest.approx(error.max(), rel=1e-3, abs=1e-7)
    assert not verify(member).complaints


@pytest.mark.parametrize("name", REFUSED)
def test_a_core_that_is_not_read_is_refused_in_one_line_with_its_name(name):
    with pytest.raises(EvonumError, match=REFUSED[name]) as refused:
        members(name)
    assert "\n" not in str(refused.value)


def chosen(core):
    return read_members((FOLDER / "whole_file.fpcore").read_text(), "FILE", core)


@pytest.mark.parametrize(("core", "target"), [("intro", "exp(x)"), ("last", "sin(x)"), ("3", "sin(x)")])
def test_one_core_of_a_file_is_read_whatever_the_others_are(core, target):
    (member,) = chosen(core)
    assert member.target == target


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        ("hypot", 'Core "hypot" of 3: .*one argument[^-]*$'),
        ("4", "no core '4'; there are 'intro', 'hypot', 'last'"),
    ],
)
def test_a_core_that_is_asked_for_and_not_there_or_not_read_is_named(core, reason):
    with pytest.raises(EvonumError, match=reason):
        chosen(core)


def test_cores_of_one_name_are_told_apart_by_number():
    text = (FOLDER / "sums.fpcore").read_text()
    name = members("sums")[0].target
    with pytest.raises(EvonumError, match=r"2 cores are named .*: give --core one of the numbers 1, 2"):
        read_members(text + text, "FILE", text.split('"')[1])
    assert [m.target for m in read_members(text + text, "FILE", "2")] == [name]


def test_a_core_of_what_is_no_fpcore_is_refused():
    with pytest.raises(EvonumError, match=r"FILE is no FPCore.*leave out --core"):
        read_members("# target: exp2\nv1 = x + 1", "FILE", "sine")


def function(name, core=None, bounded=True):
    return function_of_file(FOLDER / f"{name}.fpcore", core, bounded)


def test_a_core_without_a_spec_is_a_function_to_approximate():
    """What suites have: the body says what is meant, in the reals."""
    assert function("carbonGas")["target"]
    text = '(FPCore (t) :name "a suite\'s" :pre (<= 1/100 t 1/2) (/ (- (exp t) 1) t))'
    assert read_function(text)["target"] == "((exp(x) - 1) / x)"
    with pytest.raises(EvonumError, match=r"does not say what it approximates.*evonum search FILE\.fpcore"):
        read_members(text, "FILE")


def test_a_core_with_a_spec_is_that_function():
    assert function("signed")["target"] == function("whole_file", "intro")["target"].replace(
        "exp(x)", "log1p(x)"
    )


def test_a_function_of_several_is_named():
    with pytest.raises(EvonumError, match=r"3 cores: choose one by --core NAME, 'intro', 'hypot', 'last'\.$"):
        function("whole_file")
    with pytest.raises(EvonumError, match=r'Core "hypot" of 3: .*one argument'):
        function("whole_file", "hypot")


def test_a_precondition_that_is_no_interval_asks_for_one():
    with pytest.raises(EvonumError, match=r"\(!= x 0\).*; or give an --interval\.$"):
        function("not_equal")
    assert "interval" not in function("not_equal", bounded=False)


def test_classical_forms_and_searches_take_functions_of_files(tmp_path):
    file, how = str(FOLDER / "whole_file.fpcore"), {"workers": "serial", "record": False, "islands": 1}
    target, _ = api.baselines(file, max_ops=2, core="intro")
    assert (target.name, target.interval) == ("exp(x)", ("0", "1"))
    front = api.search(
        file, core="last", interval=("0", "1/2"), max_ops=2, generations=1, out=tmp_path / "s", **how
    )
    assert {(m.target, m.interval) for m in front} == {("sin(x)", ("0", "1/2"))}
