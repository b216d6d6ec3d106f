"""What exports say, what they refuse, and that other tools read them."""

import json
import math
import re
import subprocess
from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import evo
from evo.exports.export import EXPORT_FORMATS, ExportError, export, find_export, prepare
from evo.exports.formula import Origin, one_line
from evo.exports.languages import letters
from evo.exports.measure import largest
from evo.exports.names import check_name, default_name
from evo.numbers.balls import BALLS
from evo.numbers.formats import FLOAT_FORMATS, FloatError
from evo.programs.floats import evaluate
from evo.programs.operation import LANGUAGES
from evo.programs.ops import OPS
from evo.programs.program import ProgramError, parse
from evo.proofs.prove import prove
from evo.targets.making import make_target
from evo.targets.points import holdout_floats
from evo.targets.target import Target, TargetError
from exported import assert_same, everything, formulas, inputs_of, member, wanted
from published import PUBLISHED
from strategies import ALL, programs
from test_exports_bits import tool

F3, F5 = (member(*PUBLISHED[name][0]) for name in ("f3", "f5"))
every_format = pytest.mark.parametrize("name", EXPORT_FORMATS)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_op_has_a_form_in_every_language(op, language):
    text = op.write(language, "ABC", letters(FLOAT_FORMATS["float64"]))
    assert all(word in text for word in "ABC"[: op.arity])


@every_format
def test_every_format_says_what_is_known_of_the_formula(name):
    proof = prove(F5.code, F5.constants, Target("exp2", "0", "1", "relative"))
    known = replace(F5, sampled_error=6.3386e-6, worst_x=0.0625, proved_bound=float(proof.bound))
    origin = Origin("runs/a", 17, "0.9.1", "evonum search exp2 --seed 17", proof.digest)
    content = export(known, name, origin=origin)
    if EXPORT_FORMATS[name].binary:
        assert isinstance(content, bytes)
        return
    facts = [
        "6.3386e-06",
        "0.0625",
        f"{float(proof.bound):.7g}"[:5],
        proof.digest,
        "float64",
        "seed 17",
        "0.9.1",
    ]
    facts += [
        "evonum search exp2 --seed 17",
        f"evonum export runs/a --ops 5 --to {name} ",
        "unfused",
        "at x = ",
        "(0, 1)",
    ]
    facts += ["(c2 / (c4 + (x + (c1 / x)))) - c3", *F5.constants]
    for fact in facts:
        assert fact in content, fact


DENSE_CASES = {
    "both signs": ("sin(x)", ("-1e-44", "2e-44"), "absolute", "v1 = c1 * x", ("0.75",)),
    "a zero": ("sin(x)", ("3.14159", "pi"), "relative", "v1 = c1 - x", ("3.14159265358979323846",)),
    "an octave": ("exp2", ("1", "1.002"), "relative", "v1 = x * x\nv2 = v1 + c1", ("1.0003",)),
    "a quotient": ("1/x", ("-2.001", "-2"), "absolute", "v1 = c1 / x\nv2 = v1 + c2", ("1", "1e-9")),
}


@pytest.mark.parametrize("case", DENSE_CASES)
def test_the_float32_error_is_that_of_the_worst_of_all_inputs(case):
    name, interval, metric, text, constants = DENSE_CASES[case]
    core = replace(F5, target=name, interval=interval, metric=metric, program=text, constants=constants)
    core = replace(core, ops=parse(text).ops, proved_bound=None)
    formula = prepare(core, "float32")
    target = make_target(name, interval, metric)
    lo, hi = target.ends
    every = [np.float32(float(lo))]
    while every[-1] < float(hi):
        every.append(np.nextafter(every[-1], np.float32(np.inf)))
    x = np.array([float(v) for v in every if lo < Fraction(float(v)) < hi])
    got = evaluate(formula.program, formula.numbers, x, formula.fmt)
    assert f"all {len(x):,} inputs" in formula.float_points
    for figure, unit in zip(formula.float_errors, (metric, "ulp"), strict=True):
        assert figure == largest(got, x, target.ball, formula.fmt, unit)


