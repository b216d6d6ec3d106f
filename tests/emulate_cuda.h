/* CUDA's words in exported device functions, on a processor: each intrinsic is the C expression that
   it rounds.
   gcc 12 turns -fma(a, b, c) into an instruction that gives the other zero, unless the value is hidden. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#define __device__
#define __forceinline__ inline
#define EVONUM_DEVICE_ONLY
#define ROUNDED(t, p, s, f) \
    static inline t __##p##add_rn(t a, t b) { return a + b; } \
    static inline t __##p##sub_rn(t a, t b) { return a - b; } \
    static inline t __##p##mul_rn(t a, t b) { return a * b; } \
    static inline t __##p##div_rn(t a, t b) { return a / b; } \
    static inline t __##p##rcp_rn(t a) { return 1 / a; } \
    static inline t __##p##sqrt_rn(t a) { return sqrt##s(a); } \
    static inline t __fma##f##_rn(t a, t b, t c) { t r = fma##s(a, b, c); __asm__("" : "+x"(r)); return r; }
ROUNDED(float, f, f, f)
ROUNDED(double, d, , )
#define CAST(name, from, to) \
    static inline to name(from a) { to b; memcpy(&b, &a, sizeof b); return b; }
CAST(__float_as_uint, float, unsigned int)
CAST(__uint_as_float, unsigned int, float)
CAST(__double_as_longlong, double, unsigned long long)
CAST(__longlong_as_double, unsigned long long, double)
/* Approximations: an ulp off, up or down, as the bits of the argument have it, but for the largest
   significand, of which GPUs have the reciprocal right. */
#ifndef EVONUM_APPROXIMATE
#define EVONUM_APPROXIMATE
static inline float near_ulp(float exact, float a) {
    const unsigned b = (__float_as_uint(a) & 0x7fffff) == 0x7fffff ? 0 : __float_as_uint(a) * 2654435761u >> 30;
    return __uint_as_float(__float_as_uint(exact) + (b == 1) - (b == 2));
}
static inline float evonum_rcp_approx(float a) { return near_ulp(1 / a, a); }
static inline float evonum_rsqrt_approx(float a) { return near_ulp((float)(1 / sqrt((double)a)), a); }
#endif
