"""C99 (and C++) headers: hexadecimal constants, explicit fma, vectorisable loops, a self-test.

Bit for bit the interpreter's results, given the flags that the header names; it refuses to compile where
the arithmetic is not IEEE's (-ffast-math, x87).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.exports.languages import AVX512, C, bits, letters
from evo.exports.samples import samples
from evo.exports.steps import core_constants, core_lines, step_constants, step_lines
from evo.exports.usual import near, usual_of
from evo.programs.operation import BITS, TRUTH, OpError
from evo.reductions.steps import Step
from evo.reductions.usual import Usual

BLOCK = 64
"""Elements of an array that are asked at once whether they are usual."""
ASKING = 3
"""What that takes, in steps."""
FLAGS = "-std=c99 -O3 -ffp-contract=off -fno-trapping-math -fno-math-errno"
_START = "static inline"


def needs(formulas: Sequence[Formula]) -> str:
    """What to compile with."""
    fast = " -march=native (or -mfma: fma is slow without)" if any(f.fused for f in formulas) else ""
    return f"a compiler with {FLAGS}{fast or ' (-march=native for speed)'}, and -lm after the file"


def render(formulas: Sequence[Formula]) -> str:
    """One header with these functions."""
    first = formulas[0]
    guard = f"{first.name.upper()}_H" if len(formulas) == 1 else f"{first.name.upper()}_FAMILY_H"
    test = f"{first.name.upper()}_SELFTEST"
    command = f"cc {FLAGS} -D{test} -x c FILE -lm && ./a.out"
    negating = {f.fmt.bits: f for f in formulas if _negates(f)}
    negations = [line for _, f in sorted(negating.items()) for line in _negation(f)]
    head = comment_block(formulas, needs(formulas), usage=[("self-test", command)])
    lines = [*head, f"#ifndef {guard}", f"#define {guard}", *_PRELUDE, *negations, ""]
    for formula in formulas:
        lines += [*_function(formula), ""]
    lines += [f"#ifdef {test}", *_selftest(formulas), f"#endif /* {test} */", f"#endif /* {guard} */", ""]
    return "\n".join(lines)


_PRELUDE = """#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __FAST_MATH__
#error "The results hold for IEEE arithmetic: compile without -ffast-math."
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 && FLT_EVAL_METHOD != 32
#error "The results hold where every operation rounds to its own type: on x86, use -mfpmath=sse."
#endif /* 16: of a processor with half precision; float and double are their own there, and with 32 */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__cplusplus) || !defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L
#define EVONUM_RESTRICT __restrict
#else
#define EVONUM_RESTRICT restrict
#endif
#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(EVONUM_PORTABLE)
#define EVONUM_AVX512
#include <immintrin.h>
#if defined(__GNUC__) /* vreduceps waits for its old result on Zen 4 if its operand is in memory */
#define EVONUM_LOADED(v) __asm__("" : "+v"(v))
#else
#define EVONUM_LOADED(v) (void)(v)
#endif
#endif""".splitlines()


def _negates(formula: Formula) -> bool:
    """Whether a core or a step takes the opposite of a number."""
    steps = formula.reduction.steps if formula.reduction else ()
    cores = (text for core in formula.cores for _, text in core.lines("c"))
    return any("evonum_neg" in text for text in cores) or any(operation == "neg" for _, operation, _ in steps)


def _negation(formula: Formula) -> list[str]:
    """Negation by the sign bit: gcc 12 turns -fma(a, b, c) into an instruction that gives the other zero."""
    t, f, n = C.type(formula.fmt), letters(formula.fmt)["f"], formula.fmt.bits
    return [
        f"#ifndef EVONUM_NEG{n}",
        f"#define EVONUM_NEG{n}",
        f"static inline {t} evonum_neg{f}({t} a) {{",
        f"    uint{n}_t b;",
        "    memcpy(&b, &a, sizeof b);",
        f"    b ^= (uint{n}_t)1 << {n - 1};",
        "    memcpy(&a, &b, sizeof a);",
        "    return a;",
        "}",
        "#endif",
    ]


