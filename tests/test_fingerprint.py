import cmath
import itertools
import platform
import shutil
import subprocess
import sys
from collections import defaultdict

import flint
import numpy as np
import pytest
from flint import fmpq
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evo.kernels import build as native
from evo.kernels import fingerprint
from evo.kernels.fingerprint import behaviours, functions, mixed, texts
from evo.kernels.library import load
from evo.programs.batch import CONSTANT, VALUE, Batch
from evo.programs.ops import BY_TEXT, OPS
from evo.programs.program import parse
from strategies import (
    RATIONAL,
    RULES,
    associate,
    commute,
    distribute,
    factor,
    programs,
    random_batch,
    rename,
    rewritten,
)  # fmt: skip

fixed = settings(max_examples=1000, deadline=None, derandomize=True, database=None)


def budgets(few, many):
    """Examples of a test here, and of the same one among the slow tests."""
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])


SQRT = (*RATIONAL, "sqrt", "sqrt")
FORMS = {
    "core": ("v1 = c1 / x\nv2 = x + v1\nv3 = v2 * v2", 1),
    "c1 x / (c2 x + c3)": ("v1 = c1 * x\nv2 = c2 * x\nv3 = v2 + c3\nv4 = v1 / v3", 2),
    "(x + c1) + c2": ("v1 = x + c1\nv2 = v1 + c2", 1),
    "moebius": ("v1 = c1 * x\nv2 = v1 + c2\nv3 = c3 * x\nv4 = v3 + c4\nv5 = v2 / v4", 3),
    "(x + c1)(x + c2)": ("v1 = x + c1\nv2 = x + c2\nv3 = v1 * v2", 2),
    "no constants": ("v1 = x * x\nv2 = v1 + x", 0),
    "c1 - c1 stays": ("v1 = x + c1\nv2 = v1 - c1", 0),
    "sqrt(c1 x x)": ("v1 = c1 * x\nv2 = v1 * x\nv3 = sqrt(v2)", 1),
    "sqrt(c1 (x + c2)^2 c3)": (
        "v1 = x + c2\nv2 = v1 * v1\nv3 = v2 * c1\nv4 = v3 * c3\nv5 = sqrt(v4)", 2
    ),
    "sqrt(x + c1) sqrt(x + c2)": ("v1 = x + c1\nv2 = sqrt(v1)\nv3 = x + c2\nv4 = sqrt(v3)\nv5 = v2 * v4", 2),
    "undefined at equal constants": ("v1 = x + c1\nv2 = x + c2\nv3 = v1 - v2\nv4 = x / v3", 1),
}  # fmt: skip
"""Text and number of effective constants."""


NARROWER = {"4": ("-mno-avx512f",), "1": ("-mno-avx512f", "-mno-avx2")}
"""Flags for so many elements of a vector, at most (evo/kernels/elements.h)."""


def keys(*some, width=64):
    return functions(Batch.of(some, [[]] * len(some), width))


def horner(k):
    """Lines of c1 + x (c2 + x (...)), which has k effective constants."""
    lines, value = [], f"c{k}"
    for j in range(k - 1, 0, -1):
        lines.append(f"v{len(lines) + 1} = x * {value}")
        lines.append(f"v{len(lines) + 1} = v{len(lines)} + c{j}")
        value = f"v{len(lines)}"
    return lines or ["v1 = x * c1"]


def value(program, x, constants):
    """Exact value, None where undefined."""
    try:
        return program.evaluate(None, x, constants)
    except ZeroDivisionError:
        return None


def q(rng):
    return fmpq(int(rng.integers(100, 10**5)), int(rng.integers(1, 99))) * (-1) ** int(rng.integers(2))


def defined_where_constants_are_equal(program):
    """The premise under which evo/kernels/field.h names constants by what they do."""
    rng = np.random.default_rng(5)
    return any(value(program, q(rng), [q(rng)] * program.n_constants) is not None for _ in range(3))


def same_function(a, b):
    """Whether two programs are one function up to the names of constants, by all names, exactly."""
    if a.n_constants != b.n_constants:
        return False
    rng = np.random.default_rng(6)
    k = a.n_constants
    points = [(q(rng), [q(rng) for _ in range(k)]) for _ in range(4)]
    points = [(x, c, value(a, x, c)) for x, c in points]
    return any(
        all(value(b, x, [c[j] for j in names]) == left for x, c, left in points)
        for names in itertools.permutations(range(k))
    )


