"""Exported Triton without a GPU: its interpreter gives the bits, its compiler only rounds once."""

import ast
import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.exports.export import write
from evo.library.shelf import formula_of, rows
from exported import assert_same, formulas, inputs_of, wanted
from test_exports_full import CASES, full

KNOWN = find_spec("triton") and find_spec("torch")
needs_triton = pytest.mark.skipif(
    not KNOWN or tuple(map(int, version("triton").split(".")[:2])) < (3, 9),
    reason="needs torch, and triton 3.9, whose interpreter rounds an fma once",
)

SOME = 9
"""One input of so many: the interpreter is slow."""


def shipped():
    return [formula_of(point) for row in rows() for point in row.points]


def whole():
    return [*shipped(), *(full(*case, fused) for case in CASES for fused in (False, True))]


def run(*words, **environment):
    """tests/triton_results.py in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("triton_results.py")), *map(str, words)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("chosen", [formulas, shipped])
def test_every_function_is_a_jitted_one_that_python_reads(chosen):
    tree = ast.parse(write(chosen(), "triton"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for formula in chosen():
        for name in (formula.name, f"{formula.name}_kernel", *(core.core_name for core in formula.cores)):
            assert [ast.unparse(d) for d in functions[name].decorator_list] == ["triton.jit"]
        launched = ast.unparse(functions[f"{formula.name}_array"])
        assert "**OPTIONS" in launched
    assert 'OPTIONS = {"enable_fp_fusion": False}' in write(chosen(), "triton")


@needs_triton
@pytest.mark.parametrize("chosen", [formulas, whole])
def test_tritons_interpreter_gives_the_interpreters_bits(chosen, tmp_path):
    (tmp_path / "made.py").write_text(write(chosen(), "triton"))
    np.savez(tmp_path / "in.npz", **{f.name: inputs_of(f)[::SOME] for f in chosen()})
    run("results", tmp_path / "made.py", tmp_path / "in.npz", tmp_path / "out.npz", TRITON_INTERPRET="1")
    found = np.load(tmp_path / "out.npz")
    for formula in chosen():
        assert_same(formula, found[formula.name], wanted(formula)[::SOME], inputs_of(formula)[::SOME])


@needs_triton
def test_code_for_gpus_rounds_every_operation_once(tmp_path):
    (tmp_path / "made.py").write_text(write(whole(), "triton"))
    words = json.loads(run("products", tmp_path / "made.py", TRITON_CACHE_DIR=str(tmp_path / "cache")))
    assert {"fma.rn.f32", "fma.rn.f64", "mul.rn.f32", "div.rn.f32"} <= set(words)
    assert all(".rn." in word for word in words)


USE = """
import torch, triton, triton.language as tl
from evo.library import triton as fast, numpy as known
x = torch.linspace(-9, 9, 3001).to(torch.float16)
assert (fast.exp2(x).numpy() == known.exp2(x.numpy())).all()
assert fast.exp2(x).dtype == torch.float16
exp2 = fast.device("exp2", ulp=2)

@triton.jit
def doubled(x, y, n: tl.constexpr):
    i = tl.arange(0, n)
    tl.store(y + i, 2 * exp2(tl.load(x + i)))

v = torch.linspace(-3, 3, 64)
y = torch.empty_like(v)
doubled[(1,)](v, y, 64, enable_fp_fusion=False)
assert (y.numpy() == 2 * known.exp2(v.numpy(), ulp=2)).all()
try:
    fast.exp2(v.requires_grad_())
except fast.GradientError as error:
    print(error)
"""


@needs_triton
def test_the_library_has_functions_of_tensors_and_of_kernels(tmp_path):
    (tmp_path / "use.py").write_text(USE)
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "use.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "no gradient" in done.stdout


def test_the_library_is_one_module(tmp_path):
    done = CliRunner().invoke(app, ["library", "--to", "triton", "--output", str(tmp_path / "evomath.py")])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "evomath.py").read_text()
    assert all(f"def {f.name}(x):" in text for f in shipped())