def _function(formula: Formula) -> list[str]:
    t = C.type(formula.fmt)
    cores = [
        line
        for core in formula.cores
        for line in (
            f"{_START} {t} {core.core_name}({t} x) {{",
            *core_constants(core, C),
            *core_lines(core, C),
            f"    return {core.result};",
            "}",
        )
    ]
    return [
        *cores,
        *(_full(formula) if formula.reduction else ()),
        "",
        *_loop(formula),
    ]


def _full(formula: Formula) -> list[str]:
    """The function on all floats, and the casts that its steps take."""
    assert formula.reduction is not None
    t, u, name = C.type(formula.fmt), C.type(formula.fmt, BITS), formula.name
    return [
        "",
        f"{_START} {u} {name}_bits({t} a) {{ {u} b; memcpy(&b, &a, sizeof b); return b; }}",
        f"{_START} {t} {name}_float({u} a) {{ {t} b; memcpy(&b, &a, sizeof b); return b; }}",
        "",
        *_stepwise(formula, name, formula.reduction.steps),
    ]


def _stepwise(formula: Formula, function: str, steps: Iterable[Step]) -> list[str]:
    """A function of x by steps of evo/reductions/reduction.py, with the constants that they use."""
    t, steps = C.type(formula.fmt), list(steps)
    return [
        f"{_START} {t} {function}({t} x) {{",
        *step_constants(formula, C, steps),
        *step_lines(formula, C, steps, formula.name),
        "    return result;",
        "}",
    ]


def _loop(formula: Formula) -> list[str]:
    """The function over an array: by AVX-512's vectors where the compiler has them."""
    portable = _portable_loop(formula)
    try:
        vector = _vector(formula)
    except OpError:  # an op without a word for it
        return portable
    return ["#ifdef EVONUM_AVX512", *vector, "#else", *portable, "#endif"]


def _array(formula: Formula) -> list[str]:
    t, name = C.type(formula.fmt), formula.name
    return [
        f"/* y[i] = {name}(x[i]); x and y do not overlap. */",
        f"static inline void {name}_array(size_t n, const {t} *EVONUM_RESTRICT x, {t} *EVONUM_RESTRICT y) {{",
    ]


def _vector(formula: Formula) -> list[str]:
    """The same bits, 512 at a time.

    Raises:
        OpError: an op has no word.
    """
    fmt, name, reduction = formula.fmt, f"{formula.name}_vector", formula.reduction
    t, mask = AVX512.type(fmt), AVX512.type(fmt, TRUTH)
    p, lanes = letters(fmt)["p"], 512 // fmt.bits
    lines = [
        line
        for core in formula.cores
        for line in (
            f"{_START} {t} {name}{core.core_name.removeprefix(formula.name)}({t} x) {{",
            *core_constants(core, AVX512),
            *core_lines(core, AVX512),
            f"    return {core.result};",
            "}",
        )
    ]
    if reduction:
        steps = reduction.vector or reduction.steps
        lines += [
            f"{_START} {t} {name}({t} x) {{",
            *step_constants(formula, AVX512, steps),
            *step_lines(formula, AVX512, steps, name),
            "    return result;",
            "}",
        ]
    rest = "_mm512_{}_{}"
    load, store = (rest.format(word, p) for word in ("loadu", "storeu"))
    load_some, store_some = (rest.format(word, p) for word in ("maskz_loadu", "mask_storeu"))
    return [
        *lines,
        *_array(formula),
        "    size_t i = 0;",
        f"    for (; i + {lanes} <= n; i += {lanes}) {{",
        f"        {t} v = {load}(x + i);",
        "        EVONUM_LOADED(v);",
        f"        {store}(y + i, {name}(v));",
        "    }",
        "    if (i < n) {",
        f"        const {mask} some = ({mask})((1u << (n - i)) - 1);",
        f"        {store_some}(y + i, some, {name}({load_some}(some, x + i)));",
        "    }",
        "}",
    ]


