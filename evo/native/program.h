/* Programs as the kernels see them, and their canonical form.

   An operand is a slot: 0 is x, then the constants, then the values. Between edits a program is a
   graph: instructions in any order, the result is `root`. canonicalise() makes it straight-line code
   again; it repeats Program.simplify (evo/program.py), and the tests compare the two. */
#ifndef EVO_PROGRAM_H
#define EVO_PROGRAM_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h" /* generated from evo/ops.py */

#define EXPORT __attribute__((visibility("default")))
#define MAX_OPS 64
#define MAX_CONSTANTS 64

enum { X = 0, CONSTANT = 1, VALUE = CONSTANT + MAX_CONSTANTS, SLOTS = VALUE + MAX_OPS };

static inline int is_constant(int slot) { return slot >= CONSTANT && slot < VALUE; }

typedef struct {
    int n;    /* instructions */
    int k;    /* constants */
    int root; /* slot of the result */
    uint8_t op[MAX_OPS];
    uint8_t arg[MAX_OPS][3]; /* slots; 0 beyond the arity */
    double c[MAX_CONSTANTS];
} Program;

/* Arrays of programs: evo/batch.py. */
typedef struct {
    uint8_t *op;       /* [rows, width] */
    uint8_t *arg;      /* [rows, width, 3] */
    int32_t *n;        /* [rows] */
    int32_t *k;        /* [rows] */
    double *constants; /* [rows, width] */
    int64_t rows, width;
} Batch;

static void load(const Batch *batch, int64_t row, Program *p)
{
    const int64_t width = batch->width;
    p->n = batch->n[row];
    p->k = batch->k[row];
    p->root = VALUE + p->n - 1;
    memcpy(p->op, batch->op + row * width, (size_t)p->n);
    memcpy(p->arg, batch->arg + row * width * 3, (size_t)p->n * 3);
    memcpy(p->c, batch->constants + row * width, (size_t)p->k * sizeof(double));
}

static void store(const Batch *batch, int64_t row, const Program *p)
{
    const int64_t width = batch->width;
    memset(batch->op + row * width, 0, (size_t)width);
    memset(batch->arg + row * width * 3, 0, (size_t)width * 3);
    memset(batch->constants + row * width, 0, (size_t)width * sizeof(double));
    batch->n[row] = p->n;
    batch->k[row] = p->k;
    memcpy(batch->op + row * width, p->op, (size_t)p->n);
    memcpy(batch->arg + row * width * 3, p->arg, (size_t)p->n * 3);
    memcpy(batch->constants + row * width, p->c, (size_t)p->k * sizeof(double));
}

static int cost(const Program *p)
{
    int sum = 0;
    for (int i = 0; i < p->n; i++) sum += COST[p->op[i]];
    return sum;
}

/* A well-mixed 64-bit function (splitmix64's finaliser, Steele, Lea and Flood 2014). */
static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t mix2(uint64_t a, uint64_t b) { return mix(a + 0x9e3779b97f4a7c15u * (b + 1)); }

static double apply(int op, double a, double b, double c)
{
    switch (op) {
#define ROW(code, name, value, d0, d1, d2, field, f0, f1, f2) \
    case code: return value;
        OPS(ROW)
#undef ROW
    }
    return NAN;
}

typedef struct {
    const Program *from;
    Program *to;
    uint64_t shape[MAX_OPS]; /* of `to`: what a value computes if all constants are one */
    int16_t placed[SLOTS];   /* slot in `to` of each slot of `from`, -1 while unknown */
    int full;
} Rewrite;

static void start(Rewrite *r, const Program *from, Program *to)
{
    r->from = from;
    r->to = to;
    r->full = 0;
    to->n = to->k = 0;
    memset(r->placed, -1, sizeof r->placed);
    r->placed[X] = X;
}

static int new_constant(Rewrite *r, double value)
{
    if (r->to->k == MAX_CONSTANTS) return r->full = 1, X;
    r->to->c[r->to->k] = value;
    return CONSTANT + r->to->k++;
}

static uint64_t shape_of(const Rewrite *r, int slot)
{
    return slot >= VALUE ? r->shape[slot - VALUE] : is_constant(slot) ? 2 : 1;
}

