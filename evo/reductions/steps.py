"""The operations of range reductions' steps: ops, and rows on bits and comparisons that programs do not have.

To add one, add a row; tests/test_steps.py asks it for its meaning and its words.
"""

from collections.abc import Mapping

from evo.programs.operation import BITS, STEP_LANGUAGES, Operation
from evo.programs.ops import OPS


def _words(default: str, **words: str) -> Mapping[str, str]:
    """`Operation.printed`: one template for all languages, and those that differ."""
    return dict.fromkeys(STEP_LANGUAGES, default) | words


STEPS: tuple[Operation, ...] = (
    Operation("atleast", "ff", lambda m, a, b: m.where(a < b, b, a), arithmetic=False, printed=_words(
        "{a} < {b} ? {b} : {a}", rust="if {a} < {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} < {b}, {b}, {a})", jax="jnp.where({a} < {b}, {b}, {a})",
    )),
    Operation("atmost", "ff", lambda m, a, b: m.where(a > b, b, a), arithmetic=False, printed=_words(
        "{a} > {b} ? {b} : {a}", rust="if {a} > {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} > {b}, {b}, {a})", jax="jnp.where({a} > {b}, {b}, {a})",
    )),
    Operation("floor", "f", lambda m, a: m.floor(a), printed=_words(
        "floor{f}({a})", rust="{a}.floor()", numpy="np.floor({a})", jax="jnp.floor({a})",
    )),
    Operation("bits", "f", lambda m, a: m.bits(a), gives=BITS, arithmetic=False, printed=_words(
        "{name}_bits({a})", rust="{a}.to_bits()", numpy="np.asarray({a}).view(np.uint{n})",
        jax="lax.bitcast_convert_type({a}, jnp.uint{n})",
    )),
    Operation("float", "b", lambda m, a: m.float(a), arithmetic=False, printed=_words(
        "{name}_float({a})", rust="f{n}::from_bits({a})", numpy="({a}).view(np.float{n})",
        jax="lax.bitcast_convert_type({a}, jnp.float{n})",
    )),
    Operation("plus", "bb", lambda m, a, b: a + b, gives=BITS, arithmetic=False, printed=_words(
        "{a} + {b}", rust="{a}.wrapping_add({b})",
    )),
    Operation("minus", "bb", lambda m, a, b: a - b, gives=BITS, arithmetic=False, printed=_words(
        "{a} - {b}", rust="{a}.wrapping_sub({b})",
    )),
    Operation("half", "b", lambda m, a: a >> m.one, gives=BITS, arithmetic=False, printed=_words(
        "{a} >> 1", numpy="{a} >> np.uint{n}(1)",
    )),
    Operation("lift", "b", lambda m, a: a << m.stored, gives=BITS, arithmetic=False, printed=_words(
        "{a} << {s}",
    )),
    Operation("power", "b", lambda m, a: m.float(a << m.stored), arithmetic=False, printed=_words(
        "{name}_float({a} << {s})", rust="f{n}::from_bits({a} << {s})",
        numpy="({a} << np.uint{n}({s})).view(np.float{n})",
        jax="lax.bitcast_convert_type({a} << {s}, jnp.float{n})",
    )),
    Operation("core", "f", lambda m, a: m.core(a), printed=_words("{name}_core({a})")),
)  # fmt: skip
"""What steps have besides `OPS`. `power` makes 2^(a - bias) of the exponent bits a; `lift` puts a there."""

BY_NAME: dict[str, Operation] = {row.name: row for row in (*OPS, *STEPS)}
"""Every operation of steps."""

Step = tuple[str, str, tuple[str, ...]]
"""Name of the value, operation, operands: x, an earlier value, or a constant (upper case)."""