def test_the_errors_of_a_core_are_three_numbers_and_the_proved_bound_is_above_the_sample():
    proof = prove(F5.code, F5.constants, make_target("exp2"))
    proved = replace(F5, sampled_error=6.3386e-6, worst_x=0.25, proved_bound=float(proof.bound))
    formula = prepare(proved, "float64")
    in_metric, in_ulp = formula.float_errors
    assert (in_metric.unit, in_ulp.unit) == ("relative", "ulp")
    x = holdout_floats(make_target("exp2"), formula.fmt)
    with flint.ctx.workprec(128):
        exact = [flint.arb(2) ** flint.arb(v) for v in x]
        got = evaluate(formula.program, formula.numbers, x, formula.fmt)
        errors = [abs(float(flint.arb(g) / e - 1)) for g, e in zip(got.tolist(), exact, strict=True)]
    assert in_metric.value == pytest.approx(max(errors), rel=1e-9)
    assert in_metric.value != formula.member.sampled_error
    assert "sample" in formula.float_points
    assert in_metric.value < formula.float_bound.bound < 1.01 * in_metric.value
    assert any(label == "float bound" for label, _ in formula.notes())


def test_the_c_self_test_passes_as_its_comment_says_and_fails_when_a_constant_is_changed(tmp_path):
    text = export(F5, "c", name="my_exp2")
    command = (
        re.search(r"self-test +(.*)", text)[1].replace("FILE", "my.h").replace("cc ", f"{tool('gcc')} ", 1)
    )
    (tmp_path / "my.h").write_text(text)
    good = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "passed\n"), good.stderr
    (tmp_path / "my.h").write_text(text.replace("c2 = 0x1.1bf03", "c2 = 0x1.1bf04"))
    assert (tmp_path / "my.h").read_text() != text
    bad = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "FAILED" in bad.stdout


def test_c_headers_are_c_plus_plus_too_and_refuse_fast_math(tmp_path):
    (tmp_path / "a.h").write_text(export([F3, F5], "c", full=True))
    (tmp_path / "a.cpp").write_text(
        '#include "a.h"\n#include "a.h"\nint main() { return exp2_ops05(0.) != 1; }\n'
    )
    flags = ["-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-x", "c++", "-std=c++17", "-c", "a.cpp"]
    subprocess.run([tool("gcc"), *flags], cwd=tmp_path, check=True)
    refused = subprocess.run(
        [tool("gcc"), "-ffast-math", "-c", "-x", "c", "a.h", "-o", "a.o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "without -ffast-math" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "taken"),
    [(("-march=sapphirerapids", "-std=gnu99"), True), (("-m32", "-mfpmath=387", "-std=c99"), False)],
)
def test_a_processor_with_half_precision_is_taken_and_one_of_80_bits_is_refused(tmp_path, flags, taken):
    (tmp_path / "float.h").write_text("#define FLT_EVAL_METHOD __FLT_EVAL_METHOD__\n")
    text = export(F5, "c")
    (tmp_path / "a.c").write_text("".join(line for line in text.splitlines(True) if "#include" not in line))
    command = [tool("gcc"), *flags, "-include", "float.h", "-I.", "-E", "a.c"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (made.returncode == 0) == taken, made.stderr
    assert ("rounds to its own type" in made.stderr) == (not taken)


def test_a_family_is_one_header_with_a_table_of_errors():
    text = evo.export([replace(m, sampled_error=10.0**-m.ops) for m in (F3, F5)], "c")
    for m in (F3, F5):
        k = m.ops
        assert f"double exp2_ops0{k}(double x)" in text
        assert re.search(rf"// exp2_ops0{k} +{k} +1.0000e-0{k} .* ulp at x = ", text)
        assert f"evonum export a formula in memory --ops {k} " in text
        assert text.count(m.code.formula()) == 1


def test_a_family_of_different_targets_says_what_each_is():
    other = replace(F3, target="sin(x)/x", interval=("0", "0.5"))
    text = evo.export([F5, other], "c")
    assert len(re.findall(r"// target +exp2 on \(0, 1\)\n", text)) == 1
    assert len(re.findall(r"// target +sin\(x\)/x on \(0, 0.5\)\n", text)) == 1
    assert text.count("// dtype ") == 1


def test_json_has_no_infinities():
    bare = member(parse("v1 = x - x\nv2 = c1 / v1"), ("1",))
    data = json.loads(export(replace(bare, sampled_error=math.inf), "json"), parse_constant=pytest.fail)
    assert data["sampled_error"] is None
    assert data["float_errors"][0]["value"] is None


@given(programs(ops=ALL, dead=False))
@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))
def test_sympy_agrees_to_fifty_digits_with_the_exact_program(program):
    import sympy

    texts = [("0.75", "-1.25", "3.1", "0.3333333333333333333333333333333333333", "2e-3")[k] for k in range(5)]
    try:
        text = export(member(program, texts[: program.n_constants]), "sympy", name="p_q")
    except ExportError:
        return  # it does not depend on x
    module: dict = {}
    exec(text, module)
    at = Fraction(7, 16)

    class Exact:
        sqrt = staticmethod(lambda a: sympy.sqrt(a))

    constants = [sympy.Rational(t) for t in texts]
    expected = program.pruned().evaluate(Exact, sympy.Rational(7, 16), constants)
    got = module["p_q"](sympy.Rational(at.numerator, at.denominator))
    if expected.has(sympy.zoo, sympy.nan, sympy.oo):
        assert got.has(sympy.zoo, sympy.nan, sympy.oo)
        return
    symbolic = module["p_q"]().subs(module["Symbol"]("x", real=True), sympy.Rational(7, 16))
    for value in (got, symbolic):
        difference = sympy.N(value - expected, 60, maxn=400)
        assert abs(difference) <= sympy.Float("1e-50", 60) * max(1, abs(sympy.N(expected, 60)))