/* Copies what `slot` needs, folding constants and sharing equal instructions. */
static int fold(Rewrite *r, int slot)
{
    if (r->placed[slot] >= 0) return r->placed[slot];
    if (is_constant(slot)) return r->placed[slot] = (int16_t)new_constant(r, r->from->c[slot - CONSTANT]);
    const int i = slot - VALUE, op = r->from->op[i], arity = ARITY[op];
    int arg[3] = {0, 0, 0}, fixed = 1;
    for (int j = 0; j < arity; j++) {
        arg[j] = fold(r, r->from->arg[i][j]);
        fixed &= is_constant(arg[j]);
    }
    Program *to = r->to;
    if (fixed) {
        double v[3] = {0, 0, 0};
        for (int j = 0; j < arity; j++) v[j] = to->c[arg[j] - CONSTANT];
        return r->placed[slot] = (int16_t)new_constant(r, apply(op, v[0], v[1], v[2]));
    }
    for (int m = 0; m < to->n; m++) {
        const uint8_t *other = to->arg[m];
        const int same = other[0] == arg[0] && other[1] == arg[1];
        const int swapped = SYMMETRIC[op] && other[0] == arg[1] && other[1] == arg[0];
        if (to->op[m] == op && (same || swapped) && other[2] == arg[2])
            return r->placed[slot] = (int16_t)(VALUE + m);
    }
    if (to->n == MAX_OPS) return r->full = 1, X;
    uint64_t h[3];
    for (int j = 0; j < 3; j++) h[j] = shape_of(r, arg[j]);
    if (SYMMETRIC[op] && h[0] < h[1]) {
        const uint64_t t = h[0];
        h[0] = h[1];
        h[1] = t;
    }
    r->shape[to->n] = mix(mix((uint64_t)op + 3) + h[0] * 0x9e3779b97f4a7c15u + h[1] * 0xc2b2ae3d27d4eb4fu +
                          (arity == 3 ? h[2] * 0xd6e8feb86659fd93u : 0));
    to->op[to->n] = (uint8_t)op;
    for (int j = 0; j < 3; j++) to->arg[to->n][j] = (uint8_t)arg[j];
    return r->placed[slot] = (int16_t)(VALUE + to->n++);
}

/* Copies depth first, symmetric operands ordered by shape: one order for programs that differ in it. */
static int place(Rewrite *r, const Rewrite *shapes, int slot)
{
    if (r->placed[slot] >= 0) return r->placed[slot];
    if (is_constant(slot)) return r->placed[slot] = (int16_t)new_constant(r, r->from->c[slot - CONSTANT]);
    const int i = slot - VALUE, op = r->from->op[i];
    uint8_t arg[3];
    memcpy(arg, r->from->arg[i], 3);
    if (SYMMETRIC[op] && shape_of(shapes, arg[0]) < shape_of(shapes, arg[1])) {
        const uint8_t t = arg[0];
        arg[0] = arg[1];
        arg[1] = t;
    }
    for (int j = 0; j < ARITY[op]; j++) arg[j] = (uint8_t)place(r, shapes, arg[j]);
    Program *to = r->to;
    to->op[to->n] = (uint8_t)op;
    memcpy(to->arg[to->n], arg, 3);
    return r->placed[slot] = (int16_t)(VALUE + to->n++);
}

/* 1 if `from` has a canonical form (it depends on x and fits), which is then in `to`. */
static int canonicalise(const Program *from, Program *to)
{
    Program folded;
    Rewrite first, second;
    start(&first, from, &folded);
    folded.root = fold(&first, from->root);
    if (first.full || folded.root < VALUE) return 0;
    start(&second, &folded, to);
    to->root = place(&second, &first, folded.root);
    return 1;
}

/* Tier 1 of functional equivalence: equal for equal text. */
static uint64_t structural_key(const Program *p)
{
    uint64_t h = (uint64_t)p->n;
    for (int i = 0; i < p->n; i++) {
        const uint64_t word = (uint64_t)p->op[i] << 24 | (uint64_t)p->arg[i][0] << 16 |
                              (uint64_t)p->arg[i][1] << 8 | p->arg[i][2];
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    h = mix(h);
    return h ? h : 1;
}

#endif
