/* The rank of the chosen rows' Jacobians, and the fate of those that it drops. A kernel of its own: threads of a
   warp wait for each other, and here all do much the same. */
KERNEL void ranks(const Brood *brood, const Batch *batch, const int64_t *chosen, uint64_t n, uint8_t *fate)
{
    Field field;
    Program p;
    for (uint64_t i = thread_number(); i < n; i += threads()) {
        load(batch, chosen[i], &p);
        fate[chosen[i]] = (uint8_t)by_rank(&field, brood, &p);
    }
}
