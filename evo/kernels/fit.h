/* Constants of programs: multi-start Levenberg-Marquardt on weighted least squares, then Lawson's
   reweighting towards the minimax.

   J. J. More, The Levenberg-Marquardt algorithm, LNM 630 (1978): the damping scales the diagonal.
   C. L. Lawson (1961), J. R. Rice and K. H. Usow, Math. Comp. 22 (1968): weights multiplied by the
   size of their residual lead to the minimax solution; the weighted root mean square is a lower bound
   of it for linear problems, so the ratio of the two tells when to stop. */
#ifndef EVO_FIT_H
#define EVO_FIT_H

#include "behaviour.h"
#include "clear.h"
#include "random.h"

typedef struct {
    Sample all;                                 /* every point */
    Sample few[MAX_CONSTANTS * FEW / LANES + 1]; /* by number of vectors; opened at first need */
    double *lawson;                             /* [points] */
    Factor factor;
    int64_t iterations;
    const Points *points;
} Fitter;

static int fitter_open(Fitter *f, const Points *s)
{
    memset(f, 0, sizeof *f);
    f->points = s;
    if (!sample_open(&f->all, s->x, s->exact, s->weight, s->points, s->points)) return 0;
    f->lawson = aligned_alloc(64, (size_t)f->all.tape.points * sizeof(double));
    return f->lawson != NULL;
}

static void fitter_close(Fitter *f)
{
    sample_close(&f->all);
    for (size_t i = 0; i < sizeof f->few / sizeof *f->few; i++) sample_close(&f->few[i]);
    free(f->lawson);
}

/* Twice as many points as constants, or a few more: enough to start from. NULL if memory runs out. */
static Sample *few_points(Fitter *f, int k)
{
    const Points *s = f->points;
    const int vectors = (FEW * k + LANES - 1) / LANES;
    Sample *few = &f->few[vectors];
    if (vectors * LANES >= s->points) return &f->all;
    if (!few->exact && !sample_open(few, s->x, s->exact, s->weight, s->points, vectors * LANES)) return NULL;
    return few;
}

static void plain_weights(Fitter *f)
{
    Sample *s = &f->all;
    for (int64_t q = 0; q < s->tape.points; q++) {
        f->lawson[q] = 1.0;
        s->weight[q] = s->factor[q];
    }
}

/* Weighted sum of squares, infinite where the program is not finite; fills `residual` (weighted). */
static double sum_of_squares(Sample *s, const Program *p, const double *constants)
{
    const int64_t P = s->tape.points;
    FULL_VECTORS(P);
    const double *restrict v = forward(&s->tape, p, constants);
    const double *restrict e = s->exact, *restrict w = s->weight;
    double *restrict r = s->residual;
    double sum = 0.0;
    for (int64_t q = 0; q < P; q++) {
        r[q] = (v[q] - e[q]) * w[q];
        sum += r[q] * r[q];
    }
    return sum < INFINITY ? sum : INFINITY; /* NaN compares false */
}

/* Improves `constants` in place; returns the weighted sum of squares. */
static double levenberg_marquardt(Fitter *f, const Program *p, double *constants, int steps, double *damping)
{
    Sample *s = &f->all;
    double best = sum_of_squares(s, p, constants);
    if (best == INFINITY || p->k == 0) return best;
    double step[MAX_CONSTANTS], trial[MAX_CONSTANTS];
    int fresh = 0;
    for (int i = 0; i < steps; i++) {
        f->iterations++;
        if (!fresh) {
            reverse(&s->tape, p, s->weight);
            factorise(&f->factor, p->k, s->tape.adjoint + CONSTANT * s->tape.points, s->residual, s->tape.points);
            fresh = 1;
        }
        damped_step(&f->factor, *damping, step);
        for (int j = 0; j < p->k; j++) trial[j] = constants[j] + step[j];
        const double found = sum_of_squares(s, p, trial);
        if (found < best) {
            const double gain = (best - found) / best;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
            best = found;
            *damping = fmax(*damping * DAMPING_FALL, LEAST_DAMPING);
            fresh = 0;
            if (gain < LEAST_GAIN) break;
        } else {
            *damping *= DAMPING_RISE;
            if (*damping > MOST_DAMPING) break;
        }
    }
    return best;
}

