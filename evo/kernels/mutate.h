/* Mutations of a program (and a donor), for processors and GPUs.

   A mutation edits the graph: it may append instructions whose operands come before the place that
   will use them (Program.seam; write_site() sets it, and what changes more places must), and leave others
   unused; canonicalise() tidies up. The table MUTATIONS at the end is the list of them: to add one, write a
   function and a row. */
#ifndef EVO_MUTATE_H
#define EVO_MUTATE_H

#include "random.h"

typedef struct {
    uint64_t *rng;
    const uint8_t *allowed; /* opcodes that new instructions may have */
    int n_allowed;
    const Program *donor;
} Context;

static int chance(const Context *x, double probability) { return uniform(x->rng) < probability; }

static int add_constant(Program *p, double value)
{
    if (p->k == MAX_CONSTANTS) return CONSTANT;
    p->c[p->k] = value;
    return CONSTANT + p->k++;
}

static int add_instruction(Program *p, int op, int a, int b, int c)
{
    if (p->n == MAX_OPS) return X;
    p->op[p->n] = (uint8_t)op;
    p->arg[p->n][0] = (uint8_t)a;
    p->arg[p->n][1] = (uint8_t)(ARITY[op] > 1 ? b : 0);
    p->arg[p->n][2] = (uint8_t)(ARITY[op] > 2 ? c : 0);
    return VALUE + p->n++;
}

/* A third operand where the first two are what matters. */
static int some_constant(const Context *x, Program *p)
{
    return p->k ? CONSTANT + below(x->rng, p->k) : add_constant(p, random_constant(x->rng));
}

static int random_op(const Context *x) { return x->allowed[below(x->rng, x->n_allowed)]; }

/* An operand for instruction `before`: the input, a constant, or an earlier value. */
static int random_operand(const Context *x, Program *p, int before)
{
    const double u = uniform(x->rng);
    if (before > 0 && u < 0.45) return VALUE + below(x->rng, before);
    if (u < 0.65) return X;
    if (p->k && u < 0.72) return CONSTANT + below(x->rng, p->k);
    return add_constant(p, random_constant(x->rng));
}

/* op(slot, other), the operands in either order. */
static int combine(const Context *x, Program *p, int op, int slot, int other, int third)
{
    return chance(x, 0.5) ? add_instruction(p, op, slot, other, third)
                          : add_instruction(p, op, other, slot, third);
}

/* A place that reads a value: operand `operand` of instruction `i`, or the result (i = n). */
typedef struct { int i, operand; } Site;

static Site random_site(const Context *x, const Program *p)
{
    int total = 1;
    Site s = {0, 0};
    for (int i = 0; i < p->n; i++) total += ARITY[p->op[i]];
    s.operand = below(x->rng, total);
    while (s.i < p->n && s.operand >= ARITY[p->op[s.i]]) s.operand -= ARITY[p->op[s.i++]];
    return s;
}

static int read_site(const Program *p, Site s) { return s.i == p->n ? p->root : p->arg[s.i][s.operand]; }

/* `n` before the edit tells the result's site from appended instructions, which come before the site. */
static void write_site(Program *p, Site s, int n, int slot)
{
    p->seam = s.i;
    if (s.i == n) p->root = slot;
    else p->arg[s.i][s.operand] = (uint8_t)slot;
}

static void replace_all(Program *p, int n, int from, int to)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < ARITY[p->op[i]]; j++)
            if (p->arg[i][j] == from) p->arg[i][j] = (uint8_t)to;
    if (p->root == from) p->root = to;
}

/* v becomes op(v, operand). */
static void insert(const Context *x, Program *p)
{
    const int n = p->n, op = random_op(x);
    const Site s = random_site(x, p);
    int other = random_operand(x, p, s.i);
    if (is_constant(other) && chance(x, 0.5)) other = add_constant(p, NEUTRAL[op]);
    const int third = ARITY[op] > 2 ? random_operand(x, p, s.i) : 0;
    write_site(p, s, n, combine(x, p, op, read_site(p, s), other, third));
}

/* An instruction gives way to one of its operands. */
static void remove_one(const Context *x, Program *p)
{
    const int i = below(x->rng, p->n);
    replace_all(p, p->n, VALUE + i, p->arg[i][below(x->rng, ARITY[p->op[i]])]);
}

