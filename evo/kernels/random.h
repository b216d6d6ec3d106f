/* Random streams: splitmix64 (Steele, Lea and Flood 2014). A stream is one word, made by mixing what
   it belongs to, so that no result depends on who drew before. */
#ifndef EVO_RANDOM_H
#define EVO_RANDOM_H

#include "program.h"

static inline uint64_t draw(uint64_t *rng)
{
    *rng += 0x9e3779b97f4a7c15u;
    return mix(*rng);
}

static inline double uniform(uint64_t *rng) { return (double)(draw(rng) >> 11) * 0x1p-53; }

static inline int below(uint64_t *rng, int n) { return (int)(uniform(rng) * n); }

static double normal(uint64_t *rng)
{
    const double u = 1.0 - uniform(rng), v = uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* A constant of either sign, its magnitude spread over so many decades, `under` of them below one. */
static double constant_within(uint64_t *rng, double decades, double under)
{
    const double magnitude = pow(10.0, decades * uniform(rng) - under);
    return uniform(rng) < 0.5 ? -magnitude : magnitude;
}

static double random_constant(uint64_t *rng) { return constant_within(rng, DECADES, DECADES_BELOW); }

#endif