def defined(program):
    return value(program, fmpq(3, 7), [fmpq(n, 19) for n in (17, -3, 29, 8, -41)]) is not None


# One function, one key.


@budgets(200, 1000)
def test_programs_related_by_commuting_associating_distributing_or_renaming_have_one_key(examples):
    @settings(fixed, max_examples=examples)
    @given(st.data(), programs(dead=False))
    def holds(data, program):
        assume(defined(program) and defined_where_constants_are_equal(program))
        other, names = data.draw(rewritten(program))
        assume(defined(other) and defined_where_constants_are_equal(other))
        rng = np.random.default_rng(7)  # the rewrite is what it claims to be, exactly
        x, c = q(rng), [q(rng) for _ in names]
        left, right = value(program, x, c), value(other, x, [c[names.index(j)] for j in range(len(c))])
        assume(left is not None and right is not None)
        assert left == right
        (one, two), checks, ranks = keys(program, other)
        assert one == two != 0
        assert checks[0] == checks[1]
        assert ranks[0] == ranks[1]

    holds()


@budgets(30, 120)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_alone_keeps_the_key(examples, rule):
    @settings(fixed, max_examples=examples)
    @given(st.data(), programs(min_size=3, dead=False))
    def holds(data, program):
        other, _ = data.draw(rewritten(program, rules=(rule,), most=12))
        assume(all(defined(p) and defined_where_constants_are_equal(p) for p in (program, other)))
        assert len(set(keys(program, other)[0])) == 1

    holds()


@budgets(100, 500)
def test_programs_with_roots_keep_their_key_too(examples):
    """As searches have them: folded, and without redundant constants.

    sqrt(c1) c2 sqrt(c1) is symmetric in its constants where its domain is not: such names may differ.
    """

    @settings(fixed, max_examples=examples)
    @given(st.data(), programs(SQRT, min_size=2, max_size=9, dead=False))
    def holds(data, program):
        assume(any(a.kind == "x" for i in program.instructions for a in i.args))
        program = program.simplify()[0]
        other, _ = data.draw(rewritten(program, rules=(commute, associate, distribute, factor)))
        (one, two), checks, ranks = keys(program, other)
        assume(one and two and ranks[0] == program.n_constants)
        assume(all(by_complex(p, [1.9] * 5) is not None for p in (program, other)))
        assert one == two
        assert checks[0] == checks[1]

    holds()


def by_complex(program, constants):
    """Some value with roots of whatever sign; None where a divisor is zero."""
    try:
        return program.evaluate(cmath, 1.234 + 0j, [c + 0j for c in constants])
    except (ZeroDivisionError, OverflowError):
        return None


@pytest.mark.parametrize("n", [2, 3, 4])
def test_exchangeable_constants_may_have_any_names(n):
    """Products of sums and sums of products of x + c, where many constants look alike at first."""
    for outer, inner in (("+", "*"), ("*", "+"), ("-", "*"), ("/", "+")):
        lines = [f"v{j + 1} = x + c{j + 1}" for j in range(2 * n)]
        lines += [f"v{2 * n + j + 1} = v{2 * j + 1} {inner} v{2 * j + 2}" for j in range(n)]
        total = 2 * n + 1
        for j in range(1, n):
            lines.append(f"v{3 * n + j} = v{total} {outer} v{2 * n + j + 1}")
            total = 3 * n + j
        program = parse("\n".join(lines))
        rng = np.random.default_rng(n)
        others = [rename(program, rng.permutation(2 * n).tolist()) for _ in range(30)]
        assert len(set(keys(program, *others)[0])) == 1


def test_named_equal_functions_have_one_key():
    groups = [
        ["v1 = x + c1\nv2 = x + c2\nv3 = v1 * v2", "v1 = x + c2\nv2 = x + c1\nv3 = v1 * v2"],
        ["v1 = x + c1\nv2 = v1 + c2", "v1 = c1 + c2\nv2 = x + v1", "v1 = c2 + x\nv2 = c1 + v1"],
        ["v1 = c1 / x\nv2 = x + v1", "v1 = x * x\nv2 = v1 + c1\nv3 = v2 / x"],
        ["v1 = x * x\nv2 = c1 * v1\nv3 = c2 * x\nv4 = v2 + v3", "v1 = c1 * x\nv2 = v1 + c2\nv3 = v2 * x"],
        ["v1 = fma(x, c1, c2)", "v1 = x * c2\nv2 = v1 + c1"],
        ["v1 = c1 * x\nv2 = v1 * x\nv3 = sqrt(v2)", "v1 = x * x\nv2 = c1 * v1\nv3 = sqrt(v2)"],
    ]
    per_group = [set(keys(*map(parse, group))[0]) for group in groups]
    assert all(len(found) == 1 for found in per_group)
    assert len(set.union(*per_group)) == len(groups)


