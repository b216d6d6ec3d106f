"""Exported exp2 in C (float32, all floats) against NumPy, glibc and SLEEF: speed, and every float32 input.

    python experiments/bench/exports.py [--check] [--rounds 41] [--domain -125 127] [--json]

Speed: one array of 8,192 numbers of the domain (64 KiB with the results), all contestants in turn in an order
drawn anew each round, in one process on one core; median ns an element, quartiles, and the ratio to the
first. NumPy's call overhead (about 0.4 us, 0.05 ns an element) is in its figure.

`--check` calls every contestant with all 2^32 bit patterns, against glibc's exp2 in float64 (whose own error
is below 2^-28 of a float32 ulp), about two minutes. The error is |got - exact| / ulp(exact), infinity
standing for 2^128; the worst inputs are evaluated again by balls of 200 bits.
"""

import argparse
import ctypes
import json
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.bench.kernels import machine as this_machine
from evo.exports.export import export
from evo.fronts.reading import read_members

HERE = Path(__file__).parent
N, REPEATS = 8192, 200
CHUNK = 1 << 20
CONTESTANTS = r"""
#include <immintrin.h>
#include <sleef.h>
#define LOOP(name, step, load, call, store) \
    void name(size_t n, const float *x, float *y) { \
        for (size_t i = 0; i < n; i += step) store(y + i, call(load(x + i))); }
#ifdef __AVX512F__
LOOP(sleef_avx512, 16, _mm512_loadu_ps, Sleef_exp2f16_u10avx512f, _mm512_storeu_ps)
LOOP(sleef_avx512_u35, 16, _mm512_loadu_ps, Sleef_exp2f16_u35avx512f, _mm512_storeu_ps)
#endif
LOOP(sleef_avx2, 8, _mm256_loadu_ps, Sleef_exp2f8_u10avx2, _mm256_storeu_ps)
"""
PLAIN = r"""
#include <math.h>
#include <stddef.h>
#define LOOP(name, value) \
    void name(size_t n, const float *restrict x, float *restrict y) { \
        for (size_t i = 0; i < n; i++) y[i] = value; }
LOOP(glibc, exp2f(x[i]))
LOOP(plus_one, x[i] + 1)
"""
CHECK = r"""
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
void reference(size_t n, const float *x, double *e) { for (size_t i = 0; i < n; i++) e[i] = exp2(x[i]); }
static double ulps(float got, double e) {
    if (isnan(e)) return isnan(got) ? 0 : INFINITY;
    double g = isinf(got) ? copysign(0x1p128, got) : got, top = e > 0x1p128 ? 0x1p128 : e;
    uint64_t bits; memcpy(&bits, &top, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    exponent = exponent < -126 ? -126 : exponent > 127 ? 127 : exponent;
    bits = (uint64_t)(1023 - exponent + 23) << 52;
    double scale; memcpy(&scale, &bits, sizeof scale);
    double error = fabs(g - top) * scale;
    return error == error ? error : INFINITY;
}
double worst(size_t n, const float *got, const double *e, size_t *where) {
    double most = -1;
    for (size_t i = 0; i < n; i++) { double u = ulps(got[i], e[i]); if (u > most) { most = u; *where = i; } }
    return most;
}
void repeat(void (*f)(size_t, const float *, float *), size_t times, size_t n, const float *x, float *y) {
    for (size_t k = 0; k < times; k++) { f(n, x, y); __asm__ volatile("" ::: "memory"); }
}
"""
Call = Callable[[np.ndarray, np.ndarray], Any]


def build(folder: Path, compiler: str, flags: str, source: str, libraries: str = "-lm") -> ctypes.CDLL:
    digest = f"{compiler}-{abs(hash((flags, source))):x}"
    path, library = folder / f"{digest}.c", folder / f"{digest}.so"
    path.write_text(source)
    compiled = str(path.with_suffix(".o"))
    subprocess.run([compiler, *flags.split(), "-fPIC", "-c", str(path), "-o", compiled], check=True)
    # linked without -ffast-math, which would set the whole process to flush subnormals (crtfastmath.o)
    subprocess.run([compiler, "-shared", compiled, "-o", str(library), *libraries.split()], check=True)
    return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def contestants(folder: Path, core: Path) -> dict[str, Any]:
    """C functions by name, ours first; `numpy` is None."""
    (member,) = read_members(core.read_text(), str(core))
    ours = export(member, "c", dtype="float32", full=True, name="our_exp2f")
    ours += "void ours(size_t n, const float *x, float *y) { our_exp2f_array(n, x, y); }\n"
    strict, fast = "-std=c99 -O3 -march=native -ffp-contract=off", "-std=gnu11 -O3 -march=native"
    found: dict[str, Any] = {}
    for compiler in filter(shutil.which, ("gcc", "clang")):
        found[f"evonum, {compiler}"] = build(folder, compiler, strict, ours).ours
        wide = f"{strict} -mprefer-vector-width=512"
        found[f"evonum, {compiler}, 512-bit vectors"] = build(folder, compiler, wide, ours).ours
    found["numpy exp2"] = None
    plain = build(folder, "gcc", fast, PLAIN)
    found["glibc exp2f"] = plain.glibc
    vector = build(folder, "gcc", f"{fast} -ffast-math -mprefer-vector-width=512", PLAIN, "-lmvec -lm")
    found["glibc libmvec (-ffast-math)"] = vector.glibc
    try:
        sleef = build(
            folder,
            "gcc",
            fast,
            CONTESTANTS.replace("#include <imm", "#include <stddef.h>\n#include <imm"),
            "-lsleef -lm",
        )
        for name in ("sleef_avx512", "sleef_avx512_u35", "sleef_avx2"):
            if hasattr(sleef, name):
                found[name.replace("_", " ").replace("sleef", "SLEEF").replace("avx", "AVX")] = getattr(
                    sleef, name
                )
    except subprocess.CalledProcessError:
        print("SLEEF is not installed (Debian: libsleef-dev); left out.")
    found["x + 1 (floor)"] = plain.plus_one
    return found


