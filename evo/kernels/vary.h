/* Offspring: mutants made, put in canonical form, told apart and fingerprinted. A mutant is a function of its
   number, the parents and the texts known; what becomes of it is decided one after the other here, and of whole
   waves on a GPU (judgements.cuh, evo/backends/cuda_vary.py). */
#ifndef EVO_VARY_H
#define EVO_VARY_H

#include "cache.h"
#include "field.h"
#include "mutate.h"

#define MOST_EDITS 6 /* of one mutant */

/* A program on its way to an offspring. */
typedef struct {
    Program program, donor;
    uint64_t text; /* tier 1; 0: it has no canonical form */
    uint64_t rng;  /* for what is still to be drawn */
    int refit;     /* it may be known: its fit is tried again from other constants */
    int walked;    /* known texts passed on the way */
    int fate;      /* MADE, or why it is dropped */
} Mutant;

static int is_known(const Cache *texts, uint64_t text) { return cache_find(texts, text) >= 0; }

/* Makes p, which an edit changed, the mutant's program. */
static SEPARATE void tidy(const Brood *brood, const Context *x, Program *p, Mutant *m)
{
    Order order;
    put_in_order(p, &order);
    cut_back(x, p, brood->max_ops, &order);
    m->text = canonicalise(p, &order, &m->program);
}

/* Makes p with one more edit the mutant's program. */
static SEPARATE void change(const Brood *brood, const Context *x, int mutation, Program *p, Mutant *m)
{
    edit(mutation, x, p);
    tidy(brood, x, p, m);
}

/* Mutant number i with its first edit, which depends on no text; that it is known will be asked. */
static void begin(const Brood *brood, const Batch *parents, const Cache *texts, int64_t i, Mutant *m)
{
    Program p;
    const Context x = {&m->rng, brood->allowed, brood->n_allowed, &m->donor};
    m->rng = mix2(brood->stream, (uint64_t)i);
    const int mutation = pick(brood->weights, &m->rng);
    m->refit = parents->rows && refits(mutation);
    if (parents->rows) {
        load(parents, (int64_t)(uniform(&m->rng) * (double)parents->rows), &p);
        load(parents, (int64_t)(uniform(&m->rng) * (double)parents->rows), &m->donor);
        change(brood, &x, mutation, &p, m);
    } else {
        fresh(&x, &p);
        p.settled = p.seam = p.n;
        m->donor = p;
        tidy(brood, &x, &p, m);
    }
    cache_expect(texts, m->text);
}

/* Its further edits: they come by chance, and from every known text, so that the walk leaves what was searched. */
static void finish(const Brood *brood, const Cache *texts, int64_t width, Mutant *m)
{
    Program p;
    const Context x = {&m->rng, brood->allowed, brood->n_allowed, &m->donor};
    const int skips = brood->tiers & TIER_TEXT;
    m->walked = 0;
    m->fate = INVALID;
    for (int edits = 1; m->text; edits++) {
        const int known = skips && !m->refit && is_known(texts, m->text), last = m->refit || edits == MOST_EDITS;
        if (last || (!known && uniform(&m->rng) >= brood->further)) {
            const Program *q = &m->program;
            const int too_large = cost(q) > brood->max_ops || q->n > width || q->k > width;
            m->fate = too_large ? TOO_LARGE : known ? SEEN_TEXT : MADE;
            return;
        }
        m->walked += known;
        const int mutation = pick(brood->weights, &m->rng);
        p = m->program;
        change(brood, &x, mutation, &p, m);
    }
}

/* UNDEFINED or REDUNDANT if that drops a mutant, else MADE. The rank comes before the fingerprint: half of all
   new texts are redundant, and their constants are the hardest to tell apart. */
static int by_rank(Field *field, const Brood *brood, const Program *p)
{
    if (!(brood->tiers & TIER_REDUNDANT)) return MADE;
    const int rank = rank_of(field, p);
    return rank < 0 ? UNDEFINED : rank < p->k ? REDUNDANT : MADE;
}

