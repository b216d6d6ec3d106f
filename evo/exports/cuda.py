"""CUDA device functions: intrinsics that round once and are never contracted, whatever the flags but -ftz.

Sums, products and multiply-adds are __fadd_rn, __fmul_rn, __fmaf_rn and their like, quotients and roots
__fdiv_rn and __fsqrt_rn, so that -fmad, -prec-div, -prec-sqrt and all of -use_fast_math but its -ftz=true
change no bit. A function on all floats whose usual inputs take fewer steps tries those first: threads of a
warp that all agree, as they nearly always do, skip the rest; EVONUM_WHOLE turns that off. Of lgamma and
tgamma numbers beyond the last border of their pieces are usual: neighbours have to be alike there. Quotients
and roots that are far from the ends of the format are made there of an approximation and multiply-adds, which
round them correctly: a third of the time that __fdiv_rn and __fsqrt_rn take.

Source: P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, IBM J. Res.
Dev. 34 (1990).
"""

from collections.abc import Iterable, Sequence

from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.exports.languages import CUDA, letters
from evo.exports.steps import INDENT, core_constants, core_lines, step_constants, step_lines
from evo.exports.usual import near, quick
from evo.programs.operation import BITS
from evo.reductions.steps import Step, find_step
from evo.reductions.usual import Usual

NEEDS = (
    "nvcc or nvrtc with -ftz=false (the default); intrinsics round once, so that -fmad, -prec-div and"
    " -prec-sqrt change nothing"
)
_START = "static __device__ __forceinline__"
_CASTS = {
    64: ("double_as_longlong", "longlong_as_double"),
    32: ("float_as_uint", "uint_as_float"),
}
"""CUDA's own casts of floats to bits and back, by bits."""


_HEAD = """
#pragma once
#if defined(__CUDA_FTZ) && __CUDA_FTZ && !defined(EVONUM_FLUSHED)
#error "-ftz=true loses subnormal numbers: compile with -ftz=false, or define EVONUM_FLUSHED to do without."
#endif""".splitlines()

_APPROXIMATE = f"""
#ifndef EVONUM_APPROXIMATE
#define EVONUM_APPROXIMATE
{_START} float evonum_rcp_approx(float a) {{
    float b;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(b) : "f"(a));
    return b;
}}

{_START} float evonum_rsqrt_approx(float a) {{
    float b;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(b) : "f"(a));
    return b;
}}
#endif""".splitlines()
"""Of which quotients and roots are made."""

_INSTRUCTIONS = f"""
{_START} float evonum_ex2_approx(float a) {{
    float b;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(b) : "f"(a));
    return b;
}}

{_START} float evonum_fma_sat(float a, float b, float c) {{
    float d;
    asm("fma.rn.sat.f32 %0, %1, %2, %3;" : "=f"(d) : "f"(a), "f"(b), "f"(c));
    return d;
}}

{_START} float evonum_lg2_approx(float a) {{
    float b;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(b) : "f"(a));
    return b;
}}

{_START} float evonum_higher(float a, float b) {{
    float c;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
}}

{_START} float evonum_lower(float a, float b) {{
    float c;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
}}""".strip().splitlines()
"""Further instructions that functions for NVIDIA's GPUs alone are made of."""


_QUICK = """
#ifndef EVONUM_QUICK
#define EVONUM_QUICK
static __device__ __forceinline__ float evonum_reciprocalf(float a) {
    const float near = evonum_rcp_approx(a);
    return __fmaf_rn(near, __fmaf_rn(-a, near, 1.0f), near);
}
static __device__ __forceinline__ float evonum_quotientf(float a, float b) {
    const float r = evonum_reciprocalf(b);
    const float q = __fmul_rn(a, r);
    return __fmaf_rn(r, __fmaf_rn(-b, q, a), q);
}
static __device__ __forceinline__ float evonum_rootf(float a) {
    const float r = evonum_rsqrt_approx(a);
    const float q = __fmul_rn(a, r);
    return __fmaf_rn(__fmul_rn(0.5f, r), __fmaf_rn(-q, q, a), q);
}
#endif""".splitlines()
"""Correctly rounded where operands and results are far from the ends of float32."""


def render(formulas: Sequence[Formula]) -> str:
    """Device functions, each with a kernel over an array (none with EVONUM_DEVICE_ONLY)."""
    lines = [*comment_block(formulas, NEEDS), *_HEAD, *_APPROXIMATE, *_QUICK]
    if any(f.reduction and f.reduction.only for f in formulas):
        lines += ["", *_INSTRUCTIONS]
    for formula in formulas:
        lines += [
            "",
            *(line for core in formula.cores for line in _core(core)),
            *(_full(formula) if formula.reduction else ()),
        ]
    kernels = [line for formula in formulas for line in _kernel(formula)]
    return "\n".join([*lines, "", "#ifndef EVONUM_DEVICE_ONLY", *kernels, "#endif", ""])


def _kernel(formula: Formula) -> list[str]:
    t = CUDA.type(formula.fmt)
    return [
        f'extern "C" __global__ void {formula.name}_array(size_t n, const {t} *x, {t} *y) {{',
        "    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;",
        f"    if (i < n) y[i] = {formula.name}(x[i]);",
        "}",
    ]


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
    reduction, fmt, name = formula.reduction, formula.fmt, formula.name
    assert reduction is not None
    t, u = CUDA.type(fmt), CUDA.type(fmt, BITS)
    to_bits, to_float = _CASTS[fmt.bits]
    lines = [
        "",
        f"{_START} {u} {name}_bits({t} a) {{ return __{to_bits}(a); }}",
        f"{_START} {t} {name}_float({u} a) {{ return __{to_float}(a); }}",
        "",
    ]
    found = quick(formula)
    if found is None:
        return [*lines, *_stepwise(formula, name, reduction.steps)]
    return [
        *lines,
        *_stepwise(near(formula, found), f"{name}_usual", found.reduction.steps),
        "",
        *_stepwise(formula, name, reduction.steps, f"if ({_usual(formula, found)}) return {name}_usual(x);"),
    ]


def _usual(formula: Formula, found: Usual) -> str:
    """Whether x is; NaN is not."""
    fmt = formula.fmt
    size = find_step("size").write("cuda", ("x",), letters(fmt))
    tests = [f"{size} <= {CUDA.number(found.hi, fmt)}"]
    if not found.symmetric:
        tests = [f"x >= {CUDA.number(found.lo, fmt)}", f"x <= {CUDA.number(found.hi, fmt)}"]
    if found.least:
        tests.append(f"{size} >= {CUDA.number(found.least, fmt)}")
    return " && ".join(tests)


def _stepwise(formula: Formula, function: str, steps: Iterable[Step], first: str = "") -> list[str]:
    """A function of x by steps of evo/reductions/reduction.py, after a line of its own."""
    t, steps = CUDA.type(formula.fmt), list(steps)
    return [
        f"{_START} {t} {function}({t} x) {{",
        *(["#ifndef EVONUM_WHOLE", f"{INDENT}{first}", "#endif"] if first else []),
        *step_constants(formula, CUDA, steps),
        *step_lines(formula, CUDA, steps, formula.name),
        "    return result;",
        "}",
    ]
