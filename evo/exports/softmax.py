"""Softmax in C that passes over memory twice: x becomes exponentials, and these are scaled.

A block's largest element is found as the block comes from memory; from there its exponentials e^(x - largest)
and their sum are made in the cache's first level, and x is not read again. The second pass scales each block
by its own factor. Usual softmax reads x for the largest element of all before anything else. No exponential
overflows, for every argument is x less a larger one; sums of blocks are added in double. Infinity, NaN, and
-infinity throughout give NaN throughout, as e^(x - largest) / sum does.

Source: M. Milakov, N. Gimelshein, Online normalizer calculation for softmax, arXiv:1805.02867 (2018); M.
Dukhan, A. Ablavatski, The two-pass softmax algorithm, arXiv:2001.04438 (2020), which has pairs of significand
and exponent for the same purpose.
"""

from evo.exports.c import render as render_c
from evo.exports.formula import Formula
from evo.exports.languages import C
from evo.exports.names import ExportError

FUNCTION = "exp"
"""What softmax is made of."""
PART = 1024
"""Elements that stay in a cache's first level with what is made of them."""
BLOCKS = 4096
"""The most blocks, whose largest elements are kept: blocks are one part, or some where there are more."""
LARGE = 1 << 22
"""Elements that no cache holds with their exponentials."""
LANES = 32
"""Results side by side, which compilers keep in vectors."""
_SOURCE = """
#ifndef @guard@
#define @guard@
#ifdef __SSE2__
#include <emmintrin.h>
#endif
/* The largest of n elements, NaN left out; -infinity if there is nothing else. */
static inline @t@ @name@_most(size_t n, const @t@ *x) {
    @t@ lanes[@lanes@], most = -INFINITY;
    for (size_t j = 0; j < @lanes@; j++) lanes[j] = -INFINITY;
    size_t i = 0;
    for (; i + @lanes@ <= n; i += @lanes@)
        for (size_t j = 0; j < @lanes@; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    for (size_t j = 0; j < @lanes@; j++) most = lanes[j] > most ? lanes[j] : most;
    return most;
}

/* y[i] = e^(x[i] - most); their sum. x and y do not overlap. */
static inline double @name@_less(size_t n, const @t@ *EVONUM_RESTRICT x, @t@ most, @t@ *EVONUM_RESTRICT y) {
    double sum = 0;
    @t@ t[@part@], lanes[@lanes@];
    for (size_t i = 0; i < n; i += @part@) {
        const size_t m = n - i < @part@ ? n - i : @part@;
        for (size_t j = 0; j < m; j++) t[j] = x[i + j] - most;
        @name@_array(m, t, y + i);
        for (size_t j = 0; j < @lanes@; j++) lanes[j] = 0;
        size_t k = i;
        for (; k + @lanes@ <= i + m; k += @lanes@)
            for (size_t j = 0; j < @lanes@; j++) lanes[j] += y[k + j];
        for (; k < i + m; k++) sum += y[k];
        for (size_t j = 0; j < @lanes@; j++) sum += lanes[j];
    }
    return sum;
}

/* As above; large arrays go past the caches, which would read each line before it is written. */
static inline double @name@_past(size_t n, const @t@ *EVONUM_RESTRICT x, @t@ most, @t@ *EVONUM_RESTRICT y) {
#ifdef __SSE2__
    if ((uintptr_t)y % 16 == 0) {
        @t@ e[@part@];
        double sum = 0;
        for (size_t i = 0; i < n; i += @part@) {
            const size_t m = n - i < @part@ ? n - i : @part@, whole = m * sizeof *e / 16;
            sum += @name@_less(m, x + i, most, e);
            for (size_t j = 0; j < whole; j++) {
                __m128i v;
                memcpy(&v, (char *)e + 16 * j, 16);
                _mm_stream_si128((__m128i *)(y + i) + j, v);
            }
            for (size_t j = whole * 16 / sizeof *e; j < m; j++) y[i + j] = e[j];
        }
        _mm_sfence();
        return sum;
    }
#endif
    return @name@_less(n, x, most, y);
}

/* y = softmax(x), in two passes over memory. x and y do not overlap. */
static inline void @name@_softmax(size_t n, const @t@ *EVONUM_RESTRICT x, @t@ *EVONUM_RESTRICT y) {
    const size_t block = (n / @part@ / @blocks@ + 1) * @part@;
    @t@ most = -INFINITY, mosts[@blocks@];
    double sum = 0;
    for (size_t i = 0, k = 0; i < n; i += block, k++) {
        const size_t m = n - i < block ? n - i : block;
        const @t@ here = @name@_most(m, x + i);
        mosts[k] = here;
        if (here > most) {
            sum *= @name@(most - here);
            most = here;
        }
        if (here > -INFINITY)
            sum += (n < @large@ ? @name@_less : @name@_past)(m, x + i, here, y + i) * @name@(here - most);
        else for (size_t j = i; j < i + m; j++) sum += y[j] = x[j] == x[j] ? 0 : x[j]; /* zeros, or NaN */
    }
    if (!(most > -INFINITY)) sum = NAN;
    for (size_t i = 0, k = 0; i < n; i += block, k++) {
        const size_t m = n - i < block ? n - i : block;
        const @t@ scale = (@t@)(@name@(mosts[k] - most) / sum);
        for (size_t j = i; j < i + m; j++) y[j] *= scale;
    }
}
#endif
"""


def render(formula: Formula) -> str:
    """A header with softmax by this exponential.

    Raises:
        ExportError: it is none on all floats.
    """
    if formula.reduction is None or formula.reduction.name != FUNCTION:
        raise ExportError(f"softmax is made of {FUNCTION} on all floats, not of {formula.member.target}.")
    words = {
        "guard": f"{formula.name.upper()}_SOFTMAX_H", "name": formula.name, "t": C.type(formula.fmt),
        "part": PART, "large": LARGE, "blocks": BLOCKS, "lanes": LANES,
    }  # fmt: skip
    text = _SOURCE
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    return render_c([formula]) + text
