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

#include "mix.h"
#include "ops.h" /* generated from evo/ops.py */

/* Batches hold slots as the largest programs need them; a GPU's kernels may be compiled for smaller ones. */
#define BATCH_CONSTANTS 64
#ifndef MAX_OPS
#define EXPORT __attribute__((visibility("default")))
#define MAX_OPS 64
#define MAX_CONSTANTS BATCH_CONSTANTS
#endif

enum { X = 0, CONSTANT = 1, VALUE = CONSTANT + MAX_CONSTANTS, SLOTS = VALUE + MAX_OPS };
enum { BATCH_VALUE = CONSTANT + BATCH_CONSTANTS };

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

static inline uint8_t from_batch(uint8_t slot) { return slot < BATCH_VALUE ? slot : (uint8_t)(slot - BATCH_VALUE + VALUE); }
static inline uint8_t to_batch(uint8_t slot) { return slot < VALUE ? slot : (uint8_t)(slot - VALUE + BATCH_VALUE); }

static void load(const Batch *batch, int64_t row, Program *p)
{
    const int64_t width = batch->width;
    p->n = batch->n[row];
    p->k = batch->k[row];
    p->root = VALUE + p->n - 1;
    memcpy(p->op, batch->op + row * width, (size_t)p->n);
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < 3; j++) p->arg[i][j] = from_batch(batch->arg[(row * width + i) * 3 + j]);
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
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < 3; j++) batch->arg[(row * width + i) * 3 + j] = to_batch(p->arg[i][j]);
    memcpy(batch->constants + row * width, p->c, (size_t)p->k * sizeof(double));
}

