/* Programs as the kernels see them, and their canonical form.

   An operand is a slot: 0 is x, then the constants, then the values. An edit makes a program a graph: what it
   appends comes before an earlier place, may be of no use, and the result is `root`. canonicalise() makes it
   straight-line code again; it repeats Program.simplify (evo/programs/program.py), and the tests compare the two. */
#ifndef EVO_PROGRAM_H
#define EVO_PROGRAM_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h" /* generated from evo/kernels/layout.py */
#include "mix.h"
#include "ops.h" /* generated from evo/programs/ops.py */

/* Batches hold slots as the largest programs need them; a GPU's kernels may be compiled for smaller ones. */
#ifndef MAX_OPS
#define EXPORT __attribute__((visibility("default")))
#define SEPARATE /* a GPU's compiler makes one copy of it: evo/kernels/cuda.cuh */
#define MAX_OPS BATCH_OPS
#define MAX_CONSTANTS BATCH_CONSTANTS
#endif

enum { X = 0, VALUE = CONSTANT + MAX_CONSTANTS, SLOTS = VALUE + MAX_OPS };

static inline int is_constant(int slot) { return slot >= CONSTANT && slot < VALUE; }

typedef struct {
    int n;       /* instructions */
    int k;       /* constants */
    int root;    /* slot of the result */
    int settled; /* instructions that were there before the edit; the others */
    int seam;    /* come before this one of them */
    uint8_t op[MAX_OPS];
    uint8_t arg[MAX_OPS][3]; /* slots; 0 beyond the arity */
    double c[MAX_CONSTANTS];
} Program;

static inline uint8_t from_batch(uint8_t slot) { return slot < BATCH_VALUE ? slot : (uint8_t)(slot - BATCH_VALUE + VALUE); }
static inline uint8_t to_batch(uint8_t slot) { return slot < VALUE ? slot : (uint8_t)(slot - VALUE + BATCH_VALUE); }

