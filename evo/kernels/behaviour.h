/* Tier 3 of functional equivalence: the error curve, rounded; for processors and GPUs. */
#ifndef EVO_BEHAVIOUR_H
#define EVO_BEHAVIOUR_H

#include <math.h>

#include "mix.h"

/* One word for curves that agree to about a hundredth: signed errors [n] at probe points, and the max error.
   Where that is not finite it has no meaning. */
static uint64_t behaviour_of(const double *curve, int64_t n, double error)
{
    const double scale = error == error ? fmin(fmax(error, 0x1p-1022), 1e300) : 0x1p-1022;
    uint64_t behaviour = 0;
    for (int64_t b = -1; b < n; b++) {
        const double part = b < 0 ? 0.0 : curve[b] / scale;
        const double bounded = part == part ? fmin(fmax(part, -1.0), 1.0) : 0.0;
        const double level = b < 0 ? rint(50.0 * log(scale)) : rint(16.0 * bounded);
        behaviour = mix(behaviour + (uint64_t)(int64_t)level + 0x9e3779b97f4a7c15u);
    }
    return behaviour;
}

#endif