/* A place reads something else. */
static void rewire(const Context *x, Program *p)
{
    const int n = p->n;
    const Site s = random_site(x, p);
    write_site(p, s, n, random_operand(x, p, s.i));
}

static void change_op(const Context *x, Program *p)
{
    const int i = below(x->rng, p->n), op = random_op(x), arity = ARITY[op];
    for (int j = ARITY[p->op[i]]; j < arity; j++) p->arg[i][j] = (uint8_t)random_operand(x, p, i);
    for (int j = arity; j < 3; j++) p->arg[i][j] = 0;
    p->op[i] = (uint8_t)op;
    if (arity > 1 && chance(x, 0.25)) {
        const uint8_t t = p->arg[i][0];
        p->arg[i][0] = p->arg[i][1];
        p->arg[i][1] = t;
    }
}

/* Copies what value `root` of `from` needs into p, constants included. */
static int copy_cone(Program *p, const Program *from, int root)
{
    uint8_t copied[SLOTS], stack[MAX_OPS];
    int depth = 0;
    memset(copied, UNPLACED, sizeof copied);
    copied[X] = X;
    stack[depth++] = (uint8_t)root;
    while (depth) {
        const int slot = stack[depth - 1], i = slot - VALUE, arity = ARITY[from->op[i]];
        int j = 0, arg[3] = {0, 0, 0};
        for (; j < arity; j++) {
            const int operand = from->arg[i][j];
            if (copied[operand] == UNPLACED && is_constant(operand))
                copied[operand] = (uint8_t)add_constant(p, from->c[operand - CONSTANT]);
            if (copied[operand] == UNPLACED) break;
            arg[j] = copied[operand];
        }
        if (j < arity) {
            stack[depth++] = from->arg[i][j];
            continue;
        }
        copied[slot] = (uint8_t)add_instruction(p, from->op[i], arg[0], arg[1], arg[2]);
        depth--;
    }
    return copied[root];
}

/* A copy, with constants of its own, of a value computed earlier is combined into a place. */
static void duplicate(const Context *x, Program *p)
{
    const int n = p->n;
    const Program before = *p;
    const Site s = random_site(x, p);
    if (s.i == 0) return;
    const int copy = copy_cone(p, &before, VALUE + below(x->rng, s.i));
    const int op = random_op(x);
    if (ARITY[op] < 2 || chance(x, 0.3)) write_site(p, s, n, copy);
    else write_site(p, s, n, combine(x, p, op, read_site(p, s), copy, some_constant(x, p)));
}

/* A small random program of `slot`: its operands are `slot`, now and then x, fresh constants and its own values. */
static int small_program(const Context *x, Program *p, int slot, int length)
{
    const int first = p->n;
    int last = slot;
    for (int m = 0; m < length; m++) {
        int arg[3];
        for (int j = 0; j < 3; j++) {
            const double u = uniform(x->rng);
            if (m && u < 0.4) arg[j] = VALUE + first + below(x->rng, p->n - first);
            else if (u < 0.65) arg[j] = slot;
            else if (u < 0.75) arg[j] = X; /* Newton's step to a root of x needs x beside v */
            else arg[j] = add_constant(p, random_constant(x->rng));
        }
        if (m && chance(x, 0.8)) arg[0] = last; /* little of it is dead code */
        const int op = random_op(x);
        last = ARITY[op] > 1 ? combine(x, p, op, arg[0], arg[1], arg[2]) : add_instruction(p, op, arg[0], 0, 0);
    }
    return last;
}

/* An operand v becomes a small random program of v, at one place or wherever v is read; a constant
   becomes one of x. */
static void graft(const Context *x, Program *p)
{
    const int n = p->n;
    const Site s = random_site(x, p);
    const int v = read_site(p, s), length = 2 + below(x->rng, 2);
    if (is_constant(v)) {
        write_site(p, s, n, small_program(x, p, X, length));
        return;
    }
    const int last = small_program(x, p, v, length);
    if (chance(x, 0.5)) write_site(p, s, n, last);
    else {
        replace_all(p, n, v, last);
        p->seam = v == X ? 0 : v - VALUE + 1;
    }
}

/* The whole result, or the input everywhere, goes through one more op. */
static void wrap(const Context *x, Program *p)
{
    const int n = p->n, op = random_op(x), inside = chance(x, 0.5), slot = inside ? X : p->root;
    const int other = chance(x, 0.4) ? slot : chance(x, 0.2) ? X : add_constant(p, random_constant(x->rng));
    const int wrapped = combine(x, p, op, slot, other, add_constant(p, random_constant(x->rng)));
    if (!inside) {
        p->root = wrapped;
        return;
    }
    replace_all(p, n, X, wrapped);
    p->seam = 0;
}

