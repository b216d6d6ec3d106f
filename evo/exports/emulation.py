"""NVIDIA's approximate instructions in C, by the tables of evo/numbers/approximate.py: for checks alone.

A check of every float32 compiles a function to C; what it has of a GPU's instructions are the functions here,
bit for bit those of the interpreter. A result is that of ordinary arithmetic and a difference of -2 to 1 in
its last place, two bits each, so that all differences stay in a processor's cache. Exports in C are refused
(`Reduction.only`).
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from evo.exports.formula import Formula
from evo.numbers.approximate import INPUTS, table
from evo.numbers.formats import FloatError

_NAMES = ("rcp", "rsqrt", "ex2", "lg2")
_SOURCE = r"""
#include <math.h>
#include <stdint.h>
#include <string.h>
/* Differences plus 2; of lg2 the table itself. */
static const uint32_t *evonum_off_rcp, *evonum_off_rsqrt, *evonum_off_ex2, *evonum_off_lg2;
void evonum_differences(const uint32_t *rcp, const uint32_t *rsqrt, const uint32_t *ex2, const uint32_t *lg2)
{
    evonum_off_rcp = rcp, evonum_off_rsqrt = rsqrt, evonum_off_ex2 = ex2, evonum_off_lg2 = lg2;
}
static inline uint32_t evonum_of(float a) { uint32_t b; memcpy(&b, &a, sizeof b); return b; }
static inline float evonum_at(uint32_t a) { float b; memcpy(&b, &a, sizeof b); return b; }
static inline uint32_t evonum_with(uint32_t bits, const uint32_t *differences, uint32_t k)
{
    return bits + (differences[k >> 4] >> 2 * (k & 15) & 3) - 2;
}
static inline uint32_t evonum_moved(uint32_t bits, int e) /* times 2^e; subnormal numbers are flushed */
{
    const int power = (int)(bits >> 23) + e;
    return power <= 0 ? 0 : power >= 255 ? 0x7f800000 : bits + ((uint32_t)e << 23);
}
static inline uint32_t evonum_near_rcp(uint32_t m) { return evonum_of(1 / evonum_at(0x3f800000 | m)); }
static inline float evonum_rcp_approx(float a)
{
    const uint32_t b = evonum_of(a), sign = b & 0x80000000, m = b & 0x7fffff;
    const int e = b >> 23 & 255;
    const uint32_t inside = evonum_moved(evonum_with(evonum_near_rcp(m), evonum_off_rcp, m), 127 - e);
    const uint32_t found = sign | (e == 0 ? 0x7f800000 : e == 255 ? 0 : inside);
    return evonum_at(e == 255 && m ? 0x7fffffff : found);
}
static inline uint32_t evonum_near_rsqrt(uint32_t k)
{
    return evonum_of((float)(1 / sqrt((double)evonum_at(0x3f800000 + k))));
}
static inline float evonum_rsqrt_approx(float a)
{
    const uint32_t b = evonum_of(a), sign = b & 0x80000000, m = b & 0x7fffff;
    const int e = b >> 23 & 255, n = e - 127;
    const uint32_t k = (uint32_t)(n & 1) << 23 | m;
    const uint32_t inside = evonum_moved(evonum_with(evonum_near_rsqrt(k), evonum_off_rsqrt, k), -(n >> 1));
    const uint32_t found = e == 0 ? sign | 0x7f800000 : e == 255 ? 0 : inside;
    return evonum_at((e == 255 && m) || (e && sign) ? 0x7fffffff : found);
}
static inline uint32_t evonum_near_ex2(uint32_t k) /* 2^(1 + x), x = k 2^-23 */
{
    const double t = ((int32_t)k - 0x400000) * (0x1.62e42fefa39efp-1 * 0x1p-23);
    const double p = 1 + t * (1 + t * (1 / 2. + t * (1 / 6. + t * (1 / 24. + t * (1 / 120. + t * (1 / 720.
                       + t * (1 / 5040.)))))));
    return evonum_of((float)(0x1.6a09e667f3bcdp+1 * p));
}
static inline float evonum_ex2_approx(float a)
{
    const uint32_t b = evonum_of(a), m = b & 0x7fffff;
    const int e = b >> 23 & 255;
    const float x = a > 200 ? 200 : a > -200 ? a : -200;
    const int32_t cut = (int32_t)(x * 0x1p23f);
    const int32_t whole = cut - ((x < 0) & ((cut & 0x7fffff) != 0)), k = whole & 0x7fffff;
    const uint32_t bits = evonum_with(evonum_near_ex2(k), evonum_off_ex2, k);
    const uint32_t inside = evonum_moved(bits, (whole >> 23) - 1);
    return evonum_at(e == 255 && m ? 0x7fffffff : e == 0 ? 0x3f800000 : inside);
}
static inline float evonum_lg2_approx(float a)
{
    const uint32_t b = evonum_of(a), m = b & 0x7fffff;
    const int e = b >> 23 & 255;
    const double sum = e - 127 + 0x1p-23 * evonum_off_lg2[m];
    uint64_t w; /* digits after the 24th are cut off */
    memcpy(&w, &sum, sizeof w);
    w &= ~(uint64_t)0 << 29;
    double cut;
    memcpy(&cut, &w, sizeof cut);
    const float outside = e == 0 ? -INFINITY : b == 0x7f800000 ? a : NAN;
    return a >= 2 && e < 255 ? (float)cut : outside;
}
static inline float evonum_lower(float a, float b) { return a > b ? b : a; }
static inline float evonum_fma_sat(float a, float b, float c)
{
    const float sum = fmaf(a, b, c);
    return sum > 0 ? (sum < 1 ? sum : 1) : 0;
}
static inline float evonum_higher(float a, float b) { return a < b ? b : a; }
#define EVONUM_NEAR(name) \
    void evonum_all_##name(uint32_t n, uint32_t *to) \
    { \
        for (uint32_t k = 0; k < n; k++) to[k] = evonum_near_##name(k); \
    }
EVONUM_NEAR(rcp)
EVONUM_NEAR(rsqrt)
EVONUM_NEAR(ex2)
"""


def emulated(formulas: Sequence[Formula]) -> str:
    """What comes before the C of these formulas; nothing if none is for NVIDIA's GPUs alone."""
    return _SOURCE if any(f.reduction and f.reduction.only for f in formulas) else ""


def give_tables(library: ctypes.CDLL) -> None:
    """To code that `emulated` is a part of."""
    if hasattr(library, "evonum_differences"):
        found = (_differences(name, library) for name in _NAMES)
        library.evonum_differences(*(ctypes.c_void_p(words.ctypes.data) for words in found))


_packed: dict[str, np.ndarray] = {}
"""They stay where compiled code finds them."""


def _differences(name: str, library: Any) -> np.ndarray:
    """Of the table from what ordinary arithmetic has, plus 2: 16 to a word.

    Raises:
        FloatError: one is not from -2 to 1.
    """
    if name == "lg2":  # as it is: near 1 its results are no floats' neighbours
        return table(name)
    if name not in _packed:
        near = np.empty(INPUTS[name], np.uint32)
        getattr(library, f"evonum_all_{name}")(ctypes.c_uint32(len(near)), ctypes.c_void_p(near.ctypes.data))
        off = table(name) - near + np.uint32(2)
        if off.max() > 3:
            raise FloatError(f"{name}.xz has a result too far from the nearest number.")
        places = np.uint32(2) * np.arange(16, dtype=np.uint32)
        _packed[name] = np.bitwise_or.reduce(off.reshape(-1, 16) << places, axis=1)
    return _packed[name]
