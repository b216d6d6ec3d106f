"""A float32 function in compiled C, beside its exact values, and questions about ranges of its inputs.

Exact values are those of piecewise polynomials, or of a function in float64. What is asked of them is C, too,
a `Question`: a file that asks brings its own.
"""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evo.exports.c import render
from evo.exports.emulation import emulated, give_tables
from evo.exports.formula import Formula
from evo.exports.pieces import NODES, CurvedError
from evo.kernels.build import BuildError, find_compiler
from evo.targets.metric import METRICS

RANGE = (ctypes.c_uint32, ctypes.c_uint32)
"""First bits, and how many inputs."""
BESIDE = (ctypes.c_void_p, ctypes.c_double, ctypes.c_double)
"""Coefficients, middle and scale of the polynomial beside them."""


class Question(NamedTuple):
    """A function in C.

    Attributes:
        name: of the function.
        source: its definition.
        takes: types of its arguments.
        gives: type of its result.
    """

    name: str
    source: str
    takes: tuple[Any, ...]
    gives: Any


_SOURCE = """
enum {{ NODES = {nodes}, SOME = 512 }};
typedef struct {{ const double *p; double middle, scale; }} Piece;

static void inputs(uint32_t first, uint32_t n, float *x)
{{
    for (uint32_t i = 0; i < SOME; i++) {{
        uint32_t bits = first + (i < n ? i : n - 1);
        memcpy(x + i, &bits, sizeof bits);
    }}
}}

static void results(const float *x, float *y)
{{
    {name}_array(SOME, x, y);
}}

static void exact_values(const float *x, double *f, Piece at)
{{
    {exact}
}}

static inline double power_within(double size) /* of two, at least the least normal one */
{{
    int64_t b;
    memcpy(&b, &size, sizeof b);
    b &= 0x7ff0000000000000;
    memcpy(&size, &b, sizeof size);
    return size < 0x1p-126 ? 0x1p-126 : size;
}}

/* Infinity counts as the first power beyond: that is what rounds to it. */
static inline double bounded(double v)
{{
    v = v > 0x1p128 ? 0x1p128 : v;
    return v < -0x1p128 ? -0x1p128 : v;
}}

static void errors(uint32_t first, uint32_t n, Piece at, int64_t (*e)[SOME])
{{
    float x[SOME], y[SOME];
    double f[SOME];
    inputs(first, n, x);
    results(x, y);
    exact_values(x, f, at);
    for (int i = 0; i < SOME; i++) {{
        const double value = bounded(f[i]), size = fabs(value), miss = fabs(bounded(y[i]) - value);
        double power = power_within(size * (1 - 0x1p-38)); /* next to one, the smaller: balls decide */{tail}
        power = power > 0x1p127 ? 0x1p127 : power;
        const double by_ulp = miss / power * 0x1p23, by_metric = {metric};
        memcpy(&e[0][i], &by_metric, sizeof(int64_t));
        memcpy(&e[1][i], &by_ulp, sizeof(int64_t));
        e[0][i] &= INT64_MAX; /* of |e|: NaN is above infinity */
        e[1][i] &= INT64_MAX;
    }}
}}
"""
_POLYNOMIAL = """
    for (int i = 0; i < SOME; i++) {
        const double u = (x[i] - at.middle) * at.scale;
        f[i] = at.p[NODES - 1];
        for (int k = NODES - 2; k >= 0; k--) f[i] = f[i] * u + at.p[k];
    }
"""
_REFERENCE = """
    double wide[SOME];
    for (int i = 0; i < SOME; i++) wide[i] = x[i];
    {name}_array(SOME, wide, f);
    (void)at;
"""
_TAIL = """
        power = x[i] < {below!r} && power < {size!r} ? {size!r} : power;"""
_MISS, _QUOTIENT = "miss", "size < 0x1p-126 ? 0.0 : miss / size"
"""The error in C; a quotient at a subnormal result says nothing about the formula."""


def compiled(
    formula: Formula, folder: Path, questions: Sequence[Question], reference: Formula | None = None
) -> ctypes.CDLL:
    """A library that answers questions; beside polynomials, or beside a function in float64.

    Raises:
        CurvedError: of a metric that is written in no C.
    """
    source, library = folder / "screen.c", folder / "screen.so"
    metric = METRICS.get(formula.member.metric)
    if metric and metric.divides and not metric.by_target:
        raise CurvedError(f"C has no unit of the metric {metric.name}")
    error = _QUOTIENT if metric and metric.divides else _MISS
    exact = _REFERENCE.format(name=reference.name) if reference else _POLYNOMIAL
    known = formula.reduction.tail if formula.reduction else None
    tail = _TAIL.format(**known._asdict()) if known else ""
    words = {"name": formula.name, "metric": error, "nodes": NODES, "exact": exact, "tail": tail}
    formulas = [formula, *([reference] if reference else [])]
    asked = "".join(question.source for question in questions)
    source.write_text(emulated(formulas) + render(formulas) + _SOURCE.format(**words) + asked)
    flags = [
        "-std=gnu11",
        "-O3",
        "-march=native",
        "-ffp-contract=off",
        "-fno-trapping-math",
        "-fno-math-errno",
        "-fPIC",
        "-shared",
    ]
    command = [*find_compiler(), *flags, str(source), "-o", str(library), "-lm"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{command[0]} could not compile {formula.name}:\n{run.stderr[-2000:]}")
    loaded = ctypes.CDLL(str(library))
    give_tables(loaded)
    for question in questions:
        function = getattr(loaded, question.name)
        function.argtypes, function.restype = question.takes, question.gives
    return loaded