/* Max weighted error at the points, infinite where not finite. */
static double max_error(Fitter *f, const Program *p, const double *constants, int64_t *worst)
{
    Sample *s = &f->all;
    const int64_t P = s->tape.points;
    const double *v = forward(&s->tape, p, constants);
    double max = -1.0;
    *worst = 0;
    for (int64_t q = 0; q < P; q++) {
        const double e = fabs(v[q] - s->exact[q]) * s->factor[q];
        if (!(e < INFINITY)) return *worst = q, INFINITY;
        if (e > max) max = e, *worst = q;
    }
    return max;
}

/* Initial constants: as inherited, nearby, half of them drawn anew, all of them. */
static void vary_start(const Program *p, int start, int anew, uint64_t *rng, double *constants)
{
    for (int j = 0; j < p->k; j++) {
        switch (anew ? -1 : start % 4) {
        case -1:
            constants[j] = constant_within(rng, ANEW_DECADES, ANEW_DECADES_BELOW);
            break;
        case 0:
            constants[j] = start ? p->c[j] * (1.0 + NEARBY * normal(rng)) : p->c[j];
            break;
        case 1:
            constants[j] = random_constant(rng);
            break;
        case 2:
            constants[j] = uniform(rng) < 0.5 ? p->c[j] : random_constant(rng);
            break;
        default: /* another scale of x: powers of two */
            constants[j] = ldexp(p->c[j], below(rng, SCALES) - SCALES / 2);
        }
    }
}

typedef struct {
    double squares, damping;
    double constants[MAX_CONSTANTS];
} Start;

static int by_squares(const void *a, const void *b)
{
    const double x = ((const Start *)a)->squares, y = ((const Start *)b)->squares;
    return (x > y) - (x < y);
}

/* Least squares from several starts; returns the sum of squares of the best, which is in `constants`. */
static double multi_start(Fitter *f, const Program *p, const Effort *effort, uint64_t rng, double *constants)
{
    Start start[MAX_STARTS + 1];
    int starts = 1;
    plain_weights(f);
    memcpy(start[0].constants, p->c, sizeof p->c);
    start[0].squares = sum_of_squares(&f->all, p, p->c);
    start[0].damping = INHERITED_DAMPING;
    Sample *few = p->k ? few_points(f, p->k) : NULL;
    for (int i = 0; few && i < effort->starts && i < MAX_STARTS; i++) {
        Start *now = &start[starts];
        vary_start(p, i, effort->anew, &rng, now->constants);
        clear_steps(few, &f->factor, p, now->constants, effort->clear_steps);
        now->squares = sum_of_squares(&f->all, p, now->constants);
        now->damping = CLEARED_DAMPING;
        starts += now->squares < INFINITY;
    }
    qsort(start + 1, (size_t)(starts - 1), sizeof *start, by_squares);
    Start *best = start;
    for (int i = 0; i < starts && i <= effort->finalists; i++) {
        Start *now = &start[i];
        now->squares = levenberg_marquardt(f, p, now->constants, effort->first_steps, &now->damping);
        if (now->squares < best->squares) best = now;
    }
    memcpy(constants, best->constants, (size_t)p->k * sizeof(double));
    if (best->squares == INFINITY) return INFINITY;
    return levenberg_marquardt(f, p, constants, effort->final_steps, &best->damping);
}