# Different functions, different keys.


def diagonal_values(batch):
    """Exact values where all constants are equal, so that their names do not matter.

    An interpreter of its own over the arrays, in rationals; None where undefined.
    """
    points = [(fmpq(3, 7), fmpq(5, 3))]
    real = [op.real for op in OPS]
    arity = [op.arity for op in OPS]
    ops, args, out = batch.op.tolist(), batch.arg.tolist(), []
    for row, n in enumerate(batch.n.tolist()):
        results = []
        for x, c in points:
            slots = [x, *[c] * (VALUE - CONSTANT)]
            try:
                for code, arg in zip(ops[row][:n], args[row], strict=False):
                    slots.append(real[code](None, *[slots[a] for a in arg[: arity[code]]]))
                results.append(slots[-1])
            except ZeroDivisionError:
                results.append(None)
        out.append(tuple(results))
    return out


def neighbours(rng, batch):
    """Each program with one operand or op replaced: nearly the same function."""
    other = batch.take(slice(None))
    row = np.arange(len(batch))
    at = rng.integers(0, batch.n)
    code = batch.op[row, at]
    binary = np.array([op.arity for op in OPS])[code] == 2
    swap = binary & (rng.random(len(batch)) < 0.5)
    other.op[row[swap], at[swap]] = rng.integers(0, 4, swap.sum())
    rewire = ~swap
    side = rng.integers(0, 2, len(batch)) * binary
    earlier = VALUE + rng.integers(0, np.maximum(at, 1))
    slot = np.where((at > 0) & (rng.random(len(batch)) < 0.6), earlier, 0)
    other.arg[row[rewire], at[rewire], side[rewire]] = slot[rewire]
    return other


