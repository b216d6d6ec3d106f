"""The languages of exported code: one row each, with how it names types, writes numbers and defines values.

How a language writes an op stands in the op table, how it writes a step in evo/reductions/steps.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.programs.operation import BITS, FLOAT


@dataclass(frozen=True)
class Language:
    """A row.

    Attributes:
        name: in the tables of ops and steps.
        types: names of the types of a value by kind (FLOAT or BITS) and bits of the format.
        value: definition of a value: a template with {type}, {name} and {text}.
        number: an exact literal of a float.
        whole: a literal of the format's unsigned integers.
        remark: a comment at the end of a line: a template with {text}.
    """

    name: str
    types: Mapping[tuple[str, int], str]
    value: str
    number: Callable[[float, FloatFormat], str]
    whole: Callable[[int, FloatFormat], str]
    remark: str

    def type(self, fmt: FloatFormat, kind: str = FLOAT) -> str:
        """Name of the type of floats, or of their bits."""
        return self.types[kind, fmt.bits]

    def define(self, name: str, text: str, fmt: FloatFormat, kind: str = FLOAT) -> str:
        """The line that gives a value its name."""
        return self.value.format(type=self.type(fmt, kind), name=name, text=text)


def letters(fmt: FloatFormat) -> dict[str, Any]:
    """What templates of ops and of steps say of the format.

    "f" and "d" are C's and CUDA's letters of the type, "n" its bits, "s" the bits below the exponent.
    """
    double = fmt.bits == 64
    return {
        "f": "" if double else "f",
        "d": "d" if double else "f",
        "n": fmt.bits,
        "s": fmt.digits - 1,
    }


def _hexadecimal(value: float, fmt: FloatFormat) -> str:
    return f"{float(value).hex()}{letters(fmt)['f']}"


def _unsigned(value: int, fmt: FloatFormat) -> str:
    return f"{value:#x}u{'ll' if fmt.bits == 64 else ''}"


def _shortest(value: float, fmt: FloatFormat) -> str:
    return f"{fmt.type(value)!s}_f{fmt.bits}"


def _of_module(module: str) -> Callable[[float, FloatFormat], str]:
    """Exact literals of NumPy and JAX scalars: `module` is their name in the file."""
    return lambda value, fmt: f'{module}.float{fmt.bits}(float.fromhex("{float(value).hex()}"))'


def _fixed(value: float, fmt: FloatFormat) -> str:
    """A literal hidden from XLA: it takes reciprocals, drops + 0.0, has x + (c1 + c2) for (x + c1) + c2."""
    return f"fixed({_of_module('jnp')(value, fmt)}, x)"


def _types(f64: str, f32: str, u64: str, u32: str) -> dict[tuple[str, int], str]:
    return {(FLOAT, 64): f64, (FLOAT, 32): f32, (BITS, 64): u64, (BITS, 32): u32}


_C_VALUE = "const {type} {name} = {text};"
C = Language(
    "c", _types("double", "float", "uint64_t", "uint32_t"), _C_VALUE, _hexadecimal, _unsigned, " /* {text} */"
)
CUDA = Language(
    "cuda", _types("double", "float", "unsigned long long", "unsigned int"), _C_VALUE, _hexadecimal,
    _unsigned, " // {text}",
)  # fmt: skip
RUST = Language(
    "rust", _types("f64", "f32", "u64", "u32"), "let {name}: {type} = {text};", _shortest,
    lambda value, fmt: f"{value:#x}", " // {text}",
)  # fmt: skip
NUMPY = Language(
    "numpy", _types("np.float64", "np.float32", "np.uint64", "np.uint32"), "{name} = {text}",
    _of_module("np"), lambda value, fmt: f"np.uint{fmt.bits}({value:#x})", "  # {text}",
)  # fmt: skip
JAX = Language(
    "jax", _types("jnp.float64", "jnp.float32", "jnp.uint64", "jnp.uint32"), "{name} = {text}",
    _fixed, lambda value, fmt: f"jnp.uint{fmt.bits}({value:#x})", "  # {text}",
)  # fmt: skip


def bits(values: np.ndarray, fmt: FloatFormat) -> list[int]:
    """The bits of floats in the format."""
    found: list[int] = np.asarray(values, fmt.type).view(fmt.unsigned).tolist()
    return found