/* Lawson's reweighting; keeps the constants of least max error seen. */
static double minimax(Fitter *f, const Program *p, const Effort *effort, double *constants)
{
    Sample *s = &f->all;
    const int64_t P = s->tape.points;
    int64_t worst;
    double trial[MAX_CONSTANTS];
    double best = max_error(f, p, constants, &worst);
    memcpy(trial, constants, (size_t)p->k * sizeof(double));
    double damping = CLEARED_DAMPING;
    for (int round = 0; round < effort->lawson_rounds && p->k; round++) {
        const double *v = forward(&s->tape, p, trial);
        double max = 0.0, weighted = 0.0, total = 0.0;
        for (int64_t q = 0; q < P; q++) {
            const double e = fabs(v[q] - s->exact[q]) * s->factor[q];
            s->residual[q] = e;
            if (e > max) max = e;
        }
        if (!(max > 0.0 && max < INFINITY)) break;
        for (int64_t q = 0; q < P; q++) {
            f->lawson[q] *= fmax(s->residual[q] / max, LEAST_LAWSON);
            total += f->lawson[q];
        }
        for (int64_t q = 0; q < P; q++) {
            f->lawson[q] *= (double)P / total;
            s->weight[q] = s->factor[q] * sqrt(f->lawson[q]);
        }
        damping = fmin(damping, LAWSON_DAMPING);
        levenberg_marquardt(f, p, trial, effort->lawson_steps, &damping);
        const double found = max_error(f, p, trial, &worst);
        if (found < best) {
            best = found;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
        }
        for (int64_t q = 0; q < P; q++) {
            const double e = fabs(s->tape.value[p->root * P + q] - s->exact[q]) * s->factor[q];
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

/* For other backends, what clear.h needs to know of every row at these points: the instruction whose goal is
   known, `root` [rows], -1 if there is none; how often each value divides, `multiplicity` [rows, width];
   `goal` and `power`, the target and its weight there [rows, points]. Returns 0, or 1 if memory ran out. */
EXPORT int clearing(const Batch *batch, const Points *points, int32_t *root, double *multiplicity, double *goal,
                    double *power)
{
    Sample s;
    Program p;
    const int64_t P = points->points;
    memset(&s, 0, sizeof s);
    int failed = !sample_open(&s, points->x, points->exact, points->weight, P, P);
    for (int64_t row = 0; !failed && row < batch->rows; row++) {
        load(batch, row, &p);
        const int slot = without_squares(&s, &p);
        root[row] = p.k && slot >= VALUE ? slot - VALUE : -1;
        memset(multiplicity + row * batch->width, 0, (size_t)batch->width * sizeof(double));
        if (root[row] >= 0) common_denominator(&p, slot, multiplicity + row * batch->width);
        memcpy(goal + row * P, s.goal, (size_t)P * sizeof(double));
        memcpy(power + row * P, s.power, (size_t)P * sizeof(double));
    }
    sample_close(&s);
    return failed;
}

/* 1 if a divisor changes sign between neighbours among the points: the program has no value in between,
   even where the result's limit exists (1 / (1 / x) at 0), and no bound of it can be proved. */
static int has_pole(const Tape *t, const Program *p, int64_t points)
{
    for (int i = 0; i < p->n; i++) {
        const int by = DIVISOR[p->op[i]];
        if (by == NOTHING) continue;
        const double *d = t->value + p->arg[i][by] * t->points;
        for (int64_t q = 0; q + 1 < points; q++)
            if ((d[q] < 0) != (d[q + 1] < 0)) return 1;
    }
    return 0;
}

/* Max weighted error of every row at the points, infinite if there are poles between them: `error` [rows], its
   place `worst` [rows], what the signed weighted errors at probe points come to (every points/probes-th point)
   `behaviour` [rows], `status` [rows]. Returns 0, or 1 if memory ran out. */
EXPORT int measure(const Batch *batch, const Points *points, int64_t probes, double *error, double *worst,
                   uint64_t *behaviour, uint8_t *status)
{
    Fitter f;
    Program p;
    int64_t at;
    double *curve = malloc((size_t)probes * sizeof(double));
    const int ready = fitter_open(&f, points) && curve;
    for (int64_t row = 0; ready && row < batch->rows; row++) {
        load(batch, row, &p);
        error[row] = max_error(&f, &p, p.c, &at);
        worst[row] = points->x[at < points->points ? at : points->points - 1];
        status[row] = error[row] < INFINITY ? FITTED : NOT_FINITE;
        const double *v = f.all.tape.value + p.root * f.all.tape.points;
        for (int64_t b = 0; b < probes; b++) {
            const int64_t q = (2 * b + 1) * points->points / (2 * probes);
            curve[b] = (v[q] - f.all.exact[q]) * f.all.factor[q];
        }
        behaviour[row] = behaviour_of(curve, probes, error[row]);
        if (status[row] == FITTED && has_pole(&f.all.tape, &p, points->points)) {
            status[row] = POLE;
            error[row] = INFINITY;
        }
    }
    free(curve);
    fitter_close(&f);
    return !ready;
}

/* Tier 3 of every curve [rows, probes] of that max error [rows]. */
EXPORT void behaviours(const double *curve, const double *error, int64_t rows, int64_t probes,
                       uint64_t *behaviour)
{
    for (int64_t row = 0; row < rows; row++) behaviour[row] = behaviour_of(curve + row * probes, probes, error[row]);
}

#endif