static int cost(const Program *p)
{
    int sum = 0;
    for (int i = 0; i < p->n; i++) sum += COST[p->op[i]];
    return sum;
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

/* A copy of what a program's result needs, in the making. */
typedef struct {
    const Program *from;
    Program *to;
    uint64_t shape[MAX_OPS]; /* of `to`: what a value computes if all constants are one */
    uint8_t placed[SLOTS];   /* slot in `to` of each slot of `from`, or UNPLACED */
    int full;
} Rewrite;

#define UNPLACED 0xff

static void start(Rewrite *r, const Program *from, Program *to)
{
    r->from = from;
    r->to = to;
    r->full = 0;
    to->n = to->k = 0;
    memset(r->placed, UNPLACED, sizeof r->placed);
    r->placed[X] = X;
}

static int new_constant(Rewrite *r, double value)
{
    if (r->to->k == MAX_CONSTANTS) return r->full = 1, X;
    r->to->c[r->to->k] = value;
    return CONSTANT + r->to->k++;
}

static int new_value(Rewrite *r, int op, const uint8_t *arg)
{
    Program *to = r->to;
    if (to->n == MAX_OPS) return r->full = 1, X;
    to->op[to->n] = (uint8_t)op;
    memcpy(to->arg[to->n], arg, 3);
    return VALUE + to->n++;
}

/* The first operand that is a value still to be placed, UNPLACED if there is none; places the constants on the
   way. Walks of the graph keep their own stack: a GPU's threads have little, and recursion is not inlined. */
static int missing_operand(Rewrite *r, const uint8_t *arg, int arity)
{
    for (int j = 0; j < arity; j++) {
        const int slot = arg[j];
        if (r->placed[slot] != UNPLACED) continue;
        if (slot >= VALUE) return slot;
        r->placed[slot] = (uint8_t)new_constant(r, r->from->c[slot - CONSTANT]);
    }
    return UNPLACED;
}

static uint64_t shape_of(const Rewrite *r, int slot)
{
    return slot >= VALUE ? r->shape[slot - VALUE] : is_constant(slot) ? 2 : 1;
}

/* Where instruction i of `from`, whose operands are placed, goes: to a constant if they are, to an equal
   instruction if there is one. */
static int fold_instruction(Rewrite *r, int i)
{
    Program *to = r->to;
    const int op = r->from->op[i], arity = ARITY[op];
    uint8_t arg[3] = {0, 0, 0};
    int fixed = 1;
    for (int j = 0; j < arity; j++) {
        arg[j] = r->placed[r->from->arg[i][j]];
        fixed &= is_constant(arg[j]);
    }
    if (fixed) {
        double v[3] = {0, 0, 0};
        for (int j = 0; j < arity; j++) v[j] = to->c[arg[j] - CONSTANT];
        return new_constant(r, apply(op, v[0], v[1], v[2]));
    }
    for (int m = 0; m < to->n; m++) {
        const uint8_t *other = to->arg[m];
        const int same = other[0] == arg[0] && other[1] == arg[1];
        const int swapped = SYMMETRIC[op] && other[0] == arg[1] && other[1] == arg[0];
        if (to->op[m] == op && (same || swapped) && other[2] == arg[2]) return VALUE + m;
    }
    const int slot = new_value(r, op, arg);
    if (r->full) return slot;
    uint64_t h[3];
    for (int j = 0; j < 3; j++) h[j] = shape_of(r, arg[j]);
    if (SYMMETRIC[op] && h[0] < h[1]) {
        const uint64_t t = h[0];
        h[0] = h[1];
        h[1] = t;
    }
    r->shape[slot - VALUE] = mix(mix((uint64_t)op + 3) + h[0] * 0x9e3779b97f4a7c15u + h[1] * 0xc2b2ae3d27d4eb4fu +
                                 (arity == 3 ? h[2] * 0xd6e8feb86659fd93u : 0));
    return slot;
}

/* Copies what value `root` needs, folding constants and sharing equal instructions. */
static int fold(Rewrite *r, int root)
{
    uint8_t stack[MAX_OPS];
    int depth = 0;
    stack[depth++] = (uint8_t)root;
    while (depth && !r->full) {
        const int slot = stack[depth - 1], i = slot - VALUE;
        const int missing = missing_operand(r, r->from->arg[i], ARITY[r->from->op[i]]);
        if (missing != UNPLACED) {
            stack[depth++] = (uint8_t)missing;
            continue;
        }
        r->placed[slot] = (uint8_t)fold_instruction(r, i);
        depth--;
    }
    return r->placed[root];
}

/* Copies depth first, symmetric operands ordered by shape: one order for programs that differ in it. */
static int place(Rewrite *r, const Rewrite *shapes, int root)
{
    uint8_t stack[MAX_OPS];
    int depth = 0;
    stack[depth++] = (uint8_t)root;
    while (depth) {
        const int slot = stack[depth - 1], i = slot - VALUE, op = r->from->op[i];
        uint8_t arg[3];
        memcpy(arg, r->from->arg[i], 3);
        if (SYMMETRIC[op] && shape_of(shapes, arg[0]) < shape_of(shapes, arg[1])) {
            const uint8_t t = arg[0];
            arg[0] = arg[1];
            arg[1] = t;
        }
        const int missing = missing_operand(r, arg, ARITY[op]);
        if (missing != UNPLACED) {
            stack[depth++] = (uint8_t)missing;
            continue;
        }
        for (int j = 0; j < ARITY[op]; j++) arg[j] = r->placed[arg[j]];
        r->placed[slot] = (uint8_t)new_value(r, op, arg);
        depth--;
    }
    return r->placed[root];
}

/* 1 if `from` has a canonical form (it depends on x and fits), which is then in `to`. */
static int canonicalise(const Program *from, Program *to)
{
    Program folded;
    Rewrite first, second;
    if (from->root < VALUE) return 0;
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
        const uint64_t word = (uint64_t)p->op[i] << 24 | (uint64_t)to_batch(p->arg[i][0]) << 16 |
                              (uint64_t)to_batch(p->arg[i][1]) << 8 | to_batch(p->arg[i][2]);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    h = mix(h);
    return h ? h : 1;
}

#endif
