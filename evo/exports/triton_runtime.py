# mypy: ignore-errors
"""What exported Triton code needs of float arithmetic: quotients and roots that round once; Triton alone.

Triton's own `/` and `tl.sqrt` are approximate in float32. It contracts products and sums unless a kernel is
launched with enable_fp_fusion=False, which `OPTIONS` says.
"""

import triton
import triton.language as tl

OPTIONS = {"enable_fp_fusion": False}


@triton.jit
def evonum_div(a, b):
    """The quotient, rounded once."""
    return a / b if b.dtype == tl.float64 else tl.div_rn(a, b)


@triton.jit
def evonum_sqrt(a):
    """The square root, rounded once."""
    return tl.sqrt(a) if a.dtype == tl.float64 else tl.sqrt_rn(a)


@triton.jit
def evonum_rcp_approx(a):
    """About 1/a: one instruction."""
    return tl.inline_asm_elementwise(
        "rcp.approx.ftz.f32 $0, $1;", "=f,f", [a], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_rsqrt_approx(a):
    """About 1/sqrt(a): one instruction."""
    return tl.inline_asm_elementwise(
        "rsqrt.approx.ftz.f32 $0, $1;", "=f,f", [a], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_ex2_approx(a):
    """About 2^a: one instruction."""
    return tl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=f,f", [a], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_fma_sat(a, b, c):
    """The multiply-add, rounded once, in [0, 1]: one instruction."""
    return tl.inline_asm_elementwise(
        "fma.rn.sat.f32 $0, $1, $2, $3;", "=f,f,f,f", [a, b, c], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_higher(a, b):
    """The larger number, NaN if one is: one instruction."""
    return tl.inline_asm_elementwise(
        "max.NaN.f32 $0, $1, $2;", "=f,f,f", [a, b], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_lower(a, b):
    """The smaller number, NaN if one is: one instruction."""
    return tl.inline_asm_elementwise(
        "min.NaN.f32 $0, $1, $2;", "=f,f,f", [a, b], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def evonum_lg2_approx(a):
    """About log2(a): one instruction."""
    return tl.inline_asm_elementwise(
        "lg2.approx.ftz.f32 $0, $1;", "=f,f", [a], dtype=tl.float32, is_pure=True, pack=1
    )
