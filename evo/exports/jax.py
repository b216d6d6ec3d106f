"""A Python module that needs JAX alone: differentiable (custom_jvp), the same bits under jit and without.

On CPU, apart from subnormal numbers, which XLA flushes to zero there. The derivative is the program's own,
by the op table's partials.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from evo.exports.c import comment_block
from evo.exports.formula import Formula
from evo.exports.numpy import summary
from evo.programs.ops import BY_TEXT
from evo.programs.program import Operand
from evo.reductions.primitives import PRIMITIVES

NEEDS = (
    "jax 0.6 or newer; no flags, float64 takes jax_enable_x64; subnormals are zero on CPU (XLA flushes them)"
)
RUNTIME = Path(__file__).with_name("jax_runtime.py")


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions."""
    lines = [*comment_block(formulas, NEEDS, "#"), "", RUNTIME.read_text().rstrip()]
    for formula in formulas:
        lines += ["", "", *_function(formula)]
    return "\n".join([*lines, ""])


def _function(formula: Formula) -> list[str]:
    n, name, core = formula.fmt.bits, formula.name, formula.core_name
    lines = [f"def _{core}(x):", *_constants(formula)]
    lines += [f"    {v} = {text}" for v, text in formula.lines("jax")]
    lines += [f"    return jnp.broadcast_to(v{len(formula.program.instructions)}, x.shape)", "", ""]
    if formula.reduction:
        lines += [*_full(formula), "", ""]
        slope = [f"    return _{name}(x) * jnp.float{n}({formula.reduction.log_base!r})"]
    else:
        slope = [*_constants(formula), *_slope(formula)]
    lines += [f"def _{name}_slope(x):", *slope, "", ""]
    lines += [f"_{name}_smooth = jax.custom_jvp(_{name})", "", ""]
    lines += [f"@_{name}_smooth.defjvp", f"def _{name}_jvp(primals, tangents):"]
    lines += [
        "    (x,), (dx,) = primals, tangents",
        f"    return _{name}_smooth(x), _{name}_slope(x) * dx",
        "",
        "",
    ]
    return [
        *lines,
        f"def {name}(x):",
        f'    """{summary(formula, name)}"""',
        *_checked(n),
        f"    return _{name}_smooth(x)",
    ]


def _checked(bits: int) -> list[str]:
    refuse = [
        "    if not jax.config.jax_enable_x64:",
        "        raise RuntimeError(\"float64 needs jax.config.update('jax_enable_x64', True).\")",
    ]
    return [*(refuse if bits == 64 else []), f"    x = jnp.asarray(x, jnp.float{bits})"]


def _constants(formula: Formula) -> Iterator[str]:
    """XLA must not know them: it divides by reciprocals, drops + 0.0, has x + (c1 + c2) for (x + c1) + c2."""
    for c, number, text in formula.used_constants():
        yield f"    {c} = fixed({scalar(number, formula)}, x)  # {text}"


def scalar(value: float, formula: Formula) -> str:
    """A JAX scalar of the format, exact."""
    return f'jnp.float{formula.fmt.bits}(float.fromhex("{value.hex()}"))'


def _slope(formula: Formula) -> Iterator[str]:
    """dv1, dv2, ...: derivatives with respect to x."""
    moving: list[bool] = []
    for (value, text), (op, args) in zip(formula.lines("jax"), formula.program.instructions, strict=True):
        yield f"    {value} = {text}"
        terms = []
        for partial, arg in zip(BY_TEXT[op].partials, args, strict=True):
            if arg.kind == "x" or (arg.kind == "v" and moving[arg.index]):
                names = dict(zip("abc", map(str, args), strict=False)) | {"v": value}
                words = _replaced(partial, names)
                terms.append(f"({words})" if arg.kind == "x" else f"({words}) * d{arg}")
        moving.append(bool(terms))
        if terms:
            yield f"    d{value} = {' + '.join(terms)}"
    last = Operand("v", len(moving) - 1)
    yield (
        f"    return jnp.broadcast_to(d{last} + jnp.zeros_like(x), x.shape)"
        if moving[-1]
        else "    return jnp.zeros_like(x)"
    )


def _replaced(text: str, names: dict[str, str]) -> str:
    """The op table's a, b, c and v by their names here."""
    return re.sub(r"\b[abcv]\b", lambda found: names[found[0]], text)


def _full(formula: Formula) -> list[str]:
    assert formula.reduction is not None
    n, name = formula.fmt.bits, formula.name
    lines = [f"def _{name}(x):"]
    for constant, value in formula.reduction.used_constants(formula.fmt, formula.reduction.steps()).items():
        whole = constant == "OFFSET"
        text = f"jnp.uint{n}({value:#x})" if whole else f"fixed({scalar(float(value), formula)}, x)"
        lines.append(f"    {constant} = {text}")
    letters = {"name": f"_{name}", "n": n, "s": formula.fmt.digits - 1}
    for step, primitive, args in formula.reduction.steps():
        text = PRIMITIVES[primitive].printed["jax"].format(**dict(zip("ab", args, strict=False)), **letters)
        lines.append(f"    {step} = {text}")
    return [*lines, "    return result"]
