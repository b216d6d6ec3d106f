"""A pytest plugin that adds a row to the op table, before anything else of evonum is imported.

`under(a, b)` is b / a: it divides by its first operand and has no neutral one, as no other op of two does.
"""

from evo.programs import ops as table

ROW = table.Op(
    "under", "ff", lambda m, a, b: b / a,
    "under", False, 1,
    "b / a", ("-v * (1.0 / a)", "1.0 / a"),
    "(w = inv(a), mul(b, w))", ("neg(mul(v, mul(g, w)))", "mul(g, w)"), "fmax(a, b)",
    printed=table._words(
        "{b} / {a}", cuda="__{d}div_rn({b}, {a})", jax="once({b} / {a})", latex=r"\frac{{{b}}}{{{a}}}",
        fpcore="(/ {b} {a})", triton="evonum_div({b}, {a})",
    ),
    divisor=0,
)  # fmt: skip

table.OPS = (*table.OPS, ROW)
table.OPCODE[ROW.name] = len(table.OPS) - 1
table.BY_TEXT[ROW.name] = ROW
