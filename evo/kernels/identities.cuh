/* Fingerprints of the chosen rows: function and check by row, and the fate of those that have none. */
KERNEL void identities(const Brood *brood, const Batch *batch, const int64_t *chosen, uint64_t n,
                       const uint64_t *text, uint64_t *function, uint32_t *check, uint8_t *fate)
{
    Field field;
    Program p;
    for (uint64_t i = thread_number(); i < n; i += threads()) {
        const int64_t row = chosen[i];
        load(batch, row, &p);
        const Fingerprint found = identify(&field, brood, &p, text[row]);
        function[row] = found.function;
        check[row] = found.check;
        if (!found.function) fate[row] = UNDEFINED;
    }
}
