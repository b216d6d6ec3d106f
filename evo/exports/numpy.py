"""A Python module that needs NumPy alone; fma is emulated with one rounding (evo/numbers/fma.py, carried
along)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from evo.exports.comments import comment_block, summary
from evo.exports.formula import Formula
from evo.exports.languages import NUMPY
from evo.exports.steps import INDENT, core_constants, core_lines, step_constants, step_lines
from evo.programs.ops import OPS, Op

NEEDS = "NumPy 2 or newer"
RUNTIME = Path(__file__).parents[1] / "numbers" / "fma.py"


def arithmetic(ops: Sequence[Op] = OPS) -> str:
    """A module of what each op means on NumPy's floats, by its symbol: the arithmetic of models in MLflow.

    tracking/arithmetic.py is this module; `make generate` writes it.
    """
    lines = [
        '"""What ops mean on NumPy arrays; made by `make generate` from the op table."""',
        "",
    ]
    lines += [RUNTIME.read_text().split('"""', 2)[2].strip(), "", ""]
    for op in ops:
        operands = ["a", "b", "c"][: op.arity]
        expression = op.write("numpy", operands, {})
        if expression != f"{op.name}({', '.join(operands)})":
            lines += [f"def {op.name}({', '.join(f'{o}: Any' for o in operands)}) -> Any:"]
            lines += [f"    return {expression}", "", ""]
    rows = [f'    "{op.symbol}": ({op.arity}, {op.name}),' for op in ops]
    return "\n".join([*lines, "OPS = {", *rows, "}", ""])


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions."""
    lines = comment_block(formulas, NEEDS, "#")
    if any(f.fused for f in formulas):
        lines += ["", RUNTIME.read_text().rstrip()]
    else:
        lines += ["", "import numpy as np"]
    for formula in formulas:
        lines += ["", "", *_function(formula)]
    return "\n".join([*lines, ""])


def _function(formula: Formula) -> list[str]:
    cores = [_core(core) for core in formula.cores]
    lines = [line for core in cores for line in (*core, "", "")][:-2]
    return [*lines, "", "", *_full(formula)] if formula.reduction else lines


def _core(formula: Formula) -> list[str]:
    t, core = NUMPY.type(formula.fmt), formula.core_name
    return [
        f"def {core}(x):",
        f'    """{summary(formula, core)}"""',
        *core_constants(formula, NUMPY),
        *_quietly(t, core_lines(formula, NUMPY, indent=2 * INDENT)),
        f"    return np.broadcast_to({formula.result}, x.shape).astype({t})[()]",
    ]


def _full(formula: Formula) -> list[str]:
    assert formula.reduction is not None
    t, name, steps = NUMPY.type(formula.fmt), formula.name, formula.reduction.steps
    return [
        f"def {name}(x):",
        f'    """{summary(formula, name)}"""',
        *step_constants(formula, NUMPY, steps),
        *_quietly(t, step_lines(formula, NUMPY, steps, name, indent=2 * INDENT)),
        "    return result",
    ]


def _quietly(dtype: str, lines: Iterable[str]) -> list[str]:
    """Lines on x as an array of the format, without NumPy's warnings."""
    return [f"    x = np.asarray(x, {dtype})", '    with np.errstate(all="ignore"):', *lines]
