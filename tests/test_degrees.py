"""Types of rational functions: never too low, whatever the constants are, and what they prove of errors."""

import itertools
import random

import flint
import numpy as np
import pytest
from flint import arb, fmpq, fmpq_poly

from evo.classical.frames import Frame
from evo.classical.goals import Goals
from evo.classical.remez import minimax
from evo.complete.bounds import Bounds
from evo.complete.degrees import Type, codes_of, types_of
from evo.complete.enumeration import enumerate_families
from evo.kernels.words import batch_of
from evo.programs.batch import Batch
from evo.programs.ops import OPCODE
from evo.programs.program import parse
from evo.targets.making import make_target


class Quotient:
    """A rational function of x in lowest terms."""

    def __init__(self, p, q):
        common = p.gcd(q)
        self.p, self.q = p // common, q // common

    def __add__(self, other):
        return Quotient(self.p * other.q + other.p * self.q, self.q * other.q)

    def __sub__(self, other):
        return Quotient(self.p * other.q - other.p * self.q, self.q * other.q)

    def __mul__(self, other):
        return Quotient(self.p * other.p, self.q * other.q)

    def __truediv__(self, other):
        if not other.p:
            raise ZeroDivisionError
        return Quotient(self.p * other.q, self.q * other.p)


X, ONE = Quotient(fmpq_poly([0, 1]), fmpq_poly([1])), fmpq_poly([1])


def function_of(program, constants):
    """The rational function of a program, exactly."""
    values = []
    for step in program.instructions:
        a, b = (
            X if arg.kind == "x" else values[arg.index] if arg.kind == "v" else constants[arg.index]
            for arg in step.args
        )
        values.append(OPS[step.op](a, b))
    return values[-1]


OPS = {
    "add": Quotient.__add__, "sub": Quotient.__sub__, "mul": Quotient.__mul__, "div": Quotient.__truediv__
}  # fmt: skip


