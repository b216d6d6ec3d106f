"""The primitives of range reductions: one row each, with what it means and how every language writes it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from evo.programs.ops import BY_TEXT


class Primitive(NamedTuple):
    """One step's operation.

    Attributes:
        kind: of the result, "float" or "bits".
        meaning: on NumPy arrays of a format: `meaning(fmt, *operands)`.
        printed: template by language; {a}, {b} operands, {f} C's letter, {n} the bits of the format.
    """

    kind: str
    meaning: Callable[..., Any]
    printed: Mapping[str, str]


def _op(name: str) -> Primitive:
    """The same as the op of that name."""
    row = BY_TEXT[name]
    words = {language: row.template(language) for language in ("c", "cuda", "rust", "numpy", "jax")}
    return Primitive("float", lambda fmt, a, b: row.real(np, a, b), words)


def _same(text: str, **words: str) -> dict[str, str]:
    return dict.fromkeys(("c", "cuda", "rust", "numpy", "jax"), text) | words


PRIMITIVES: dict[str, Primitive] = {
    "add": _op("add"),
    "sub": _op("sub"),
    "mul": _op("mul"),
    "atleast": Primitive("float", lambda fmt, a, b: np.where(a < b, b, a), _same(
        "{a} < {b} ? {b} : {a}", rust="if {a} < {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} < {b}, {b}, {a})", jax="jnp.where({a} < {b}, {b}, {a})",
    )),
    "atmost": Primitive("float", lambda fmt, a, b: np.where(a > b, b, a), _same(
        "{a} > {b} ? {b} : {a}", rust="if {a} > {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} > {b}, {b}, {a})", jax="jnp.where({a} > {b}, {b}, {a})",
    )),
    "floor": Primitive("float", lambda fmt, a: np.floor(a), _same(
        "floor{f}({a})", rust="{a}.floor()", numpy="np.floor({a})", jax="jnp.floor({a})"
    )),
    "bits": Primitive("bits", lambda fmt, a: np.asarray(a, fmt.type).view(fmt.unsigned), {
        "c": "{name}_bits({a})", "cuda": "{name}_bits({a})", "rust": "{a}.to_bits()",
        "numpy": "np.asarray({a}).view(np.uint{n})", "jax": "lax.bitcast_convert_type({a}, jnp.uint{n})",
    }),
    "minus": Primitive("bits", lambda fmt, a, b: a - b, _same("{a} - {b}", rust="{a}.wrapping_sub({b})")),
    "half": Primitive("bits", lambda fmt, a: a >> fmt.unsigned(1), _same(
        "{a} >> 1", numpy="{a} >> np.uint{n}(1)"
    )),
    "power": Primitive("float", lambda fmt, a: (a << fmt.unsigned(fmt.digits - 1)).view(fmt.type), {
        "c": "{name}_float({a} << {s})", "cuda": "{name}_float({a} << {s})",
        "rust": "f{n}::from_bits({a} << {s})", "numpy": "({a} << np.uint{n}({s})).view(np.float{n})",
        "jax": "lax.bitcast_convert_type({a} << {s}, jnp.float{n})",
    }),
    "lift": Primitive("bits", lambda fmt, a: a << fmt.unsigned(fmt.digits - 1), _same("{a} << {s}")),
    "plus": Primitive("bits", lambda fmt, a, b: a + b, _same("{a} + {b}", rust="{a}.wrapping_add({b})")),
    "float": Primitive("float", lambda fmt, a: a.view(fmt.type), {
        "c": "{name}_float({a})", "cuda": "{name}_float({a})", "rust": "f{n}::from_bits({a})",
        "numpy": "({a}).view(np.float{n})", "jax": "lax.bitcast_convert_type({a}, jnp.float{n})",
    }),
    "core": Primitive("float", lambda fmt, a: a, _same("{name}_core({a})")),
}  # fmt: skip
"""The operations of steps. `power` makes 2^(a - bias) of the exponent bits a."""

Step = tuple[str, str, tuple[str, ...]]
"""Name of the value, primitive, operands: x, an earlier value, or a constant (upper case)."""
