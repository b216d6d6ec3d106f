"""Exported CUDA without a GPU: NVIDIA's compiler takes it, and its words emulated in C give the bits."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.exports.export import write
from evo.exports.languages import CUDA
from evo.library.shelf import formula_of, rows
from evo.numbers.formats import FLOAT_FORMATS
from evo.reductions.table import REDUCTIONS
from exported import assert_wanted, call, compiled, formulas, inputs_of
from test_cuda_sources import errors
from test_exports_bits import tool
from test_exports_full import CASES, full

HERE = Path(__file__).parent


def shipped():
    """Every function of the library."""
    return [formula_of(point) for row in rows() for point in row.points]


def emulated(folder, chosen):
    """A shared library of the exported text, its intrinsics by tests/emulate_cuda.h."""
    text = write(chosen, "cuda").replace("#pragma once", "")
    lines = [f'#include "{HERE}/emulate_cuda.h"', text, 'extern "C" {']
    for f in chosen:
        t = CUDA.type(f.fmt)
        lines.append(f"void call_{f.name}(size_t n, const {t} *x, {t} *y)")
        lines.append(f"{{ for (size_t i = 0; i < n; i++) y[i] = {f.name}(x[i]); }}")
    (folder / "all.cpp").write_text("\n".join([*lines, "}", ""]))
    library = folder / "all.so"
    flags = ["-std=c++17", "-O2", "-mfma", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC"]
    return compiled([tool("g++"), *flags, str(folder / "all.cpp"), "-o", str(library), "-lm"], library)


def test_shipped_functions_have_the_interpreters_bits(tmp_path):
    library = emulated(tmp_path, shipped())
    for formula in shipped():
        assert_wanted(formula, call(library, formula, inputs_of(formula)))


def test_functions_on_all_floats_have_the_interpreters_bits_in_both_formats(tmp_path):
    mixed = (False, True, True, False, False, True)
    chosen = [full(*case, fused) for case, fused in zip(CASES, mixed, strict=True)]
    library = emulated(tmp_path, chosen)
    near = write(chosen, "cuda")
    for formula in chosen:
        assert f"{formula.name}_usual(x)" in near
        assert_wanted(formula, call(library, formula, inputs_of(formula)))


def test_programs_of_every_op_have_the_interpreters_bits(tmp_path):
    library = emulated(tmp_path, formulas())
    for formula in formulas():
        assert_wanted(formula, call(library, formula, inputs_of(formula)))


def test_nvidias_compiler_takes_all_of_it():
    assert errors(write(formulas(), "cuda")) == []
    assert errors(write([*shipped(), *(full(*case) for case in CASES)], "cuda")) == []


@pytest.mark.parametrize("dtype", FLOAT_FORMATS)
def test_nvidias_compiler_takes_every_reduction(dtype):
    """Infinities and NaN among the constants, too, for which it has no names."""
    core = full("exp", dtype, True)
    found = []
    for name, ways in REDUCTIONS.items():
        for k, way in enumerate(ways):
            if len(way.cores) == 1:
                found.append(replace(core, name=f"{name}_{k}", reduction=way))
    text = write(found, "cuda")
    assert "NAN" not in text
    assert errors(text) == []


def test_flushing_compilers_are_refused_unless_it_is_meant():
    text = write([full("exp2", "float32")], "cuda")
    assert "subnormal" in errors(text, "-ftz=true")[0]
    assert errors("#define EVONUM_FLUSHED\n" + text, "-ftz=true") == []


def test_the_library_is_one_header_that_others_may_include_twice(tmp_path):
    header = tmp_path / "evomath.cuh"
    done = CliRunner().invoke(app, ["library", "--to", "cuda", "--output", str(header)])
    assert done.exit_code == 0, done.output
    text = header.read_text()
    device = text.partition("#ifndef EVONUM_DEVICE_ONLY")[0]
    assert "__global__" not in device
    assert all(f" {f.name}(float x)" in device for f in shipped())
