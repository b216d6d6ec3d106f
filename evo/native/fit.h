/* Constants of programs: multi-start Levenberg-Marquardt on weighted least squares, then Lawson's
   reweighting towards the minimax.

   J. J. More, The Levenberg-Marquardt algorithm, LNM 630 (1978): the damping scales the diagonal.
   C. L. Lawson (1961), J. R. Rice and K. H. Usow, Math. Comp. 22 (1968): weights multiplied by the
   size of their residual lead to the minimax solution; the weighted root mean square is a lower bound
   of it for linear problems, so the ratio of the two tells when to stop. */
#ifndef EVO_FIT_H
#define EVO_FIT_H

#include "interpret.h"
#include "random.h"

enum { FITTED = 0, NOT_FINITE = 1, POLE = 2 };

typedef struct {
    const double *x, *exact, *weight; /* [points] */
    int64_t points;
} Points;

/* How hard to try: evo/fit.py. */
typedef struct {
    int32_t starts;         /* initial constants tried; the first are the inherited ones */
    int32_t first_steps;    /* iterations of each start */
    int32_t final_steps;    /* further iterations of the best start */
    int32_t lawson_rounds;  /* reweightings */
    int32_t lawson_steps;   /* iterations after each */
    double lawson_stop;     /* stop at this ratio of the max residual to its lower bound */
} Effort;

typedef struct {
    Tape tape;
    double *exact, *weight;  /* [points], padded; weight includes the root of the Lawson weight */
    double *lawson;          /* [points] */
    double *residual;        /* [points] */
    double *factor;          /* [points] metric weight */
    double hessian[MAX_CONSTANTS][MAX_CONSTANTS];
    double lower[MAX_CONSTANTS][MAX_CONSTANTS];
    double gradient[MAX_CONSTANTS];
    int64_t iterations;
} Fitter;

static int fitter_open(Fitter *f, const Points *s)
{
    memset(f, 0, sizeof *f);
    if (!tape_open(&f->tape, s->x, s->points)) return 0;
    const int64_t P = f->tape.points;
    f->exact = aligned_alloc(64, (size_t)P * 5 * sizeof(double));
    if (!f->exact) return 0;
    f->weight = f->exact + P;
    f->lawson = f->weight + P;
    f->residual = f->lawson + P;
    f->factor = f->residual + P;
    for (int64_t q = 0; q < P; q++) {
        const int64_t s_q = q < s->points ? q : s->points - 1;
        f->exact[q] = s->exact[s_q];
        f->factor[q] = q < s->points ? s->weight[s_q] : 0.0; /* padding weighs nothing */
    }
    return 1;
}

static void fitter_close(Fitter *f)
{
    tape_close(&f->tape);
    free(f->exact);
}

static void plain_weights(Fitter *f)
{
    for (int64_t q = 0; q < f->tape.points; q++) {
        f->lawson[q] = 1.0;
        f->weight[q] = f->factor[q];
    }
}

/* Weighted sum of squares, infinite where the program is not finite; fills `residual` (weighted). */
static double sum_of_squares(Fitter *f, const Program *p, const double *constants)
{
    const int64_t P = f->tape.points;
    FULL_VECTORS(P);
    const double *restrict v = forward(&f->tape, p, constants);
    const double *restrict e = f->exact, *restrict w = f->weight;
    double *restrict r = f->residual;
    double sum = 0.0;
    for (int64_t q = 0; q < P; q++) {
        r[q] = (v[q] - e[q]) * w[q];
        sum += r[q] * r[q];
    }
    return sum < INFINITY ? sum : INFINITY; /* NaN compares false */
}

static void normal_equations(Fitter *f, const Program *p)
{
    const int64_t P = f->tape.points;
    FULL_VECTORS(P);
    reverse(&f->tape, p, f->weight);
    const double *restrict r = f->residual;
    for (int i = 0; i < p->k; i++) {
        const double *restrict a = f->tape.adjoint + (CONSTANT + i) * P;
        for (int j = 0; j <= i; j++) {
            const double *restrict b = f->tape.adjoint + (CONSTANT + j) * P;
            double sum = 0.0;
            for (int64_t q = 0; q < P; q++) sum += a[q] * b[q];
            f->hessian[i][j] = sum;
        }
        double sum = 0.0;
        for (int64_t q = 0; q < P; q++) sum += a[q] * r[q];
        f->gradient[i] = sum;
    }
}