static void load(const Batch *batch, int64_t row, Program *p)
{
    const int64_t width = batch->width;
    p->n = batch->n[row];
    p->k = batch->k[row];
    p->root = VALUE + p->n - 1;
    p->settled = p->seam = p->n;
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

/* Which instructions the result needs, and all in an order in which operands come first. */
typedef struct {
    uint8_t at[MAX_OPS];
    uint64_t needed; /* bits */
    int cost;        /* of those */
} Order;

static void put_in_order(const Program *p, Order *order)
{
    const int appended = p->n - p->settled;
    for (int t = 0; t < p->n; t++) {
        const int after = t < p->seam + appended ? t + p->settled - p->seam : t - appended;
        order->at[t] = (uint8_t)(t < p->seam ? t : after);
    }
}

static inline uint64_t value_bit(int slot) { return (uint64_t)(slot >= VALUE) << ((slot - VALUE) & 63); }

/* Without a branch on what is needed, which no processor foresees. */
static void find_needed(const Program *p, Order *order)
{
    order->needed = value_bit(p->root);
    order->cost = 0;
    for (int t = p->n - 1; t >= 0; t--) {
        const int i = order->at[t];
        const uint8_t *arg = p->arg[i];
        const uint64_t operands = value_bit(arg[0]) | value_bit(arg[1]) | value_bit(arg[2]);
        const uint64_t needed = order->needed >> i & 1;
        order->needed |= operands & (0 - needed);
        order->cost += COST[p->op[i]] & -(int)needed;
    }
}

/* A program on its way to its canonical form: every slot's meaning, then its place there. */
typedef struct {
    const Program *from;
    uint64_t shape[SLOTS];   /* what it computes if all constants are one */
    uint8_t same[SLOTS];     /* the slot that computes the same: itself, or an earlier one */
    uint8_t arg[MAX_OPS][3]; /* such slots, symmetric operands in the order of their shapes */
    double folded[MAX_OPS];  /* numbers of instructions on constants alone */
    int n;                   /* instructions that are like no earlier one, */
    uint8_t unlike[MAX_OPS]; /* their slots, */
    uint32_t word[MAX_OPS];  /* and their op and operands */
    uint64_t met;            /* bits: shapes met, by their last digits */
} Rewrite;

#define UNPLACED 0xff
#define FIXED 2 /* the shape of a constant */

static double number_of(const Rewrite *r, int slot)
{
    return slot >= VALUE ? r->folded[slot - VALUE] : r->from->c[slot - CONSTANT];
}

static inline uint32_t word_of(int op, const uint8_t *arg, int first, int second)
{
    return (uint32_t)op << 24 | (uint32_t)arg[first] << 16 | (uint32_t)arg[second] << 8 | arg[2];
}

/* An earlier instruction with these operands, UNPLACED if there is none. */
static int find_equal(const Rewrite *r, int op, const uint8_t *arg)
{
    const uint32_t word = word_of(op, arg, 0, 1), swapped = SYMMETRIC[op] ? word_of(op, arg, 1, 0) : word;
    for (int m = 0; m < r->n; m++)
        if (r->word[m] == word || r->word[m] == swapped) return r->unlike[m];
    return UNPLACED;
}

/* The meaning of instruction i, whose operands' are known: a constant if they are, an equal instruction if there is
   one. */
static void understand(Rewrite *r, int i)
{
    const int op = r->from->op[i], arity = ARITY[op], slot = VALUE + i;
    uint8_t *arg = r->arg[i];
    uint64_t h[3];
    for (int j = 0; j < 3; j++) {
        arg[j] = r->same[r->from->arg[i][j]];
        h[j] = r->shape[arg[j]];
    }
    r->same[slot] = (uint8_t)slot;
    if (h[0] == FIXED && (arity < 2 || h[1] == FIXED) && (arity < 3 || h[2] == FIXED)) {
        double v[3] = {0, 0, 0};
        for (int j = 0; j < arity; j++) v[j] = number_of(r, arg[j]);
        r->folded[i] = apply(op, v[0], v[1], v[2]);
        r->shape[slot] = FIXED;
        return;
    }
    if (SYMMETRIC[op] && h[0] < h[1]) {
        const uint64_t t = h[0];
        const uint8_t u = arg[0];
        h[0] = h[1], arg[0] = arg[1];
        h[1] = t, arg[1] = u;
    }
    const uint64_t shape = mix(mix((uint64_t)op + 3) + h[0] * 0x9e3779b97f4a7c15u + h[1] * 0xc2b2ae3d27d4eb4fu +
                               (arity == 3 ? h[2] * 0xd6e8feb86659fd93u : 0));
    const uint64_t bit = 1ull << (shape & 63);
    r->shape[slot] = shape;
    if (r->met & bit) { /* equal instructions have equal shapes */
        const int equal = find_equal(r, op, arg);
        if (equal != UNPLACED) {
            r->same[slot] = (uint8_t)equal;
            return;
        }
    }
    r->met |= bit;
    r->word[r->n] = word_of(op, arg, 0, 1);
    r->unlike[r->n++] = (uint8_t)slot;
}

/* Copies depth first: one order for programs that differ in it. Returns the copy's key, 0 if it does not fit. The walk
   keeps its own stack: a GPU's threads have little, and recursion is not inlined. */
static uint64_t place(const Rewrite *r, int root, Program *to)
{
    uint8_t placed[SLOTS], stack[MAX_OPS]; /* slot in `to`, or UNPLACED; values that wait for operands */
    int n = 0, k = 0, depth = 0;
    uint64_t h = (uint64_t)r->n;
    memset(placed, UNPLACED, sizeof placed);
    placed[X] = X;
    stack[0] = (uint8_t)root;
    while (depth >= 0) {
        const int slot = stack[depth];
        const uint8_t *arg = r->arg[slot - VALUE];
        int j = 0;
        for (; j < 3; j++) {
            if (placed[arg[j]] != UNPLACED) continue;
            if (r->shape[arg[j]] != FIXED) break;
            if (k == MAX_CONSTANTS) return 0;
            to->c[k] = number_of(r, arg[j]);
            placed[arg[j]] = (uint8_t)(CONSTANT + k++);
        }
        if (j < 3) {
            stack[++depth] = arg[j];
            continue;
        }
        const uint8_t op = r->from->op[slot - VALUE], a = placed[arg[0]], b = placed[arg[1]], c = placed[arg[2]];
        h = (h ^ ((uint64_t)op << 24 | (uint64_t)to_batch(a) << 16 | (uint64_t)to_batch(b) << 8 | to_batch(c))) *
            0x9e3779b97f4a7c15u;
        h ^= h >> 32;
        to->op[n] = op;
        to->arg[n][0] = a;
        to->arg[n][1] = b;
        to->arg[n][2] = c;
        placed[slot] = (uint8_t)(VALUE + n++);
        depth--;
    }
    to->n = to->settled = to->seam = n;
    to->k = k;
    to->root = VALUE + n - 1;
    h = mix(h);
    return h ? h : 1;
}

/* Puts the canonical form of `from` into `to`. Returns its key, tier 1 of functional equivalence: equal for equal
   text. 0 if there is none: it does not depend on x, or does not fit. */
static uint64_t canonicalise(const Program *from, const Order *order, Program *to)
{
    Rewrite r;
    if (from->root < VALUE) return 0;
    r.from = from;
    r.n = 0;
    r.met = 0;
    r.shape[X] = 1;
    r.same[X] = X;
    for (int j = 0; j < from->k; j++) r.shape[CONSTANT + j] = FIXED, r.same[CONSTANT + j] = (uint8_t)(CONSTANT + j);
    for (int t = 0; t < from->n; t++)
        if (order->needed >> order->at[t] & 1) understand(&r, order->at[t]);
    const int root = r.same[from->root];
    return r.shape[root] == FIXED ? 0 : place(&r, root, to);
}

#endif
