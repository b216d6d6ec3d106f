/* What the kernels take from CUDA, under the names that C and the tests' stand-in (tests/emulate_warp.h) know. */

#ifdef __CUDACC_RTC__
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__
#define EXPORT static
#define restrict __restrict__
#define SEPARATE __noinline__ /* one copy: more code than fits the instruction cache costs a third of the time */
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INFINITY __longlong_as_double(0x7ff0000000000000ll)
#define NAN __longlong_as_double(0x7ff8000000000000ll)

#define __builtin_ctz(bits) (__ffs((int)(bits)) - 1)
#define __builtin_popcount __popc

DEVICE void add_to(uint64_t *total, uint64_t n) { atomicAdd(total, n); }
DEVICE uint64_t thread_number() { return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE uint64_t threads() { return (uint64_t)gridDim.x * blockDim.x; }
DEVICE uint64_t take_next(uint64_t *counter) { return atomicAdd(counter, 1ull); }
DEVICE void take_least(uint64_t *least, uint64_t n) { atomicMin(least, n); }
/* What was there; where that is 0, `n` is now. */
DEVICE uint64_t put_if_none(uint64_t *place, uint64_t n) { return atomicCAS(place, 0ull, n); }
#endif
