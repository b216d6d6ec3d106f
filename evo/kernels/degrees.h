/* The degrees of the rational functions that programs over + - * / are (evo/complete/degrees.py).

   Each value is a product of powers of factors: x, the first, and one for each sum, in their order. A sum has outside what
   its terms have in common, and is a new factor. */
#ifndef EVO_DEGREES_H
#define EVO_DEGREES_H

#include "words.h"

enum { NO_TYPE = 0 };

typedef struct {
    int factors;
    int degree[1 + MAX_OPS];      /* of each factor in x */
    uint32_t others[1 + MAX_OPS]; /* bits: the strides that it has not */
    int power[WORD_VALUE + MAX_OPS][1 + MAX_OPS]; /* of each factor in each operand */
} Factors;

/* Strides that do not divide a power; stride s is bit s. */
static uint32_t not_divided(int power)
{
    uint32_t bits = 0;
    for (int s = 2; s <= MOST_STRIDE; s++) bits |= (uint32_t)(power % s != 0) << s;
    return bits;
}

static void add_factor(Factors *f, const int *a, const int *b, int *result)
{
    int da = 0, db = 0;
    uint32_t others = 0;
    for (int j = 0; j < f->factors; j++) {
        const int common = a[j] < b[j] ? a[j] : b[j];
        da += (a[j] - common) * f->degree[j], db += (b[j] - common) * f->degree[j];
        others |= j ? (a[j] != b[j]) * f->others[j] : not_divided(a[j] - common) | not_divided(b[j] - common);
        result[j] = common;
    }
    f->degree[f->factors] = da > db ? da : db;
    f->others[f->factors] = others;
    result[f->factors++] = 1;
}

/* 0 if the program has another op. */
static int find_factors(Factors *f, const uint16_t *word, int ops)
{
    memset(f->power, 0, (size_t)(WORD_VALUE + ops) * sizeof *f->power);
    f->power[0][0] = f->degree[0] = f->factors = 1;
    for (int i = 0; i < ops; i++) {
        const int op = word[i] >> 12;
        const int *a = f->power[word[i] >> 8 & 15], *b = f->power[word[i] >> 4 & 15];
        int *result = f->power[WORD_VALUE + i];
        if (op == OP_ADD || op == OP_SUB) add_factor(f, a, b, result);
        else if (op == OP_MUL || op == OP_DIV)
            for (int j = 0; j < f->factors; j++) result[j] = op == OP_MUL ? a[j] + b[j] : a[j] - b[j];
        else return 0;
    }
    return 1;
}

/* A number for the power of x, the stride, and the degrees of numerator and denominator in that power of x; NO_TYPE where
   they are too large. */
static uint32_t code_of(int power, int stride, int m, int n)
{
    if (m + n > MOST_DEGREES || power > MOST_POWER || power < -MOST_POWER) return NO_TYPE;
    const int rational = ((power + MOST_POWER + 1) * TYPE_STRIDES + stride) * TYPE_DEGREES + m;
    return (uint32_t)rational * TYPE_DEGREES + (uint32_t)n;
}

/* The type of a program; NO_TYPE if it is no rational function. */
static uint32_t type_of(Factors *f, const uint16_t *word, int ops)
{
    if (!find_factors(f, word, ops)) return NO_TYPE;
    const int *last = f->power[WORD_VALUE + ops - 1];
    int m = 0, n = 0, stride = MOST_STRIDE;
    uint32_t others = 0;
    for (int j = 1; j < f->factors; j++) {
        if (last[j] > 0) m += last[j] * f->degree[j];
        else n -= last[j] * f->degree[j];
        if (last[j]) others |= f->others[j];
    }
    while (others >> stride & 1) stride--;
    if (m + n == 0) stride = 1;
    return code_of(last[0], stride, m / stride, n / stride);
}

/* The type of every row of words [rows, ops]. */
EXPORT void degrees(const uint16_t *word, int64_t rows, int32_t ops, uint32_t *code)
{
    Factors f;
    for (int64_t row = 0; row < rows; row++, word += ops) code[row] = type_of(&f, word, ops);
}

#define MOST_SPELLED (17 - WORD_VALUE) /* ops of a program whose values have numbers in words, but for the last */

static unsigned operand_word(int slot)
{
    return slot == X ? 0 : is_constant(slot) ? WORD_CONSTANT : (unsigned)(slot - VALUE + WORD_VALUE);
}

/* The type of every row of a batch; NO_TYPE of the largest programs. */
EXPORT void batch_degrees(const Batch *batch, uint32_t *code)
{
    Factors f;
    Program p;
    uint16_t word[MAX_OPS];
    for (int64_t row = 0; row < batch->rows; row++) {
        load(batch, row, &p);
        for (int i = 0; i < p.n; i++)
            word[i] = (uint16_t)((unsigned)p.op[i] << 12 | operand_word(p.arg[i][0]) << 8 | operand_word(p.arg[i][1]) << 4);
        code[row] = p.n <= MOST_SPELLED ? type_of(&f, word, p.n) : NO_TYPE;
    }
}

#endif