/* Cholesky solve of the damped normal equations into `step`; 0 if not positive definite. */
static int damped_step(Fitter *f, int k, double damping, double *step)
{
    for (int i = 0; i < k; i++) {
        for (int j = 0; j <= i; j++) {
            double s = f->hessian[i][j];
            if (i == j) s = s * (1.0 + damping) + 1e-290;
            for (int m = 0; m < j; m++) s -= f->lower[i][m] * f->lower[j][m];
            if (i == j) {
                if (!(s > 0.0 && s < INFINITY)) return 0;
                f->lower[i][i] = sqrt(s);
            } else {
                f->lower[i][j] = s / f->lower[j][j];
            }
        }
    }
    for (int i = 0; i < k; i++) {
        double s = -f->gradient[i];
        for (int m = 0; m < i; m++) s -= f->lower[i][m] * step[m];
        step[i] = s / f->lower[i][i];
    }
    for (int i = k - 1; i >= 0; i--) {
        double s = step[i];
        for (int m = i + 1; m < k; m++) s -= f->lower[m][i] * step[m];
        step[i] = s / f->lower[i][i];
    }
    return 1;
}

/* Improves `constants` in place; returns the weighted sum of squares. */
static double levenberg_marquardt(Fitter *f, const Program *p, double *constants, int steps, double *damping)
{
    double best = sum_of_squares(f, p, constants);
    if (best == INFINITY || p->k == 0) return best;
    double step[MAX_CONSTANTS], trial[MAX_CONSTANTS];
    int fresh = 0;
    for (int s = 0; s < steps; s++) {
        f->iterations++;
        if (!fresh) normal_equations(f, p), fresh = 1;
        double found = INFINITY;
        if (damped_step(f, p->k, *damping, step)) {
            for (int j = 0; j < p->k; j++) trial[j] = constants[j] + step[j];
            found = sum_of_squares(f, p, trial);
        }
        if (found < best) {
            const double gain = (best - found) / best;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
            best = found;
            *damping = fmax(*damping * 0.15, 1e-14);
            fresh = 0;
            if (gain < 1e-9) break;
        } else {
            *damping *= 6.0;
            if (*damping > 1e9) break;
        }
    }
    return best;
}

/* Max weighted error at the points, infinite where not finite. */
static double max_error(Fitter *f, const Program *p, const double *constants, int64_t *worst)
{
    const int64_t P = f->tape.points;
    const double *v = forward(&f->tape, p, constants);
    double max = -1.0;
    *worst = 0;
    for (int64_t q = 0; q < P; q++) {
        const double e = fabs(v[q] - f->exact[q]) * f->factor[q];
        if (!(e < INFINITY)) return *worst = q, INFINITY;
        if (e > max) max = e, *worst = q;
    }
    return max;
}

static void vary_start(const Program *p, int start, uint64_t *rng, double *constants)
{
    for (int j = 0; j < p->k; j++) {
        switch (start % 4) {
        case 1: /* nearby */
            constants[j] = p->c[j] * (1.0 + 0.3 * normal(rng));
            break;
        case 2: /* half of them anew */
            constants[j] = uniform(rng) < 0.5 ? p->c[j] : random_constant(rng);
            break;
        case 3: /* another scale of x: powers of two */
            constants[j] = ldexp(p->c[j], below(rng, 5) - 2);
            break;
        default: /* as inherited */
            constants[j] = p->c[j];
        }
    }
}

/* Least squares from several starts; returns the sum of squares of the best, which is in `constants`. */
static double multi_start(Fitter *f, const Program *p, const Effort *effort, uint64_t rng, double *constants)
{
    double best = INFINITY, best_damping = 1e-3, trial[MAX_CONSTANTS];
    memcpy(constants, p->c, (size_t)p->k * sizeof(double));
    plain_weights(f);
    const int starts = p->k ? effort->starts : 1;
    for (int start = 0; start < starts; start++) {
        double damping = 1e-3;
        vary_start(p, start, &rng, trial);
        const double found = levenberg_marquardt(f, p, trial, effort->first_steps, &damping);
        if (found < best) {
            best = found;
            best_damping = damping;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
        }
    }
    if (best == INFINITY) return best;
    return levenberg_marquardt(f, p, constants, effort->final_steps, &best_damping);
}