def is_of(kind, found):
    """Whether a function is of a type."""
    p, q = found.p, found.q
    if kind.power > 0:
        q *= fmpq_poly([0, 1]) ** kind.power
    else:
        p *= fmpq_poly([0, 1]) ** -kind.power
    if not p:
        return True
    lowest = Quotient(p, q)
    strides = all(k % kind.stride == 0 for poly in (lowest.p, lowest.q) for k, c in enumerate(poly) if c)
    return strides and lowest.p.degree() <= kind.stride * kind.m and lowest.q.degree() <= kind.stride * kind.n


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Those of + - * / to 4 ops, and their types."""
    found = enumerate_families(("add", "sub", "mul", "div"), 4, tmp_path_factory.mktemp("families"))
    return found, types_of(found.word, found.n, threads=2)


def test_no_type_is_too_low_for_any_constants(families):
    found, types = families
    rng = random.Random(5)
    rows = [*range(400), *rng.sample(range(400, len(found)), 3000)]
    exact = 0
    for row in rows:
        program = batch_of(found.word[[row], : found.n[row]]).program(0)
        kind = types.types[types.of[row]]
        for special in (False, True):
            values = (
                fmpq(rng.choice([-1, 0, 1, 2])) if special else fmpq(rng.randrange(-999, 999), 997)
                for _ in range(program.n_constants)
            )
            constants = [Quotient(fmpq_poly([value]), ONE) for value in values]
            try:
                got = function_of(program, constants)
            except ZeroDivisionError:
                continue
            assert is_of(kind, got), (str(program), kind, got.p, got.q)
            less = [kind._replace(m=kind.m - 1), kind._replace(n=kind.n - 1)]
            exact += not special and not any(is_of(other, got) for other in less)
    assert exact > 0.95 * len(rows), "few types are too high"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("v1 = x + c1\nv2 = x / v1", Type(1, 1, 0, 1)),
        ("v1 = c1 / x\nv2 = x + c2\nv3 = c3 / v2\nv4 = v1 + v3", Type(-1, 1, 1, 1)),
        ("v1 = x * x\nv2 = v1 + c1\nv3 = v1 * x\nv4 = v2 / v3", Type(-3, 2, 1, 0)),
        ("v1 = x * x\nv2 = v1 * x\nv3 = v2 + c1\nv4 = c2 / v3\nv5 = v4 + c3", Type(0, 3, 1, 1)),
        ("v1 = x + x\nv2 = x * c1\nv3 = v1 - v2", Type(1, 1, 0, 0)),
        ("v1 = x + c1\nv2 = v1 * v1\nv3 = v2 + v1", Type(0, 1, 2, 0)),
        ("v1 = sqrt(x)\nv2 = v1 + c1", None),
    ],
)
def test_types_of_single_programs(text, kind):
    program = parse(text)
    words = [
        sum(
            (0 if arg.kind == "x" else 1 if arg.kind == "c" else 2 + arg.index) << shift
            for arg, shift in zip(step.args, (8, 4, 0), strict=False)
        )
        | OPCODE[step.op] << 12
        for step in program.instructions
    ]
    found = types_of(np.array([words], np.uint16), np.array([len(words)], np.uint8))
    assert found.types[found.of[0]] == kind
    code = int(codes_of(Batch.of([program], [[]]))[0])
    assert (Type.of(code) if code else None) == kind


def test_a_program_whose_values_have_no_numbers_in_words_has_no_type():
    text = "v1 = x + c1\n" + "".join(f"v{n} = v{n - 1} + x\n" for n in range(2, 17))
    longest, longer = (Batch.of([parse("\n".join(text.splitlines()[:n]))], [[]]) for n in (15, 16))
    assert Type.of(int(codes_of(longest)[0])) == Type(0, 1, 1, 0)
    assert not codes_of(longer)[0]


@pytest.mark.parametrize(("name", "power"), [("exp2", 0), ("log2", 0), ("cos", 0), ("erf", 1)])
def test_bounds_are_just_below_the_best_rational_functions(name, power):
    target, frame = make_target(name), Frame("x" if power else "")
    bounds = Bounds(target)
    for m, n in itertools.product(range(1, 4), range(3)):
        with flint.ctx.workprec(256):
            goals = Goals(target)
            best = minimax(goals.goal(frame), m, n, goals.start(frame, m, n)).error
        assert 0.998 * best < bounds.least_error(Type(power, 1, m, n)) <= best * (1 + 1e-9), (m, n)
    # with a factor x the target vanishes at 0 as it has to
    assert bounds.least_error(Type(0, 1, 3 + power, 2)) == bounds.least_error(Type(power, 1, 3, 2))


def test_functions_of_powers_of_x_alone_have_bounds_of_their_own():
    bounds = Bounds(make_target("tanh"))
    odd, every = bounds.least_error(Type(1, 2, 1, 1)), bounds.least_error(Type(0, 1, 3, 2))
    assert 4 * every < odd == pytest.approx(1.4835e-5, rel=2e-3)


@pytest.mark.parametrize(
    ("text", "interval", "metric", "kind"),
    [
        ("1/(x*x+x+3)", None, "relative", Type(0, 1, 0, 2)),
        ("x/(1+x^2)", None, "relative", Type(1, 2, 0, 1)),
        ("x/(1+x^2)", ("-1", "1"), "absolute", Type(1, 2, 0, 1)),
        ("x*x*x", ("-2", "-1"), "absolute", Type(3, 1, 0, 0)),
        ("1/x", ("1", "2"), "relative", Type(-3, 1, 2, 0)),
    ],
)
def test_nothing_is_proved_of_a_type_that_holds_the_target_itself(text, interval, metric, kind):
    assert Bounds(make_target(text, interval, metric)).least_error(kind) < 1e-15


def test_at_an_end_at_0_a_function_begins_as_the_target_or_its_error_is_infinite():
    relative, absolute = Bounds(make_target("sin")), Bounds(make_target("exp2", metric="absolute"))
    for kind in (Type(0, 2, 3, 3), Type(3, 1, 0, 1), Type(0, 1, 0, 4)):  # no x^1
        assert relative.least_error(kind) == pytest.approx(1)  # the error of 0
    assert absolute.least_error(Type(-1, 1, 0, 3)) == pytest.approx(2, rel=1e-4)
    assert relative.least_error(Type(-1, 1, 2, 0)) == pytest.approx(relative.least_error(Type(1, 1, 0, 0)))
    root = Bounds(make_target("sqrt(x)"))
    assert root.least_error(Type(0, 1, 9, 9)) == pytest.approx(1)


def test_a_symmetric_interval_makes_bounds_weaker_and_never_wrong():
    for text, kinds in (
        ("cos(x)", [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (4, 0), (2, 2), (5, 2)]),
        ("tanh(x)", [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (1, 2), (2, 2), (3, 2)]),
    ):
        target = make_target(text, ("-1", "1"), "absolute")
        bounds, half = Bounds(target), Bounds(make_target(text, ("0", "1"), "absolute"))
        even = text[0] == "c"
        for m, n in kinds:
            # the best function is as even or odd as the target: on the half it has the same error
            best = half.least_error(Type(0, 2, m // 2, n // 2) if even else Type(1, 2, (m - 1) // 2, n // 2))
            if m:
                assert bounds.least_error(Type(0, 1, m, n)) <= best * 1.002, (text, m, n)
    assert bounds.least_error(Type(0, 1, 1, 2)) > 0.5 * half.least_error(Type(1, 2, 0, 1))


def test_a_type_counts_as_above_an_error_only_if_those_within_it_do():
    bounds = Bounds(make_target("exp2"))
    above = bounds.above(1e-5)
    assert above(Type(0, 1, 2, 1)) == bounds.least_error(Type(0, 1, 2, 1)) > 1e-5
    assert above(Type(0, 1, 2, 2)) is None
    assert above(Type(0, 1, 12, 12)) is None


def test_errors_that_do_not_alternate_for_sure_prove_nothing():
    for metric in ("relative", "absolute"):
        bounds = Bounds(make_target("exp2", metric=metric))
        assert bounds.least_error(Type(0, 1, 1, 0)) > 0.02
        bounds = Bounds(make_target("exp2", metric=metric))
        bounds._exact[:] = [ball + arb(0, 2) for ball in bounds._exact]
        assert bounds.least_error(Type(0, 1, 1, 0)) == 0
