/* Offspring: mutations of one parent (and a donor), made, put in canonical form and fingerprinted in
   one call for a whole batch.

   A mutation edits the graph: it may append instructions whose operands come before the place that
   will use them, and leave others unused; canonicalise() tidies up. The table MUTATIONS at the end is
   the list of them: to add one, write a function and a row. */
#ifndef EVO_VARY_H
#define EVO_VARY_H

#include "cache.h"
#include "field.h"
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
    for (int i = 0; i < p->n; i++) total += ARITY[p->op[i]];
    int at = below(x->rng, total);
    for (int i = 0; i < p->n; i++) {
        if (at < ARITY[p->op[i]]) return (Site){i, at};
        at -= ARITY[p->op[i]];
    }
    return (Site){p->n, 0};
}

static int read_site(const Program *p, Site s) { return s.i == p->n ? p->root : p->arg[s.i][s.operand]; }

/* `n` before the edit tells the result's site from appended instructions. */
static void write_site(Program *p, Site s, int n, int slot)
{
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

/* A constant that leaves `op` without effect, where there is one. */
static double neutral(int op) { return DIVIDES[op] || op == OP_MUL ? 1.0 : 0.0; }

/* v becomes op(v, operand). */
static void insert(const Context *x, Program *p)
{
    const int n = p->n, op = random_op(x);
    const Site s = random_site(x, p);
    int other = random_operand(x, p, s.i);
    if (is_constant(other) && chance(x, 0.5)) other = add_constant(p, neutral(op));
    const int third = ARITY[op] > 2 ? random_operand(x, p, s.i) : 0;
    write_site(p, s, n, combine(x, p, op, read_site(p, s), other, third));
}

/* An instruction gives way to one of its operands. */
static void delete (const Context *x, Program *p)
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

/* Copies what `slot` of `from` needs into p, constants included; `copied` [SLOTS] starts at -1. */
static int copy_cone(Program *p, const Program *from, int slot, int16_t *copied)
{
    if (slot == X) return X;
    if (copied[slot] >= 0) return copied[slot];
    if (is_constant(slot)) return copied[slot] = (int16_t)add_constant(p, from->c[slot - CONSTANT]);
    const int i = slot - VALUE;
    int arg[3] = {0, 0, 0};
    for (int j = 0; j < ARITY[from->op[i]]; j++) arg[j] = copy_cone(p, from, from->arg[i][j], copied);
    return copied[slot] = (int16_t)add_instruction(p, from->op[i], arg[0], arg[1], arg[2]);
}

/* A copy, with constants of its own, of a value computed earlier is combined into a place. */
static void duplicate(const Context *x, Program *p)
{
    const int n = p->n;
    const Program before = *p;
    const Site s = random_site(x, p);
    if (s.i == 0) return;
    int16_t copied[SLOTS];
    memset(copied, -1, sizeof copied);
    const int copy = copy_cone(p, &before, VALUE + below(x->rng, s.i), copied);
    const int op = random_op(x);
    if (ARITY[op] < 2 || chance(x, 0.3)) write_site(p, s, n, copy);
    else write_site(p, s, n, combine(x, p, op, read_site(p, s), copy, some_constant(x, p)));
}

/* A small random program of `slot`: its operands are `slot`, fresh constants and its own values. */
static int small_program(const Context *x, Program *p, int slot, int length)
{
    const int first = p->n;
    int last = slot;
    for (int m = 0; m < length; m++) {
        int arg[3];
        for (int j = 0; j < 3; j++) {
            const double u = uniform(x->rng);
            if (m && u < 0.4) arg[j] = VALUE + first + below(x->rng, p->n - first);
            else if (u < 0.75) arg[j] = slot;
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
    else replace_all(p, n, v, last);
}

/* The whole result, or the input everywhere, goes through one more op. */
static void wrap(const Context *x, Program *p)
{
    const int n = p->n, op = random_op(x), inside = chance(x, 0.5), slot = inside ? X : p->root;
    const int other = chance(x, 0.4) ? slot : chance(x, 0.2) ? X : add_constant(p, random_constant(x->rng));
    const int wrapped = combine(x, p, op, slot, other, add_constant(p, random_constant(x->rng)));
    if (inside) replace_all(p, n, X, wrapped);
    else p->root = wrapped;
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
    int16_t copied[SLOTS];
    memset(copied, -1, sizeof copied);
    const int part = copy_cone(p, x->donor, VALUE + below(x->rng, x->donor->n), copied);
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
    int16_t copied[SLOTS];
    memset(copied, -1, sizeof copied);
    const int first = p->n;
    const int part = copy_cone(p, x->donor, x->donor->root, copied);
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

typedef struct {
    const char *name;
    double weight;
    void (*edit)(const Context *, Program *);
    int refits; /* the program may stay the same: its fit is tried again from new constants */
} Mutation;

static const Mutation MUTATIONS[] = {
    {"insert", 0.16, insert, 0},       {"delete", 0.06, delete, 0},       {"rewire", 0.10, rewire, 0},
    {"change_op", 0.08, change_op, 0}, {"duplicate", 0.06, duplicate, 0}, {"wrap", 0.08, wrap, 0},
    {"graft", 0.26, graft, 0},         {"recombine", 0.12, recombine, 0}, {"compose", 0.04, compose, 0},
    {"perturb", 0.02, perturb, 1},     {"fresh", 0.02, fresh, 0},
};
#define MOST_EDITS 6 /* of one mutant */
enum { N_MUTATIONS = sizeof MUTATIONS / sizeof *MUTATIONS };

EXPORT int mutation_count(void) { return N_MUTATIONS; }
EXPORT const char *mutation_name(int i) { return MUTATIONS[i].name; }
EXPORT double mutation_weight(int i) { return MUTATIONS[i].weight; }

/* What became of the mutants; names and meanings: evo/vary.py. */
enum { MADE, INVALID, TOO_LARGE, SEEN_TEXT, UNDEFINED, REDUNDANT, SEEN_FUNCTION, COLLISIONS, AUDITED, COUNTERS };

typedef struct {
    uint64_t stream;          /* of this generation */
    const uint8_t *allowed;   /* [n_allowed] */
    const double *weights;    /* [N_MUTATIONS] */
    int32_t n_allowed;
    int32_t max_ops;
    int32_t attempts;         /* per wanted offspring, before giving up */
    int32_t tiers;            /* bit 0: skip seen texts, bit 1: seen functions, bit 2: redundant ones */
    double further;           /* chance of each further edit after the first */
    double audit;             /* share of the functions seen before that are fitted all the same */
} Brood;

static const Mutation *pick(const double *weights, uint64_t *rng)
{
    double total = 0.0, u;
    for (int m = 0; m < N_MUTATIONS; m++) total += weights[m];
    u = uniform(rng) * total;
    for (int m = 0; m < N_MUTATIONS; m++)
        if ((u -= weights[m]) < 0.0) return &MUTATIONS[m];
    return &MUTATIONS[0];
}

static int cost_of(const Program *p, int slot, uint8_t *live)
{
    if (slot < VALUE || live[slot - VALUE]) return 0;
    const int i = slot - VALUE;
    int sum = COST[p->op[i]];
    live[i] = 1;
    for (int j = 0; j < ARITY[p->op[i]]; j++) sum += cost_of(p, p->arg[i][j], live);
    return sum;
}

/* Deletes live instructions until the mutant is within the limit: most edits grow it, and at the limit all
   of those would be lost. */
static void cut_back(const Context *x, Program *p, int max_ops)
{
    for (;;) {
        uint8_t live[MAX_OPS] = {0};
        if (cost_of(p, p->root, live) <= max_ops) return;
        int i = below(x->rng, p->n);
        while (!live[i]) i = (i + 1) % p->n;
        replace_all(p, p->n, VALUE + i, p->arg[i][below(x->rng, ARITY[p->op[i]])]);
    }
}

static int too_large(const Brood *brood, const Batch *out, const Program *p)
{
    return cost(p) > brood->max_ops || p->n > out->width || p->k > out->width;
}

static int is_known(const Cache *own, const Cache *known, uint64_t key)
{
    return cache_find(own, key) >= 0 || (known && cache_find(known, key) >= 0);
}

/* Fills `out` with up to out->rows programs that no cache knows; returns how many.
   key, check [rows]: fingerprints; audited [rows]: 1 for a known function taken to check the cache.
   count [COUNTERS] is added to. Without parents all are random. -1 if memory ran out.
   `texts` and `functions` learn what is made; what the `known` ones hold counts as seen too, and they are only
   read, so that several lanes may share them. NULL: there are none. */
EXPORT int64_t offspring(const Brood *brood, const Batch *parents, const Cache *texts, const Cache *functions,
                         const Cache *known_texts, const Cache *known_functions, const Batch *out, uint64_t *key,
                         uint32_t *check, uint8_t *audited, int64_t *count)
{
    Field *field = calloc(1, sizeof *field);
    if (!field) return -1;
    int64_t made = 0;
    Program p, donor, child;
    for (int64_t i = 0; made < out->rows && i < out->rows * brood->attempts; i++) {
        uint64_t rng = mix2(brood->stream, (uint64_t)i);
        const Context x = {&rng, brood->allowed, brood->n_allowed, &donor};
        count[MADE]++;
        const Mutation *mutation = pick(brood->weights, &rng);
        const int refit = parents->rows && mutation->refits;
        if (parents->rows == 0) {
            fresh(&x, &p);
            donor = p;
        } else {
            load(parents, (int64_t)(uniform(&rng) * (double)parents->rows), &p);
            load(parents, (int64_t)(uniform(&rng) * (double)parents->rows), &donor);
            mutation->edit(&x, &p);
        }
        cut_back(&x, &p, brood->max_ops);
        int valid = canonicalise(&p, &child);
        /* Further edits by chance, and from every known text, so that the walk leaves what was searched. */
        for (int edits = 1; valid && !refit && edits < MOST_EDITS; edits++) {
            const int known = brood->tiers & 1 && is_known(texts, known_texts, structural_key(&child));
            if (!known && uniform(&rng) >= brood->further) break;
            if (known) count[MADE]++, count[SEEN_TEXT]++;
            pick(brood->weights, &rng)->edit(&x, &child);
            cut_back(&x, &child, brood->max_ops);
            p = child;
            valid = canonicalise(&p, &child);
        }
        if (!valid) {
            count[INVALID]++;
            continue;
        }
        if (too_large(brood, out, &child)) {
            count[TOO_LARGE]++;
            continue;
        }
        const uint64_t text = structural_key(&child);
        if (brood->tiers & 1 && !refit) {
            if (is_known(texts, known_texts, text)) {
                count[SEEN_TEXT]++;
                continue;
            }
            cache_add(texts, text, 0, 0, NAN);
        }
        Fingerprint found = {text, (uint32_t)mix(text), child.k};
        if (brood->tiers & 6) {
            found = fingerprint(field, &child);
            if (!found.key) {
                count[UNDEFINED]++;
                continue;
            }
        }
        if (brood->tiers & 4 && found.rank < child.k) {
            count[REDUNDANT]++;
            continue;
        }
        audited[made] = 0;
        if (brood->tiers & 2) {
            const int ops = cost(&child);
            int64_t at = cache_find(functions, found.key);
            const int own = at >= 0 || !known_functions;
            const Cache *cache = own ? functions : known_functions;
            if (!own) at = cache_find(cache, found.key);
            if (at < 0) {
                cache_add(functions, found.key, found.check, ops, NAN);
            } else if (cache->check[at] != found.check) {
                count[COLLISIONS]++;
            } else if (cache->ops[at] > ops) { /* a cheaper form of a known function */
                if (own) cache->ops[at] = (uint8_t)ops;
                else cache_add(functions, found.key, found.check, ops, NAN);
            } else if (!refit) {
                count[SEEN_FUNCTION]++;
                if (uniform(&rng) >= brood->audit) continue;
                count[AUDITED]++;
                audited[made] = 1;
            }
        }
        key[made] = found.key;
        check[made] = found.check;
        store(out, made++, &child);
    }
    free(field);
    return made;
}

/* Canonical form of every row in place; ok [rows] is 0 where there is none. */
EXPORT void canonical_forms(const Batch *batch, uint8_t *ok, uint64_t *text)
{
    Program p, q;
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        ok[row] = (uint8_t)canonicalise(&p, &q);
        if (ok[row]) ok[row] = q.n <= batch->width && q.k <= batch->width;
        if (ok[row]) store(batch, row, &q);
        text[row] = ok[row] ? structural_key(&q) : 0;
    }
}

#endif
