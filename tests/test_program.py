import json
import math
import re
import tracemalloc
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evo.numbers.functions import function_module
from evo.programs.batch import Batch
from evo.programs.ops import BY_TEXT, OPS
from evo.programs.program import Instruction, Operand, Program, ProgramError, X, parse
from strategies import ALL, programs, rewritten

fixed = settings(max_examples=120, deadline=None, derandomize=True, database=None)
fractions = st.builds(Fraction, st.integers(-99, 99), st.integers(1, 9))
FLOATS = function_module(sqrt=np.sqrt)

CORE = """v1 = c1 / x
v2 = x + v1
v3 = v2 * v2"""


def exact(program, x, constants):
    """The value in exact arithmetic; None where it is undefined."""
    try:
        return program.evaluate(None, x, constants)
    except ZeroDivisionError:
        return None


def by_text(text, x, constants):
    """The value of a text form or formula, by Python's own grammar, without evo/programs/program.py."""
    names = {"x": x, **{op.name: partial(op.real, np) for op in OPS}}
    names |= {f"c{j + 1}": c for j, c in enumerate(constants)}
    value = None
    for statement in re.split(r"\n|; ", text):
        name, _, right = statement.rpartition(" = ")
        value = names[name] = eval(right, {"__builtins__": {}}, names)
    return value


@fixed
@given(programs(ALL))
def test_the_text_form_survives_a_round_trip(program):
    assert parse(str(program)) == program
    assert parse(json.loads(json.dumps(program.to_json()))) == program


@fixed
@given(programs(ALL))
def test_the_array_form_survives_a_round_trip(program):
    assert Batch.of([program], [[]], width=64).program(0) == program


def test_blank_lines_comments_and_spaces_do_not_matter():
    assert str(parse("# a core\n\n  v1 = c1 / x  # first\r\n v2=x + v1\n v3 = mul(v2 , v2)\n\n")) == CORE


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_is_printed_and_parsed_by_symbol_and_by_name(op):
    args = (X, Operand("c", 0), Operand("c", 1))[: op.arity]
    program = Program((Instruction(op.name, args),))
    assert parse(str(program)) == program
    assert parse(f"v1 = {op.name}({', '.join(map(str, args))})") == program


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v1 = x + c1\nv2 = v1 mull x", "Line 2: Unknown op 'mull'.*Did you mean 'mul'"),
        ("# head\n\nv1 = x + v1", "Line 3: v1 is used before it is computed"),
        ("v1 = x + v2\nv2 = x * x", "Line 1: v2 is used before"),
        ("v1 = x + c1\n\nv3 = x", "Line 3: expected 'v2 = ...', got 'v3 = x'"),
        ("v1 = neg(x, c1)", "Line 1: neg takes 1 operands, got 2"),
        ("v1 = x fma c1", "Line 1: fma takes 3 operands, got 2"),
        ("v1 = x + c0", "Line 1: expected an operand .* got 'c0'"),
        ("v1 = x + 2", "Line 1: expected an operand .* got '2'"),
        ("v1 = x +", "Line 1: expected 'a . b' or 'name"),
        ("v1 = x + c1 + c2", "Line 1: expected 'a . b' or 'name"),
        ("v1 =", "Line 1: expected 'v1 = ...', got 'v1 ='"),
        ("x + c1", "Line 1: expected 'v1 = ...'"),
        ("v1 = " + "y" * 10_000, "Line 1: expected"),
    ],
)
def test_a_parse_error_names_the_line_and_what_was_expected(text, message):
    with pytest.raises(ProgramError, match=f"^{message}") as caught:
        parse(text)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing"])
def test_a_program_without_instructions_is_refused(text):
    with pytest.raises(ProgramError, match="at least one instruction"):
        parse(text)


@pytest.mark.parametrize(
    "instruction",
    [
        Instruction("add", (X,)),
        Instruction("nothing", (X, X)),
        Instruction("add", (X, Operand("v", 0))),
        Instruction("add", (X, Operand("v", -1))),
        Instruction("add", (X, Operand("q", 0))),
    ],
)
def test_instructions_that_form_no_program_are_refused(instruction):
    with pytest.raises(ProgramError, match="Instruction v1: "):
        Program((instruction,))


def test_too_few_constants_are_refused():
    with pytest.raises(ProgramError, match="uses 1 constants, got 0"):
        parse(CORE).evaluate(math, 1.0, [])


@fixed
@given(programs(), fractions, st.lists(fractions, min_size=5, max_size=5))
def test_text_and_formula_have_the_value_of_the_program(program, x, constants):
    value = exact(program, x, constants)
    assume(value is not None)
    assert by_text(str(program), x, constants) == value
    assert by_text(program.formula(), x, constants) == value


