/* Programs as rows of words: evo/kernels/words.py. */
#ifndef EVO_WORDS_H
#define EVO_WORDS_H

#include "program.h"

enum { WORD_CONSTANT = 1, WORD_VALUE = 2 }; /* operands of words; x is 0 */

/* Constants are numbered as they come, and 0. */
static void write_words(const uint16_t *words, int n, Program *p)
{
    p->n = p->settled = p->seam = n;
    p->k = 0;
    p->root = VALUE + p->n - 1;
    for (int i = 0; i < p->n; i++) {
        const uint16_t word = words[i];
        p->op[i] = (uint8_t)(word >> 12);
        for (int j = 0; j < 3; j++) {
            const int operand = word >> (8 - 4 * j) & 15;
            p->arg[i][j] = (uint8_t)(operand >= WORD_VALUE ? VALUE + operand - WORD_VALUE
                                     : operand == WORD_CONSTANT ? CONSTANT + p->k++ : X);
        }
    }
    for (int j = 0; j < p->k && j < MAX_CONSTANTS; j++) p->c[j] = 0;
}

#endif
