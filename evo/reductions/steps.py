"""The operations of range reductions' steps: ops, and rows on bits and comparisons that programs do not have.

To add one, add a row; tests/test_steps.py asks it for its meaning and its words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from evo.programs.operation import BITS, STEP_LANGUAGES, TRUTH, Operation
from evo.programs.ops import OPS


def _words(default: str, **words: str) -> Mapping[str, str]:
    """`Operation.printed`: one template for all languages, and those that differ."""
    return dict.fromkeys(STEP_LANGUAGES, default) | words


FMA = next(op for op in OPS if op.name == "fma")
STEPS: tuple[Operation, ...] = (
    Operation("atleast", "ff", lambda m, a, b: m.where(a < b, b, a), arithmetic=False, printed=_words(
        "{a} < {b} ? {b} : {a}", rust="if {a} < {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} < {b}, {b}, {a})", jax="jnp.where({a} < {b}, {b}, {a})",
        avx512="_mm512_max_{p}({b}, {a})", triton="tl.where({a} < {b}, {b}, {a})",
    )),
    Operation("atmost", "ff", lambda m, a, b: m.where(a > b, b, a), arithmetic=False, printed=_words(
        "{a} > {b} ? {b} : {a}", rust="if {a} > {b} {{ {b} }} else {{ {a} }}",
        numpy="np.where({a} > {b}, {b}, {a})", jax="jnp.where({a} > {b}, {b}, {a})",
        avx512="_mm512_min_{p}({b}, {a})", triton="tl.where({a} > {b}, {b}, {a})",
    )),
    Operation("below", "ff", lambda m, a, b: a < b, gives=TRUTH, arithmetic=False, printed=_words(
        "{a} < {b}", avx512="_mm512_cmp_{p}_mask({a}, {b}, _CMP_LT_OQ)",
    )),
    Operation("odd", "b", lambda m, a: (a & m.one) != 0, gives=TRUTH, arithmetic=False, printed=_words(
        "({a} & 1) != 0", avx512="_mm512_test_epi{n}_mask({a}, _mm512_set1_epi{n}(1))",
        numpy="({a} & np.uint{n}(1)) != 0",
    )),
    Operation("less", "bb", lambda m, a, b: a < b, gives=TRUTH, arithmetic=False, printed=_words(
        "{a} < {b}", avx512="_mm512_cmplt_epu{n}_mask({a}, {b})",
    )),
    Operation("choose", "tff", lambda m, a, b, c: m.where(a, b, c), arithmetic=False, printed=_words(
        "{a} ? {b} : {c}", rust="if {a} {{ {b} }} else {{ {c} }}",
        numpy="np.where({a}, {b}, {c})", jax="jnp.where({a}, {b}, {c})",
        avx512="_mm512_mask_blend_{p}({a}, {c}, {b})", triton="tl.where({a}, {b}, {c})",
    )),
    Operation("size", "f", lambda m, a: m.size(a), arithmetic=False, printed=_words(
        "fabs{f}({a})", rust="{a}.abs()", numpy="np.abs({a})", jax="jnp.abs({a})",
        avx512="_mm512_abs_{p}({a})", triton="tl.abs({a})",
    )),
    Operation("floor", "f", lambda m, a: m.floor(a), printed=_words(
        "floor{f}({a})", rust="{a}.floor()", numpy="np.floor({a})", jax="jnp.floor({a})",
        avx512="_mm512_roundscale_{p}({a}, 9)", triton="tl.floor({a})",
    )),
    Operation("bits", "f", lambda m, a: m.bits(a), gives=BITS, arithmetic=False, printed=_words(
        "{name}_bits({a})", rust="{a}.to_bits()", numpy="np.asarray({a}).view(np.uint{n})",
        jax="lax.bitcast_convert_type({a}, jnp.uint{n})", avx512="_mm512_cast{p}_si512({a})",
        triton="({a}).to(tl.uint{n}, bitcast=True)",
    )),
    Operation("float", "b", lambda m, a: m.float(a), arithmetic=False, printed=_words(
        "{name}_float({a})", rust="f{n}::from_bits({a})", numpy="({a}).view(np.float{n})",
        jax="lax.bitcast_convert_type({a}, jnp.float{n})", avx512="_mm512_castsi512_{p}({a})",
        triton="({a}).to(tl.float{n}, bitcast=True)",
    )),
    Operation("plus", "bb", lambda m, a, b: a + b, gives=BITS, arithmetic=False, printed=_words(
        "{a} + {b}", rust="{a}.wrapping_add({b})", avx512="_mm512_add_epi{n}({a}, {b})",
    )),
    Operation("minus", "bb", lambda m, a, b: a - b, gives=BITS, arithmetic=False, printed=_words(
        "{a} - {b}", rust="{a}.wrapping_sub({b})", avx512="_mm512_sub_epi{n}({a}, {b})",
    )),
    Operation("flip", "bb", lambda m, a, b: a ^ b, gives=BITS, arithmetic=False, printed=_words(
        "{a} ^ {b}", avx512="_mm512_xor_si512({a}, {b})",
    )),
    Operation("half", "b", lambda m, a: a >> m.one, gives=BITS, arithmetic=False, printed=_words(
        "{a} >> 1", numpy="{a} >> np.uint{n}(1)", avx512="_mm512_srli_epi{n}({a}, 1)",
    )),
    Operation("lift", "b", lambda m, a: a << m.stored, gives=BITS, arithmetic=False, printed=_words(
        "{a} << {s}", avx512="_mm512_slli_epi{n}({a}, {s})",
    )),
    Operation("sink", "b", lambda m, a: m.sink(a), gives=BITS, arithmetic=False, printed=_words(
        "(uint{n}_t)((int{n}_t){a} >> {s})", rust="((({a}) as i{n}) >> {s}) as u{n}",
        cuda="({u})(({i}){a} >> {s})",
        numpy="(({a}).view(np.int{n}) >> np.int{n}({s})).view(np.uint{n})",
        jax="lax.bitcast_convert_type(lax.bitcast_convert_type({a}, jnp.int{n}) >> {s}, jnp.uint{n})",
        avx512="_mm512_srai_epi{n}({a}, {s})",
        triton="(({a}).to(tl.int{n}, bitcast=True) >> {s}).to(tl.uint{n}, bitcast=True)",
    )),
    Operation("sign", "b", lambda m, a: a << m.top, gives=BITS, arithmetic=False, printed=_words(
        "{a} << ({n} - 1)", numpy="{a} << np.uint{n}({n} - 1)", avx512="_mm512_slli_epi{n}({a}, {n} - 1)",
    )),
    Operation("count", "b", lambda m, a: m.count(a), arithmetic=False, printed=_words(
        "({t})(int{n}_t){a}", rust="(({a}) as i{n}) as f{n}", cuda="({t})({i}){a}",
        numpy="({a}).view(np.int{n}).astype(np.float{n})",
        jax="lax.bitcast_convert_type({a}, jnp.int{n}).astype(jnp.float{n})",
        avx512="_mm512_cvtepi{n}_{p}({a})", triton="({a}).to(tl.int{n}, bitcast=True).to(tl.float{n})",
    )),
    Operation("power", "b", lambda m, a: m.float(a << m.stored), arithmetic=False, printed=_words(
        "{name}_float({a} << {s})", rust="f{n}::from_bits({a} << {s})",
        numpy="({a} << np.uint{n}({s})).view(np.float{n})",
        jax="lax.bitcast_convert_type({a} << {s}, jnp.float{n})",
        avx512="_mm512_castsi512_{p}(_mm512_slli_epi{n}({a}, {s}))",
        triton="({a} << {s}).to(tl.float{n}, bitcast=True)",
    )),
    Operation("residual", "fff", lambda m, a, b, c: m.fma(a, b, c), printed={
        **FMA.printed, "jax": "residual({a}, {b}, {c})",
    }),
    Operation("core", "f", lambda m, a: m.core(a), printed=_words("{name}_{core}({a})")),
)  # fmt: skip
"""What steps have besides `OPS`.

