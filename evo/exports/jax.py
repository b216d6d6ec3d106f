"""A Python module that needs JAX alone: differentiable (custom_jvp), the same bits under jit and without.

On CPU, apart from subnormal numbers, which XLA flushes to zero there. The derivative is the program's own,
by the op table's partials. A second form leaves the rounding of products and sums to XLA: some tens of times
faster, and its bits depend on the compiler, the length of the array and what it is fused with.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from evo.exports.comments import comment_block, summary
from evo.exports.formula import Formula
from evo.exports.languages import JAX
from evo.exports.names import ExportError
from evo.exports.slopes import SLOPES
from evo.exports.steps import core_constants, core_lines, step_constants, step_lines
from evo.programs.ops import BY_TEXT
from evo.programs.program import Operand

NEEDS = (
    "jax 0.6 or newer; no flags, float64 takes jax_enable_x64; subnormals are zero on CPU (XLA flushes them)"
)
FAST = "jax 0.6 or newer; XLA may round products and sums once or twice, and flushes subnormals on CPU"
RUNTIME = Path(__file__).with_name("jax_runtime.py")
PLAIN = Path(__file__).with_name("jax_plain.py")


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions, with the interpreter's bits."""
    return _module(formulas, NEEDS, RUNTIME)


def render_fast(formulas: Sequence[Formula]) -> str:
    """A module with these functions, as fast as XLA compiles them."""
    return _module(formulas, FAST, PLAIN)


def _module(formulas: Sequence[Formula], needs: str, runtime: Path) -> str:
    lines = [*comment_block(formulas, needs, "#"), "", runtime.read_text().rstrip()]
    for formula in formulas:
        lines += ["", "", *_function(formula)]
    return "\n".join([*lines, ""])


def _function(formula: Formula) -> list[str]:
    n, name = formula.fmt.bits, formula.name
    lines = [line for core in formula.cores for line in _core(core)]
    if formula.reduction:
        if formula.reduction.name not in SLOPES:
            raise ExportError(f"jax has no derivative of {formula.reduction.name} with --full; take numpy.")
        lines += [*_full(formula), "", ""]
        slope = [f"    y = _{name}(x)", f"    return {SLOPES[formula.reduction.name]}"]
    else:
        slope = [*core_constants(formula, JAX), *_slope(formula)]
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


def _core(formula: Formula) -> list[str]:
    lines = [f"def _{formula.core_name}(x):", *core_constants(formula, JAX), *core_lines(formula, JAX)]
    return [*lines, f"    return jnp.broadcast_to({formula.result}, x.shape)", "", ""]


def _checked(bits: int) -> list[str]:
    refuse = [
        "    if not jax.config.jax_enable_x64:",
        "        raise RuntimeError(\"float64 needs jax.config.update('jax_enable_x64', True).\")",
    ]
    return [*(refuse if bits == 64 else []), f"    x = jnp.asarray(x, jnp.float{bits})"]


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
    name, steps = f"_{formula.name}", formula.reduction.steps
    return [
        f"def {name}(x):",
        *step_constants(formula, JAX, steps),
        *step_lines(formula, JAX, steps, name),
        "    return result",
    ]
