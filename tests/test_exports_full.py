"""Functions on all floats: special values, gradual underflow, error against balls, equal bits everywhere."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from evo.exports.export import ExportError, export, prepare, write
from evo.exports.samples import results
from evo.exports.usual import quick, usual_of
from evo.library.shelf import formula_of, rows
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.program import parse
from evo.reductions.reduction import ReductionError
from evo.reductions.table import REDUCTIONS, find_reduction
from evo.targets.making import make_target
from exported import assert_same, call, compiled, inputs_everywhere, member
from test_exports_bits import OPTIMISED, c_library, rust_wrappers, tool

HORNER = {  # Taylor about 0 with the last digits that the functions have: 2e-8 at the ends
    "exp2": [
        *("1.5252733804059841e-5", "1.5403530393381609e-4", "1.3333558146428443e-3", "9.6181291076284772e-3"),
        *("5.5504108664821580e-2", "2.4022650695910071e-1", "6.9314718055994531e-1", "1"),
    ],
    "exp": [
        *("1.984126984126984e-4", "1.3888888888888889e-3", "8.3333333333333333e-3"),
        *("4.1666666666666667e-2", "1.6666666666666667e-1", "0.5", "1", "1"),
    ],
}
HORNER["exp10"] = [repr(math.log(10) ** k / math.factorial(k)) for k in range(7, -1, -1)]
ENDS = {"exp2": ("-0.5", "0.5"), "exp": ("-0.3466", "0.3466"), "exp10": ("-0.1506", "0.1506")}
POWERS = [name for name, ways in REDUCTIONS.items() if ways[0].core.function in HORNER]
ALL = [(name, dtype) for name in POWERS for dtype in FLOAT_FORMATS]
CASES = [(name, dtype) for name, dtype in ALL if name in ENDS]


def horner(constants, fused):
    """c1 x^n + ... by Horner's rule, from c1."""
    lines, last = [], "c1"
    for k in range(2, len(constants) + 1):
        n = len(lines) + 1
        if fused:
            lines.append(f"v{n} = fma({last}, x, c{k})")
        else:
            lines += [f"v{n} = {last} * x", f"v{n + 1} = v{n} + c{k}"]
        last = f"v{len(lines)}"
    return parse("\n".join(lines))


@cache
def full(name, dtype, fused=False):
    power = REDUCTIONS[name][0].core.function
    core = member(horner(HORNER[power], fused), HORNER[power], name, ENDS[power])
    return prepare(core, dtype, full=True, name=f"{name}_{dtype}_{'fused' if fused else 'plain'}")


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_special_values_are_those_of_the_function(name, dtype):
    formula = full(name, dtype)
    fmt = formula.fmt
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30], fmt.type)
    got = results(formula, x)
    np.testing.assert_array_equal(got, np.array([1, 1, np.inf, 0, np.nan, np.inf, 0], fmt.type))
    assert not np.signbit(got[3])
    assert not np.signbit(got[6])


@pytest.mark.parametrize("dtype", FLOAT_FORMATS)
def test_special_values_of_functions_of_a_power(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30])
    expected = {
        "sigmoid": [0.5, 0.5, 1, 0, np.nan, 1, 0],
        "silu": [0, -0.0, np.inf, -0.0, np.nan, np.float32(1e30), -0.0],
    }
    for name, values in expected.items():
        formula = full(name, dtype)
        got, wanted = results(formula, x.astype(formula.fmt.type)), np.array(values, formula.fmt.type)
        if name == "silu":
            wanted[5] = formula.fmt.type(1e30)
        np.testing.assert_array_equal(got, wanted)
        assert np.array_equal(np.signbit(got[:4]), np.signbit(wanted[:4]))


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_the_error_in_ulp_is_small_on_all_floats_and_with_subnormal_results(name, dtype):
    formula = full(name, dtype)
    (figure,) = formula.float_errors
    core_error = 2e-8 / float(np.finfo(dtype).eps)  # of the Taylor polynomials in real arithmetic
    assert figure.unit == "ulp"
    assert figure.value < 1.6 + core_error


def test_exact_powers_of_two_down_to_the_smallest_subnormal_and_rounding_to_even_below_it():
    for dtype, fmt in FLOAT_FORMATS.items():
        n = np.arange(fmt.emin - fmt.digits - 4, fmt.bias + 3)
        got = results(full("exp2", dtype), n.astype(fmt.type))
        with np.errstate(all="ignore"):
            expected = np.ldexp(fmt.type(1), n)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_usual_inputs_take_fewer_steps_and_give_the_same_bits(name, dtype):
    assert_usual_steps_agree(full(name, dtype), usual_of)


@pytest.mark.parametrize("find", [usual_of, quick])
def test_usual_inputs_of_every_shipped_function_give_the_same_bits(find):
    found = [assert_usual_steps_agree(formula_of(point), find) for row in rows() for point in row.points]
    assert sum(found) > len(found) / 2


