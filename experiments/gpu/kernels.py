"""CUDA kernels around an expression of x: its errors at all floats, its time in registers and from memory."""

ERRORS = r"""
extern "C" __global__ void errors_%(name)s(float lo, float hi, unsigned long long *found) {
    unsigned long long worst[3] = {0, 0, 0}, wrong = 0;
    unsigned long long all = 1ull << 32, stride = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long b = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    for (; b < all; b += stride) {
        const float v = __uint_as_float((unsigned)b);
        if (v < lo || v > hi) continue;
        float got; { const float x = v; got = %(own)s; }
        double exact; { const double x = v; exact = %(exact)s; }
        if (exact != exact || got != got) { wrong += (exact != exact) != (got != got); continue; }
        const double end = ldexp(1.0, 128), e = fmin(fmax(exact, -end), end);
        const double g = isinf(got) ? copysign(end, (double)got) : (double)got;
        if (e == 0 && g == 0) wrong += signbit(exact) != signbit(got);
        const int power = e == 0 ? -126 : min(max(ilogb(e), -126), 127);
        const float size = (float)ldexp(fabs(g - e), 23 - power);
        const unsigned long long key = (unsigned long long)__float_as_uint(size) << 32 | (unsigned)b;
        const bool normal = fabs(e) >= ldexp(1.0, -126) && fabs(e) < end;
        worst[0] = max(worst[0], key);
        if (normal) worst[1] = max(worst[1], key);
        if (normal && v > -1.0f) worst[2] = max(worst[2], key);
    }
    for (int k = 0; k < 3; k++) atomicMax(found + k, worst[k]);
    atomicAdd(found + 3, wrong);
}
"""
"""Largest errors in ulp with their inputs: of all results, of normal ones, and of these where x > -1.

`found` has three pairs of (error as a float's bits, input's bits), and the number of zeros with the wrong
sign and of NaN that should be none or is missing. Infinity stands for 2^128.
"""

LOOP = r"""
extern "C" __global__ void loop_%(name)s(float lo, float step, int n, int times, float *out) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    const float start = lo + step * ((thread * 2654435761u >> 8) * (1.0f / 16777216.0f));
    float s[4] = {0, 0, 0, 0};
    for (int k = 0; k < times; k++) {
        float v = start;
        for (int i = 0; i < n; i += 8) {
            #pragma unroll
            for (int j = 0; j < 8; j++) {
                { const float x = v; s[j %% 4] += %(own)s; }
                v += step;
            }
        }
    }
    out[thread] = s[0] + s[1] + s[2] + s[3];
}
"""
"""n calls in a row, `times` times, each thread at other arguments; a call's floor is two additions."""

MEMORY = r"""
extern "C" __global__ void memory_%(name)s(const float4 *from, float4 *to, unsigned n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float4 v = from[i];
    float4 w;
    { const float x = v.x; w.x = %(own)s; }
    { const float x = v.y; w.y = %(own)s; }
    { const float x = v.z; w.z = %(own)s; }
    { const float x = v.w; w.w = %(own)s; }
    to[i] = w;
}
"""

DIGEST = r"""
extern "C" __global__ void digest_%(name)s(unsigned stride, unsigned n, float *to) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { const float x = __uint_as_float(i * stride); to[i] = %(own)s; }
}
"""
"""Results at inputs whose bits are multiples of `stride`."""

SUM = r"""
extern "C" __global__ void sum_%(name)s(unsigned long long *found) {
    unsigned long long sum = 0, all = 1ull << 32, stride = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long b = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    for (; b < all; b += stride) {
        const float x = __uint_as_float((unsigned)b), y = %(own)s;
        unsigned long long v = b << 32 | (y == y ? __float_as_uint(y) : 0x7fc00000u);
        v = (v ^ v >> 33) * 0xff51afd7ed558ccdull;
        sum += v ^ v >> 33;
    }
    atomicAdd(found, sum);
}
"""
"""A sum that all results take part in, each with its input."""

