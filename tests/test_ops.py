import ctypes
import re
import subprocess
from fractions import Fraction
from math import isqrt

import mpmath
import numpy as np
import pytest

import evo.minimax.pins
import evo.proofs.rounding
import evo.targets.taylor  # noqa: F401 - all kinds are known then
from evo.backends.native import NativeBackend
from evo.kernels.build import find_compiler
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import functions
from evo.kernels.layout import POLE
from evo.minimax.curve import Curves
from evo.minimax.polish import polish
from evo.numbers.functions import KINDS, function_module
from evo.programs.batch import Batch
from evo.programs.operation import OpError
from evo.programs.ops import BY_TEXT, OPS, find_op, parse_ops
from evo.programs.program import parse
from evo.proofs.prove import Refusal, prove
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points

P = 2**31 - 1
every_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
REALS = function_module(sqrt=mpmath.sqrt)


def root_of_fraction(a: Fraction) -> Fraction:
    root = Fraction(isqrt(a.numerator), isqrt(a.denominator))
    assert root * root == a
    return root


RATIONALS = function_module(sqrt=root_of_fraction)


def to_field(q: Fraction) -> int:
    return q.numerator * pow(q.denominator, -1, P) % P


def root_in_field(a: int) -> int:
    """The root that is a square itself, by brute-force reasoning: of r and -r one is a square."""
    r = pow(a, (P + 1) // 4, P)
    assert r * r % P == a
    return r if pow(r, (P - 1) // 2, P) in (0, 1) else P - r


def in_field(text: str, **names: int) -> int:
    """A field string of the table, by Python integers."""
    functions = {
        "add": lambda a, b: (a + b) % P,
        "sub": lambda a, b: (a - b) % P,
        "mul": lambda a, b: a * b % P,
        "neg": lambda a: -a % P,
        "inv": lambda a: pow(a, -1, P),
        "root": root_in_field,
    }
    python = text.replace("w = ", "w := ")
    last = eval(python, {"__builtins__": {}}, scope := {**functions, **names})
    names["w"] = scope.get("w", 0)
    return (last[-1] if isinstance(last, tuple) else last), names["w"]


def arguments(op, rng) -> list[Fraction]:
    """Random squares of rationals: every op is defined and rational there."""
    return [Fraction(int(rng.integers(1, 99)), int(rng.integers(1, 99))) ** 2 for _ in range(op.arity)]


ALL_KINDS = [*KINDS]


@every_op
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind_of_number_knows_every_op(op, kind):
    """Its value is that of real numbers, at float64's precision."""
    functions, number, value = KINDS[kind]
    args = (0.75, 1.5, 2.25)[: op.arity]
    try:
        got = op.real(functions, *map(number, args))
    except (AttributeError, TypeError) as error:
        pytest.fail(f"the kind {kind!r} has no words for the op {op.name!r}: {error}")
    with mpmath.workdps(30):
        exact = op.real(REALS, *map(mpmath.mpf, args))
    if kind != "lines" or op.name != "sqrt":  # a root without a form is known by its zeros alone
        assert value(got) == pytest.approx(float(exact), rel=1e-14)


@every_op
def test_the_neutral_operand_leaves_the_first_as_it_is(op):
    if op.neutral is not None:
        assert op.real(RATIONALS, Fraction(3, 7), Fraction(op.neutral)) == Fraction(3, 7)
    elif op.arity == 2:  # a right neutral of two values at once would be one
        a, b = Fraction(3, 7), Fraction(5, 11)
        assert all(op.real(RATIONALS, a, n) != a or op.real(RATIONALS, b, n) != b for n in (0, 1, -1))


@every_op
def test_a_divisor_is_what_makes_the_value_infinite(op):
    args = [Fraction(3, 7)] * op.arity
    for j in range(op.arity):
        zeroed = [Fraction(0) if i == j else a for i, a in enumerate(args)]
        try:
            op.real(RATIONALS, *zeroed)
            divides = False
        except ZeroDivisionError:
            divides = True
        assert divides == (op.divisor == j)


@every_op
def test_a_field_value_inverts_the_divisor_and_nothing_else(op):
    """Then its inverses at several points cost one (evo/kernels/elements.h)."""
    assert re.findall(r"inv\((.*?)\)", op.field) == ([] if op.divisor is None else ["abc"[op.divisor]])


@every_op
def test_c_partials_are_the_limits_of_differences(op):
    rng = np.random.default_rng(1)
    with mpmath.workdps(60):
        step = mpmath.mpf(10) ** -30
        for _ in range(20):
            args = [mpmath.mpf(float(a)) for a in rng.uniform(0.5, 2, op.arity)]
            value = op.real(REALS, *args)
            scope = dict(zip("abc", args, strict=False)) | {"v": value}
            for j, text in enumerate(op.partials):
                above, below = ([a + s * (i == j) for i, a in enumerate(args)] for s in (step, -step))
                limit = (op.real(REALS, *above) - op.real(REALS, *below)) / (2 * step)
                assert mpmath.almosteq(eval(text, {}, scope), limit, rel_eps=1e-15)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """One C function per row: value and partials."""
    folder = tmp_path_factory.mktemp("ops")
    lines = ["#include <math.h>"]
    for op in OPS:
        partials = "".join(f"out[{j + 1}] = {text};" for j, text in enumerate(op.partials))
        lines.append(
            f"void op_{op.name}(double a, double b, double c, double *out) "
            f"{{ double v = {op.c}; (void)b, (void)c; out[0] = v; {partials} }}"
        )
    (folder / "ops.c").write_text("\n".join(lines))
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-ffp-contract=off"]
    subprocess.run(
        [*find_compiler(), *flags, str(folder / "ops.c"), "-o", str(folder / "ops.so"), "-lm"], check=True
    )
    return ctypes.CDLL(str(folder / "ops.so"))


@every_op
def test_the_c_value_is_the_real_value_rounded(op, compiled):
    rng = np.random.default_rng(2)
    out = (ctypes.c_double * 4)()
    function = getattr(compiled, f"op_{op.name}")
    function.argtypes = [ctypes.c_double] * 3 + [ctypes.c_void_p]
    for _ in range(200):
        args = [float(a) for a in rng.uniform(0.5, 2, 3)]
        function(*args, ctypes.addressof(out))
        with mpmath.workdps(40):
            exact = op.real(REALS, *(mpmath.mpf(a) for a in args[: op.arity]))
            scale = max(abs(exact), 1)
            assert abs(out[0] - exact) <= 2**-52 * scale
        numpy_value = op.real(np, *(np.float64(a) for a in args[: op.arity]))
        assert abs(out[0] - numpy_value) <= 2**-52 * scale


@every_op
def test_the_field_value_is_the_image_of_the_rational_value(op):
    rng = np.random.default_rng(3)
    for _ in range(100):
        args = arguments(op, rng)
        names = dict(zip("abc", map(to_field, args), strict=False))
        image, expected = in_field(op.field, **names)[0], to_field(op.real(RATIONALS, *args))
        if "root" in op.field:  # the field's root and the positive root may differ by their sign
            assert image in (expected, P - expected)
        else:
            assert image == expected


@every_op
def test_field_adjoints_are_the_images_of_exact_differences(op):
    """A step h = p^2 is small p-adically: (f(a + h) - f(a - h)) / 2h equals f'(a) modulo p."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        args = arguments(op, rng)
        field_args, g = list(map(to_field, args)), int(rng.integers(P))
        value, w = in_field(op.field, **dict(zip("abc", field_args, strict=False)))
        scope = dict(zip("abc", field_args, strict=False)) | {"v": value, "w": w, "g": g}
        for j, text in enumerate(op.field_adjoints):
            found = in_field(text, **scope)[0]
            if "root" in op.field:
                assert found * 2 * value % P == g  # v^2 = a, so 2 v dv/da = 1
                continue
            above, below = ([a + s * P**2 * (i == j) for i, a in enumerate(args)] for s in (1, -1))
            secant = (op.real(None, *above) - op.real(None, *below)) / (2 * P**2)
            assert found == g * to_field(secant) % P


@every_op
def test_the_symmetric_flag_says_whether_the_first_two_operands_commute(op):
    if op.arity == 1:
        assert not op.symmetric
        return
    args = [Fraction(9, 4), Fraction(25, 16), Fraction(49, 36)][: op.arity]
    swapped = [args[1], args[0], *args[2:]]
    assert op.symmetric == (op.real(RATIONALS, *args) == op.real(RATIONALS, *swapped))


@every_op
def test_a_row_is_complete_and_found_by_name_and_symbol(op):
    assert len(op.partials) == len(op.field_adjoints) == op.arity <= 3
    assert find_op(op.name) is find_op(op.symbol) is BY_TEXT[op.name] is op
    assert op.cost >= 0
    assert op.name.isidentifier()


def test_names_and_symbols_are_unique():
    words = [word for op in OPS for word in {op.name, op.symbol}]
    assert len(words) == len(set(words)) == len(BY_TEXT)


def test_an_unknown_op_lists_the_names_and_the_nearest():
    with pytest.raises(OpError, match="Did you mean 'mul'") as caught:
        find_op("mull")
    assert all(op.name in str(caught.value) for op in OPS)
    with pytest.raises(OpError) as caught:
        find_op("§")
    assert "Did you mean" not in str(caught.value)


def test_lists_of_ops_are_in_table_order_without_repetition():
    assert parse_ops("/ + add,-, *") == ("add", "sub", "mul", "div")
    assert parse_ops("+ sqrt") == ("add", "sqrt")
    for text in ("", "sqrt neg"):
        with pytest.raises(OpError, match="two operands"):
            parse_ops(text)


@pytest.mark.parametrize("op", [op for op in OPS if op.divisor is not None], ids=lambda op: op.name)
def test_a_pole_inside_the_interval_is_found_by_measure_polish_and_proof(op):
    """Such as c2 rcp(x - c1): what divides is said by the row, not by a symbol."""
    target = make_target("exp2")
    operands = ["v1" if j == op.divisor else "c2" for j in range(op.arity)]
    quotient = f" {op.symbol} ".join(operands) if op.infix else f"{op.name}({', '.join(operands)})"
    program = parse(f"v1 = x - c1\nv2 = {quotient}\nv3 = c2 * v2")
    batch = Batch.of([program], [[0.4, 1e-3]])
    measured = NativeBackend().measure(batch, np.arange(1), select_points(target), 4)
    assert measured.status[0] == POLE
    assert measured.error[0] == np.inf
    assert Curves(program, target).measured(["0.4", "1e-3"]).error == np.inf
    assert polish(program, ["0.4", "1e-3"], target).constants != ("0.4", "1e-3")
    refusal = prove(program, ["0.4", "1e-3"], target)
    assert isinstance(refusal, Refusal)
    assert refusal.status == "pole"


def test_reciprocals_are_fitted_and_recognised_like_divisions():
    target = make_target("exp2")
    divided, inverted = parse("v1 = x + c1\nv2 = c2 / v1"), parse("v1 = x + c1\nv2 = rcp(v1)\nv3 = c2 * v2")
    fits = NativeBackend().fit(
        Batch.of([divided, inverted], [[-2.0, -2.0]] * 2, width=3),
        fit_points(target), Effort(), np.zeros(2, np.uint64), np.full(2, np.inf),
    )  # fmt: skip
    assert fits.error[0] == pytest.approx(fits.error[1], rel=1e-3)
    assert fits.error[0] < 0.0299
    function, check, _ = functions(Batch.of([divided, inverted], [[], []], width=3))
    assert function[0] == function[1]
    assert check[0] == check[1]
