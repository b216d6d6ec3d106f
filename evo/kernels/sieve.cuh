/* The functions of all programs of a size (evo/kernels/enumerate.h), and their families, on a GPU.

   Either is a table of keys, and of each key the least number of a program. A program's number has a digit for each of
   its words, so that smaller programs have smaller numbers and those of a size are in the order of their words. Whatever
   threads do first, a table ends up the same but for places. It holds one shard of the keys; MOST_PROBES places are
   tried. */

/* The place of a key, which is put there if it is new and `enter` says so; -1 where it has none. */
DEVICE int64_t place_of(const Table *t, uint64_t key, int enter)
{
    uint64_t at = (key >> 32) * (uint64_t)t->places >> 32;
    for (int tries = 0; tries < MOST_PROBES; tries++) {
        uint64_t known = t->key[at];
        if (!known && !enter) return -1;
        if (!known) known = put_if_none(t->key + at, key);
        if (!known || known == key) return (int64_t)at;
        if (++at == (uint64_t)t->places) at = 0;
    }
    if (enter) add_to(t->lost, 1);
    return -1;
}

/* Whether the key is in the table's shard. */
DEVICE int is_own(const Table *t, uint64_t key) { return key % (uint64_t)t->shards == (uint64_t)t->shard; }

/* Whether an earlier program of a key is there. */
DEVICE int is_known(const Table *t, uint64_t key, uint64_t number)
{
    const int64_t at = place_of(t, key, 0);
    return at >= 0 && t->least[at] <= number;
}

DEVICE void enter(const Table *t, uint64_t key, uint64_t number)
{
    const int64_t at = place_of(t, key, 1);
    if (at >= 0) take_least(t->least + at, number);
}

/* A program on the way: its first words are a task's, a beginning and one word more. */
typedef struct {
    const Words *words;
    const Sieve *sieve;
    int32_t at[MAX_OPS];
    Path path;
} Thread;

/* Takes the next task that is left, whose last word may follow its beginning; 0 if none is. */
DEVICE int begin(Thread *t)
{
    const Sieve *s = t->sieve;
    const uint64_t rows = (uint64_t)t->words->rows;
    for (;;) {
        const uint64_t task = take_next(s->taken), beginning = task / rows;
        const int32_t word = (int32_t)(task % rows);
        if (beginning >= (uint64_t)s->beginnings) return 0;
        for (int i = 0; i < s->depth; i++) t->at[i] = s->beginning[beginning * t->words->ops + i];
        path_open(&t->path, t->words, t->at, s->depth);
        t->at[s->depth] = word - 1;
        if (!advance(&t->path, s->depth) || t->at[s->depth] != word) continue;
        if (s->depth + 1 < t->words->ops) t->at[s->depth + 1] = -1;
        return 1;
    }
}

DEVICE uint64_t number_of(const Thread *t)
{
    uint64_t number = 0;
    for (int i = 0; i < t->words->ops; i++) number = number << t->sieve->bits | t->sieve->digit[t->at[i]];
    return number;
}

/* The programs of some beginnings, by number, in any order. `count` becomes how many there are, though there may be no
   room for all. A thread does one task after the other. */
KERNEL void programs(const Words *words, const Sieve *sieve, uint64_t *number, uint64_t room, uint64_t *count)
{
    Thread t;
    const int n = words->ops, fixed = sieve->depth + 1;
    t.words = words;
    t.sieve = sieve;
    while (begin(&t))
        for (int from = fixed; next_path(&t.path, from, fixed, n); from = n - 1) {
            if (words->families && (moves(&t.path, n) || !is_sorted(&t.path, n))) continue;
            const uint64_t at = take_next(count);
            if (at < room) number[at] = number_of(&t);
        }
}

/* A number's words, by their places. */
DEVICE void read_number(Thread *t, uint64_t number)
{
    const Sieve *s = t->sieve;
    const uint64_t digit = ((uint64_t)1 << s->bits) - 1;
    for (int i = t->words->ops - 1; i >= 0; i--, number >>= s->bits) t->at[i] = s->place[number & digit];
}

/* The types of programs of one size, by number (evo/kernels/degrees.h). */
KERNEL void types(const Words *words, const Sieve *sieve, const uint64_t *number, uint64_t todo, uint32_t *code)
{
    Factors factors;
    uint16_t word[MAX_OPS];
    Thread t;
    t.words = words;
    t.sieve = sieve;
    for (uint64_t i = thread_number(); i < todo; i += threads()) {
        read_number(&t, number[i]);
        for (int j = 0; j < words->ops; j++) word[j] = words->word[t.at[j]];
        code[i] = type_of(&factors, word, words->ops);
    }
}

DEVICE void write_number(Thread *t, uint64_t number, Program *p)
{
    read_number(t, number);
    path_open(&t->path, t->words, t->at, 0);
    write_program(&t->path, p);
}

/* The functions of programs of one size. Numbers ascend, so that programs of a warp have most words in common, and its
   threads do the same. The rank is asked of the first programs alone: of one function with roots, it may be told of one
   program and not of another. */
KERNEL void function_sieve(const Words *words, const Sieve *sieve, const uint64_t *number, uint64_t todo,
                           const Table *functions)
{
    Field field;
    Program p;
    Thread t;
    t.words = words;
    t.sieve = sieve;
    for (uint64_t i = thread_number(); i < todo; i += threads()) {
        write_number(&t, number[i], &p);
        if (p.k > MAX_CONSTANTS) continue;
        const uint64_t function = fingerprint(&field, &p).function;
        if (!function || !is_own(functions, function) || is_known(functions, function, number[i])) continue;
        if (rank_of(&field, &p) == p.k) enter(functions, function, number[i]);
    }
}

/* The families of programs of one size. */
KERNEL void family_sieve(const Words *words, const Sieve *sieve, const uint64_t *number, uint64_t todo,
                         const Table *families)
{
    Field field;
    Program p;
    Thread t;
    t.words = words;
    t.sieve = sieve;
    for (uint64_t i = thread_number(); i < todo; i += threads()) {
        write_number(&t, number[i], &p);
        const uint64_t key = family(&field, &p);
        if (is_own(families, key)) enter(families, key, number[i]);
    }
}

/* The numbers that a table holds, in any order. */
KERNEL void numbers(const Table *table, uint64_t *number, uint64_t *count)
{
    for (uint64_t at = thread_number(); at < (uint64_t)table->places; at += threads())
        if (table->key[at]) number[take_next(count)] = table->least[at];
}
