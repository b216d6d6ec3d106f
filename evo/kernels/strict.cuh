/* Programs in float arithmetic on a GPU, bit for bit as evo/kernels/strict.h has them: compiled without contraction.

   WARP threads take a row, each of them every WARP-th point. Of each thread: the bits of its largest error (those of
   NaN are above those of infinity), where that is first, and how many errors are above the limit. */

template <typename FLOAT> DEVICE FLOAT result(const Program *p, double x, FLOAT *value)
{
    value[X] = (FLOAT)x;
    for (int i = 0; i < p->n; i++) {
        const FLOAT a = value[p->arg[i][0]], b = value[p->arg[i][1]], c = value[p->arg[i][2]];
        (void)a, (void)b, (void)c;
        switch (p->op[i]) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: value[VALUE + i] = (FLOAT)(expression); break;
            OPS(ROW)
#undef ROW
        }
    }
    return value[p->root];
}

template <typename FLOAT>
DEVICE void judge(const Batch *batch, const Points *points, double limit, int64_t *most, int64_t *worst, int64_t *over)
{
    Program p;
    FLOAT value[SLOTS];
    for (uint64_t t = thread_number(); t < (uint64_t)batch->rows * WARP; t += threads()) {
        load(batch, (int64_t)(t / WARP), &p);
        for (int j = 0; j < p.k; j++) value[CONSTANT + j] = (FLOAT)p.c[j];
        most[t] = -1;
        worst[t] = over[t] = 0;
        for (int64_t q = (int64_t)(t % WARP); q < points->points; q += WARP) {
            const double e = fabs(((double)result(&p, points->x[q], value) - points->exact[q]) * points->weight[q]);
            int64_t bits = 0x7ff8000000000000ll; /* of NaN, which a GPU may give a sign */
            if (e == e) memcpy(&bits, &e, sizeof e);
            if (bits > most[t]) {
                most[t] = bits;
                worst[t] = q;
            }
            over[t] += !(e <= limit);
        }
    }
}

#define JUDGE(name, FLOAT) \
    KERNEL void name(const Batch *batch, const Points *points, const double *limit, int64_t *most, int64_t *worst, \
                     int64_t *over) \
    { \
        judge<FLOAT>(batch, points, *limit, most, worst, over); \
    }
JUDGE(judge_float32, float)
JUDGE(judge_float64, double)
#undef JUDGE