def assert_usual_steps_agree(formula, find):
    """At the ends of what is usual, next to them, and at floats of all sizes between."""
    found, fmt = find(formula), formula.fmt
    if found is None:
        return False
    assert len(found.reduction.steps) <= len(formula.reduction.steps)
    least = max(found.least, 2.0**fmt.emin, found.lo)
    first, last = (int(np.asarray(fmt.type(end)).view(fmt.unsigned)) for end in (least, found.hi))
    words = np.random.default_rng(5).integers(first, last, 20_000, dtype=np.uint64, endpoint=True)
    words = np.concatenate([[first, first + 1, last - 1, last], words]).astype(fmt.unsigned)
    x = np.concatenate(
        [words.view(fmt.type), -words.view(fmt.type), fmt.type([] if least > 2.0**fmt.emin else [0, -0.0])]
    )
    x = x[(x >= found.lo) & (x <= found.hi)]
    program = formula.program, formula.numbers
    short = found.reduction.evaluate(*program, x, fmt)
    whole = formula.reduction.evaluate(*program, x, fmt)
    np.testing.assert_array_equal(short.view(fmt.unsigned), whole.view(fmt.unsigned))
    return True


def test_a_core_that_leaves_its_octave_does_not_take_the_short_way():
    core = member(parse("v1 = c1 / x\nv2 = c2 / v1"), ("1", "1"))  # x, which is 0 at 0
    formula = prepare(core, "float32", full=True)
    found = usual_of(formula)
    assert found is None or any(operation == "power" for _, operation, _ in found.reduction.steps)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_language_gives_the_same_bits(every, tmp_path):
    """Each function in each format, half of them with fma; or all of them both ways."""
    chosen = [
        full(name, dtype, fused)
        for k, (name, dtype) in enumerate(ALL)
        for fused in (False, True)
        if every or fused == (k % 4 in (1, 2))
    ]
    floored = prepare(member(parse("v1 = x + c1"), ("0.96",)), "float32", full=True, name="floored")
    chosen.append(floored)
    assert floored.reduction.way == "below"
    libraries = [
        c_library(tmp_path, compiler, flags, chosen)
        for compiler in ("gcc", "clang")
        for flags in (("-O0",), OPTIMISED)
        if compiler == "gcc" or tool_is_there(compiler)
    ]
    module: dict = {}
    exec(write(chosen, "numpy"), module)
    for formula in chosen:
        x = inputs_everywhere(formula.fmt.name)
        expected = results(formula, x)
        for library in libraries:
            assert_same(formula, call(library, formula, x), expected, x)
        assert_same(formula, module[formula.name](x), expected, x)


def tool_is_there(name):
    import shutil

    return shutil.which(name) is not None


def test_rust_gives_the_same_bits(tmp_path):
    chosen = [full(name, dtype) for name, dtype in ALL]
    (tmp_path / "all.rs").write_text(write(chosen, "rust") + rust_wrappers(chosen))
    flags = ["-O", "--crate-type", "cdylib", "-A", "warnings"]
    library = compiled(
        [tool("rustc"), *flags, str(tmp_path / "all.rs"), "-o", str(tmp_path / "all.so")], tmp_path / "all.so"
    )
    for formula in chosen:
        x = inputs_everywhere(formula.fmt.name)
        assert_same(formula, call(library, formula, x), results(formula, x), x)


def test_jax_gives_the_same_bits_but_for_flushed_subnormals_and_the_right_slope():
    import jax

    from evo.numbers.formats import flushed

    for name, dtype in CASES:
        formula = full(name, dtype)
        with jax.enable_x64(True):
            module: dict = {}
            exec(write([formula], "jax"), module)
            function = module[formula.name]
            x = inputs_everywhere(dtype)
            got, expected = np.asarray(jax.jit(function)(x)), results(formula, x)
            assert_same(formula, flushed(got, formula.fmt), flushed(expected, formula.fmt), x)
            slope = jax.grad(function)(formula.fmt.type(1.25))
        base = {"exp2": 2.0, "exp": np.e, "exp10": 10.0}[name]
        exact = np.log(base) * base**1.25
        assert abs(float(slope) / exact - 1) < 1e-6


def test_a_core_on_another_interval_or_function_is_refused_with_what_is_needed():
    with pytest.raises(ReductionError, match=r"\(-\(1\)/2, \(1\)/2\) or \(0, 1\)"):
        find_reduction(make_target("exp2", ("0", "0.9")))
    with pytest.raises(ReductionError, match="exp2, exp"):
        find_reduction(make_target("airy"))
    assert find_reduction(make_target("exp2")).way == "below"
    with pytest.raises(ReductionError, match="'nearest', 'below'"):
        find_reduction(make_target("exp2"), "sideways")
    with pytest.raises(ExportError, match="full"):
        export(member(parse("v1 = x + c1"), ("0.96",)), "latex", full=True)


@pytest.mark.slow
def test_the_exported_exp2_is_within_one_ulp_on_every_float32(tmp_path):
    """All 2^32 bit patterns, against float64; half a minute. The worst input is decided by balls."""
    import sys

    sys.path.insert(0, str(Path(__file__).parent.parent / "experiments" / "bench"))
    import ctypes

    import exports

    every = exports.contestants(tmp_path, exports.HERE.parent / "exp2-core.json")
    ours = {"evonum, gcc": every["evonum, gcc"]}
    tools = exports.build(tmp_path, "gcc", "-std=gnu11 -O3 -march=native", exports.CHECK)
    tools.worst.restype = ctypes.c_double
    ((error, worst_x),) = exports.checked(ours, tools).values()
    assert error < 1
    assert exports.by_balls(worst_x, ours["evonum, gcc"]) == pytest.approx(error, rel=1e-6)
