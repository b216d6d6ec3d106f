/* A well-mixed 64-bit function (splitmix64's finaliser, Steele, Lea and Flood, OOPSLA 2014). */
#ifndef EVO_MIX_H
#define EVO_MIX_H

#include <stdint.h>

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