@pytest.mark.parametrize("number", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_pairs_of_different_functions_never_share_a_key(number):
    rng, pairs, size = np.random.default_rng(20), 0, number // 8
    while pairs < number:
        one = random_batch(rng, size, size=(1, 6), constants=3)
        two = neighbours(rng, one) if pairs % 2 else random_batch(rng, size, size=(1, 6), constants=3)
        (left, check, _), (right, other_check, _) = functions(one), functions(two)
        values = zip(diagonal_values(one), diagonal_values(two), strict=True)
        different = np.array([a != b and None not in (*a, *b) for a, b in values])
        shared = different & (left == right) & (left != 0)
        assert not shared.any(), [str(b.program(int(np.flatnonzero(shared)[0]))) for b in (one, two)]
        assert (different & (left != 0) & (check == other_check)).sum() < 3
        pairs += int(different.sum())


def test_programs_that_share_a_key_are_one_function():
    """The reverse, among random programs of all kinds: every match is checked over all names, exactly."""
    batch = random_batch(np.random.default_rng(21), 15_000, size=(1, 6), constants=3)
    key, check, _ = functions(batch)
    groups = defaultdict(list)
    for row in np.flatnonzero(key):
        groups[key[row]].append(int(row))
    matches = 0
    for rows in groups.values():
        assert len({int(check[row]) for row in rows}) == 1
        distinct = {str(batch.program(row)): row for row in rows}
        first, *others = list(distinct.values())[:6]
        for row in others:
            a, b = batch.program(first), batch.program(row)
            assert same_function(a, b), f"{a}\n\n{b}"
            matches += 1
    assert matches > 1000


def test_a_value_and_the_root_of_its_square_never_share_a_key():
    """|v| and v agree at every second point of the field, so these are the nearest to a wrong match."""
    rng = np.random.default_rng(26)
    ops = ("add", "sub", "mul")
    found = {
        str(p)
        for b in [random_batch(rng, 1000, ops=ops, size=(1, 5), constants=3)]
        for p in map(b.program, range(len(b)))
    }
    values = [parse(text) for text in sorted(found)]
    roots = []
    for program in values:
        n = len(program.instructions)
        roots.append(parse(f"{program}\nv{n + 1} = v{n} * v{n}\nv{n + 2} = sqrt(v{n + 1})"))
    plain, absolute = keys(*values)[0], keys(*roots)[0]
    squares = [as_quotient(p)[0].factor()[1] for p in values]
    different = [not all(e % 2 == 0 for _, e in parts) for parts in squares]
    assert not (plain == absolute)[different].any()
    assert sum(different) > 300


class Quotient:
    """A quotient of integer polynomials, without a common factor."""

    def __init__(self, top, below):
        common = top.gcd(below)
        self.top, self.below = (top // common, below // common) if common else (top, below)

    def __add__(self, other):
        return Quotient(self.top * other.below + other.top * self.below, self.below * other.below)

    def __sub__(self, other):
        return Quotient(self.top * other.below - other.top * self.below, self.below * other.below)

    def __mul__(self, other):
        return Quotient(self.top * other.top, self.below * other.below)

    def __truediv__(self, other):
        return Quotient(self.top * other.below, self.below * other.top)

    def __rtruediv__(self, one):
        return Quotient(one * self.below, self.top)

    def __neg__(self):
        return Quotient(-self.top, self.below)


def as_quotient(program):
    """Numerator and denominator as integer polynomials of x and the constants; None after a division by 0."""
    names = ("x", *(f"c{j}" for j in range(program.n_constants)))
    ring = flint.fmpz_mpoly_ctx.get(names, "lex")
    one = ring.from_dict({(0,) * len(names): 1})
    gens = [Quotient(ring.gen(j), one) for j in range(len(names))]
    values = []
    for op, args in program.instructions:
        operands = [
            values[a.index] if a.kind == "v" else (gens[0] if a.kind == "x" else gens[1 + a.index])
            for a in args
        ]
        values.append(BY_TEXT[op].real(None, *operands))
        if not values[-1].below:
            return None
    return values[-1].top, values[-1].below


def test_keys_are_equal_if_and_only_if_the_reduced_quotients_of_polynomials_are():
    """Both directions by computer algebra: polynomials of FLINT, over all names of at most two constants."""
    batch = random_batch(np.random.default_rng(22), 4000, size=(1, 4), constants=2)
    key, _, rank = functions(batch)
    algebra = {}
    for row in range(len(batch)):
        program = batch.program(row)
        if (found := as_quotient(program)) is None:
            assert key[row] == 0
            continue
        if not defined_where_constants_are_equal(program):
            continue
        assert key[row] != 0
        k = program.n_constants
        both = [as_quotient(rename(program, list(names))) for names in itertools.permutations(range(k))]
        signs = [min((str(n), str(d)), (str(-n), str(-d))) for n, d in both]
        form = (k, *min(signs))
        assert algebra.setdefault(form, key[row]) == key[row], program
        n, d = found
        constant = [not n.derivative(j) * d - d.derivative(j) * n for j in range(1, k + 1)]
        assert (rank[row] == 0) == all(constant)
    assert len(set(algebra.values())) == len(algebra) > 500


# Ranks.


@pytest.mark.parametrize(("text", "rank"), FORMS.values(), ids=FORMS)
def test_the_rank_is_the_number_of_effective_constants(text, rank):
    key, _, found = keys(parse(text))
    assert found[0] == rank
    assert key[0]


@pytest.mark.parametrize("k", [1, 5, 10, 11, 12, 13, 16, 25, 31])
def test_the_rank_of_polynomials_is_right_beyond_the_first_rows(k):
    """One constant more, added to the last, makes none."""
    lines = horner(k)
    more = [*lines, f"v{len(lines) + 1} = v{len(lines)} + c{k + 1}"]
    _, _, rank = keys(parse("\n".join(lines)), parse("\n".join(more)))
    assert rank.tolist() == [k, k if k > 1 else 2]


@pytest.mark.parametrize("k", [12, 20, 30])
def test_many_constants_that_act_as_one_have_rank_one(k):
    lines = ["v1 = x * c1", *(f"v{j} = v{j - 1} * c{j}" for j in range(2, k + 1))]
    assert keys(parse("\n".join(lines)))[2].tolist() == [1]


def test_the_rank_is_that_of_the_jacobian_in_rational_arithmetic():
    batch = random_batch(np.random.default_rng(23), 1500, size=(2, 6), constants=4)
    key, _, rank = functions(batch)
    rng, seen = np.random.default_rng(24), 0
    for row in np.flatnonzero((key != 0) & (batch.k > 0)):
        program, k = batch.program(row), int(batch.k[row])
        c = [q(rng) for _ in range(k)]
        try:
            rows = [_gradient(program, q(rng), c) for _ in range(k + 2)]
        except ZeroDivisionError:
            continue
        assert flint.fmpq_mat(rows).rank() == rank[row], program
        seen += 1
    assert seen > 1000


class Forward:
    """A rational number and its derivatives: dual numbers, not the table's partials."""

    def __init__(self, value, slopes):
        self.value, self.slopes = value, slopes

    def __add__(self, other):
        return Forward(
            self.value + other.value, [p + r for p, r in zip(self.slopes, other.slopes, strict=True)]
        )

    def __neg__(self):
        return Forward(-self.value, [-p for p in self.slopes])

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        pairs = zip(self.slopes, other.slopes, strict=True)
        return Forward(self.value * other.value, [p * other.value + self.value * r for p, r in pairs])

    def __truediv__(self, other):
        v = self.value / other.value
        pairs = zip(self.slopes, other.slopes, strict=True)
        return Forward(v, [(p - v * r) / other.value for p, r in pairs])

    def __rtruediv__(self, one):
        return Forward(fmpq(one), [fmpq(0)] * len(self.slopes)) / self


def _gradient(program, x, constants):
    """Forward derivatives by the constants in rationals."""
    k = len(constants)
    numbers = [Forward(c, [fmpq(int(i == j)) for j in range(k)]) for i, c in enumerate(constants)]
    return program.evaluate(None, Forward(x, [fmpq(0)] * k), numbers).slopes


# Corner cases.


@pytest.mark.parametrize(
    "text",
    [
        "v1 = x - x\nv2 = c1 / v1",
        "v1 = x - x\nv2 = x * c1\nv3 = v2 / v1\nv4 = v3 + c2",
        "v1 = x + c1\nv2 = v1 - c1\nv3 = v2 - x\nv4 = x / v3",
        "v1 = x * x\nv2 = neg(v1)\nv3 = sqrt(v2)",
    ],
)
def test_programs_defined_nowhere_have_key_zero(text):
    assert keys(parse(text))[0].tolist() == [0]


@pytest.mark.parametrize("roots", [1, 2, 3, 4, 5])
def test_programs_with_several_independent_roots_are_not_taken_for_undefined(roots):
    found = []
    for shift in range(12):  # other programs, other draws
        lines = ["v1 = x + c1", *(f"v{j + 2} = v{j + 1} * x" for j in range(shift))]
        lines.append(f"v{len(lines) + 1} = sqrt(v{len(lines)})")
        for j in range(1, roots):
            n = len(lines)
            lines += [f"v{n + 1} = x + c{j + 1}", f"v{n + 2} = sqrt(v{n + 1})", f"v{n + 3} = v{n} + v{n + 2}"]
        n = len(lines)  # c c' x has one effective constant, and only rows of equal constants show it
        lines += [
            f"v{n + 1} = x * c{roots + 1}",
            f"v{n + 2} = v{n + 1} * c{roots + 2}",
            f"v{n + 3} = v{n} + v{n + 2}",
        ]
        found.append(parse("\n".join(lines)))
    key, _, rank = keys(*found)
    assert key.all()
    assert rank.tolist() == [roots + 1] * len(found)


def test_the_place_in_the_batch_and_its_width_do_not_matter():
    batch = random_batch(np.random.default_rng(25), 300)
    backwards = np.arange(len(batch))[::-1]
    programs = [batch.program(row) for row in range(len(batch))]
    for found, back, wide in zip(
        functions(batch), functions(batch.take(backwards)), keys(*programs), strict=True
    ):
        np.testing.assert_array_equal(found, back[backwards])
        np.testing.assert_array_equal(found, wide)


def test_keys_are_the_same_in_another_process():
    code = (
        "import sys; from evo.programs.batch import Batch\n"
        "from evo.kernels.fingerprint import functions, texts\n"
        "from evo.programs.program import parse\n"
        "ps = [parse(t) for t in sys.stdin.read().split('\\n\\n')]\n"
        "b = Batch.of(ps, [[]] * len(ps)); print([a.tolist() for a in functions(b)], texts(b)[1].tolist())"
    )
    forms = [text for text, _ in FORMS.values()]
    run = subprocess.run(
        [sys.executable, "-c", code], input="\n\n".join(forms), capture_output=True, text=True, check=True
    )
    batch = Batch.of([parse(text) for text in forms], [[]] * len(forms))
    assert run.stdout.strip() == f"{[a.tolist() for a in functions(batch)]} {texts(batch)[1].tolist()}"


def test_the_key_and_check_of_a_known_program_never_change():
    """Caches and checkpoints hold keys: a change here makes old ones useless and must be meant."""
    key, check, rank = keys(parse(FORMS["core"][0]))
    assert rank[0] == 1
    assert (int(key[0]), int(check[0])) == (KNOWN_KEY, KNOWN_CHECK)


KNOWN_KEY, KNOWN_CHECK = 12893209630217801155, 99055734


def test_the_widest_programs_are_fingerprinted():
    k = 31
    lines = [f"v{j} = x + c{j}" for j in range(1, k + 1)]
    lines += [f"v{k + 1} = v1 * v2", *(f"v{k + j} = v{k + j - 1} * v{j + 1}" for j in range(2, k))]
    program = parse("\n".join(lines))
    other = rename(program, list(range(k))[::-1])
    (one, two), _, ranks = keys(program, other)
    assert one == two != 0
    assert ranks.tolist() == [k, k]


@given(programs(dead=False))
@settings(fixed, max_examples=200)
def test_asking_for_texts_or_functions_leaves_the_batch_alone(program):
    batch = Batch.of([program], [[2.0, 3.0, 5.0, 7.0, 11.0]], 64)
    before = batch.take(slice(None))
    texts(batch), functions(batch)
    for name in ("op", "arg", "n", "k", "constants"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(before, name))


# Tier 3.


def test_curves_that_agree_to_a_thousandth_share_their_behaviour_and_others_do_not():
    x = np.linspace(-1, 1, 24)
    curve = np.cos(5 * np.arccos(x))
    curves = np.array([curve, curve * (1 + 1e-6), -curve, np.roll(curve, 2), curve * 1.5])
    found = behaviours(curves, np.abs(curves).max(axis=1))
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 4
    assert found.dtype == np.uint64


def test_the_scale_of_an_error_curve_is_part_of_its_behaviour():
    curve = np.sin(np.arange(24.0))[None]
    assert behaviours(curve, np.array([1.0])) != behaviours(curve * 1e-3, np.array([1e-3]))


def test_rows_of_integers_have_hashes_that_depend_on_order_and_length_of_every_machine_alike():
    words = np.random.default_rng(0).integers(0, 16, (20_000, 4)).astype(np.uint64)
    words = np.unique(words, axis=0)
    hashes = np.concatenate([mixed(words), mixed(words[:, :3])[:1], mixed(np.zeros((1, 9), np.uint64))])
    assert len(np.unique(hashes)) == len(hashes)
    assert mixed(np.array([[1, 2]], np.uint64)).tolist() == [0xBCD9DBB49673066B]


def test_curves_that_are_not_finite_have_a_behaviour_without_warning():
    curves = np.array([[np.inf, np.nan, 1.0], [0.0, 0.0, 0.0]])
    assert len(behaviours(curves, np.array([np.inf, 0.0]))) == 2


def test_every_op_that_the_table_has_can_be_fingerprinted():
    for op in OPS:
        words = ("x", "c1", "c2")[: op.arity]
        right = f"{words[0]} {op.symbol} {words[1]}" if op.infix else f"{op.name}({', '.join(words)})"
        key, _, rank = keys(parse(f"v1 = {right}"))
        assert key[0]
        assert rank[0] == op.arity - 1
        assert BY_TEXT[op.name] is op


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the flags are those of x86")
@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("width", ["1", pytest.param("4", marks=pytest.mark.slow)])
def test_keys_checks_and_ranks_do_not_depend_on_the_width_of_vectors(width, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    batch = random_batch(np.random.default_rng(3), 3000, ops=SQRT, size=(1, 14), constants=12)
    large = Batch.of([parse("\n".join(horner(k))) for k in (5, 12, 31)], [[]] * 3, 64)
    here = [functions(b) for b in (batch, large)]
    narrower = load(native.build(tmp_path, (*NARROWER[width], "-O1")))
    monkeypatch.setattr(fingerprint, "kernels", lambda: narrower)
    for b, mine in zip((batch, large), here, strict=True):
        for array, other in zip(mine, functions(b), strict=True):
            np.testing.assert_array_equal(array, other)
