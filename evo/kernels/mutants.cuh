/* Offspring on a GPU: vary.h's functions, a thread for a mutant, in waves. What vary.h decides of one mutant
   after the other, evo/backends/cuda_vary.py decides of a whole wave: of equal texts and equal functions one
   stays, whoever was faster. */

/* Mutants number first to first + rows - 1, into the rows of `out`. */
KERNEL void mutants(const Brood *brood, const Batch *parents, const Cache *texts, const Batch *out, uint64_t first,
                    uint64_t rows, uint64_t *text, uint64_t *rng, uint8_t *ops, uint8_t *refit, uint8_t *walked,
                    uint8_t *fate)
{
    Mutant m;
    for (uint64_t row = thread_number(); row < rows; row += threads()) {
        begin(brood, parents, texts, (int64_t)(first + row), &m);
        finish(brood, texts, out->width, &m);
        fate[row] = (uint8_t)m.fate;
        walked[row] = (uint8_t)m.walked;
        refit[row] = (uint8_t)m.refit;
        text[row] = m.text;
        rng[row] = m.rng;
        ops[row] = 0;
        if (m.fate != MADE) continue;
        ops[row] = (uint8_t)cost(&m.program);
        store(out, (int64_t)row, &m.program);
    }
}
