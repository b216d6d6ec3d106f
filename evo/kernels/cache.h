/* Bounded sets of fingerprints: four-way buckets, the oldest of a bucket makes room. */
#ifndef EVO_CACHE_H
#define EVO_CACHE_H

#include "program.h"

static inline int64_t bucket_of(const Cache *cache, uint64_t key)
{
    return (int64_t)(key & (uint64_t)(cache->entries / WAYS - 1)) * WAYS;
}

/* Lets a bucket come from memory before it is asked for. */
static inline void cache_expect(const Cache *cache, uint64_t key)
{
#ifndef __CUDACC_RTC__
    __builtin_prefetch(cache->key + bucket_of(cache, key));
#endif
}

/* Index of the key's entry, or -1. */
static int64_t cache_find(const Cache *cache, uint64_t key)
{
    const int64_t bucket = bucket_of(cache, key);
    int64_t found = -1;
    for (int64_t i = bucket; i < bucket + WAYS; i++) found = cache->key[i] == key ? i : found;
    return found;
}

/* Adds a key to a cache of nothing but keys: texts, of which only that is asked. */
static void cache_add_key(const Cache *cache, uint64_t key)
{
    const int64_t bucket = bucket_of(cache, key);
    for (int64_t i = bucket + WAYS - 1; i > bucket; i--) cache->key[i] = cache->key[i - 1];
    cache->key[bucket] = key;
}

static void cache_add(const Cache *cache, uint64_t key, uint32_t check, int ops, float score)
{
    const int64_t bucket = bucket_of(cache, key);
    for (int64_t i = bucket + WAYS - 1; i > bucket; i--) {
        cache->check[i] = cache->check[i - 1];
        cache->ops[i] = cache->ops[i - 1];
        cache->score[i] = cache->score[i - 1];
    }
    cache_add_key(cache, key);
    cache->check[bucket] = check;
    cache->ops[bucket] = (uint8_t)ops;
    cache->score[bucket] = score;
}

/* Adds a function that is not there, or notes that it can be had with fewer ops. */
static void cache_put(const Cache *cache, uint64_t key, uint32_t check, int ops)
{
    const int64_t at = cache_find(cache, key);
    if (at < 0) cache_add(cache, key, check, ops, NAN);
    else if (cache->ops[at] > ops) cache->ops[at] = (uint8_t)ops;
}

/* Scores after fits, and entries that other islands found: new ones are added, known ones keep the fewest ops and
   the better score; key 0 is skipped. */
EXPORT void cache_merge(const Cache *cache, const uint64_t *key, const uint32_t *check, const uint8_t *ops,
                        const float *score, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!key[i]) continue;
        const int64_t at = cache_find(cache, key[i]);
        if (at < 0) {
            cache_add(cache, key[i], check[i], ops[i], score[i]);
            continue;
        }
        if (ops[i] < cache->ops[at]) cache->ops[at] = ops[i];
        if (isnan(cache->score[at]) || score[i] < cache->score[at]) cache->score[at] = score[i];
    }
}

/* score [n] of each key, NaN if unknown. */
EXPORT void cache_scores(const Cache *cache, const uint64_t *key, float *score, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = cache_find(cache, key[i]);
        score[i] = at < 0 ? NAN : cache->score[at];
    }
}

#endif
