"""Exported code gives the interpreter's very bits: C by two compilers, Rust, NumPy, JAX.

Every day for each random program in one format; under the mark `slow` for all programs in both formats and
the whole gallery, with counts printed: `pytest -m slow -s tests/test_exports_bits.py tests/test_exports.py`.
"""

import shutil
import subprocess

import numpy as np
import pytest

from evo.exports.export import write
from evo.exports.languages import C
from evo.numbers.formats import flushed
from evo.programs.floats import evaluate
from evo.programs.program import parse
from exported import (
    INPUTS,
    as_formula,
    assert_same,
    assert_wanted,
    call,
    compiled,
    everything,
    formulas,
    inputs_of,
    member,
)

OPTIMISED = ("-O3", "-march=native")
PARTS = 64
SOME_OR_ALL = pytest.mark.parametrize("chosen", [formulas, pytest.param(everything, marks=pytest.mark.slow)])


def report(what, chosen):
    """For the record of a slow run."""
    full = sum(f.reduction is not None for f in chosen)
    print(f"{what}: {len(chosen)} functions ({full} on all floats), {INPUTS:,} inputs each, equal bits")


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed here")
    return found


def c_library(folder, compiler, flags, chosen):
    typed = [(f.name, C.type(f.fmt)) for f in chosen]
    wrappers = [f"void call_{n}(size_t n, const {t} *x, {t} *y) {{ {n}_array(n, x, y); }}" for n, t in typed]
    (folder / "all.c").write_text(write(chosen, "c") + "\n".join(wrappers) + "\n")
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    library = folder / f"{compiler}{flags[0]}.so"
    return compiled(
        [tool(compiler), *strict, *flags, str(folder / "all.c"), "-o", str(library), "-lm"], library
    )


@SOME_OR_ALL
@pytest.mark.parametrize("flags", [("-O0",), OPTIMISED], ids=["O0", "O3 native"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_gives_the_interpreters_bits(compiler, flags, chosen, tmp_path):
    library = c_library(tmp_path, compiler, flags, chosen())
    for formula in chosen():
        assert_wanted(formula, call(library, formula, inputs_of(formula)))
    report(" ".join([compiler, *flags]), chosen())


def rust_wrappers(chosen):
    lines = []
    for f in chosen:
        t = f"f{f.fmt.bits}"
        lines += [
            "#[no_mangle]",
            f'pub unsafe extern "C" fn call_{f.name}(n: usize, x: *const {t}, y: *mut {t}) {{',
            "    let (a, b) = (std::slice::from_raw_parts(x, n), std::slice::from_raw_parts_mut(y, n));",
            f"    {f.name}_array(a, b);",
            "}",
        ]
    return "\n".join(lines)


def test_cuda_compiles_and_has_no_fma_but_those_written(tmp_path):
    """On a GPU the bits are compared by experiments/cuda_bits.py; here the code that nvcc makes is read."""
    nvcc = tool("nvcc")
    for fused in (False, True):
        chosen = [f for f in formulas() if f.fused == fused]
        (tmp_path / "all.cu").write_text(write(chosen, "cuda"))
        command = [nvcc, "-std=c++17", "-fmad=true", "-ptx", "all.cu", "-o", "all.ptx"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=240)
        code = (tmp_path / "all.ptx").read_text()
        assert code.count(".entry") == len(chosen)
        assert ("fma." in code) == fused


@SOME_OR_ALL
def test_rust_gives_the_interpreters_bits(chosen, tmp_path):
    source = tmp_path / "all.rs"
    source.write_text(write(chosen(), "rust") + rust_wrappers(chosen()))
    library = tmp_path / "all.so"
    flags = ["-O", "-C", "target-cpu=native", "--crate-type", "cdylib", "-A", "warnings"]
    loaded = compiled([tool("rustc"), *flags, str(source), "-o", str(library)], library)
    for formula in chosen():
        assert_wanted(formula, call(loaded, formula, inputs_of(formula)))
    report("rustc -O", chosen())


@SOME_OR_ALL
def test_numpy_gives_the_interpreters_bits(chosen):
    module: dict = {}
    exec(write(chosen(), "numpy"), module)
    for formula in chosen():
        assert_wanted(formula, np.asarray(module[formula.name](inputs_of(formula))))
    report("NumPy", chosen())


def jax_results(chosen):
    """By one compiled call for each format and kind of inputs; the constants' own arithmetic included."""
    import jax

    module: dict = {}
    with jax.enable_x64(True):
        exec(write(chosen, "jax"), module)
        kinds: dict = {}
        for formula in chosen:
            kinds.setdefault((formula.fmt, bool(formula.reduction)), []).append(formula)
        for some in kinds.values():
            calls = jax.jit(lambda x, some=some: [module[f.name](x) for f in some])
            yield from zip(some, map(np.asarray, calls(inputs_of(some[0]))), strict=True)


def flushing(formula):
    """The interpreter's results where subnormals are flushed, as by XLA on CPU."""
    x = inputs_of(formula)
    if formula.reduction:  # its core is between 1/2 and 2: only inputs and results are subnormal
        x = flushed(x, formula.fmt).astype(formula.fmt.type)
        return formula.reduction.evaluate(formula.program, formula.numbers, x, formula.fmt)
    return evaluate(formula.program, formula.numbers, x, formula.fmt, flush=True)


def check_jax(chosen):
    """XLA on CPU flushes subnormals: so does the interpreter here, and nothing else differs."""
    for formula, got in jax_results(chosen):
        expected = flushed(flushing(formula), formula.fmt)
        assert_same(formula, flushed(got, formula.fmt).astype(got.dtype), expected, inputs_of(formula))


def test_jax_gives_the_interpreters_bits_under_jit():
    check_jax(formulas()[:28])


def test_jax_adds_constants_in_the_order_of_the_program():
    """XLA makes x + (c1 + c2) of (x + c1) + c2, if it knows that they are constants."""
    texts = [
        "v1 = x + c1\nv2 = v1 + c2",
        "v1 = c1 - x\nv2 = c2 - v1",
        "v1 = x * c1\nv2 = v1 * c2\nv3 = v2 / c1",
    ]
    check_jax([as_formula(f"q{k}", member(parse(t), ("0.1", "0.7")), "float64") for k, t in enumerate(texts)])


@pytest.mark.slow
def test_jax_gives_the_interpreters_bits_for_all_programs():
    for first in range(0, len(everything()), PARTS):  # one call of them all takes XLA long to compile
        check_jax(everything()[first : first + PARTS])
    report("JAX on CPU, subnormals flushed", everything())
