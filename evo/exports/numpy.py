"""A Python module that needs NumPy alone; fma is emulated with one rounding (evo/numbers/fma.py, carried
along)."""

from collections.abc import Sequence
from pathlib import Path

from evo.exports.c import comment_block
from evo.exports.formula import Formula
from evo.programs.ops import OPS, Op
from evo.reductions.primitives import PRIMITIVES

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
        expression = op.template("numpy").format(**dict(zip("abc", operands, strict=False)), f="", d="")
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


def number(value: float, formula: Formula) -> str:
    """A scalar of the format, exact."""
    return f'np.float{formula.fmt.bits}(float.fromhex("{value.hex()}"))'


def _function(formula: Formula) -> list[str]:
    t, core = f"np.float{formula.fmt.bits}", formula.core_name
    lines = [f"def {core}(x):", f'    """{summary(formula, core)}"""']
    lines += [f"    {c} = {number(n, formula)}  # {text}" for c, n, text in formula.used_constants()]
    result = f"v{len(formula.program.instructions)}"
    lines += [
        f"    x = np.asarray(x, {t})",
        '    with np.errstate(all="ignore"):',
        *(f"        {v} = {text}" for v, text in formula.lines("numpy")),
        f"    return np.broadcast_to({result}, x.shape).astype({t})[()]",
    ]
    return [*lines, "", "", *_full(formula)] if formula.reduction else lines


def summary(formula: Formula, name: str) -> str:
    """One line on what a function computes."""
    m = formula.member
    where = f"on ({', '.join(m.interval)})" if name == formula.core_name else "on all floats"
    return f"{m.target} {where}, {formula.fmt.name}.".replace("\\", "").replace('"', "'")


def _full(formula: Formula) -> list[str]:
    assert formula.reduction is not None
    n, name = formula.fmt.bits, formula.name
    lines = [f"def {name}(x):", f'    """{summary(formula, name)}"""']
    for constant, value in formula.reduction.used_constants(formula.fmt, formula.reduction.steps()).items():
        text = f"np.uint{n}({value:#x})" if constant == "OFFSET" else number(float(value), formula)
        lines.append(f"    {constant} = {text}")
    lines += [f"    x = np.asarray(x, np.float{n})", '    with np.errstate(all="ignore"):']
    letters = {"name": name, "f": "", "n": n, "s": formula.fmt.digits - 1}
    for step, primitive, args in formula.reduction.steps():
        text = PRIMITIVES[primitive].printed["numpy"].format(**dict(zip("ab", args, strict=False)), **letters)
        lines.append(f"        {step} = {text}")
    return [*lines, "    return result"]