`power` makes 2^(a - bias) of the exponent bits a; `lift` puts a there; `sink` gets them, signed; `count`
makes a number of a signed integer; `sign` puts the lowest bit at the sign's place. `residual` is the fma that
gives what a rounded product has lost, or is more than a number near it: XLA, which has no fma, takes products
for it that are exact.
"""


FREE = ("bits", "float")
"""Steps that change how bits are read, which takes no time in vectors."""


def _vector(avx512: str, numpy: str) -> Mapping[str, str]:
    return {"avx512": avx512, "numpy": numpy}


VECTOR_STEPS: tuple[Operation, ...] = (
    Operation("nearest", "f", lambda m, a: m.nearest(a), printed=_vector(
        "_mm512_roundscale_{p}({a}, 8)", "np.rint({a})",
    )),
    Operation("apart", "f", lambda m, a: m.apart(a), printed=_vector(
        "_mm512_reduce_{p}({a}, 8)", "np.where(np.isinf({a}), np.float{n}(0), {a} - np.rint({a}))",
    )),
    Operation("scale", "ff", lambda m, a, b: m.scale(a, b), printed=_vector(
        "_mm512_scalef_{p}({a}, {b})",
        "np.where(np.isnan({b}), {b}, np.ldexp({a}, np.clip(np.nan_to_num(np.floor({b})), -9999, 9999)"
        ".astype(np.int32)))",
    )),
    Operation("exponent", "f", lambda m, a: m.exponent(a), printed=_vector(
        "_mm512_getexp_{p}({a})",
        "np.where(np.isfinite({a}) & ({a} != 0), (np.frexp({a})[1] - 1).astype(np.float{n}),"
        " np.where({a} == 0, -np.float{n}(np.inf), np.abs({a})))",
    )),
    Operation("significand", "f", lambda m, a: m.significand(a), printed=_vector(
        "_mm512_getmant_{p}({a}, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan)",
        "np.where({a} < 0, np.float{n}(np.nan), np.where((({a}) == 0) | np.isinf({a}), np.float{n}(1),"
        " np.frexp({a})[0] * np.where(np.frexp({a})[0] < 0.75, np.float{n}(2), np.float{n}(1))))",
    )),
    Operation("ends", "ff", lambda m, a, b: m.ends(a, b), printed=_vector(
        "_mm512_fixupimm_{p}({a}, {b}, _mm512_set1_epi{n}(0x500400), 0)",
        "np.where({b} == 0, -np.float{n}(np.inf), np.where(np.isposinf({b}), {b}, {a}))",
    )),
)  # fmt: skip
"""Single instructions of AVX-512, of which `Reduction.vector` is made.

