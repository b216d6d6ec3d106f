/* What is done with whole waves of mutants: chosen programs collected, fates counted. */

/* Programs of the chosen rows, in that order, into the rows first, first + 1, ... of another batch. */
KERNEL void copies(const Batch *from, const int64_t *chosen, uint64_t n, const Batch *to, uint64_t first)
{
    Program p;
    for (uint64_t i = thread_number(); i < n; i += threads()) {
        load(from, chosen[i], &p);
        store(to, (int64_t)(first + i), &p);
    }
}

/* Adds to total [COUNTERS + 1] how many of the first `rows` mutants met which fate, and the texts walked past. */
KERNEL void tallies(const uint8_t *fate, const uint8_t *walked, uint64_t rows, uint64_t *total)
{
    uint64_t mine[COUNTERS + 1] = {0};
    for (uint64_t row = thread_number(); row < rows; row += threads()) {
        for (int f = 0; f < COUNTERS; f++) mine[f] += fate[row] == f;
        mine[COUNTERS] += walked[row];
    }
    for (int f = 0; f <= COUNTERS; f++) add_to(total + f, mine[f]);
}