def test_sympy_agrees_with_rational_arithmetic_of_the_decimals():
    import sympy

    module: dict = {}
    exec(export(F5, "sympy"), module)
    got = module["exp2_ops05"](sympy.Rational(3, 7))
    exact = F5.code.evaluate(None, Fraction(3, 7), [Fraction(c) for c in F5.constants])
    assert Fraction(int(got.p), int(got.q)) == exact


@pytest.mark.slow
def test_sympy_agrees_to_fifty_digits_with_every_program():
    """Of the gallery and the random ones, at two rational points, against balls of 2,000 bits."""
    import sympy
    from flint import arb, ctx

    from evo.exports.export import write

    chosen = [f for f in cores() if f.fmt.bits == 64]
    module: dict = {}
    exec(write(chosen, "sympy"), module)
    compared = 0
    for f in chosen:
        for p, q in ((7, 16), (11, 7)):
            with ctx.workprec(2000):
                constants = [arb(c) for c in f.member.constants]
                exact = f.program.evaluate(BALLS, arb(p) / q, constants)
                if not exact.is_finite():  # divided by zero, or the root of a negative number
                    continue
                expected = sympy.Float(exact.str(70, radius=False), 70)
            got = sympy.N(module[f.name](sympy.Rational(p, q)), 60, maxn=2000)
            assert abs(got - expected) <= sympy.Float("1e-50", 60) * abs(expected), f.name
            compared += 1
    print(f"SymPy: {len(chosen)} programs, {compared} finite values agree to 50 digits")
    assert compared > len(chosen)


