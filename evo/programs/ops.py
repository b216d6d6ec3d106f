"""The op table: one row holds everything the project knows of an operation.

A row is read by the Python evaluators (`real`), by the compiled kernels (`c`, `partials`), by the fingerprint
(`field`, `field_adjoints`), by the text form (`symbol`) and by the exports (`printed`, `rounded`).
To add an op, add a row: the kernels are generated from this table (evo/kernels/headers.py) and the
tests over it pick the row up.

The C strings see the operands `a`, `b`, `c` and, in the partials, the value `v`. The field strings
see them as elements of the field of p = 2^31 - 1 elements, with `add`, `sub`, `mul`, `neg`, `inv`,
`root` and a scratch element `w` that survives from the value to the adjoints. `inv(0)` and the root
of a non-square fail the draw of x and constants, which is then repeated elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from difflib import get_close_matches

from evo.programs.operation import LANGUAGES, Operation, OpError


@dataclass(frozen=True)
class Op(Operation):
    """One operation of programs; what it shares with steps of range reductions stands in `Operation`.

    Attributes:
        symbol: the infix symbol, or the name again where the text form is a call.
        symmetric: whether the first two operands commute.
        cost: what one use adds to a program's ops.
        c: the value as a C (and CUDA) expression in double arithmetic.
        partials: d value / d operand as C expressions, one per operand.
        field: the value in the prime field.
        field_adjoints: what the operands' adjoints gain in the prime field, `g` being the value's.
        clears: how often a divisor is in the value's denominator, as a C expression of how often it is in
            those of the operands (evo/kernels/clear.h).
        divisor: which operand it divides by, from 0; None if it does not. A zero of that operand is a pole.
        neutral: the second operand that leaves the first as it is, for variation; None where there is none.
    """

    symbol: str
    symmetric: bool
    cost: int
    c: str
    partials: tuple[str, ...]
    field: str
    field_adjoints: tuple[str, ...]
    clears: str
    divisor: int | None = dataclass_field(default=None, kw_only=True)
    neutral: float | None = dataclass_field(default=None, kw_only=True)

    def template(self, language: str) -> str:
        """As `Operation.template`; infix ops have a word for every language."""
        if self.infix and language in LANGUAGES and language not in self.printed:
            return f"({self.symbol} {{a}} {{b}})" if language == "fpcore" else f"{{a}} {self.symbol} {{b}}"
        return super().template(language)

    @property
    def infix(self) -> bool:
        """Whether the text form is `a + b` and not `name(a, b)`."""
        return self.symbol != self.name


def _words(default: str = "", **words: str) -> Mapping[str, str]:
    """`Op.printed`: one template for all languages, and those that differ."""
    return dict.fromkeys(LANGUAGES if default else (), default) | words


OPS: tuple[Op, ...] = (
    Op("add", "ff", lambda m, a, b: a + b,
       "+", True, 1,
       "a + b", ("1.0", "1.0"),
       "add(a, b)", ("g", "g"), "fmax(a, b)",
       printed=_words(
           cuda="__{d}add_rn({a}, {b})", avx512="_mm512_add_{p}({a}, {b})"), neutral=0.0),
    Op("sub", "ff", lambda m, a, b: a - b,
       "-", False, 1,
       "a - b", ("1.0", "-1.0"),
       "sub(a, b)", ("g", "neg(g)"), "fmax(a, b)",
       printed=_words(
           cuda="__{d}sub_rn({a}, {b})", avx512="_mm512_sub_{p}({a}, {b})"), neutral=0.0),
    Op("mul", "ff", lambda m, a, b: a * b,
       "*", True, 1,
       "a * b", ("b", "a"),
       "mul(a, b)", ("mul(g, b)", "mul(g, a)"), "a + b",
       printed=_words(
           cuda="__{d}mul_rn({a}, {b})", avx512="_mm512_mul_{p}({a}, {b})",
           jax="once({a} * {b})", latex=r"{a} \cdot {b}"),
       neutral=1.0),
    Op("div", "ff", lambda m, a, b: a / b,
       "/", False, 1,
       "a / b", ("1.0 / b", "-v * (1.0 / b)"),
       "(w = inv(b), mul(a, w))", ("mul(g, w)", "neg(mul(v, mul(g, w)))"), "fmax(a, b)",
       printed=_words(
           cuda="__{d}div_rn({a}, {b})", avx512="_mm512_div_{p}({a}, {b})",
           jax="once({a} / {b})", triton="evonum_div({a}, {b})", latex=r"\frac{{{a}}}{{{b}}}"),
       divisor=1, neutral=1.0),
    Op("neg", "f", lambda m, a: -a,
       "neg", False, 1,
       "-a", ("-1.0",),
       "neg(a)", ("neg(g)",), "a",
       printed=_words(
           "-{a}", c="evonum_neg{f}({a})", avx512="_mm512_xor_{p}({a}, _mm512_set1_{p}(-0.0))",
           triton="(({a}).to(tl.uint{n}, bitcast=True) ^ 1 << {n} - 1).to(tl.float{n}, bitcast=True)",
           fpcore="(- {a})",
       ), arithmetic=False),
    Op("sqrt", "f", lambda m, a: m.sqrt(a),
       "sqrt", False, 1,
       "sqrt(a)", ("0.5 / v",),
       "root(a)", ("mul(g, inv(add(v, v)))",), "0.5 * a",
       printed=_words(
           "sqrt{f}({a})", cuda="__{d}sqrt_rn({a})", avx512="_mm512_sqrt_{p}({a})",
           rust="{a}.sqrt()", numpy="np.sqrt({a})",
           jax="once(jnp.sqrt({a}))", triton="evonum_sqrt({a})", sympy="sqrt({a})",
           latex=r"\sqrt{{{a}}}", fpcore="(sqrt {a})",
       )),
    Op("fma", "fff", lambda m, a, b, c: a * b + c,
       "fma", True, 1,
       "fma(a, b, c)", ("b", "a", "1.0"),
       "add(mul(a, b), c)", ("mul(g, b)", "mul(g, a)", "g"), "fmax(a + b, c)",
       printed=_words(
           "fma{f}({a}, {b}, {c})", cuda="__fma{f}_rn({a}, {b}, {c})",
           avx512="_mm512_fmadd_{p}({a}, {b}, {c})", rust="{a}.mul_add({b}, {c})",
           numpy="fma({a}, {b}, {c})", jax="fma({a}, {b}, {c})", triton="tl.fma({a}, {b}, {c})",
           sympy="{a} * {b} + {c}", latex=r"{a} \cdot {b} + {c}", fpcore="(fma {a} {b} {c})",
       ), rounded=lambda m, a, b, c: m.fma(a, b, c)),
    Op("rcp", "f", lambda m, a: 1 / a,
       "rcp", False, 1,
       "1.0 / a", ("-v * v",),
       "(w = inv(a))", ("neg(mul(g, mul(w, w)))",), "a",
       printed=_words(
           "1.0 / {a}", c="1.0{f} / {a}", cuda="__{d}rcp_rn({a})",
           avx512="_mm512_div_{p}(_mm512_set1_{p}(1), {a})", jax="once(1.0 / {a})",
           triton="evonum_div(1.0, {a})", sympy="1 / {a}", latex=r"\frac{{1}}{{{a}}}", fpcore="(/ 1 {a})",
       ), divisor=0),
)  # fmt: skip

OPCODE: dict[str, int] = {op.name: code for code, op in enumerate(OPS)}
"""Opcode (row number) of each op's name."""

BY_TEXT: dict[str, Op] = {word: op for op in OPS for word in (op.name, op.symbol)}
"""Row by name or by symbol."""


def find_op(word: str) -> Op:
    """The row named `word` (a name or a symbol).

    Raises:
        OpError: no such row; the message lists the known names and the nearest.
    """
    if word in BY_TEXT:
        return BY_TEXT[word]
    known = ", ".join(op.name if not op.infix else f"{op.name} ({op.symbol})" for op in OPS)
    near = get_close_matches(word, list(BY_TEXT), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise OpError(f"Unknown op {word!r}; evo/programs/ops.py has {known}.{hint}")


def parse_ops(text: str) -> tuple[str, ...]:
    """Names, in table order, of a user's list such as `"+ - * / sqrt"` (spaces or commas between).

    Raises:
        OpError: an unknown op, or no op of two or more operands (no program could grow).
    """
    names = {find_op(word).name for word in text.replace(",", " ").split()}
    if not any(BY_TEXT[name].arity > 1 for name in names):
        raise OpError(f"The ops {text!r} hold none of two operands; programs need one, such as '+'.")
    return tuple(op.name for op in OPS if op.name in names)
