/* Programs in float arithmetic, op by op, each op rounded once: as evo/programs/floats.py has them, bit for bit.

   Included once for each type: FLOAT is the type, FUNCTION(name) a name of its own. Inputs and constants are
   numbers of that type, kept in doubles. */

static void FUNCTION(run)(const Program *p, const double *x, int64_t n, FLOAT (*value)[STRICT_BLOCK])
{
    for (int64_t q = 0; q < STRICT_BLOCK; q++) value[X][q] = (FLOAT)x[q < n ? q : n - 1];
    for (int j = 0; j < p->k; j++)
        for (int64_t q = 0; q < STRICT_BLOCK; q++) value[CONSTANT + j][q] = (FLOAT)p->c[j];
    for (int i = 0; i < p->n; i++) {
        const FLOAT *restrict A = value[p->arg[i][0]], *restrict B = value[p->arg[i][1]];
        const FLOAT *restrict C = value[p->arg[i][2]];
        FLOAT *restrict V = value[VALUE + i];
        (void)A, (void)B, (void)C;
        switch (p->op[i]) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: \
        for (int64_t q = 0; q < STRICT_BLOCK; q++) { \
            const FLOAT a = A[q], b = B[q], c = C[q]; \
            (void)a, (void)b, (void)c; \
            V[q] = (FLOAT)(expression); \
        } \
        break;
            OPS(ROW)
#undef ROW
        }
    }
}

/* The largest weighted error, where it is, and at how many points it is above a limit. NaN is above infinity. */
static void FUNCTION(judge)(const Program *p, const Points *points, double limit, double *error, int64_t *worst,
                            int64_t *over)
{
    static _Thread_local FLOAT value[SLOTS][STRICT_BLOCK] __attribute__((aligned(64)));
    int64_t most = -1, at = 0, above = 0, bits[STRICT_BLOCK];
    for (int64_t first = 0; first < points->points; first += STRICT_BLOCK) {
        const int64_t left = points->points - first, n = left < STRICT_BLOCK ? left : STRICT_BLOCK;
        const double *restrict exact = points->exact + first, *restrict weight = points->weight + first;
        FUNCTION(run)(p, points->x + first, n, value);
        const FLOAT *restrict got = value[p->root];
        int64_t largest = 0;
        for (int64_t q = 0; q < n; q++) {
            const double e = fabs(((double)got[q] - exact[q]) * weight[q]);
            memcpy(&bits[q], &e, sizeof e);
            largest = bits[q] > largest ? bits[q] : largest;
            above += !(e <= limit);
        }
        if (largest > most) {
            most = largest;
            for (int64_t q = 0; q < n; q++)
                if (bits[q] == most) {
                    at = first + q;
                    break;
                }
        }
    }
    memcpy(error, &most, sizeof most);
    if (isnan(*error)) *error = INFINITY;
    *worst = at;
    *over = above;
}

static void FUNCTION(values)(const Program *p, const double *x, int64_t points, double *out)
{
    static _Thread_local FLOAT value[SLOTS][STRICT_BLOCK] __attribute__((aligned(64)));
    for (int64_t first = 0; first < points; first += STRICT_BLOCK) {
        const int64_t left = points - first, n = left < STRICT_BLOCK ? left : STRICT_BLOCK;
        FUNCTION(run)(p, x + first, n, value);
        for (int64_t q = 0; q < n; q++) out[first + q] = value[p->root][q];
    }
}
