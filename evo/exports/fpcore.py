"""FPCore 2.0, the language of FPBench: the program with its constants as rounded, and the target as `:spec`.

Constants are the shortest decimals that the precision reads as the very numbers: tools (titanfp 0.1) stumble
over negative hexadecimal ones.
"""

from collections.abc import Sequence

from evo.exports.comments import comment
from evo.exports.formula import Formula
from evo.targets.expression import Expression, parse_expression

NEEDS = "an FPCore tool; binary arithmetic of the stated precision, round to nearest even"
FUNCTIONS = frozenset(
    [
        *("exp", "exp2", "log", "log2", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "asin", "acos"),
        *("sqrt", "cbrt", "erf", "erfc", "lgamma"),
    ]
)
"""The target language's functions that FPCore has under the same name."""


def render(formulas: Sequence[Formula]) -> str:
    """One FPCore."""
    (formula,) = formulas
    m = formula.member
    target = m.function
    bindings = [(c, str(formula.fmt.type(number))) for c, number, _ in formula.used_constants()]
    bindings += list(formula.lines("fpcore"))
    inner = "\n         ".join(f"[{name} {text}]" for name, text in bindings)
    spec, ends = spec_of(target.expression), [spec_of(parse_expression(end)) for end in m.interval]
    constants = " ".join(f'"{c}"' for _, _, c in formula.used_constants())
    lines = [
        *comment(formula.notes(NEEDS), ";"),
        f"(FPCore {formula.name} (x)",
        f'  :name "{m.target}, {m.ops} operations"',
        f"  :precision binary{formula.fmt.bits}",
        "  :round nearestEven",
        f"  :pre (< {ends[0]} x {ends[1]})",
        *([f"  :spec {spec}"] if spec else []),
        f'  :evo-target "{m.target}"',
        f'  :evo-metric "{m.metric}"',
        f"  :evo-constants ({constants})",
        f"  :evo-sampled-error {m.sampled_error!r}",
        *([f"  :evo-proved-bound {m.proved_bound!r}"] if m.proved_bound else []),
        f"  (let* ({inner})",
        f"    {formula.result}))",
    ]
    return "\n".join([*lines, ""])


def spec_of(expression: Expression) -> str:
    """The target as FPCore; empty if it has a function that FPCore lacks."""
    texts: list[str] = []
    for node in expression.nodes:
        args = " ".join(texts[a] for a in node.args)
        if node.op == "x":
            text = "x"
        elif node.op == "number":
            text = str(node.number)
        elif node.op in ("pi", "e"):
            text = {"pi": "PI", "e": "E"}[node.op]
        elif node.op == "power":
            text = f"(pow {args} {node.number})"
        elif node.op == "^":
            text = f"(pow {args})"
        elif node.op == "neg":
            text = f"(- {args})"
        elif node.op in ("+", "-", "*", "/") or node.op in FUNCTIONS:
            text = f"({node.op} {args})"
        else:
            return ""
        texts.append(text)
    return texts[-1]
