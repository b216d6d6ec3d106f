"""Rust functions: std only. Rust never contracts, so no flag is needed for the bits."""

from collections.abc import Sequence

from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.exports.languages import RUST, bits
from evo.exports.samples import samples
from evo.exports.steps import core_constants, core_lines, step_constants, step_lines
from evo.programs.operation import BITS

NEEDS = "rustc -O (any flags; -C target-cpu=native for speed)"


def render(formulas: Sequence[Formula]) -> str:
    """A module with these functions, their loops over slices, and a test."""
    usage = [("self-test", "rustc --test -O FILE -o test && ./test")]
    lines = [*comment_block(formulas, NEEDS, usage=usage), "#![allow(clippy::all, non_snake_case)]"]
    for formula in formulas:
        lines += ["", *_function(formula)]
    return "\n".join([*lines, "", *_test(formulas), ""])


def _function(formula: Formula) -> list[str]:
    t, name = RUST.type(formula.fmt), formula.name
    lines = [
        line
        for core in formula.cores
        for line in (
            "#[inline]",
            f"pub fn {core.core_name}(x: {t}) -> {t} {{",
            *core_constants(core, RUST),
            *core_lines(core, RUST),
            f"    {core.result}",
            "}",
        )
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
    t, steps = RUST.type(formula.fmt), formula.reduction.steps
    return [
        "#[inline]",
        f"pub fn {formula.name}(x: {t}) -> {t} {{",
        *step_constants(formula, RUST, steps),
        *step_lines(formula, RUST, steps, formula.name),
        "    result",
        "}",
    ]


def _test(formulas: Sequence[Formula]) -> list[str]:
    lines = ["#[cfg(test)]", "mod tests {"]
    for f in formulas:
        x, y = (bits(values, f.fmt) for values in samples(f))
        rows = ", ".join(f"({a:#x}, {b:#x})" for a, b in zip(x, y, strict=True))
        t, u = RUST.type(f.fmt), RUST.type(f.fmt, BITS)
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
