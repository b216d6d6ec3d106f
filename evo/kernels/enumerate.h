/* Every program of so many instructions, in one order.

   A program is a row of words, one for an instruction: the op and up to three operands in four bits each, x, a constant
   of its own, or a value. evo/kernels/words.py lists the words that there are, ascending. Of the orders of one
   program's instructions only the first is made: an instruction stands behind all that it could stand before, unless
   it is greater. Equal ones may follow each other if they have constants: (x + c1) (x + c2). */
#ifndef EVO_ENUMERATE_H
#define EVO_ENUMERATE_H

#include "family.h"
#include "words.h"

/* Programs on the way: the chosen word of every instruction, by its place in the list. */
typedef struct {
    const Words *words;
    int32_t *at;        /* [ops] */
    uint32_t unused[BATCH_OPS + 1]; /* bits: values that no instruction before this one uses */
} Path;

static inline uint16_t word_at(const Path *p, int i) { return p->words->word[p->at[i]]; }

static inline int has_kind(const Path *p, int i, int kinds) { return p->words->kind[p->at[i]] & kinds; }

/* Whether the last instruction, i, may stand there: no earlier place is as good. */
static int is_first_order(const Path *p, int i)
{
    const uint16_t word = word_at(p, i);
    for (int j = i - 1; j >= 0 && !(p->words->uses[p->at[i]] >> j & 1); j--) {
        const uint16_t other = word_at(p, j);
        if (word < other || (word == other && !has_kind(p, i, KIND_CONSTANT))) return 0;
    }
    return 1;
}

/* Whether the constant of instruction i joins another one in a program as large: those of (v + a) + b and (v a) / b. */
static int joins(const Path *p, int i)
{
    const uint32_t uses = p->words->uses[p->at[i]];
    if (!has_kind(p, i, KIND_SHIFT | KIND_SCALE | KIND_OVER)) return 0;
    const int j = __builtin_ctz(uses | 1u << 31);
    if (j >= i) return 0;
    return has_kind(p, i, KIND_SHIFT) ? has_kind(p, j, KIND_SHIFT) : has_kind(p, j, KIND_SCALE | KIND_OVER);
}

/* Whether the constant of a value that one instruction uses moves behind that one, in a program as large:
   (v + a) b is v b + c, (v + a) + (v + a) is (v + v) + c, and (v a) (v a) is within (v v) c. */
static int moves(const Path *p, int n)
{
    uint32_t once = 0, twice = 0;
    for (int i = 0; i < n; i++) {
        const uint32_t uses = p->words->uses[p->at[i]];
        twice |= once & uses;
        once |= uses;
    }
    for (int i = 1; i < n; i++) {
        const uint32_t uses = p->words->uses[p->at[i]];
        if (!uses || uses & twice || uses & (uses - 1)) continue;
        const int j = __builtin_ctz(uses);
        if (has_kind(p, i, KIND_SCALE | KIND_DOUBLE) && has_kind(p, j, KIND_SHIFT)) return 1;
        if (has_kind(p, i, KIND_DOUBLE | KIND_SQUARE) && has_kind(p, j, KIND_SCALE | KIND_OVER)) return 1;
    }
    return 0;
}

/* Sums and products are written in one way only. A cluster is a sum of terms with signs: instructions that add and
   subtract, the value of each but the last used once, by the next. As many instructions compute it in any order of the
   terms that begins with a positive one. Programs in another order than by sign and key are left out, and those that
   take a term from itself; products likewise. A key is that of a function: no order of terms or instructions changes
   it. What has the same key may stand in any order. */
typedef struct {
    uint64_t weight; /* of a cluster: its terms' keys, added and subtracted */
    uint64_t key;    /* of the last term */
    int chain;       /* the instruction before it in the cluster; -1 if there is none */
    int first, last; /* operands that are terms; `first` is -1 where there is a chain */
    int sign;        /* whether the last one is subtracted, or divides */
} Link;

enum { KIND_SUM = KIND_PLUS | KIND_MINUS, KIND_PRODUCT = KIND_TIMES | KIND_DIVIDED };

static inline int operand_of(const Path *p, int i, int j) { return word_at(p, i) >> (8 - 4 * j) & 15; }

static inline int cluster_of(const Path *p, int i)
{
    return has_kind(p, i, KIND_SUM) ? KIND_SUM : has_kind(p, i, KIND_PRODUCT) ? KIND_PRODUCT : 0;
}

static inline uint64_t key_of(const Path *p, const Link *link, int operand)
{
    const int v = operand - WORD_VALUE;
    if (v < 0) return mix((uint64_t)operand + 1);
    const int cluster = cluster_of(p, v);
    return mix(link[v].weight + (uint64_t)(cluster ? cluster : word_at(p, v) >> 12) * 0x9e3779b97f4a7c15u);
}

static inline uint64_t weight_of(const Path *p, const Link *link, int operand, int cluster)
{
    const int v = operand - WORD_VALUE;
    return v >= 0 && has_kind(p, v, cluster) ? link[v].weight : key_of(p, link, operand);
}

/* Values that are operands more than once. */
static uint32_t used_again(const Path *p, int n)
{
    uint32_t once = 0, again = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 3; j++) {
            const uint32_t value = 1u << operand_of(p, i, j) >> WORD_VALUE;
            again |= once & value;
            once |= value;
        }
    return again;
}

