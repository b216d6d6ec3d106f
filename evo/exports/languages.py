"""The languages of exported code: one row each, with how it names types, writes numbers and defines values.

How a language writes an op stands in the op table, how it writes a step in evo/reductions/steps.py.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.programs.operation import BITS, FLOAT, TRUTH


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

    "f" and "d" are C's and CUDA's letters of the type, "p" those of AVX-512, "t" C's name of it, "i" and "u"
    CUDA's names of integers of its size, "n" its bits, "s" the bits below the exponent.
    """
    double = fmt.bits == 64
    return {
        "f": "" if double else "f",
        "d": "d" if double else "f",
        "p": "pd" if double else "ps",
        "t": "double" if double else "float",
        "i": "long long" if double else "int",
        "u": "unsigned long long" if double else "unsigned int",
        "n": fmt.bits,
        "s": fmt.digits - 1,
    }


def _hexadecimal(value: float, fmt: FloatFormat) -> str:
    if not math.isfinite(value):
        known = "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
        return f"({C.type(fmt)}){known}"
    return f"{float(value).hex()}{letters(fmt)['f']}"


def _of_bits(value: float, fmt: FloatFormat) -> str:
    """CUDA's: NVRTC has no INFINITY and no NAN."""
    if math.isfinite(value):
        return _hexadecimal(value, fmt)
    (pattern,) = bits(np.array([value]), fmt)
    word = "__longlong_as_double" if fmt.bits == 64 else "__uint_as_float"
    return f"{word}({_unsigned(pattern, fmt)})"


def _unsigned(value: int, fmt: FloatFormat) -> str:
    return f"{value:#x}u{'ll' if fmt.bits == 64 else ''}"


def _shortest(value: float, fmt: FloatFormat) -> str:
    if not math.isfinite(value):
        known = "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "NEG_INFINITY"
        return f"f{fmt.bits}::{known}"
    return f"{fmt.type(value)!s}_f{fmt.bits}"


def _of_module(module: str) -> Callable[[float, FloatFormat], str]:
    """Exact literals of NumPy and JAX scalars: `module` is their name in the file."""
    return lambda value, fmt: f'{module}.float{fmt.bits}(float.fromhex("{float(value).hex()}"))'


def _python(value: float) -> str:
    """A Python literal, exact."""
    return repr(float(value)) if math.isfinite(value) else f'float("{value}")'


def _fixed(value: float, fmt: FloatFormat) -> str:
    """A literal hidden from XLA: it takes reciprocals, drops + 0.0, has x + (c1 + c2) for (x + c1) + c2."""
    return f"fixed({_of_module('jnp')(value, fmt)}, x)"


def _types(f64: str, f32: str, u64: str, u32: str, t64: str, t32: str = "") -> dict[tuple[str, int], str]:
    return {
        (FLOAT, 64): f64, (FLOAT, 32): f32, (BITS, 64): u64, (BITS, 32): u32,
        (TRUTH, 64): t64, (TRUTH, 32): t32 or t64,
    }  # fmt: skip


_C_VALUE = "const {type} {name} = {text};"
C = Language(
    "c",
    _types("double", "float", "uint64_t", "uint32_t", "int"),
    _C_VALUE,
    _hexadecimal,
    _unsigned,
    " /* {text} */",
)
AVX512 = Language(
    "avx512", _types("__m512d", "__m512", "__m512i", "__m512i", "__mmask8", "__mmask16"), _C_VALUE,
    lambda value, fmt: f"_mm512_set1_{letters(fmt)['p']}({C.number(value, fmt)})",
    lambda value, fmt: f"_mm512_set1_epi{fmt.bits}((int{fmt.bits}_t){C.whole(value, fmt)})", " /* {text} */",
)  # fmt: skip
CUDA = Language(
    "cuda", _types("double", "float", "unsigned long long", "unsigned int", "bool"), _C_VALUE, _of_bits,
    _unsigned, " // {text}",
)  # fmt: skip
RUST = Language(
    "rust", _types("f64", "f32", "u64", "u32", "bool"), "let {name}: {type} = {text};", _shortest,
    lambda value, fmt: f"{value:#x}", " // {text}",
)  # fmt: skip
NUMPY = Language(
    "numpy", _types("np.float64", "np.float32", "np.uint64", "np.uint32", "np.bool_"), "{name} = {text}",
    _of_module("np"), lambda value, fmt: f"np.uint{fmt.bits}({value:#x})", "  # {text}",
)  # fmt: skip
JAX = Language(
    "jax", _types("jnp.float64", "jnp.float32", "jnp.uint64", "jnp.uint32", "jnp.bool_"), "{name} = {text}",
    _fixed, lambda value, fmt: f"jnp.uint{fmt.bits}({value:#x})", "  # {text}",
)  # fmt: skip
TRITON = Language(
    "triton", _types("tl.float64", "tl.float32", "tl.uint64", "tl.uint32", "tl.int1"), "{name} = {text}",
    lambda value, fmt: f"tl.full((), {_python(value)}, tl.float{fmt.bits})",
    lambda value, fmt: f"tl.full((), {value:#x}, tl.uint{fmt.bits})", "  # {text}",
)  # fmt: skip


def bits(values: np.ndarray, fmt: FloatFormat) -> list[int]:
    """The bits of floats in the format."""
    found: list[int] = np.asarray(values, fmt.type).view(fmt.unsigned).tolist()
    return found
