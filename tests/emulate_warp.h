/* A warp on a processor: its 32 lanes are fibres that take turns, changing at every exchange. It stands in for
   what evo/kernels/warp.cuh takes from CUDA, so that the kernels run where there is no GPU. */
#include <math.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#define DEVICE inline
#define KERNEL extern "C"
#define EXPORT static
#define SEPARATE
#define restrict __restrict__
struct alignas(16) double2 { double x, y; };
struct alignas(16) int4 { int x, y, z, w; };

static double2 cells[232448 / 16]; /* the shared memory of one multiprocessor of compute capability 9 */
static ucontext_t lanes[32], scheduler;
static int current, alive;
static double wires[32];

static void add_to(uint64_t *total, uint64_t n) { *total += n; }
static uint64_t take_next(uint64_t *counter) { return (*counter)++; }
static void take_least(uint64_t *least, uint64_t n) { *least = n < *least ? n : *least; }
static uint64_t put_if_none(uint64_t *place, uint64_t n)
{
    const uint64_t known = *place;
    if (!known) *place = n;
    return known;
}
static uint64_t thread_number() { return 0; }
static uint64_t threads() { return 1; }
static int lane_number() { return current; }
static void meet() { swapcontext(&lanes[current], &scheduler); }
static double from_lane(double v, int lane)
{
    wires[current] = v;
    meet();
    const double got = wires[lane];
    meet();
    return got;
}
static double across(double v, int mask) { return from_lane(v, current ^ mask); }
static bool any(bool some)
{
    wires[current] = some;
    meet();
    bool found = false;
    for (double w : wires) found |= w != 0.0;
    meet();
    return found;
}
static int next(int *counter)
{
    const int mine = lane_number() ? 0 : (*counter)++;
    return (int)from_lane(mine, 0);
}
static void count(unsigned long long *total, uint64_t n)
{
    if (!lane_number()) *total += n;
}
/* As rough as a GPU's. */
static double rough_reciprocal(double b) { return (double)(1.0f / (float)b) * (1.0 + 0x1p-23); }
static double rough_inverse_root(double b) { return 1.0 / std::sqrt(b) * (1.0 - 0x1p-23); }

template <typename F> static void run_warp(F body)
{
    static F *entry;
    static char *stacks = (char *)malloc(32 << 18);
    entry = &body;
    static int runs = 0; /* NaN and small numbers by turns: nothing may be read before it is written */
    memset(cells, runs++ % 2 ? 0x3f : 0xff, sizeof cells);
    alive = 32;
    for (int l = 0; l < 32; l++) {
        getcontext(&lanes[l]);
        lanes[l].uc_stack.ss_sp = stacks + ((size_t)l << 18);
        lanes[l].uc_stack.ss_size = 1 << 18;
        lanes[l].uc_link = &scheduler;
        makecontext(&lanes[l], (void (*)()) + [] { (*entry)(); alive--; }, 0);
    }
    while (alive > 0) {
        const int before = alive;
        for (current = 0; current < 32; current++) swapcontext(&scheduler, &lanes[current]);
        if (alive && alive != before) abort(); /* lanes left the kernel at different exchanges */
    }
}
