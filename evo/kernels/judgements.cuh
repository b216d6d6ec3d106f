/* What the cache says of the chosen rows; news [rows]: 1 for what it should learn. */
KERNEL void judgements(const Brood *brood, const Cache *functions, const int64_t *chosen, uint64_t n,
                       const uint64_t *function, const uint32_t *check, const uint8_t *ops, const uint8_t *refit,
                       uint64_t *rng, uint8_t *fate, uint8_t *news)
{
    for (uint64_t i = thread_number(); i < n; i += threads()) {
        const int64_t row = chosen[i];
        const Fingerprint found = {function[row], check[row]};
        int new_here;
        fate[row] = (uint8_t)judge(brood, functions, found, ops[row], refit[row], rng + row, &new_here);
        news[row] = (uint8_t)new_here;
    }
}

/* Entries in the order of their buckets: a thread adds all of one bucket, so each in its turn. */
KERNEL void additions(const Cache *cache, const uint64_t *key, const uint32_t *check, const uint8_t *ops, uint64_t n)
{
    const uint64_t buckets = (uint64_t)(cache->entries / WAYS) - 1;
    for (uint64_t i = thread_number(); i < n; i += threads()) {
        if (i && (key[i - 1] & buckets) == (key[i] & buckets)) continue;
        for (uint64_t j = i; j < n && (key[j] & buckets) == (key[i] & buckets); j++)
            cache_put(cache, key[j], check[j], ops[j]);
    }
}