def timed(calls: dict[str, Any], repeat: Any, rounds: int, domain: list[float]) -> dict[str, list[float]]:
    """ns an element of each round."""
    rng = np.random.default_rng(0)
    x = rng.uniform(*domain, N).astype(np.float32)
    y = np.empty_like(x)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name in rng.permutation(list(calls)):
            begin = time.perf_counter_ns()
            if calls[name] is None:
                with np.errstate(all="ignore"):
                    for _ in range(REPEATS):
                        np.exp2(x, out=y)
            else:
                repeat(calls[name], ctypes.c_size_t(REPEATS), ctypes.c_size_t(N), pointer(x), pointer(y))
            times[name].append((time.perf_counter_ns() - begin) / (REPEATS * N))
    return times


def checked(calls: dict[str, Any], tools: ctypes.CDLL) -> dict[str, tuple[float, float]]:
    """(max ulp, worst input) of each over all float32."""
    found = dict.fromkeys(calls, (-1.0, 0.0))
    exact, got, at = np.empty(CHUNK), np.empty(CHUNK, np.float32), ctypes.c_size_t(0)
    for start in range(0, 1 << 32, CHUNK):
        x = np.arange(start, start + CHUNK, dtype=np.uint32).view(np.float32)
        tools.reference(ctypes.c_size_t(CHUNK), pointer(x), pointer(exact))
        for name, call in calls.items():
            if call is None:
                with np.errstate(all="ignore"):
                    np.exp2(x, out=got)
            else:
                call(ctypes.c_size_t(CHUNK), pointer(x), pointer(got))
            error = tools.worst(ctypes.c_size_t(CHUNK), pointer(got), pointer(exact), ctypes.byref(at))
            if error > found[name][0]:
                found[name] = (error, float(x[at.value]))
    return found


def by_balls(x: float, call: Any) -> float:
    """The error [ulp] at one input, against 200 bits."""
    a, y = np.full(16, x, np.float32), np.empty(16, np.float32)
    if call is None:
        np.exp2(a, out=y)
    else:
        call(ctypes.c_size_t(16), pointer(a), pointer(y))
    with flint.ctx.workprec(200):
        exact = arb(2) ** arb(x)
        top = min(float(exact), 2.0**128)
        exponent = max(min(int(np.frexp(top)[1]) - 1, 127), -126) - 23
        got = 2.0**128 if np.isposinf(y[0]) else float(y[0])
        return float(
            (abs(arb(got) - (exact if top < 2.0**128 else arb(2.0**128))) / arb(2) ** exponent).mid()
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=Path, default=HERE.parent / "exp2-core.json")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--domain", type=float, nargs=2, default=[-125.0, 127.0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = contestants(folder, args.core)
        tools = build(folder, "gcc", "-std=gnu11 -O3 -march=native", CHECK)
        tools.worst.restype = ctypes.c_double
        times = timed(calls, tools.repeat, args.rounds, args.domain)
        errors = checked({k: v for k, v in calls.items() if "+ 1" not in k}, tools) if args.check else {}
        results = []
        first = np.median(next(iter(times.values())))
        for name, values in times.items():
            low, middle, high = np.percentile(values, (25, 50, 75))
            row = {"function": name, "ns": middle, "ns_quartiles": [low, high], "ratio": middle / first}
            if name in errors:
                ulp, x = errors[name]
                bits = struct.unpack("<I", struct.pack("<f", x))[0]
                row |= {
                    "max_ulp": ulp,
                    "worst_x": x,
                    "worst_bits": f"{bits:#010x}",
                    "by_balls": by_balls(x, calls[name]),
                }
            results.append(row)
        machine = this_machine()
    if args.json:
        print(json.dumps({"machine": machine, "results": results}, indent=1))
        return
    print("; ".join(f"{key} {value}" for key, value in machine.items()))
    print("| function | ns/element | quartiles | ratio | max ulp | worst input | by balls |")
    print("|---|---|---|---|---|---|---|")
    for row in results:
        low, high = row["ns_quartiles"]
        ulp = (
            f"{row['max_ulp']:.4f} | {row['worst_x']!r} | {row['by_balls']:.4f}"
            if "max_ulp" in row
            else " | | "
        )
        print(f"| {row['function']} | {row['ns']:.3f} | {low:.3f}-{high:.3f} | {row['ratio']:.2f} | {ulp} |")


if __name__ == "__main__":
    main()
