/* Elements of the field of p = 2^31 - 1, WIDTH at once: as many as a vector of this processor holds.

   A vector has 64 bits for an element: products of 32-bit ones, as compilers vectorise them, are shuffled for longer
   than they are multiplied. Elsewhere and on a GPU, whose threads work each on their own, WIDTH is 1. */
#ifndef EVO_ELEMENTS_H
#define EVO_ELEMENTS_H

#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#define PRIME 0x7fffffffu

#if defined(__AVX512F__) || defined(__AVX2__)
#ifdef __AVX512F__
#define WIDTH 8
#define VECTOR(function) _mm512_##function
typedef __m512i Vector;
#else
#define WIDTH 4
#define VECTOR(function) _mm256_##function
typedef __m256i Vector;
#endif
typedef uint64_t element; /* below PRIME */
#define ALIGNED __attribute__((aligned(8 * WIDTH)))
typedef uint64_t Wide __attribute__((vector_size(8 * WIDTH), may_alias));
typedef Wide Product;

static inline Wide all_of(element a) { return (Wide){0} + a; }
static inline Product product(Wide a, Wide b) { return (Product)VECTOR(mul_epu32)((Vector)a, (Vector)b); }
/* s or s - p, which wraps around where it is negative; s < 2p. */
static inline Wide reduced(Wide s)
{
    const Vector less = VECTOR(sub_epi32)((Vector)s, (Vector)all_of(PRIME));
    return (Wide)VECTOR(min_epu32)((Vector)s, less);
}
/* All bits of an element that is 0, else none. */
static inline Wide is_zero(Wide a) { return (Wide)(a == 0); }
#else
#define WIDTH 1
#define ALIGNED
typedef uint32_t element;
typedef element Wide;
typedef uint64_t Product;

static inline Wide all_of(element a) { return a; }
static inline Product product(Wide a, Wide b) { return (Product)a * b; }
static inline Wide reduced(Wide s) { return s >= PRIME ? s - PRIME : s; }
static inline Wide is_zero(Wide a) { return a ? 0 : ~(Wide)0; }
#endif

#define WIDE(elements) (*(Wide *)(elements)) /* WIDTH of an array that is ALIGNED */

static inline Wide add(Wide a, Wide b) { return reduced(a + b); }
static inline Wide neg(Wide a) { return reduced(PRIME - a); }
static inline Wide sub(Wide a, Wide b) { return reduced(a + (PRIME - b)); }
static inline Wide mul(Wide a, Wide b)
{
    const Product z = product(a, b);
    return reduced((Wide)(z & PRIME) + (Wide)(z >> 31));
}
static inline Wide power_2k(Wide a, int k)
{
    for (int i = 0; i < k; i++) a = mul(a, a);
    return a;
}
/* a^(p-2), 0 of 0. p - 2 = 5 + 8 (15 + 15 * 2^4 + ... + 15 * 2^24): of products one after the other, which is what
   takes the time, there are 32. */
static inline Wide inverse(Wide a)
{
    const Wide a2 = mul(a, a), a3 = mul(a2, a), a4 = mul(a2, a2), a8 = mul(a4, a4), a7 = mul(a4, a3);
    Wide power = power_2k(mul(a8, a7), 3), found = mul(a4, a);
    for (int i = 0; i < 6; i++) {
        found = mul(found, power);
        power = power_2k(power, 4);
    }
    return mul(found, power);
}

#if WIDTH == 1
/* Of several one inverse: all others are products (Montgomery, Math. Comp. 48, 1987). 0 of 0. */
static inline void inverses(const element *of, element *to, int count)
{
    element all = 1;
    for (int i = 0; i < count; i++) {
        to[i] = all;
        if (of[i]) all = mul(all, of[i]);
    }
    all = inverse(all);
    for (int i = count - 1; i >= 0; i--) {
        to[i] = of[i] ? mul(all, to[i]) : 0;
        if (of[i]) all = mul(all, of[i]);
    }
}
#endif

#endif
