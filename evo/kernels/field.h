/* Tier 2 of functional equivalence: the program in the field of p = 2^31 - 1 elements.

   Two programs that are the same rational function of x and the constants (up to the names of these)
   get one fingerprint; different ones share it with a chance of about 2^-60 (Schwartz, J. ACM 27, 1980).
   No rounding, no tolerance, the same on every machine.

   The names of constants do not matter because a constant's element follows from what it does: all
   start equal, and each round mixes in the derivative of the result with respect to it (colour
   refinement), or where that tells nothing new, what the result becomes if it is moved, alone or with
   another one. Constants that still agree in the end are told apart one by one; where they are not
   really exchangeable, a match may be missed, but never a wrong one made. Programs that are undefined
   wherever all constants are equal, such as x / ((x + c1) - (x + c2)), miss theirs more often.

   sqrt is a^((p+1)/4), for squares the root that is a square: sqrt(a) sqrt(b) = sqrt(ab) holds as for
   positive reals. Points at which an argument is no square, or a divisor is zero, are drawn again; so
   programs that differ in their roots (sqrt(v)^2 and v) may meet other points and miss their match.
   sqrt(v * v) is v where that is a square and -v elsewhere, so that it agrees with v at every second
   point: such programs are compared at 44 points.
   m independent roots fail all but one in 2^m draws: beyond six a program may count as undefined. */
#ifndef EVO_FIELD_H
#define EVO_FIELD_H

#include "elements.h"
#include "program.h"

#define DRAWS 8    /* lanes: points evaluated at once */
#define KEYS 4     /* points of a fingerprint: three make the key, one the check */
#define CHECK 3    /* the one */
#define SIGNS 40   /* points more where there are roots: |v| and v agree on half of them */
#define TRIES 1024 /* draws in a row without a result before a program is given up */
#define ZEROS 3    /* of them with a divisor of zero, roots being fine: no chance, as no other draw had a result */
#define EPOCH 256  /* draws of x before the Jacobian's rows get other constants: sqrt(c1 * x * x) may need them */
#define MOVES 8    /* points at which constants are moved, if some are not in the domain */

enum { ZERO_DIVISOR = 1, NO_SQUARE = 2 }; /* why a draw failed */

typedef struct {
    uint64_t function; /* 0: none (undefined everywhere) */
    uint32_t check;    /* independent of it: where that agrees and this does not, they collide */
} Fingerprint;

typedef struct {
    element value[SLOTS][DRAWS], adjoint[SLOTS][DRAWS], scratch[MAX_OPS][DRAWS];
    element failed[DRAWS]; /* not 0: ZERO_DIVISOR, NO_SQUARE or both */
} ALIGNED Field;

/* The first `lanes` lanes: inlined for each of the numbers there are. What comes before instruction `from` stays as it
   is; `before`, if it is there, has what failed before each one. */
static inline __attribute__((always_inline)) void forward_lanes(Field *f, const Program *p, const int lanes,
                                                               const int from, element (*before)[DRAWS])
{
    if (from) memcpy(f->failed, before[from], sizeof f->failed);
    else memset(f->failed, 0, sizeof f->failed);
    for (int i = from; i < p->n; i++) {
        if (before) memcpy(before[i], f->failed, sizeof f->failed);
        const element *A = f->value[p->arg[i][0]], *B = f->value[p->arg[i][1]], *C = f->value[p->arg[i][2]];
        element *V = f->value[VALUE + i], *W = f->scratch[i];
#if WIDTH == 1
        element inverted[DRAWS];
        if (DIVISOR[p->op[i]] != NOTHING) inverses(f->value[p->arg[i][DIVISOR[p->op[i]]]], inverted, lanes);
#define inv(e) (bad |= is_zero(e) & ZERO_DIVISOR, inverted[l])
#else
#define inv(e) (bad |= is_zero(e) & ZERO_DIVISOR, inverse(e))
#endif
#define root(e) (w = power_2k(e, 29), bad |= ~is_zero(sub(mul(w, w), e)) & NO_SQUARE, w)
        switch (p->op[i]) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: \
        for (int l = 0; l < lanes; l += WIDTH) { \
            const Wide a = WIDE(A + l), b = WIDE(B + l), c = WIDE(C + l); \
            Wide w = all_of(0), bad = all_of(0); \
            (void)a, (void)b, (void)c; \
            WIDE(V + l) = field; \
            WIDE(W + l) = w; \
            WIDE(f->failed + l) |= bad; \
        } \
        break;
            OPS(ROW)
#undef ROW
#undef inv
        }
    }
}