/* Lawson's reweighting; keeps the constants of least max error seen. */
static double minimax(Fitter *f, const Program *p, const Effort *effort, double *constants)
{
    const int64_t P = f->tape.points;
    int64_t worst;
    double trial[MAX_CONSTANTS];
    double best = max_error(f, p, constants, &worst);
    memcpy(trial, constants, (size_t)p->k * sizeof(double));
    double damping = 1e-6;
    for (int round = 0; round < effort->lawson_rounds && p->k; round++) {
        const double *v = forward(&f->tape, p, trial);
        double max = 0.0, weighted = 0.0, total = 0.0;
        for (int64_t q = 0; q < P; q++) {
            const double e = fabs(v[q] - f->exact[q]) * f->factor[q];
            f->residual[q] = e;
            if (e > max) max = e;
        }
        if (!(max > 0.0 && max < INFINITY)) break;
        for (int64_t q = 0; q < P; q++) {
            f->lawson[q] *= fmax(f->residual[q] / max, 1e-9);
            total += f->lawson[q];
        }
        for (int64_t q = 0; q < P; q++) {
            f->lawson[q] *= (double)P / total;
            f->weight[q] = f->factor[q] * sqrt(f->lawson[q]);
        }
        damping = fmin(damping, 1e-2);
        levenberg_marquardt(f, p, trial, effort->lawson_steps, &damping);
        const double found = max_error(f, p, trial, &worst);
        if (found < best) {
            best = found;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
        }
        for (int64_t q = 0; q < P; q++) {
            const double e = fabs(f->tape.value[p->root * P + q] - f->exact[q]) * f->factor[q];
            weighted += f->lawson[q] * e * e;
        }
        if (found <= effort->lawson_stop * sqrt(weighted / (double)P)) break;
    }
    return best;
}

/* Fits every row: constants [rows, width] in place (in: inherited). `rms` [rows] is the weighted root
   mean square, `worth` [rows] the rms above which the minimax stage is not worth its time, `error`
   [rows] the max error at the points, `status` [rows]. Starts derive from `stream` [rows] alone.
   Returns the number of LM iterations, or -1 if memory ran out. */
EXPORT int64_t fit(const Batch *batch, const Points *points, const Effort *effort, const uint64_t *stream,
                   const double *worth, double *rms, double *error, uint8_t *status)
{
    Fitter f;
    Program p;
    double constants[MAX_CONSTANTS];
    int64_t worst, iterations = -1;
    if (fitter_open(&f, points)) {
        for (int64_t row = 0; row < batch->rows; row++) {
            load(batch, row, &p);
            const double squares = multi_start(&f, &p, effort, stream[row], constants);
            rms[row] = sqrt(squares / (double)points->points);
            status[row] = squares < INFINITY ? FITTED : NOT_FINITE;
            if (rms[row] <= worth[row] && squares < INFINITY)
                error[row] = minimax(&f, &p, effort, constants);
            else
                error[row] = max_error(&f, &p, constants, &worst);
            memcpy(batch->constants + row * batch->width, constants, (size_t)p.k * sizeof(double));
        }
        iterations = f.iterations;
    }
    fitter_close(&f);
    return iterations;
}

/* 1 if a divisor changes sign between neighbours among the points: the program has no value in between,
   even where the result's limit exists (1 / (1 / x) at 0), and no bound of it can be proved. */
static int has_pole(const Tape *t, const Program *p, int64_t points)
{
    for (int i = 0; i < p->n; i++) {
        if (!DIVIDES[p->op[i]]) continue;
        const double *d = t->value + p->arg[i][1] * t->points;
        for (int64_t q = 0; q + 1 < points; q++)
            if ((d[q] < 0) != (d[q + 1] < 0)) return 1;
    }
    return 0;
}

/* Max weighted error of every row at the points, infinite if there are poles between them: `error` [rows], its
   place `worst` [rows], the signed weighted error at probe points `behaviour` [rows, probes] (every
   points/probes-th point), `status` [rows]. Returns 0, or 1 if memory ran out. */
EXPORT int measure(const Batch *batch, const Points *points, int64_t probes, double *error, double *worst,
                   double *behaviour, uint8_t *status)
{
    Fitter f;
    Program p;
    int64_t at;
    if (!fitter_open(&f, points)) return fitter_close(&f), 1;
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        error[row] = max_error(&f, &p, p.c, &at);
        worst[row] = points->x[at < points->points ? at : points->points - 1];
        status[row] = error[row] < INFINITY ? FITTED : NOT_FINITE;
        const double *v = f.tape.value + p.root * f.tape.points;
        for (int64_t b = 0; b < probes; b++) {
            const int64_t q = (2 * b + 1) * points->points / (2 * probes);
            behaviour[row * probes + b] = (v[q] - f.exact[q]) * f.factor[q];
        }
        if (status[row] == FITTED && has_pole(&f.tape, &p, points->points)) {
            status[row] = POLE;
            error[row] = INFINITY;
        }
    }
    fitter_close(&f);
    return 0;
}

#endif
