/* Linear least squares of few unknowns: a QR factorisation of unit columns, and its damped solution.

   The normal equations square the condition number: near good fits, where constants are almost redundant
   (1e8 and more), their solution is noise. Modified Gram-Schmidt on the columns and the right-hand side
   together is backward stable (A. Bjorck, BIT 7, 1967). */
#ifndef EVO_SOLVE_H
#define EVO_SOLVE_H

#include "interpret.h"

typedef struct {
    int k;
    double r[MAX_CONSTANTS][MAX_CONSTANTS]; /* upper triangle, of unit columns */
    double b[MAX_CONSTANTS];                /* Q^T times the right-hand side */
    double scale[MAX_CONSTANTS];            /* 1 / norm of the columns as given, 0 for one that is left out */
} Factor;

static double dot(const double *restrict a, const double *restrict b, int64_t P)
{
    double sum = 0.0;
    FULL_VECTORS(P);
    for (int64_t q = 0; q < P; q++) sum += a[q] * b[q];
    return sum;
}

/* Columns [k, P] and right-hand side [P] are overwritten. */
static void factorise(Factor *f, int k, double *columns, double *restrict rhs, int64_t P)
{
    FULL_VECTORS(P);
    f->k = k;
    for (int j = 0; j < k; j++) {
        double *restrict a = columns + j * P;
        const double norm = sqrt(dot(a, a, P));
        f->scale[j] = norm > LEAST_NORM && norm < MOST_NORM ? 1.0 / norm : 0.0;
        for (int64_t q = 0; q < P; q++) a[q] = f->scale[j] > 0.0 ? a[q] * f->scale[j] : 0.0;
    }
    for (int j = 0; j < k; j++) {
        double *restrict a = columns + j * P;
        const double norm = sqrt(dot(a, a, P));
        f->r[j][j] = norm;
        if (!(norm > DEPENDENT)) { /* it gets no step */
            f->r[j][j] = 1.0;
            f->scale[j] = f->b[j] = 0.0;
            for (int i = j + 1; i < k; i++) f->r[j][i] = 0.0;
            continue;
        }
        for (int64_t q = 0; q < P; q++) a[q] /= norm;
        for (int i = j + 1; i <= k; i++) {
            double *restrict other = i < k ? columns + i * P : rhs;
            const double part = dot(a, other, P);
            for (int64_t q = 0; q < P; q++) other[q] -= part * a[q];
            if (i < k) f->r[j][i] = part;
            else f->b[j] = part;
        }
    }
}

static void substitute(const Factor *f, double (*r)[MAX_CONSTANTS], const double *b, double *step)
{
    for (int i = f->k - 1; i >= 0; i--) {
        double s = -b[i];
        for (int j = i + 1; j < f->k; j++) s -= r[i][j] * step[j];
        step[i] = s / r[i][i];
    }
    for (int i = 0; i < f->k; i++) step[i] *= f->scale[i];
}

/* The step [k] that minimises |columns step + rhs|^2. */
static void full_step(Factor *f, double *step) { substitute(f, f->r, f->b, step); }

/* The step that minimises |columns step + rhs|^2 + damping |step / scale|^2: Givens rotations take the
   damping's rows into a copy of R (J. J. More, LNM 630, 1978). */
static void damped_step(const Factor *f, double damping, double *step)
{
    static _Thread_local double r[MAX_CONSTANTS][MAX_CONSTANTS];
    double b[MAX_CONSTANTS], row[MAX_CONSTANTS];
    const int k = f->k;
    for (int i = 0; i < k; i++) {
        memcpy(r[i] + i, f->r[i] + i, (size_t)(k - i) * sizeof(double));
        b[i] = f->b[i];
    }
    for (int j = 0; j < k; j++) {
        double below = 0.0;
        memset(row + j, 0, (size_t)(k - j) * sizeof(double));
        row[j] = sqrt(damping);
        for (int i = j; i < k; i++) {
            const double length = sqrt(r[i][i] * r[i][i] + row[i] * row[i]);
            const double c = r[i][i] / length, s = row[i] / length, above = b[i];
            r[i][i] = length;
            b[i] = c * above + s * below;
            below = c * below - s * above;
            for (int m = i + 1; m < k; m++) {
                const double a = r[i][m];
                r[i][m] = c * a + s * row[m];
                row[m] = c * row[m] - s * a;
            }
        }
    }
    substitute(f, r, b, step);
}

#endif
