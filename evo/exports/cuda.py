"""CUDA device functions: intrinsics that round once and are never contracted, whatever the flags but -ftz."""

from collections.abc import Sequence

from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.exports.languages import CUDA
from evo.exports.steps import core_constants, core_lines, step_constants, step_lines
from evo.programs.operation import BITS

NEEDS = "nvcc or nvrtc with -ftz=false (the default); -fmad and -prec-div do not matter, intrinsics are used"
_START = "static __device__ __forceinline__"
_CASTS = {
    64: ("double_as_longlong", "longlong_as_double"),
    32: ("float_as_uint", "uint_as_float"),
}
"""CUDA's own casts of floats to bits and back, by bits."""


def render(formulas: Sequence[Formula]) -> str:
    """Device functions, each with a kernel over an array."""
    lines = comment_block(formulas, NEEDS)
    for formula in formulas:
        t = CUDA.type(formula.fmt)
        lines += [
            "",
            *(line for core in formula.cores for line in _core(core)),
            *(_full(formula) if formula.reduction else ()),
            "",
            f'extern "C" __global__ void {formula.name}_array(size_t n, const {t} *x, {t} *y) {{',
            "    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;",
            f"    if (i < n) y[i] = {formula.name}(x[i]);",
            "}",
        ]
    return "\n".join([*lines, ""])


def _core(formula: Formula) -> list[str]:
    t = CUDA.type(formula.fmt)
    return [
        f"{_START} {t} {formula.core_name}({t} x) {{",
        *core_constants(formula, CUDA),
        *core_lines(formula, CUDA),
        f"    return {formula.result};",
        "}",
    ]


def _full(formula: Formula) -> list[str]:
    assert formula.reduction is not None
    t, u, name = CUDA.type(formula.fmt), CUDA.type(formula.fmt, BITS), formula.name
    to_bits, to_float = _CASTS[formula.fmt.bits]
    steps = formula.reduction.steps
    return [
        "",
        f"{_START} {u} {name}_bits({t} a) {{ return __{to_bits}(a); }}",
        f"{_START} {t} {name}_float({u} a) {{ return __{to_float}(a); }}",
        "",
        f"{_START} {t} {name}({t} x) {{",
        *step_constants(formula, CUDA, steps),
        *step_lines(formula, CUDA, steps, name),
        "    return result;",
        "}",
    ]
