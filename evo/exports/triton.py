"""A Python module of Triton device functions, each with a kernel and a function of PyTorch tensors.

The interpreter's bits on NVIDIA's GPUs where kernels are launched with enable_fp_fusion=False, as those here
are; without it products and sums may round once together. Multiply-adds are tl.fma, quotients and roots those
that round once (evo/exports/triton_runtime.py, carried along).
"""

from collections.abc import Sequence
from pathlib import Path

from evo.exports.comments import comment_block, summary
from evo.exports.formula import Formula
from evo.exports.languages import TRITON
from evo.exports.steps import core_constants, core_lines, step_constants, step_lines

NEEDS = "triton 3 and PyTorch; own kernels take **OPTIONS (enable_fp_fusion=False) for the same bits"
RUNTIME = Path(__file__).with_name("triton_runtime.py")
"""Its first line is for a type checker."""
BLOCK = 1024
"""Elements of a program."""


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions."""
    runtime = RUNTIME.read_text().partition("\n")[2].rstrip()
    runtime = runtime.replace("import triton", "import torch\nimport triton", 1)
    lines = [*comment_block(formulas, NEEDS, "#"), "", runtime]
    for formula in formulas:
        for core in formula.cores:
            body = [*core_constants(core, TRITON), *core_lines(core, TRITON)]
            lines += _function(core, core.core_name, body, core.result)
        if formula.reduction:
            steps = formula.reduction.steps
            body = [
                *step_constants(formula, TRITON, steps),
                *step_lines(formula, TRITON, steps, formula.name),
            ]
            lines += _function(formula, formula.name, body, "result")
        lines += _launched(formula)
    return "\n".join([*lines, ""])


def _function(formula: Formula, name: str, body: Sequence[str], result: str) -> list[str]:
    return [
        *("", "", "@triton.jit"),
        f"def {name}(x):",
        f'    """{summary(formula, name)}"""',
        *body,
        f"    return {result}",
    ]


def _launched(formula: Formula) -> list[str]:
    """The kernel, and what launches it; a load widens, and a store rounds, to the tensor's type."""
    name = formula.name
    return [
        *("", "", "@triton.jit"),
        f"def {name}_kernel(x, y, n, BLOCK: tl.constexpr):",
        f'    """y = {name}(x), of contiguous arrays of n elements."""',
        "    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "    inside = i < n",
        f"    v = tl.load(x + i, mask=inside).to({TRITON.type(formula.fmt)})",
        f"    tl.store(y + i, {name}(v).to(y.dtype.element_ty), mask=inside)",
        *("", ""),
        f"def {name}_array(x):",
        f'    """{name} of a tensor, in its type; no gradient."""',
        "    x = x.contiguous()",
        "    y = torch.empty_like(x)",
        "    if n := x.numel():",
        f"        {name}_kernel[(triton.cdiv(n, {BLOCK}),)](x, y, n, BLOCK={BLOCK}, **OPTIONS)",
        "    return y",
    ]
