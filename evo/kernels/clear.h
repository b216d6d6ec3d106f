/* Initial constants from almost anywhere: Gauss-Newton on residuals with their denominators cleared.

   A program over + - * / is a quotient N(x; c) / D(x; c) of polynomials in the constants too. Its residual
   N/D - f has poles in c, and a fit that starts on their wrong side never gets past them; the residual
   N - f D has the same roots and no poles, and is often linear in most constants. With the weight 1/D of
   the last step (C. K. Sanathanan and J. Koerner, IEEE Trans. Autom. Control 8, 1963) the step solves

       (J + r d(log D)/dc) step = -r,    r = N/D - f,    J = dr/dc,

   so all it takes is the adjoint of log D: D is the product of the divisors, each as often as the common
   denominator of what follows has it (`clears` in evo/programs/ops.py). No step is refused or shortened. Squares at
   the root are undone first: v v - f has twice the roots of v - sqrt(f). */
#ifndef EVO_CLEAR_H
#define EVO_CLEAR_H

#include "solve.h"

/* The target at some points, and room for one program there. */
typedef struct {
    Tape tape;
    double *exact, *factor; /* [points]: target, metric's weight */
    double *weight;         /* [points]: factor with whatever else weighs the residuals */
    double *residual;       /* [points] */
    double *goal, *power;   /* [points]: target and factor without the root's squares */
} Sample;

/* 0 if memory runs out. Takes every `step`-th of the points, from the middle of the step. */
static int sample_open(Sample *s, const double *x, const double *exact, const double *weight, int64_t points,
                       int64_t wanted)
{
    double *places = malloc((size_t)wanted * sizeof(double));
    int done = places != NULL;
    for (int64_t i = 0; done && i < wanted; i++) places[i] = x[(2 * i + 1) * points / (2 * wanted)];
    done = done && tape_open(&s->tape, places, wanted);
    free(places);
    if (!done) return 0;
    const int64_t P = s->tape.points;
    s->exact = aligned_alloc(64, (size_t)P * 6 * sizeof(double));
    if (!s->exact) return 0;
    s->factor = s->exact + P;
    s->weight = s->factor + P;
    s->residual = s->weight + P;
    s->goal = s->residual + P;
    s->power = s->goal + P;
    for (int64_t q = 0; q < P; q++) {
        const int64_t i = q < wanted ? q : wanted - 1, at = (2 * i + 1) * points / (2 * wanted);
        s->exact[q] = exact[at];
        s->factor[q] = s->weight[q] = q < wanted ? weight[at] : 0.0; /* padding weighs nothing */
    }
    return 1;
}

static void sample_close(Sample *s)
{
    tape_close(&s->tape);
    free(s->exact);
}

/* How often each value, as a divisor, is a factor of the common denominator of `root`: [root's index + 1]. */
static void common_denominator(const Program *p, int root, double *multiplicity)
{
    double of[MAX_OPS][MAX_OPS]; /* of a value, by divisor */
    for (int i = 0; i <= root - VALUE; i++) {
        const uint8_t *arg = p->arg[i];
        for (int d = 0; d <= i; d++) {
            double in[3];
            for (int j = 0; j < 3; j++)
                in[j] = arg[j] >= VALUE && d <= arg[j] - VALUE ? of[arg[j] - VALUE][d] : 0.0;
            of[i][d] = clears(p->op[i], in[0], in[1], in[2]);
        }
        const int by = DIVISOR[p->op[i]];
        if (by != NOTHING && arg[by] >= VALUE) of[i][arg[by] - VALUE] += 1.0;
    }
    memcpy(multiplicity, of[root - VALUE], (size_t)(root - VALUE + 1) * sizeof(double));
}

/* Undoes squares at the root, and products with x: returns the slot whose goal is then known. */
static int without_squares(Sample *s, const Program *p)
{
    const int64_t P = s->tape.points;
    const double *x = s->tape.value;
    memcpy(s->goal, s->exact, (size_t)P * sizeof(double));
    memcpy(s->power, s->factor, (size_t)P * sizeof(double));
    int root = p->root;
    while (root >= VALUE && p->op[root - VALUE] == OP_MUL) {
        const uint8_t *arg = p->arg[root - VALUE];
        int usable = 1;
        if (arg[0] == arg[1]) {
            for (int64_t q = 0; q < P; q++) usable &= s->goal[q] > 0.0;
            if (!usable) break;
            for (int64_t q = 0; q < P; q++) {
                s->goal[q] = sqrt(s->goal[q]);
                s->power[q] *= 2.0 * s->goal[q];
            }
            root = arg[0];
        } else if (arg[0] == X || arg[1] == X) {
            for (int64_t q = 0; q < P; q++) usable &= x[q] != 0.0;
            if (!usable) break;
            for (int64_t q = 0; q < P; q++) {
                s->goal[q] /= x[q];
                s->power[q] *= fabs(x[q]);
            }
            root = arg[arg[0] == X];
        } else break;
    }
    return root;
}

/* Improves `constants` in place by at most `steps` steps; keeps the best seen. Returns the steps taken. */
static int clear_steps(Sample *s, Factor *factor, const Program *p, double *constants, int steps)
{
    const int64_t P = s->tape.points;
    double multiplicity[MAX_OPS], trial[MAX_CONSTANTS], step[MAX_CONSTANTS], best = INFINITY;
    Program inner = *p;
    inner.root = without_squares(s, p);
    if (inner.root < VALUE || !p->k) return 0;
    inner.n = inner.root - VALUE + 1;
    common_denominator(p, inner.root, multiplicity);
    memcpy(trial, constants, (size_t)p->k * sizeof(double));
    int done = 0;
    for (; done <= steps; done++) {
        const double *restrict v = forward(&s->tape, &inner, trial);
        double *restrict r = s->residual;
        double sum = 0.0;
        for (int64_t q = 0; q < P; q++) {
            r[q] = (v[q] - s->goal[q]) * s->power[q];
            sum += r[q] * r[q];
        }
        if (!(sum < INFINITY)) break;
        const double gain = (best - sum) / best;
        if (sum < best) {
            best = sum;
            memcpy(constants, trial, (size_t)p->k * sizeof(double));
            if (gain < LEAST_CLEAR_GAIN) break; /* nan at first */
        }
        if (done == steps) break;
        reverse_open(&s->tape, &inner);
        memcpy(s->tape.adjoint + inner.root * P, s->power, (size_t)P * sizeof(double));
        for (int i = 0; i < inner.n; i++) {
            if (multiplicity[i] == 0.0) continue;
            const double *restrict d = s->tape.value + (VALUE + i) * P;
            double *restrict g = s->tape.adjoint + (VALUE + i) * P;
            for (int64_t q = 0; q < P; q++) g[q] += r[q] * multiplicity[i] / d[q];
        }
        reverse_run(&s->tape, &inner);
        factorise(factor, p->k, s->tape.adjoint + CONSTANT * P, r, P);
        full_step(factor, step);
        for (int j = 0; j < p->k; j++) trial[j] += step[j];
    }
    return done;
}

#endif