static int is_sorted(const Path *p, int n)
{
    Link link[MAX_OPS];
    const uint32_t again = used_again(p, n);
    for (int i = 0; i < n; i++) {
        Link *l = link + i;
        const int a = operand_of(p, i, 0), b = operand_of(p, i, 1), cluster = cluster_of(p, i);
        if (!cluster) {
            l->weight = key_of(p, link, a) + key_of(p, link, b) + key_of(p, link, operand_of(p, i, 2));
            continue;
        }
        const uint64_t wa = weight_of(p, link, a, cluster), wb = weight_of(p, link, b, cluster);
        const uint64_t ka = key_of(p, link, a), kb = key_of(p, link, b);
        const int u = a - WORD_VALUE, v = b - WORD_VALUE;
        const int left = u >= 0 && !(again >> u & 1) && has_kind(p, u, cluster);
        const int right = v >= 0 && !(again >> v & 1) && has_kind(p, v, cluster);
        l->sign = has_kind(p, i, KIND_MINUS | KIND_DIVIDED) != 0;
        if (right && (left || l->sign)) return 0;
        l->weight = l->sign ? wa - wb : wa + wb;
        l->chain = left ? u : right ? v : -1;
        l->last = right || (!left && !l->sign && ka > kb) ? a : b;
        l->first = left || right ? -1 : a + b - l->last;
        l->key = l->last == a ? ka : kb;
        if (l->chain < 0) continue;
        const Link *before = link + l->chain;
        if (before->sign > l->sign || (before->sign == l->sign && before->key > l->key)) return 0;
        for (int c = l->chain; l->sign && c >= 0; c = link[c].chain)
            if (link[c].first == l->last || (!link[c].sign && link[c].last == l->last)) return 0;
    }
    return 1;
}

/* Takes instruction i to its next word; 0 if there is none. */
static int advance(Path *p, int i)
{
    const Words *w = p->words;
    const int most = 1 + (w->ops - 1 - i) * (w->arity - 1); /* values that what follows can still use */
    while (++p->at[i] < w->rows) {
        const uint32_t uses = w->uses[p->at[i]];
        if (uses >> i) continue; /* a value that is not there yet */
        p->unused[i + 1] = (p->unused[i] & ~uses) | 1u << i;
        if (__builtin_popcount(p->unused[i + 1]) > most || !is_first_order(p, i)) continue;
        if (w->families && joins(p, i)) continue;
        return 1;
    }
    return 0;
}

/* Takes the path to the next `depth` instructions of which the first `fixed` stay; 0 if there are none. `from` is the
   instruction to go on with. */
static int next_path(Path *p, int from, int fixed, int depth)
{
    int i = from;
    while (i >= fixed && i < depth) {
        if (advance(p, i)) {
            if (++i < depth) p->at[i] = -1;
        } else {
            i--;
        }
    }
    return i == depth;
}

static void path_open(Path *p, const Words *words, int32_t *at, int known)
{
    p->words = words;
    p->at = at;
    p->unused[0] = 0;
    for (int i = 0; i < known; i++) p->unused[i + 1] = (p->unused[i] & ~words->uses[at[i]]) | 1u << i;
}

static void write_program(const Path *path, Program *p)
{
    uint16_t word[MAX_OPS];
    for (int i = 0; i < path->words->ops; i++) word[i] = word_at(path, i);
    write_words(word, path->words->ops, p);
}

/* The beginnings of programs, `depth` instructions each, at most `room`: their words by place, at [room, ops].
   Returns how many there are. */
EXPORT int64_t beginnings(const Words *words, int32_t depth, int64_t room, int32_t *at)
{
    Path p;
    int32_t now[BATCH_OPS];
    int64_t found = 0;
    now[0] = -1;
    path_open(&p, words, now, 0);
    for (int from = 0; next_path(&p, from, 0, depth); from = depth - 1, found++)
        if (found < room) memcpy(at + found * words->ops, now, (size_t)words->ops * sizeof *now);
    return found;
}

/* The next irredundant programs of `at` [ops], whose first `fixed` words stay; at[fixed] is -1 at first. Puts at most
   `room` of them into word [room, ops] and their functions' fingerprints into key [room]. Returns how many; fewer than
   `room` are the last ones. */
EXPORT int64_t enumerate(const Words *words, int32_t *at, int32_t fixed, int64_t room, uint16_t *word, uint64_t *key)
{
    Path path;
    Program p;
    Field field;
    const int n = words->ops, begun = at[fixed] >= 0;
    int64_t found = 0;
    path_open(&path, words, at, begun ? n : fixed);
    for (int from = begun ? n - 1 : fixed; found < room && next_path(&path, from, fixed, n); from = n - 1) {
        if (words->families && (moves(&path, n) || !is_sorted(&path, n))) continue;
        write_program(&path, &p);
        if (p.k > MAX_CONSTANTS || rank_of(&field, &p) < p.k) continue;
        key[found] = fingerprint(&field, &p).function;
        if (!key[found]) continue;
        for (int i = 0; i < n; i++) word[found * n + i] = word_at(&path, i);
        found++;
    }
    return found;
}

#endif