@pytest.mark.parametrize(
    "chosen",
    [lambda: formulas()[:60], pytest.param(lambda: cores(), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_fpcore_evaluated_by_titanfp_gives_the_interpreters_bits(chosen):
    titanfp = pytest.importorskip("titanfp.fpbench.fpcparser", reason="titanfp is not installed here")
    from titanfp.arithmetic import ieee754

    from evo.exports.export import write

    kinds, compared = set(), 0
    some = np.r_[0:12, 25_000:25_004]  # of the interval, of all magnitudes
    for formula in chosen():
        (core,) = titanfp.compile(write([formula], "fpcore"))
        x, expected = inputs_of(formula)[some], wanted(formula)[some]
        interpreter = ieee754.Interpreter()
        got = np.array([float(interpreter.interpret(core, [float(v)])) for v in x], formula.fmt.type)
        finite = np.isfinite(expected)
        assert_same(formula, got[finite], expected[finite], x[finite])
        kinds |= {i.op for i in formula.program.instructions}
        compared += int(finite.sum())
    print(f"titanfp: {len(chosen())} functions, {compared} finite values, equal bits")
    assert {"add", "sub", "mul", "div"} <= kinds


def cores():
    return [f for f in everything() if not f.reduction]


NO_NAMES = (
    *(
        "2x",
        "a-b",
        "",
        "a b",
        "für",
        "a\nb",
        "a*/",
        "a" * 64,
        "_a",
        "int",
        "lambda",
        "fn",
        "match",
        "typename",
    ),
    *("half", "float4", "exp2", "sinf", "strlen", "isnan", "stdout", "x", "v1", "EVONUM_x", "FAST", "size_t"),
    *("far", "once", "sympify", "threadIdx", "u8", "None"),
)


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_are_no_identifiers_everywhere_are_refused(name):
    with pytest.raises(ExportError, match=r"identifier|taken|cannot be"):
        check_name(name)


def test_what_the_included_headers_declare_is_no_name():
    """Of gcc's default dialect, which has more than C99."""
    headers = "".join(f"#include <{h}.h>\n" for h in ("float", "math", "stddef", "stdint", "stdio", "string"))
    command = [tool("gcc"), "-std=gnu11", "-E", "-dD", "-x", "c", "-"]
    text = subprocess.run(command, input=headers, capture_output=True, text=True, check=True).stdout
    code = "\n".join(re.sub(r"^#(?:define (\w+))?.*", r"\1", line) for line in text.splitlines())
    words = {word for word in re.findall(r"\b[A-Za-z]\w*", code)}
    assert len(words) > 400
    for word in sorted(words):
        with pytest.raises(ExportError, match=r"taken|cannot be"):
            check_name(word)


INSIDE = ("t", "result", "dx", "Fast")


@pytest.mark.parametrize("name", INSIDE)
def test_names_of_values_inside_the_code_can_be_names(name, tmp_path):
    """Each with the function on all floats, which has most values, where there is one."""
    for to, row in EXPORT_FORMATS.items():
        content = export(F5, to, dtype="float32", name=name, full=row.full)
        if to == "c":
            (tmp_path / "a.h").write_text(content)
            strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
            test = [f"-D{name.upper()}_SELFTEST", "-x", "c", "a.h", "-o", "a.out", "-lm"]
            subprocess.run([tool("gcc"), *strict, *test], cwd=tmp_path, check=True)
            assert subprocess.run([str(tmp_path / "a.out")], check=False).returncode == 0
        if to in ("numpy", "jax", "sympy"):
            module: dict = {}
            exec(content, module)
            at = module["Rational"]("1/2") if to == "sympy" else 0.5
            assert float(module[name](at)) == pytest.approx(2**0.5, rel=1e-5)


def test_default_names_are_identifiers_for_any_target():
    for target in ("exp2", "sin(x)/x", "1/(1+x^2)", "x" + "+x" * 300):
        name = default_name(replace(F5, target=target))
        assert check_name(name) == name


@every_format
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("constant", ["1e-320", "-0.0", "inf", "nan", "-1e39", "1e400"])
def test_odd_constants_give_a_valid_export_or_a_reason(name, dtype, constant, tmp_path):
    fits = {("1e-320", "float64"), ("-0.0", "float64"), ("-0.0", "float32"), ("-1e39", "float64")}
    odd = member(parse("v1 = x + c1\nv2 = v1 * x"), (constant,))
    if (constant, dtype) not in fits:
        with pytest.raises(FloatError, match="constant"):
            export(odd, name, dtype=dtype)
        return
    content = export(odd, name, dtype=dtype)
    if name == "c":
        (tmp_path / "a.h").write_text(content)
        command = [tool("gcc"), "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
        test = [f"-D{default_name(F5)[:5].upper()}OPS02_SELFTEST", "-x", "c", "a.h", "-o", "a.out", "-lm"]
        subprocess.run([*command, *test], cwd=tmp_path, check=True)
        assert subprocess.run([str(tmp_path / "a.out")], check=False).returncode == 0


@every_format
def test_a_program_of_a_hundred_ops_and_a_users_own_target_are_exported(name):
    lines = [
        "v1 = x + c1",
        *(f"v{k} = v{k - 1} {'+*-/'[k % 4]} {'x' if k % 3 else f'v{k - 1}'}" for k in range(2, 101)),
    ]
    long = member(parse("\n".join(lines)), ("1.5",), "exp(-x^2)*sin(x)/x", ("0", "1"))
    assert long.ops == 100
    content = export(long, name)
    assert len(content) > 1000
    if name in ("numpy", "jax", "sympy"):
        compile(content, name, "exec")


def test_latex_lines_are_formulas_that_matplotlib_can_set():
    from matplotlib.mathtext import MathTextParser

    text = export(replace(F5, proved_bound=6.4e-6), "latex")
    lines = [line.rstrip("\\ ").replace("&", "") for line in text.splitlines() if "&=" in line]
    inline = re.findall(r"\$([^$]+)\$", "\n".join(x for x in text.splitlines() if not x.startswith("%")))
    assert len(lines) == 5 + len(F5.constants)
    for formula in [*lines, *inline]:
        MathTextParser("path").parse(f"${formula.replace(chr(92) + 'le ', chr(92) + 'leq ')}$")
    assert r"\le 6.4 \cdot 10^{-6}" in text


def test_stablehlo_bytes_are_read_and_run_by_jax():
    import jax
    from jax import export as jax_export

    content = export(F5, "jax-export")
    with jax.enable_x64(True):
        x = np.linspace(0.1, 0.9, 9)
        got = np.asarray(jax_export.deserialize(bytearray(content)).call(x))
    np.testing.assert_array_equal(got, F5(x))
    assert "stablehlo.divide" in export(F5, "stablehlo")


def test_jax_exports_have_the_programs_derivative():
    import jax

    module: dict = {}
    with jax.enable_x64(True):
        exec(export(F5, "jax"), module)
        slope = jax.vmap(jax.grad(module["exp2_ops05"]))(np.linspace(0.1, 0.9, 9))
        step = 1e-6
        x = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(slope, (F5(x + step) - F5(x - step)) / (2 * step), rtol=1e-8)


def test_notes_cannot_leave_their_comment():
    assert one_line("a\nint x; \\\n b ??/ \\") == "a int x; \\ b ? ?/"
    assert not one_line("ends with \\").endswith("\\")


def test_an_unknown_format_names_the_nearest_and_a_family_needs_a_format_for_it():
    with pytest.raises(ExportError, match="Did you mean 'numpy'"):
        find_export("nump")
    with pytest.raises(ExportError, match="one formula"):
        export([F3, F5], "latex")
    with pytest.raises(ExportError, match="the name exp2_ops05"):
        export([F5, F5], "c")
    with pytest.raises(FloatError, match="float64, float32"):
        export(F5, "c", dtype="float16")


def test_json_holds_the_rounded_constants_and_every_figure():
    data = json.loads(export(F5, "json", dtype="float32"))
    assert data["constants"] == list(F5.constants)
    assert float.fromhex(data["rounded_constants"]["c1"]["hex"]) == float(np.float32(25.596749740144819))
    assert {f["unit"] for f in data["float_errors"]} == {"relative", "ulp"}
    assert all(math.isfinite(f["value"]) for f in data["float_errors"])


HOSTILE = {
    "ops": "*/ int main",
    "sampled_error": "1\n#error",
    "worst_x": None,
    "proved_bound": "x",
    "constants": (1.5, "2", "3", "4"),
    "program": "v1 = x + c1; system()",
    "target": "exp2*/",
    "metric": "relative\n",
}


@pytest.mark.parametrize("field", HOSTILE)
def test_a_front_that_says_odd_things_is_refused_in_one_line(field):
    odd = replace(F5, **{field: HOSTILE[field]})
    for name in EXPORT_FORMATS:
        with pytest.raises((ExportError, ProgramError, TargetError, FloatError)) as caught:
            export(odd, name)
        assert "\n" not in str(caught.value)


def test_constants_that_the_program_does_not_read_are_not_printed():
    odd = replace(F5, constants=(*F5.constants, "1\n#odd"))
    for name, row in EXPORT_FORMATS.items():
        if not row.binary and name != "json":
            assert "\n#odd" not in export(odd, name)


@pytest.mark.parametrize("to", ["jax", "stablehlo", "numpy", "sympy"])
def test_nothing_in_a_front_is_executed(to, tmp_path):
    """StableHLO is lowered by executing the jax text: whatever a front or its origin says stays text."""
    mark = tmp_path / "executed"
    call = f"open({str(mark)!r}, 'w').close()"
    lines = [f"\n{call}\n", f"\r{call}", f"\n    {call}", f'"""\n{call}\n"""', f"\u2028{call}", f"\x0c{call}"]
    for line in lines:
        for changed in (
            {"constants": (F5.constants[0] + line, *F5.constants[1:])},
            {"target": F5.target + line},
            {"metric": F5.metric + line},
            {"interval": (F5.interval[0] + line, F5.interval[1])},
            {"program": F5.program + line},
        ):
            with pytest.raises((FloatError, TargetError, ProgramError)):
                export(replace(F5, **changed), to)
        with pytest.raises(ExportError):
            export(F5, to, name="f" + line)
        told = Origin(source="a" + line, version="b" + line, search="c" + line, certificate="d" + line)
        text = export(replace(F5, formula=line), to, origin=told)
        if to in ("jax", "numpy"):
            exec(text, {})
    assert not mark.exists()
