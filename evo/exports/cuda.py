"""CUDA device functions: intrinsics that round once and are never contracted, whatever the flags but -ftz."""

from collections.abc import Sequence

from evo.exports.c import comment_block, full_lines
from evo.exports.formula import Formula

NEEDS = "nvcc or nvrtc with -ftz=false (the default); -fmad and -prec-div do not matter, intrinsics are used"


def render(formulas: Sequence[Formula]) -> str:
    """Device functions, each with a kernel over an array."""
    lines = comment_block(formulas, NEEDS)
    for formula in formulas:
        t, core = formula.scalar, formula.core_name
        lines += [
            "",
            f"static __device__ __forceinline__ {t} {core}({t} x) {{",
            *(
                f"    const {t} {c} = {n.hex()}{formula.suffix}; // {text}"
                for c, n, text in formula.used_constants()
            ),
            *(f"    const {t} {v} = {text};" for v, text in formula.lines("cuda")),
            f"    return v{len(formula.program.instructions)};",
            "}",
            *full_lines(formula, "cuda"),
            "",
            f'extern "C" __global__ void {formula.name}_array(size_t n, const {t} *x, {t} *y) {{',
            "    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;",
            f"    if (i < n) y[i] = {formula.name}(x[i]);",
            "}",
        ]
    return "\n".join([*lines, ""])
