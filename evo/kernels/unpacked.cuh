/* Programs of `ops` words each, [rows, ops]. */
KERNEL void unpacked(const uint16_t *word, uint64_t rows, uint64_t ops, const Batch *to)
{
    Program p;
    for (uint64_t row = thread_number(); row < rows; row += threads()) {
        write_words(word + row * ops, (int)ops, &p);
        store(to, (int64_t)row, &p);
    }
}
