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