def test_formulas_name_shared_values_and_need_no_outer_parentheses():
    assert parse(CORE).formula() == "v2 = x + (c1 / x); v2 * v2"
    assert parse("v1 = x + c1\nv2 = x - c2\nv3 = v1 * v2").formula() == "(x + c1) * (x - c2)"
    assert parse("v1 = x + c1\nv2 = sqrt(v1)\nv3 = fma(v2, x, c2)").formula() == "fma(sqrt((x + c1)), x, c2)"


def _varies(program):
    try:
        return bool(program.simplify())
    except ProgramError:
        return False


@fixed
@given(programs(), fractions, st.lists(fractions, min_size=5, max_size=5))
def test_simplify_keeps_the_function_and_its_constants_exactly(program, x, constants):
    value = exact(program, x, constants)
    assume(value is not None and _varies(program))
    simple, numbers = program.simplify(constants)
    assert simple.evaluate(None, x, numbers) == value
    assert simple.n_constants == len(numbers)


@fixed
@given(programs(ALL))
def test_simplify_is_idempotent_and_leaves_no_work_undone(program):
    assume(_varies(program))
    simple, _ = program.simplify()
    assert simple.simplify()[0] == simple
    assert simple.ops == sum(BY_TEXT[i.op].cost for i in simple.instructions)
    used = {a for i in simple.instructions for a in i.args}
    assert {a for a in used if a.kind == "v"} == {
        Operand("v", n) for n in range(len(simple.instructions) - 1)
    }
    assert {a.index for a in used if a.kind == "c"} == set(range(simple.n_constants))
    assert len(set(simple.instructions)) == len(simple.instructions)
    assert all(any(a.kind != "c" for a in i.args) for i in simple.instructions)


@fixed
@given(st.data(), programs(ALL))
def test_order_and_names_do_not_change_the_ops_of_the_simple_form(data, program):
    assume(_varies(program))
    other, _ = data.draw(rewritten(program, rules=()))
    assert other.simplify()[0].ops == program.simplify()[0].ops


def test_ops_count_what_depends_on_the_input():
    assert parse(CORE).ops == 3
    assert parse("v1 = c1 + c2\nv2 = sqrt(v1)\nv3 = v2 * x").ops == 1
    assert parse("v1 = c1 + c2").ops == 0


def test_simplify_prunes_folds_shares_and_numbers():
    text = "v1 = c3 * c1\nv2 = x + c2\nv3 = c2 + x\nv4 = x / x\nv5 = v2 * v3\nv6 = v1 - v5"
    simple, numbers = parse(text).simplify([2, 3, 5])
    assert simple.ops == 3
    assert numbers == [10, 3]
    assert simple.formula().count("x + c") + simple.formula().count("c2 + x") == 1


def test_simplify_does_not_take_a_difference_for_its_opposite():
    for op in ("-", "/"):
        simple, _ = parse(f"v1 = x {op} c1\nv2 = c1 {op} x\nv3 = v1 + v2").simplify()
        assert simple.ops == 3


def test_simplify_refuses_a_program_that_does_not_depend_on_the_input():
    with pytest.raises(ProgramError, match="does not depend on x"):
        parse("v1 = x * x\nv2 = c1 + c2").simplify()


def repeated_squaring(n):
    lines = ["v1 = x + c1", *(f"v{i + 1} = v{i} * v{i}" for i in range(1, n))]
    return "\n".join(lines)


def test_a_hundred_squarings_take_no_exponential_time_or_memory():
    tracemalloc.start()
    program = parse(repeated_squaring(100))
    assert program.simplify([0.5])[0].ops == 100
    assert program.simplify()[0] == program.simplify()[0].simplify()[0]
    assert parse(str(program)) == program
    assert len(program.formula()) < 5000
    assert program.evaluate(FLOATS, 0.25, [0.5]) == 0.0
    assert program.evaluate(FLOATS, 0.5, [0.5]) == 1.0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_sums_of_shared_values_take_no_exponential_time_either():
    lines = ["v1 = x + c1", "v2 = x - c1", *(f"v{i + 1} = v{i} / v{i - 1}" for i in range(2, 100))]
    assert parse("\n".join(lines)).simplify()[0].ops == 100


@given(programs(ALL, max_constants=3), st.floats(0.1, 2))
@fixed
def test_arrays_and_numbers_have_the_same_values(program, x):
    constants = [0.5, 1.25, 3.0]
    with np.errstate(all="ignore"):
        one = program.evaluate(FLOATS, np.float64(x), [np.float64(c) for c in constants])
        many = program.evaluate(FLOATS, np.full(3, x), [np.float64(c) for c in constants])
    np.testing.assert_array_equal(np.broadcast_to(many, 3), np.full(3, one))


def test_fractions_are_exact():
    assert parse(CORE).evaluate(None, Fraction(1, 3), [Fraction(1, 7)]) == Fraction(16, 21) ** 2