/* Other constants for the same code: another start for its fit. */
static void perturb(const Context *x, Program *p)
{
    const double spread = pow(10.0, -3.0 * uniform(x->rng));
    for (int j = 0; j < p->k; j++)
        p->c[j] = chance(x, 0.3) ? ldexp(p->c[j], below(x->rng, 5) - 2) : p->c[j] * (1.0 + spread * normal(x->rng));
}

/* A part of the donor takes the place of an operand, or is combined with it. */
static void recombine(const Context *x, Program *p)
{
    const int n = p->n;
    const Site s = random_site(x, p);
    const int part = copy_cone(p, x->donor, VALUE + below(x->rng, x->donor->n));
    const int op = random_op(x);
    if (ARITY[op] < 2 || chance(x, 0.7)) write_site(p, s, n, part);
    else write_site(p, s, n, combine(x, p, op, read_site(p, s), part, some_constant(x, p)));
}

/* The donor of the place's own operand: p's part feeds the donor's input. */
static void compose(const Context *x, Program *p)
{
    const int n = p->n;
    const Site s = random_site(x, p);
    const int v = read_site(p, s);
    if (is_constant(v)) return;
    const int first = p->n;
    const int part = copy_cone(p, x->donor, x->donor->root);
    for (int i = first; i < p->n; i++)
        for (int j = 0; j < ARITY[p->op[i]]; j++)
            if (p->arg[i][j] == X) p->arg[i][j] = (uint8_t)v;
    write_site(p, s, n, part);
}

/* Nothing of the parent: a random program of few ops. */
static void fresh(const Context *x, Program *p)
{
    p->n = p->k = 0;
    p->root = small_program(x, p, X, 1 + below(x->rng, 5));
}

/* ROW(name, weight, function, refits): with `refits` the program may stay the same, and its fit is tried again
   from new constants. */
#define MUTATIONS(ROW) \
    ROW("insert", 0.16, insert, 0) \
    ROW("delete", 0.06, remove_one, 0) \
    ROW("rewire", 0.10, rewire, 0) \
    ROW("change_op", 0.08, change_op, 0) \
    ROW("duplicate", 0.06, duplicate, 0) \
    ROW("wrap", 0.08, wrap, 0) \
    ROW("graft", 0.26, graft, 0) \
    ROW("recombine", 0.12, recombine, 0) \
    ROW("compose", 0.04, compose, 0) \
    ROW("perturb", 0.02, perturb, 1) \
    ROW("fresh", 0.02, fresh, 0)

enum {
#define ROW(name, weight, function, refits) MUTATION_##function,
    MUTATIONS(ROW)
#undef ROW
    N_MUTATIONS
};

static void edit(int mutation, const Context *x, Program *p)
{
    p->settled = p->seam = p->n;
    switch (mutation) {
#define ROW(name, weight, function, refits) \
    case MUTATION_##function: function(x, p); break;
        MUTATIONS(ROW)
#undef ROW
    }
}

static int refits(int mutation)
{
    switch (mutation) {
#define ROW(name, weight, function, again) \
    case MUTATION_##function: return again;
        MUTATIONS(ROW)
#undef ROW
    }
    return 0;
}

/* A row of the table, drawn by these weights [N_MUTATIONS]. */
static int pick(const double *weights, uint64_t *rng)
{
    double total = 0.0, u;
    for (int m = 0; m < N_MUTATIONS; m++) total += weights[m];
    u = uniform(rng) * total;
    for (int m = 0; m < N_MUTATIONS; m++)
        if ((u -= weights[m]) < 0.0) return m;
    return 0;
}

/* Deletes instructions that are needed until the mutant is within the limit: most edits grow it, and at the limit
   all of those would be lost. */
static void cut_back(const Context *x, Program *p, int max_ops, Order *order)
{
    for (;;) {
        find_needed(p, order);
        if (order->cost <= max_ops) return;
        int i = below(x->rng, p->n);
        while (!(order->needed >> i & 1)) i = (i + 1) % p->n;
        replace_all(p, p->n, VALUE + i, p->arg[i][below(x->rng, ARITY[p->op[i]])]);
    }
}

#endif
