"""The headers that the kernels include and no file has: the op table as C, and what Python and C share."""

from evo.kernels.layout import functions_header, layout_header
from evo.programs.ops import OPS, Op

NOTHING = 3
"""Number of an operand that no op has: it divides by nothing."""


def ops_header(ops: tuple[Op, ...] = OPS) -> str:
    """The op table as C: `OPS(ROW)` applies ROW to (code, name, value, partials, field, its partials)."""

    def three(texts: tuple[str, ...]) -> list[str]:
        return [f"({text})" for text in (*texts, "0", "0")[:3]]

    def row(code: int, op: Op) -> str:
        cells = [
            str(code), op.name, f"({op.c})", *three(op.partials), f"({op.field})", *three(op.field_adjoints)
        ]  # fmt: skip
        return f"    ROW({', '.join(cells)}) \\"

    def table(name: str, values: list[int]) -> str:
        return f"static const int {name}[] = {{{', '.join(map(str, values))}}};"

    return "\n".join(
        [
            "/* Generated from evo/programs/ops.py by evo/kernels/headers.py. */",
            "#include <math.h>",
            "#define OPS(ROW) \\",
            *(row(code, op) for code, op in enumerate(ops)),
            "",
            f"enum {{ {', '.join(f'OP_{op.name.upper()}' for op in ops)}, N_OPS }};",
            "enum { " + ", ".join(f"ARITY_{code} = {op.arity}" for code, op in enumerate(ops)) + " };",
            table("ARITY", [op.arity for op in ops]),
            table("SYMMETRIC", [int(op.symmetric) for op in ops]),
            table("COST", [op.cost for op in ops]),
            table("ROOTS", [int("root(" in op.field) for op in ops]),
            "enum { NOTHING = 3 }; /* an operand that no op has */",
            table("DIVISOR", [NOTHING if op.divisor is None else op.divisor for op in ops]),
            f"static const double NEUTRAL[] = {{{', '.join(str(op.neutral or 0.0) for op in ops)}}};",
            "static double clears(int op, double a, double b, double c)",
            "{",
            "    (void)a, (void)b, (void)c;",
            "    switch (op) {",
            *(f"    case {code}: return {op.clears};" for code, op in enumerate(ops)),
            "    }",
            "    return 0.0;",
            "}",
            "",
        ]
    )


def generated_headers() -> dict[str, str]:
    """Headers that the kernels include and no file has, by name."""
    return {"ops.h": ops_header(), "layout.h": layout_header(), "functions.h": functions_header()}
