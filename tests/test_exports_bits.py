"""Exported code gives the interpreter's very bits: C by two compilers, Rust, NumPy, JAX."""

import shutil
import subprocess

import numpy as np
import pytest
from exported import assert_same, call, compiled, formulas, inputs, wanted

from evo.exports import write
from evo.floats import evaluate, flushed

OPTIMISED = ("-O3", "-march=native")


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed here")
    return found


def c_library(folder, compiler, flags, chosen):
    wrappers = [
        f"void call_{f.name}(size_t n, const {f.scalar} *x, {f.scalar} *y) {{ {f.name}_array(n, x, y); }}"
        for f in chosen
    ]
    (folder / "all.c").write_text(write(chosen, "c") + "\n".join(wrappers) + "\n")
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    library = folder / f"{compiler}{flags[0]}.so"
    return compiled(
        [tool(compiler), *strict, *flags, str(folder / "all.c"), "-o", str(library), "-lm"], library
    )


@pytest.mark.parametrize("flags", [("-O0",), OPTIMISED], ids=["O0", "O3 native"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_gives_the_interpreters_bits(compiler, flags, tmp_path):
    chosen = formulas()
    library = c_library(tmp_path, compiler, flags, chosen)
    for k, formula in enumerate(chosen):
        x = inputs(formula.fmt.name)
        assert_same(formula, call(library, formula, x), wanted(k), x)


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


def test_rust_gives_the_interpreters_bits(tmp_path):
    chosen = formulas()
    source = tmp_path / "all.rs"
    source.write_text(write(chosen, "rust") + rust_wrappers(chosen))
    library = tmp_path / "all.so"
    flags = ["-O", "-C", "target-cpu=native", "--crate-type", "cdylib", "-A", "warnings"]
    loaded = compiled([tool("rustc"), *flags, str(source), "-o", str(library)], library)
    for k, formula in enumerate(chosen):
        x = inputs(formula.fmt.name)
        assert_same(formula, call(loaded, formula, x), wanted(k), x)


def test_numpy_gives_the_interpreters_bits():
    chosen = formulas()
    module: dict = {}
    exec(write(chosen, "numpy"), module)
    for k, formula in enumerate(chosen):
        x = inputs(formula.fmt.name)
        assert_same(formula, np.asarray(module[formula.name](x)), wanted(k), x)


def jax_results(chosen, jit=True):
    """By one compiled call for each format; the constants' own arithmetic included."""
    import jax

    module: dict = {}
    with jax.enable_x64(True):
        exec(write(chosen, "jax"), module)
        for dtype in ("float64", "float32"):
            some = [f for f in chosen if f.fmt.name == dtype]
            x = inputs(dtype)
            calls = jax.jit(lambda x, some=some: [module[f.name](x) for f in some])
            for formula, got in zip(some, calls(x), strict=True):
                yield formula, np.asarray(got), x


def check_jax(chosen):
    """XLA on CPU flushes subnormals: so does the interpreter here, and nothing else differs."""
    for formula, got, x in jax_results(chosen):
        expected = evaluate(formula.program, formula.numbers, x, formula.fmt, flush=True)
        assert_same(formula, flushed(got, formula.fmt).astype(got.dtype), flushed(expected, formula.fmt), x)


def test_jax_gives_the_interpreters_bits_under_jit():
    check_jax(formulas()[:28])


@pytest.mark.slow
def test_jax_gives_the_interpreters_bits_for_all_programs():
    check_jax(formulas())
