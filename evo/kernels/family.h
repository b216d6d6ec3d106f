/* Families: functions up to what a fit cannot tell apart, the sign of a constant and its inverse.

   x + c and x - c reach the same functions, and so do x * c and x / c. So a family's fingerprint is taken over all
   choices of c, -c, 1/c and -1/c for every constant at once: the sum over the choices does not know which of them the
   program wrote. Constants are named by what they do, as in field.h, by the square of c df/dc: the sign and the inverse
   change the sign of c df/dc alone. Two programs of one fingerprint are one family (up to chance, about 2^-60); of
   other reparametrisations, (x + a)^2 + b and x (x + c) + d, nothing is seen. */
#ifndef EVO_FAMILY_H
#define EVO_FAMILY_H

#include "field.h"

#define MOST_INVERTED 6 /* constants of a program of which inverses are tried, too: 4^k points, else 2^k */
#define FAMILY_KEYS 3   /* draws of x of a family's fingerprint: a draw has the values of all choices */
#define FAMILY_TRIES 64 /* draws of x in which enough choices must have a result */

/* Constants in all their choices: lane l of a block has choice block * DRAWS + l, a digit for each constant. The last
   constant has the lowest digit: most blocks differ from the one before in constants that the last instructions use,
   and what comes before these stays. */
typedef struct {
    const Program *program;
    int bits;        /* of a digit: 1 or 2 */
    int64_t choices; /* of the signs and inverses of all constants */
    int from[MAX_CONSTANTS]; /* the first instruction that uses this constant or one of a lower digit */
    element of[MAX_CONSTANTS][4];
    element before[MAX_OPS][DRAWS]; /* what failed before an instruction */
} ALIGNED Orbit;

static void orbit_open(Orbit *o, const Program *p)
{
    o->program = p;
    o->bits = p->k > MOST_INVERTED ? 1 : 2;
    o->choices = (int64_t)1 << o->bits * p->k;
    for (int j = 0; j < p->k; j++) o->from[j] = p->n;
    for (int i = p->n - 1; i >= 0; i--)
        for (int a = 0; a < 3; a++)
            if (is_constant(p->arg[i][a])) o->from[p->arg[i][a] - CONSTANT] = i;
    for (int j = p->k - 2; j >= 0; j--)
        if (o->from[j + 1] < o->from[j]) o->from[j] = o->from[j + 1];
}

static inline element first_of(Wide a)
{
#if WIDTH == 1
    return a;
#else
    return a[0];
#endif
}

static void orbit_draw(Orbit *o, const uint64_t *signature, uint64_t salt)
{
    for (int j = 0; j < o->program->k; j++) {
        const Wide e = all_of(element_of(mix2(signature[j], salt))), i = inverse(e);
        o->of[j][0] = first_of(e), o->of[j][1] = first_of(neg(e));
        o->of[j][2] = first_of(i), o->of[j][3] = first_of(neg(i));
    }
}

/* Values at x of the choices that begin with `first`, after those of the block before it. */
static void orbit_forward(Orbit *o, Field *f, element x, int64_t first)
{
    const int k = o->program->k;
    int changed = 0; /* the first constant that has another choice */
    if (first) {
        while (!((first ^ (first - DRAWS)) >> o->bits * (k - 1 - changed))) changed++;
    } else {
        for (int l = 0; l < DRAWS; l++) f->value[X][l] = x;
    }
    for (int j = changed; j < k; j++)
        for (int l = 0; l < DRAWS; l++)
            f->value[CONSTANT + j][l] = o->of[j][(first + l) >> o->bits * (k - 1 - j) & ((1 << o->bits) - 1)];
    forward_lanes(f, o->program, DRAWS, first ? o->from[changed] : 0, o->before);
}

/* Adds the square of c df/dc of every choice to the constants' signatures. */
static void refine_family(Orbit *o, Field *f, uint64_t *signature, uint64_t salt)
{
    uint64_t sum[MAX_CONSTANTS] = {0};
    const int k = o->program->k;
    orbit_draw(o, signature, salt);
    for (int64_t first = 0; first < o->choices; first += DRAWS) {
        orbit_forward(o, f, element_of(mix2(salt, 'x')), first);
        field_reverse(f, o->program, DRAWS);
        for (int j = 0; j < k; j++) {
            ALIGNED element square[DRAWS];
            for (int l = 0; l < DRAWS; l += WIDTH) {
                const Wide g = mul(WIDE(f->value[CONSTANT + j] + l), WIDE(f->adjoint[CONSTANT + j] + l));
                WIDE(square + l) = mul(g, g);
            }
            for (int l = 0; l < DRAWS && first + l < o->choices; l++)
                sum[j] += mix2(signature[j], f->failed[l] ? PRIME : square[l]);
        }
    }
    for (int j = 0; j < k; j++) signature[j] = mix2(signature[j], sum[j]);
}

static void name_family(Orbit *o, Field *f, uint64_t *signature)
{
    int classes = 0, tied;
    for (int j = 0; j < o->program->k; j++) signature[j] = 'c';
    for (int round = 0; classes < o->program->k; round++) {
        refine_family(o, f, signature, mix2((uint64_t)round, 'o'));
        int now = count_classes(signature, o->program->k, &tied);
        if (now == classes) signature[tied] = mix2(signature[tied], 't'), now++;
        classes = now;
    }
}

/* A family's fingerprint; that of the function where constants are none or hardly any choice has a value. */
static uint64_t family(Field *f, const Program *p)
{
    Orbit o;
    uint64_t signature[MAX_CONSTANTS], key = mix2((uint64_t)p->k, 'F');
    if (!p->k) return fingerprint(f, p).function;
    orbit_open(&o, p);
    name_family(&o, f, signature);
    const int64_t wanted = has_roots(p) ? KEYS + SIGNS : KEYS;
    int64_t found = 0;
    for (int j = 0; j < p->k; j++) key += mix(signature[j]);
    for (int t = 0; t < FAMILY_KEYS || found < wanted; t++) {
        const uint64_t salt = mix2((uint64_t)t, 'f');
        uint64_t sum = 0;
        if (t == FAMILY_TRIES) return fingerprint(f, p).function;
        orbit_draw(&o, signature, salt);
        for (int64_t first = 0; first < o.choices; first += DRAWS) {
            orbit_forward(&o, f, element_of(mix2(salt, 'x')), first);
            for (int l = 0; l < DRAWS && first + l < o.choices; l++) {
                sum += mix2(salt, f->failed[l] ? PRIME : f->value[p->root][l]);
                found += !f->failed[l];
            }
        }
        key = mix2(key, sum);
    }
    return key ? key : 1;
}

/* The family of every row [rows]. */
EXPORT void families(const Batch *batch, uint64_t *key)
{
    Program p;
    Field field;
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        key[row] = family(&field, &p);
    }
}

#endif