static inline __attribute__((always_inline)) void reverse_lanes(Field *f, const Program *p, const int lanes)
{
    memset(f->adjoint[CONSTANT], 0, (size_t)p->k * sizeof f->adjoint[0]);
    memset(f->adjoint[VALUE], 0, (size_t)p->n * sizeof f->adjoint[0]);
    memset(f->adjoint[X], 0, sizeof f->adjoint[0]);
    for (int l = 0; l < lanes; l += WIDTH) WIDE(f->adjoint[p->root] + l) = all_of(1);
    for (int i = p->n - 1; i >= 0; i--) {
        const uint8_t *arg = p->arg[i];
        const element *A = f->value[arg[0]], *B = f->value[arg[1]], *C = f->value[arg[2]];
        const element *V = f->value[VALUE + i], *G = f->adjoint[VALUE + i], *W = f->scratch[i];
        switch (p->op[i]) {
#define inv(e) (bad |= is_zero(e) & ZERO_DIVISOR, inverse(e))
#define GAINS(slot, gain) WIDE(f->adjoint[slot] + l) = reduced(WIDE(f->adjoint[slot] + l) + gain)
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: \
        for (int l = 0; l < lanes; l += WIDTH) { \
            const Wide a = WIDE(A + l), b = WIDE(B + l), c = WIDE(C + l), v = WIDE(V + l), g = WIDE(G + l); \
            Wide w = WIDE(W + l), bad = all_of(0); \
            (void)a, (void)b, (void)c, (void)v, (void)w; \
            GAINS(arg[0], f0); \
            if (ARITY_##code > 1) GAINS(arg[1], f1); \
            if (ARITY_##code > 2) GAINS(arg[2], f2); \
            WIDE(f->failed + l) |= bad; \
        } \
        break;
            OPS(ROW)
#undef ROW
#undef GAINS
        }
    }
#undef inv
#undef root
}

static void field_forward(Field *f, const Program *p, int lanes)
{
    if (lanes <= WIDTH || DRAWS == WIDTH) forward_lanes(f, p, WIDTH, 0, NULL);
    else if (lanes == KEYS) forward_lanes(f, p, KEYS, 0, NULL);
    else forward_lanes(f, p, DRAWS, 0, NULL);
}

static void field_reverse(Field *f, const Program *p, int lanes)
{
    if (lanes <= WIDTH || DRAWS == WIDTH) reverse_lanes(f, p, WIDTH);
    else reverse_lanes(f, p, DRAWS);
}

static inline element element_of(uint64_t word)
{
    return 1 + (element)((mix(word) >> 33) * (PRIME - 1) >> 31);
}

/* A lane's x and its constants, by their names, of the draw `at`. */
static void field_draw(Field *f, const Program *p, const uint64_t *names, int lane, uint64_t at)
{
    f->value[X][lane] = element_of(mix2(at, 'x'));
    for (int j = 0; j < p->k; j++) f->value[CONSTANT + j][lane] = element_of(mix2(names[j], at));
}

/* Constants, the same in all lanes, named by their numbers. */
static void draw_constants(Field *f, int k, uint64_t constants)
{
    for (int j = 0; j < k; j++) {
        const Wide same = all_of(element_of(mix2((uint64_t)j, constants)));
        for (int l = 0; l < DRAWS; l += WIDTH) WIDE(f->value[CONSTANT + j] + l) = same;
    }
}

/* A failed draw: whether it was the last hope. */
static int is_hopeless(element why, int results, int *failed, int *zeros)
{
    *zeros += why == ZERO_DIVISOR && !results;
    return ++*failed == TRIES || *zeros == ZEROS;
}

/* The result at the first `wanted` of a stream's draws where it is defined. Returns how many there are: fewer
   where it seems to be defined nowhere. Of one that is wanted, the values stay in lane 0. */
static int field_sample(Field *f, const Program *p, const uint64_t *names, uint64_t salt, int wanted, element *result)
{
    int found = 0, failed = 0, zeros = 0;
    for (uint64_t draw = 0;;) {
        const int lanes = wanted == 1 ? 1 : wanted - found > KEYS ? DRAWS : KEYS;
        for (int l = 0; l < lanes; l++) {
            const uint64_t own = mix2(salt, draw++);
            field_draw(f, p, names, l, own);
        }
        field_forward(f, p, lanes);
        for (int l = 0; l < lanes; l++) {
            if (f->failed[l]) {
                if (is_hopeless(f->failed[l], found, &failed, &zeros)) return found;
                continue;
            }
            failed = 0;
            result[found++] = f->value[p->root][l];
            if (found == wanted) return found;
        }
    }
}

/* Number of different signatures; `tied` becomes the first constant of the lowest one that several share,
   -1 if none do. */
static int count_classes(const uint64_t *signature, int k, int *tied)
{
    int classes = 0;
    *tied = -1;
    for (int j = 0; j < k; j++) {
        int first = 1, last = 1;
        for (int m = 0; m < k; m++) {
            if (m < j && signature[m] == signature[j]) first = 0;
            if (m > j && signature[m] == signature[j]) last = 0;
        }
        classes += first;
        if (first && !last && (*tied < 0 || signature[j] < signature[*tied])) *tied = j;
    }
    return classes;
}

/* Mixes into every signature the results where this constant is moved, alone and together with each other
   one, all at one point; where that fails, it tells as much. Sees what derivatives do not where constants
   are equal: (c1 - c2) (c1 - c3) and (c1 - c2) (1 - c3 / c4). */
static void move_each(Field *f, const Program *p, uint64_t *signature, uint64_t salt)
{
    const int k = p->k, others = k > DRAWS ? 1 : k; /* of many constants, each alone: pairs cost k^2 points */
    uint64_t failed = 1;
    for (int t = 0; t < MOVES && failed; t++) {
        const uint64_t own = mix2(salt, (uint64_t)t), moves[] = {own, mix2(own, 'm'), mix2(own, 'o')};
        uint64_t moved[MAX_CONSTANTS] = {0};
        failed = 0;
        for (int pair = 0; pair < k * others; pair += DRAWS) {
            for (int l = 0; l < DRAWS; l++) {
                const int one = (pair + l) / others, other = others == k ? (pair + l) % k : one;
                f->value[X][l] = element_of(mix2(own, 'x'));
                for (int j = 0; j < k; j++)
                    f->value[CONSTANT + j][l] = element_of(mix2(signature[j], moves[j == one ? 1 : 2 * (j == other)]));
            }
            field_forward(f, p, DRAWS);
            for (int l = 0; l < DRAWS && pair + l < k * others; l++) {
                const int one = (pair + l) / others, other = others == k ? (pair + l) % k : one;
                failed |= f->failed[l];
                moved[one] += mix2(signature[other] + (one == other), f->failed[l] ? PRIME : f->value[p->root][l]);
            }
        }
        for (int j = 0; j < k; j++) signature[j] = mix2(signature[j], moved[j]);
    }
}

/* Any names that differ: the constants' numbers. */
static void number(const Program *p, uint64_t *names)
{
    for (int j = 0; j < p->k; j++) names[j] = (uint64_t)j;
}

/* Whether it is where all constants differ. */
static int is_defined(Field *f, const Program *p)
{
    uint64_t names[MAX_CONSTANTS];
    element result;
    number(p, names);
    return field_sample(f, p, names, 'd', 1, &result);
}

/* Gives every constant a signature that does not depend on its name. 0 if the program is undefined. */
static int refine(Field *f, const Program *p, uint64_t *signature)
{
    int classes = 0, tied;
    element result;
    for (int j = 0; j < p->k; j++) signature[j] = 'c';
    for (int round = 0; classes < p->k; round++) {
        const uint64_t salt = mix2((uint64_t)round, 'r');
        if (field_sample(f, p, signature, salt, 1, &result)) {
            field_reverse(f, p, 1);
            for (int j = 0; j < p->k; j++) signature[j] = mix2(signature[j], f->adjoint[CONSTANT + j][0]);
        } else if (round == 0 && !is_defined(f, p)) {
            return 0;
        }
        int now = count_classes(signature, p->k, &tied);
        if (now == classes) move_each(f, p, signature, salt), now = count_classes(signature, p->k, &tied);
        if (now == classes) signature[tied] = mix2(signature[tied], 't'), now++;
        classes = now;
    }
    return 1;
}

#define POINTS ((MAX_CONSTANTS + DRAWS + WIDTH - 2) / WIDTH * WIDTH) /* of a Jacobian, with room for a last vector */

/* Rank of a matrix, whose columns beyond `columns` are 0 up to a multiple of WIDTH; eliminates it. Rows are scaled and
   not divided: an inverse costs as much as a row. */
static int eliminate(element matrix[][POINTS], int rows, int columns)
{
    int rank = 0;
    for (int r = 0; r < rows; r++) {
        const element *row = matrix[r];
        int at = 0;
        while (at < columns && !row[at]) at++;
        if (at == columns) continue;
        rank++;
        const Wide scale = all_of(row[at]);
        for (int i = r + 1; i < rows; i++) {
            const Wide m = all_of(matrix[i][at]);
            for (int j = 0; j < columns; j += WIDTH)
                WIDE(matrix[i] + j) = sub(mul(WIDE(matrix[i] + j), scale), mul(m, WIDE(row + j)));
        }
    }
    return rank;
}

/* Rank of the Jacobian with respect to the constants: one draw of these, and x varies. As many points as constants
   decide, up to a chance of about 2^-28. As if full where that cannot be told; -1 if the program is undefined. */
static int rank_of(Field *f, const Program *p)
{
    ALIGNED element jacobian[MAX_CONSTANTS][POINTS]; /* [constant][point] */
    int points = 0, failed = 0, zeros = 0;
    uint64_t draw = 0;
    while (points < p->k) {
        if (!points && draw % EPOCH == 0) draw_constants(f, p->k, mix2('c', draw));
        for (int l = 0; l < DRAWS; l++) f->value[X][l] = element_of(mix2(mix2('j', draw++), 'x'));
        field_forward(f, p, DRAWS);
        field_reverse(f, p, DRAWS); /* the root of 0 has a value and no derivative: that fails too */
        for (int l = 0; l < DRAWS; l++) {
            if (f->failed[l]) {
                if (is_hopeless(f->failed[l], points, &failed, &zeros)) return zeros == ZEROS ? -1 : p->k;
                continue;
            }
            failed = 0;
            for (int j = 0; j < p->k; j++) jacobian[j][points] = f->adjoint[CONSTANT + j][l];
            points++;
        }
    }
    for (int j = 0; j < p->k; j++)
        for (int i = points; i % WIDTH; i++) jacobian[j][i] = 0;
    return eliminate(jacobian, p->k, points);
}

static int has_roots(const Program *p)
{
    for (int i = 0; i < p->n; i++)
        if (ROOTS[p->op[i]]) return 1;
    return 0;
}

static Fingerprint fingerprint(Field *f, const Program *p)
{
    Fingerprint out = {0, 0};
    uint64_t signature[MAX_CONSTANTS], names = 0;
    element result[KEYS + SIGNS];
    if (!refine(f, p, signature)) return out;
    const int found = field_sample(f, p, signature, 'f', has_roots(p) ? KEYS + SIGNS : KEYS, result);
    if (found < KEYS) return out;
    for (int j = 0; j < p->k; j++) names += mix(signature[j]);
    out.function = mix2((uint64_t)p->k, names);
    for (int i = 0; i < found; i++)
        if (i != CHECK) out.function = mix2(out.function, result[i]);
    out.check = (uint32_t)result[CHECK];
    if (!out.function) out.function = 1;
    return out;
}

/* Fingerprint and rank of every row [rows]; `function` is 0 where the program is undefined. */
EXPORT void fingerprints(const Batch *batch, uint64_t *function, uint32_t *check, int32_t *rank)
{
    Program p;
    Field field;
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        const Fingerprint found = fingerprint(&field, &p);
        function[row] = found.function;
        check[row] = found.check;
        rank[row] = rank_of(&field, &p);
        if (rank[row] < 0) rank[row] = p.k;
    }
}

#endif