Of the other languages NumPy has words, so that a test can ask for their meaning. `apart` is x less the
integer nearest, 0 at infinity; `scale` multiplies by 2^floor(b); `exponent` is floor(log2 |a|), and
`significand` a 2^-k in [3/4, 3/2), NaN where a is negative; `ends` is a but where b is 0 (-infinity) or
infinity.
"""

GPU_STEPS: tuple[Operation, ...] = (
    Operation("quick_div", "ff", lambda m, a, b: a / b, printed={
        "cuda": "evonum_quotient{f}({a}, {b})", "numpy": "{a} / {b}",
    }),
    Operation("quick_rcp", "f", lambda m, a: 1 / a, printed={
        "cuda": "evonum_reciprocal{f}({a})", "numpy": "1 / {a}",
    }),
    Operation("quick_sqrt", "f", lambda m, a: m.sqrt(a), printed={
        "cuda": "evonum_root{f}({a})", "numpy": "np.sqrt({a})",
    }),
)  # fmt: skip
"""The bits of `div`, `rcp` and `sqrt` far from the ends of the format, by a GPU's approximations."""


def _on_nvidia(name: str, takes: str, meaning: Callable[..., Any], arithmetic: bool = True) -> Operation:
    """A row whose word in each language is a function that the export carries along."""
    call = f"evonum_{name}({', '.join(f'{{{letter}}}' for letter in 'abc'[: len(takes)])})"
    return Operation(
        name, takes, meaning, arithmetic=arithmetic, printed=dict.fromkeys(("c", "cuda", "triton"), call)
    )


NVIDIA_STEPS: tuple[Operation, ...] = (
    _on_nvidia("rcp_approx", "f", lambda m, a: m.rcp_approx(a)),
    _on_nvidia("rsqrt_approx", "f", lambda m, a: m.rsqrt_approx(a)),
    _on_nvidia("ex2_approx", "f", lambda m, a: m.ex2_approx(a)),
    _on_nvidia("fma_sat", "fff", lambda m, a, b, c: m.fma_sat(a, b, c)),
    _on_nvidia("lg2_approx", "f", lambda m, a: m.lg2_approx(a)),
    _on_nvidia("lower", "ff", lambda m, a, b: m.where(a > b, b, a), arithmetic=False),
    _on_nvidia("higher", "ff", lambda m, a, b: m.where(a < b, b, a), arithmetic=False),
)
"""Single instructions of NVIDIA's GPUs in float32, of which evo/reductions/nvidia.py is made.

Four are approximate, and mean what a GPU gave (evo/numbers/approximate.py); `fma_sat` rounds once and keeps
its result in [0, 1], 0 for NaN; `higher` and `lower` are the larger and the smaller number, NaN if one is,
where `atleast` and `atmost` take two instructions (of zeros either: rows take them where that makes no
difference). C has words for all of them for checks alone (evo/exports/emulation.py).
"""

BY_NAME: dict[str, Operation] = {
    row.name: row for row in (*OPS, *STEPS, *VECTOR_STEPS, *GPU_STEPS, *NVIDIA_STEPS)
}
"""Every operation of steps."""

Step = tuple[str, str, tuple[str, ...]]
"""Name of the value, operation, operands: x, an earlier value, or a constant (upper case)."""


def find_step(operation: str) -> Operation:
    """The row of a step's operation; of `core.NAME` that of `core`."""
    return BY_NAME[operation.partition(".")[0]]
