/* Float arithmetic as it is written: a unit of its own, compiled without reassociation and contraction. */
#include <tgmath.h>

#include "program.h"

#include "functions.h" /* generated from evo/kernels/layout.py */

enum { STRICT_BLOCK = 512 };

#define FLOAT float
#define FUNCTION(name) name##_float32
#include "strict.h"
#undef FLOAT
#undef FUNCTION

#define FLOAT double
#define FUNCTION(name) name##_float64
#include "strict.h"

/* See evo/kernels/strict.py. */
EXPORT void strict_errors(const Batch *batch, const Points *points, int digits, double limit, double *error,
                          int64_t *worst, int64_t *over)
{
    for (int64_t row = 0; row < batch->rows; row++) {
        Program p;
        load(batch, row, &p);
        (digits == 24 ? judge_float32 : judge_float64)(&p, points, limit, error + row, worst + row, over + row);
    }
}

EXPORT void strict_values(const Batch *batch, const double *x, int64_t points, int digits, double *out)
{
    for (int64_t row = 0; row < batch->rows; row++) {
        Program p;
        load(batch, row, &p);
        (digits == 24 ? values_float32 : values_float64)(&p, x, points, out + row * points);
    }
}
