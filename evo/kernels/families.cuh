/* The family of every row [rows] (evo/kernels/family.h), a thread for each. */
KERNEL void family_keys(const Batch *batch, uint64_t *key)
{
    Field field;
    Program p;
    for (uint64_t row = thread_number(); row < (uint64_t)batch->rows; row += threads()) {
        load(batch, (int64_t)row, &p);
        key[row] = family(&field, &p);
    }
}
