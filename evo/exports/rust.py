"""Rust functions: std only. Rust never contracts, so no flag is needed for the bits."""

from collections.abc import Sequence

import numpy as np

from evo.exports.c import comment_block
from evo.exports.formula import Formula
from evo.exports.samples import samples
from evo.reductions.primitives import PRIMITIVES

NEEDS = "rustc -O (any flags; -C target-cpu=native for speed)"


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions, their loops over slices, and a test."""
    usage = [("self-test", "rustc --test -O FILE -o test && ./test")]
    lines = [*comment_block(formulas, NEEDS, usage=usage), "#![allow(clippy::all, non_snake_case)]"]
    for formula in formulas:
        lines += ["", *_function(formula)]
    return "\n".join([*lines, "", *_test(formulas), ""])


def literal(value: float, formula: Formula) -> str:
    """The shortest decimal that reads as this number."""
    return f"{formula.fmt.type(value)!s}_f{formula.fmt.bits}"


def _function(formula: Formula) -> list[str]:
    t, name = f"f{formula.fmt.bits}", formula.name
    lines = [
        "#[inline]",
        f"pub fn {formula.core_name}(x: {t}) -> {t} {{",
        *(f"    let {c}: {t} = {literal(n, formula)}; // {text}" for c, n, text in formula.used_constants()),
        *(f"    let {v}: {t} = {text};" for v, text in formula.lines("rust")),
        f"    v{len(formula.program.instructions)}",
        "}",
    ]
    if formula.reduction:
        lines += ["", *_full(formula)]
    return [
        *lines,
        "",
        "/// `y[i]` for each `x[i]`; the shorter slice decides.",
        f"pub fn {name}_array(x: &[{t}], y: &mut [{t}]) {{",
        "    for (a, b) in x.iter().zip(y.iter_mut()) {",
        f"        *b = {name}(*a);",
        "    }",
        "}",
    ]


def _full(formula: Formula) -> list[str]:
    assert formula.reduction is not None
    n, name = formula.fmt.bits, formula.name
    lines = ["#[inline]", f"pub fn {name}(x: f{n}) -> f{n} {{"]
    for constant, value in formula.reduction.used_constants(formula.fmt, formula.reduction.steps()).items():
        kind, text = (f"u{n}", f"{value:#x}") if constant == "OFFSET" else (f"f{n}", literal(value, formula))
        lines.append(f"    let {constant}: {kind} = {text};")
    letters = {"name": name, "n": n, "s": formula.fmt.digits - 1}
    for step, primitive, args in formula.reduction.steps():
        row = PRIMITIVES[primitive]
        text = row.printed["rust"].format(**dict(zip("ab", args, strict=False)), **letters)
        lines.append(f"    let {step}: {'f' if row.kind == 'float' else 'u'}{n} = {text};")
    return [*lines, "    result", "}"]


def _test(formulas: Sequence[Formula]) -> list[str]:
    lines = ["#[cfg(test)]", "mod tests {"]
    for f in formulas:
        x, y = (np.asarray(v).view(f.fmt.unsigned).tolist() for v in samples(f))
        rows = ", ".join(f"({a:#x}, {b:#x})" for a, b in zip(x, y, strict=True))
        t, u = f"f{f.fmt.bits}", f"u{f.fmt.bits}"
        lines += [
            "    #[test]",
            f"    fn {f.name}_gives_the_interpreters_bits() {{",
            f"        let samples: &[({u}, {u})] = &[{rows}];",
            "        for &(x, y) in samples {",
            f"            let (got, wanted) = (super::{f.name}({t}::from_bits(x)), {t}::from_bits(y));",
            '            assert!(got.to_bits() == y || (got.is_nan() && wanted.is_nan()), "{:#x}", x);',
            "        }",
            "    }",
        ]
    return [*lines, "}"]
