/* One program at many points: values, and derivatives with respect to the constants by adjoints.

   Points are innermost and their number is a multiple of LANES, so that every loop is full vectors;
   values and adjoints of one program stay in the first-level cache. */
#ifndef EVO_INTERPRET_H
#define EVO_INTERPRET_H

#include "program.h"

#define LANES 8

typedef struct {
    int64_t points;  /* a multiple of LANES */
    double *value;   /* [SLOTS, points]; row X holds x */
    double *adjoint; /* [SLOTS, points] */
} Tape;

/* 0 if memory runs out. x is padded by repeating its last point. */
static int tape_open(Tape *t, const double *x, int64_t points)
{
    t->points = (points + LANES - 1) / LANES * LANES;
    t->value = aligned_alloc(64, (size_t)(SLOTS * t->points) * sizeof(double));
    t->adjoint = aligned_alloc(64, (size_t)(SLOTS * t->points) * sizeof(double));
    if (!t->value || !t->adjoint) return 0;
    for (int64_t q = 0; q < t->points; q++) t->value[q] = x[q < points ? q : points - 1];
    return 1;
}

static void tape_close(Tape *t)
{
    free(t->value);
    free(t->adjoint);
}

#define FULL_VECTORS(P) \
    do { \
        if ((P) <= 0 || (P) % LANES) __builtin_unreachable(); \
    } while (0)

/* Values of all instructions; returns the result's row. */
static const double *forward(const Tape *t, const Program *p, const double *constants)
{
    const int64_t P = t->points;
    FULL_VECTORS(P);
    for (int j = 0; j < p->k; j++) {
        double *restrict row = t->value + (CONSTANT + j) * P;
        for (int64_t q = 0; q < P; q++) row[q] = constants[j];
    }
    for (int i = 0; i < p->n; i++) {
        const double *restrict A = t->value + p->arg[i][0] * P;
        const double *restrict B = t->value + p->arg[i][1] * P;
        const double *restrict C = t->value + p->arg[i][2] * P;
        double *restrict V = t->value + (VALUE + i) * P;
        (void)A, (void)B, (void)C;
        switch (p->op[i]) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: \
        for (int64_t q = 0; q < P; q++) { \
            const double a = A[q], b = B[q], c = C[q]; \
            (void)a, (void)b, (void)c; \
            V[q] = expression; \
        } \
        break;
            OPS(ROW)
#undef ROW
        }
    }
    return t->value + p->root * P;
}

/* All adjoints 0. */
static void reverse_open(const Tape *t, const Program *p)
{
    const int64_t P = t->points;
    memset(t->adjoint, 0, (size_t)(P * (1 + p->k)) * sizeof(double));
    memset(t->adjoint + VALUE * P, 0, (size_t)(P * p->n) * sizeof(double));
}

/* Takes the adjoints that were put into the rows of values down to the rows of the constants. */
static void reverse_run(const Tape *t, const Program *p)
{
    const int64_t P = t->points;
    FULL_VECTORS(P);
    for (int i = p->n - 1; i >= 0; i--) {
        const uint8_t *arg = p->arg[i];
        const int arity = ARITY[p->op[i]];
        const double *restrict A = t->value + arg[0] * P;
        const double *restrict B = t->value + arg[1] * P;
        const double *restrict C = t->value + arg[2] * P;
        const double *restrict V = t->value + (VALUE + i) * P;
        const double *restrict G = t->adjoint + (VALUE + i) * P;
        double *DA = t->adjoint + arg[0] * P;
        double *DB = t->adjoint + arg[1] * P;
        double *DC = t->adjoint + arg[2] * P;
        const int distinct = arity == 1 || (DA != DB && (arity == 2 || (DA != DC && DB != DC)));
        (void)A, (void)B, (void)C, (void)V;
        switch (p->op[i]) {
/* Operands may be one slot (v * v): only distinct rows may share a loop. */
#define LOOP(statement) \
    for (int64_t q = 0; q < P; q++) { \
        const double a = A[q], b = B[q], c = C[q], v = V[q], g = G[q]; \
        (void)a, (void)b, (void)c, (void)v; \
        statement; \
    }
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: \
        if (distinct) { \
            double *restrict RA = DA, *restrict RB = DB, *restrict RC = DC; \
            if (ARITY_##code == 1) LOOP(RA[q] += g * (d0)) \
            if (ARITY_##code == 2) LOOP(RA[q] += g * (d0); RB[q] += g * (d1)) \
            if (ARITY_##code == 3) LOOP(RA[q] += g * (d0); RB[q] += g * (d1); RC[q] += g * (d2)) \
        } else { \
            LOOP(DA[q] += g * (d0)) \
            LOOP(DB[q] += g * (d1)) \
            if (ARITY_##code == 3) LOOP(DC[q] += g * (d2)) \
        } \
        break;
            OPS(ROW)
#undef ROW
#undef LOOP
        }
    }
}

/* After forward(): adjoint rows of the constants become seed * d result / d constant. */
static void reverse(const Tape *t, const Program *p, const double *seed)
{
    reverse_open(t, p);
    memcpy(t->adjoint + p->root * t->points, seed, (size_t)t->points * sizeof(double));
    reverse_run(t, p);
}

/* values [rows, points]; jacobian [rows, width, points], zero beyond a row's constants, or NULL.
   Returns 0, or 1 if memory ran out. */
EXPORT int evaluate(const Batch *batch, const double *x, int64_t points, double *values, double *jacobian)
{
    Tape t;
    Program p;
    int failed = !tape_open(&t, x, points);
    double *seed = failed ? NULL : malloc((size_t)t.points * sizeof(double));
    failed |= !seed;
    for (int64_t q = 0; !failed && q < t.points; q++) seed[q] = 1.0;
    for (int64_t row = 0; !failed && row < batch->rows; row++) {
        load(batch, row, &p);
        memcpy(values + row * points, forward(&t, &p, p.c), (size_t)points * sizeof(double));
        if (!jacobian) continue;
        double *out = jacobian + row * batch->width * points;
        memset(out, 0, (size_t)(batch->width * points) * sizeof(double));
        reverse(&t, &p, seed);
        for (int j = 0; j < p.k; j++)
            memcpy(out + j * points, t.adjoint + (CONSTANT + j) * t.points, (size_t)points * sizeof(double));
    }
    free(seed);
    tape_close(&t);
    return failed;
}

#endif