def _portable_loop(formula: Formula) -> list[str]:
    """Blocks of usual inputs go by a shorter way, where there is one."""
    fmt, name = formula.fmt, formula.name
    found = usual_of(formula, ASKING) if formula.reduction else None
    if found is None:
        each = f"    for (size_t i = 0; i < n; i++) y[i] = {name}(x[i]);"
        return [*_array(formula), each, "}"]
    short = near(formula, found)
    assert short.reduction is not None
    u, (outside, most) = C.type(fmt, BITS), _outside(formula, found)
    return [
        f"/* {name}(x) for {_words(found)}: the same bits in fewer steps. */",
        *_stepwise(short, f"{name}_usual", short.reduction.steps),
        "",
        *_array(formula),
        "    size_t i = 0;",
        f"    for (; i + {BLOCK} <= n; i += {BLOCK}) {{",
        f"        {u} far = 0;",
        f"        for (size_t j = 0; j < {BLOCK}; j++) {{",
        f"            const {C.type(fmt)} v = x[i + j];",
        f"            const {u} outside = {outside};",
        "            far = outside > far ? outside : far;",
        "        }",
        f"        if (far <= {most}) {{",
        f"            for (size_t j = 0; j < {BLOCK}; j++) y[i + j] = {name}_usual(x[i + j]);",
        "        } else {",
        f"            for (size_t j = 0; j < {BLOCK}; j++) y[i + j] = {name}(x[i + j]);",
        "        }",
        "    }",
        f"    for (; i < n; i++) y[i] = {name}(x[i]);",
        "}",
    ]


def _words(found: Usual) -> str:
    least = f"{found.least!r} <= " if found.least else ""
    if found.symmetric:
        return f"{least}|x| <= {found.hi!r}"
    return f"{found.lo!r} <= x <= {found.hi!r}" + (f", {least}|x|" if least else "")


def _outside(formula: Formula, found: Usual) -> tuple[str, str]:
    """An unsigned number of v, and the largest one that usual inputs have; NaN has a larger one."""
    fmt, name = formula.fmt, formula.name
    u = C.type(fmt, BITS)
    if found.symmetric or found.lo > 0:
        first, last = bits(np.array([max(found.lo, found.least), found.hi]), fmt)
        size = f"{name}_bits(v)" if found.lo > 0 else f"({name}_bits(v) & ({u})-1 >> 1)"
        return f"{size} - {C.whole(first, fmt)}" if first else size, C.whole(last - first, fmt)
    ends = [f"v >= {C.number(found.lo, fmt)}", f"v <= {C.number(found.hi, fmt)}"]
    if found.least:
        ends.append(f"fabs{letters(fmt)['f']}(v) >= {C.number(found.least, fmt)}")
    return f"!({' & '.join(f'({end})' for end in ends)})", "0"


def _selftest(formulas: Sequence[Formula]) -> list[str]:
    """A main that compares bits with the interpreter's and says which differ."""
    lines = ["#include <stdio.h>", "int main(void) {", "    int wrong = 0;"]
    for f in formulas:
        x, y = samples(f)
        t, u = C.type(f.fmt), C.type(f.fmt, BITS)
        rows = ", ".join(f"{{{a:#x}, {b:#x}}}" for a, b in zip(bits(x, f.fmt), bits(y, f.fmt), strict=True))
        lines += [
            f"    static const {u} {f.name}_samples[][2] = {{{rows}}};",
            f"    for (size_t i = 0; i < sizeof {f.name}_samples / sizeof *{f.name}_samples; i++) {{",
            f"        {t} x, y, got;",
            f"        {u} bits;",
            f"        memcpy(&x, &{f.name}_samples[i][0], sizeof x);",
            f"        memcpy(&y, &{f.name}_samples[i][1], sizeof y);",
            f"        {f.name}_array(1, &x, &got);",
            "        memcpy(&bits, &got, sizeof bits);",
            f"        if (bits != {f.name}_samples[i][1] && !(got != got && y != y)) {{",
            f'            printf("{f.name}(%a) = %a, expected %a\\n", (double)x, (double)got, (double)y);',
            "            wrong++;",
            "        }",
            "    }",
        ]
    return [*lines, '    puts(wrong ? "FAILED" : "passed");', "    return wrong != 0;", "}"]