RATE = r"""
static __device__ __forceinline__ float rate_%(name)s(float x) { float y; %(statement)s return y; }
extern "C" __global__ void beside_%(name)s_%(fmas)d(float lo, float step, int n, int times, float *out) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    float s[8], a[8];
    for (int j = 0; j < 8; j++) { s[j] = lo + step * (thread + j); a[j] = lo + step * j; }
    for (int k = 0; k < times * n; k += 8) {
        #pragma unroll
        for (int j = 0; j < 8; j++) {
            s[j] = rate_%(name)s(s[j]);
            #pragma unroll
            for (int m = 0; m < %(fmas)d; m++) a[(j + m) %% 8] = __fmaf_rn(a[(j + m) %% 8], step, lo);
        }
    }
    float sum = 0;
    for (int j = 0; j < 8; j++) sum += s[j] + a[j];
    out[thread] = sum;
}
"""
"""An instruction on its own results, eight chains a thread, with independent multiply-adds beside each."""

ATTENTION = r"""
extern "C" __global__ void attention_%(name)s(float lo, float step, int n, int times, float *out) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    const float start = lo + step * ((thread * 2654435761u >> 8) * (1.0f / 16777216.0f));
    float s[4] = {0, 0, 0, 0};
    unsigned packed = 0;
    for (int k = 0; k < times; k++) {
        for (int i = 0; i < n; i += 16) {
            const float base = __fmaf_rn((float)i, step, start);
            const float part = step / 126.0f, above = __fmaf_rn(base, 1.0f / 126.0f, 1.0f);
            float p[16];
            #pragma unroll
            for (int j = 0; j < 16; j++) {
                const float x = __fmaf_rn((float)j, step, base);
                p[j] = j * %(share)d / 16 != (j + 1) * %(share)d / 16 ? %(own)s : ex2_approx_ftz(x);
                s[j %% 4] += p[j];
            }
            #pragma unroll
            for (int j = 0; j < 16; j += 2) {
                unsigned r;
                asm("cvt.rn.bf16x2.f32 %%0, %%1, %%2;" : "=r"(r) : "f"(p[j]), "f"(p[j + 1]));
                packed ^= r;
            }
        }
    }
    out[thread] = s[0] + s[1] + s[2] + s[3] + (float)packed;
}
"""
"""Scores scaled and shifted by a multiply-add, exponentials, their sum, and bfloat16 pairs, as in attention;
`share` of 16 exponentials by a program, the others by ex2.approx. A program has the score x or, where it
clamps by the very multiply-add that makes scores, j, part and above: x/126 + 1 is j * part + above."""

MISROUNDED = r"""
static __device__ unsigned long long to_bfloat16(double v) {
    const unsigned long long b = (unsigned long long)__double_as_longlong(v);
    return (b + ((1ull << 44) - 1) + (b >> 45 & 1)) >> 45;
}
extern "C" __global__ void misrounded_%(name)s(unsigned first, unsigned last, unsigned step,
                                               unsigned long long *found) {
    unsigned long long wrong = 0, all = 0;
    const unsigned long long stride = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long k = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
         first + k * step <= last; k += stride) {
        const float x = __uint_as_float((unsigned)(first + k * step));
        const double exact = exp2((double)x);
        if (!(exact >= ldexp(1.0, -126) && exact < ldexp(1.0, 128))) continue;
        unsigned r;
        const float got = %(own)s;
        asm("cvt.rn.bf16x2.f32 %%0, %%1, %%1;" : "=r"(r) : "f"(got));
        all++;
        wrong += to_bfloat16(exact) != to_bfloat16((double)__uint_as_float(r << 16));
    }
    atomicAdd(found, wrong);
    atomicAdd(found + 1, all);
}
"""
"""Results of 2^x that are not the right bfloat16 numbers, of inputs whose bits go from `first` to `last`."""

EX2 = r"""
static __device__ __forceinline__ float ex2_approx_ftz(float x) {
    float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y;
}
"""
"""As attention uses it."""