/* A mutant's fingerprint, its text's if functions are not told apart; `function` is 0 if it is undefined. */
static Fingerprint identify(Field *field, const Brood *brood, const Program *p, uint64_t text)
{
    const Fingerprint of_text = {text, (uint32_t)mix(text)};
    return brood->tiers & (TIER_FUNCTION | TIER_REDUNDANT) ? fingerprint(field, p) : of_text;
}

/* What the cache of functions says of a mutant: MADE (new, or cheaper than known; `news` is then 1), COLLISIONS,
   SEEN_FUNCTION or AUDITED. */
static int judge(const Brood *brood, const Cache *functions, Fingerprint found, int ops, int refit, uint64_t *rng,
                 int *news)
{
    *news = 0;
    if (!(brood->tiers & TIER_FUNCTION)) return MADE;
    const int64_t at = cache_find(functions, found.function);
    *news = at < 0 || (functions->check[at] == found.check && functions->ops[at] > ops);
    if (*news) return MADE;
    if (functions->check[at] != found.check) return COLLISIONS;
    if (refit) return MADE;
    return uniform(rng) < brood->audit ? AUDITED : SEEN_FUNCTION;
}

/* Fills `out` with up to out->rows programs that no cache knows; returns how many.
   function, check [rows]: fingerprints; audited [rows]: 1 for a known function taken to check the cache.
   count [COUNTERS] is added to. Without parents all are random. `texts` and `functions` learn what is made. */
EXPORT int64_t offspring(const Brood *brood, const Batch *parents, const Cache *texts, const Cache *functions,
                         const Batch *out, uint64_t *function, uint32_t *check, uint8_t *audited, int64_t *count)
{
    int64_t made = 0;
    Field field;
    Mutant mutants[3]; /* those that follow have begun: memory answers in the meantime */
    for (int i = 0; i < 2; i++) begin(brood, parents, texts, i, &mutants[i]);
    for (int64_t i = 0; made < out->rows && i < out->rows * brood->attempts; i++) {
        Mutant *m = &mutants[i % 3], *next = &mutants[(i + 2) % 3];
        finish(brood, texts, out->width, m);
        count[MADE] += 1 + m->walked;
        count[SEEN_TEXT] += m->walked;
        int fate = m->fate, news;
        if (fate == MADE) {
            if (brood->tiers & TIER_TEXT && !m->refit) cache_add_key(texts, m->text);
            fate = by_rank(&field, brood, &m->program);
        }
        Fingerprint found = {0, 0};
        if (fate == MADE) {
            found = identify(&field, brood, &m->program, m->text);
            cache_expect(functions, found.function);
        }
        begin(brood, parents, texts, i + 2, next);
        if (fate == MADE) {
            const int ops = cost(&m->program);
            fate = found.function ? judge(brood, functions, found, ops, m->refit, &m->rng, &news) : UNDEFINED;
            if (fate == MADE && news) cache_put(functions, found.function, found.check, ops);
            function[made] = found.function;
            check[made] = found.check;
        }
        if (fate == AUDITED) count[SEEN_FUNCTION]++;
        if (fate != MADE) count[fate]++;
        if (fate != MADE && fate != COLLISIONS && fate != AUDITED) continue;
        audited[made] = fate == AUDITED;
        store(out, made++, &m->program);
    }
    return made;
}

EXPORT int mutation_count(void) { return N_MUTATIONS; }

EXPORT const char *mutation_name(int i)
{
#define ROW(name, weight, function, refits) name,
    static const char *const names[] = {MUTATIONS(ROW)};
#undef ROW
    return names[i];
}

EXPORT double mutation_weight(int i)
{
#define ROW(name, weight, function, refits) weight,
    static const double weights[] = {MUTATIONS(ROW)};
#undef ROW
    return weights[i];
}

/* Canonical form of every row in place; ok [rows] is 0 where there is none. */
EXPORT void canonical_forms(const Batch *batch, uint8_t *ok, uint64_t *text)
{
    Program p, q;
    Order order;
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        put_in_order(&p, &order);
        find_needed(&p, &order);
        text[row] = canonicalise(&p, &order, &q);
        if (text[row] && (q.n > batch->width || q.k > batch->width)) text[row] = 0;
        ok[row] = text[row] != 0;
        if (ok[row]) store(batch, row, &q);
    }
}

#endif
