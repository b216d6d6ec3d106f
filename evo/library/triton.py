"""Shipped functions on PyTorch tensors by Triton, and as device functions of Triton kernels.

    from evo.library import triton as fast
    y = fast.exp2(x)                                    # x: a tensor; its type is the format
    exp2 = fast.device("exp2", "bfloat16", ulp=1)       # in a kernel: exp2(v), v in float32

The kernels here are launched without contraction, which gives the other exports' bits; own kernels get these,
too, with enable_fp_fusion=False.
"""

from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]

from evo.errors import EvonumError
from evo.exports.formula import Formula
from evo.library.arrays import Function, Module, attribute, exported, names
from evo.library.shelf import ANY, find, formula_of


class GradientError(EvonumError, RuntimeError):
    """A tensor that wants a gradient; one line."""


def device(name: str, dtype: str = "float32", ulp: float | None = None, platform: str = ANY) -> Any:
    """The @triton.jit function of a float32 value; a result for 16 bits is rounded by whoever stores it.

    Args:
        platform: "nvidia" for functions by instructions that NVIDIA's GPUs have alone.

    Raises:
        ShelfError: not shipped in this format, or not so accurate.
    """
    point = find(name, dtype, platform).point(ulp)
    return exported(point, "triton")[formula_of(point).name]


def _launched(module: Module, formula: Formula) -> Any:
    call = module[f"{formula.name}_array"]

    def function(x: Any) -> Any:
        if x.requires_grad and torch.is_grad_enabled():
            raise GradientError(f"{formula.name} has no gradient: call it under torch.no_grad().")
        return call(x)

    return function


def __getattr__(name: str) -> Function:
    return attribute(__name__, name, "triton", torch.as_tensor, _launched)


def __dir__() -> Any:
    return names()
