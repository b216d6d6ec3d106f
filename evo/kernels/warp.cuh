/* What a warp's 32 lanes do together, and numbers in double arithmetic as the op table's C strings see them.

   Reductions give every lane of a group the same bits, whatever else the GPU does. tests/emulate_warp.h has
   the same functions for a processor, so that the tests run the kernels without a GPU. */

#ifdef __CUDACC_RTC__
extern __shared__ double2 cells[];

DEVICE int lane_number() { return threadIdx.x; }
DEVICE void meet() { __syncwarp(); }
DEVICE bool any(bool some) { return __any_sync(~0u, some); }
DEVICE double from_lane(double v, int lane) { return __shfl_sync(~0u, v, lane); }
DEVICE double across(double v, int mask) { return __shfl_xor_sync(~0u, v, mask); }
DEVICE int next(int *counter)
{
    const int mine = lane_number() ? 0 : atomicAdd(counter, 1);
    return __shfl_sync(~0u, mine, 0);
}
DEVICE void count(unsigned long long *total, uint64_t n)
{
    if (!lane_number()) atomicAdd(total, (unsigned long long)n);
}
DEVICE double rough_reciprocal(double b)
{
    double r;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(b));
    return r;
}
DEVICE double rough_inverse_root(double b)
{
    double r;
    asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(b));
    return r;
}
#endif

/* 1 / b within one unit in the last place; 0 and infinity keep theirs. The start is good to 2^-20 and each
   step cubes the error: a third of the time of a division. */
DEVICE double reciprocal(double b)
{
    const double r = rough_reciprocal(b), e = fma(-b, r, 1.0);
    return fabs(e) < 1.0 ? fma(r, fma(e, e, e), r) : r;
}

/* 1 / sqrt(b), b > 0 and normal. */
DEVICE double inverse_root(double b)
{
    const double r = rough_inverse_root(b), e = fma(-b * r, r, 1.0);
    return fma(r * e, fma(e, 0.375, 0.5), r);
}

/* A double whose divisions are products with the fast reciprocal. */
struct Real {
    double v;
    DEVICE Real(double v) : v(v) {}
};
DEVICE Real operator+(Real a, Real b) { return a.v + b.v; }
DEVICE Real operator-(Real a, Real b) { return a.v - b.v; }
DEVICE Real operator*(Real a, Real b) { return a.v * b.v; }
DEVICE Real operator/(Real a, Real b) { return a.v * reciprocal(b.v); }
DEVICE Real operator-(Real a) { return -a.v; }
DEVICE Real sqrt(Real a) { return sqrt(a.v); }
DEVICE Real fma(Real a, Real b, Real c) { return fma(a.v, b.v, c.v); }
DEVICE double number(Real a) { return a.v; }
DEVICE double number(double a) { return a; }

/* A lane's two points. */
typedef double2 Pair;
DEVICE Pair pair(double x, double y) { return Pair{x, y}; }
DEVICE double dot(Pair a, Pair b) { return fma(a.y, b.y, a.x * b.x); }

#define SPLIT 4

/* Sums of M numbers over groups of LANES lanes. Of SPLIT and more, half go to each half of the lanes and come
   back as sums: fewer exchanges than one number after the other. */
template <int M, int LANES> DEVICE void sums(double (&v)[M])
{
    if constexpr (LANES > 1) {
        constexpr int far = LANES / 2, half = (M + 1) / 2;
        if constexpr (M < SPLIT) {
#pragma unroll
            for (int i = 0; i < M; i++) v[i] += across(v[i], far);
            sums<M, far>(v);
        } else {
            const bool upper = lane_number() & far;
            double mine[half];
#pragma unroll
            for (int i = 0; i < half; i++) {
                const double low = v[i], high = i + half < M ? v[i + half] : 0.0;
                mine[i] = (upper ? high : low) + across(upper ? low : high, far);
            }
            sums<half, far>(mine);
#pragma unroll
            for (int i = 0; i < half; i++) {
                const double other = across(mine[i], far);
                v[i] = upper ? other : mine[i];
                if (i + half < M) v[i + half] = upper ? mine[i] : other;
            }
        }
    }
}

template <int LANES> DEVICE double sum(double v)
{
    double one[1] = {v};
    sums<1, LANES>(one);
    return one[0];
}

DEVICE double largest(double v)
{
    for (int far = 16; far; far /= 2) v = fmax(v, across(v, far));
    return v;
}
