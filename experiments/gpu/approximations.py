"""What a GPU's approximate instructions give: tables of results, and rules that hold at all 2^32 inputs.

    python experiments/gpu/approximations.py OUT           # on a GPU machine: NumPy, CuPy
    python experiments/gpu/approximations.py OUT --keep    # here: what evo/numbers/approximate.py takes of it

OUT/NAME.xz has the results' bits on one interval as differences of neighbours (int8, by lzma), the first
result and how many stand in OUT/found.json, with the GPU's name, the date, and for every rule how many inputs
it is wrong at, by sign and exponent. A rule makes all results of one table: the reciprocal of s m 2^e is that
of m, times s 2^-e, and so on; inputs and results that are subnormal are flushed (`.ftz`).
"""

import argparse
import hashlib
import json
import lzma
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

DATA = Path(__file__).parents[2] / "evo" / "numbers" / "approximations"
RULES = {
    "rcp": ("rcp flushed", 0), "rsqrt": ("rsqrt flushed", 0), "ex2": ("ex2 turned", 0),
    "lg2": ("lg2 to_zero", 0x40000000),
}  # fmt: skip
"""Tables that are kept, and the rules by which they make all results of inputs of these bits and more."""
OCTAVE = 1 << 23
THREADS, PARTS = 256, 32
"""Of a block; blocks of an octave."""


class Instruction(NamedTuple):
    """What is asked of one.

    Attributes:
        tables: (name, bits of the first input, how many) whose results are kept; the rules use the first.
        rules: names; the kernel's text below has their meaning, in this order.
    """

    tables: tuple[tuple[str, int, int], ...]
    rules: tuple[str, ...]


ROUNDINGS = ("down", "to_zero", "to_even", "away", "up")
INSTRUCTIONS = {
    "rcp": Instruction((("rcp", 0x3F800000, OCTAVE),), ("flushed",)),
    "rsqrt": Instruction((("rsqrt", 0x3F800000, 2 * OCTAVE),), ("flushed",)),
    "sqrt": Instruction((("sqrt", 0x3F800000, 2 * OCTAVE),), ("flushed",)),
    "ex2": Instruction(
        (
            ("ex2", 0x3F800000, OCTAVE),
            ("ex2_half_to_1", 0x3F000000, OCTAVE),
            ("ex2_-1_to_-half", 0xBF000000, OCTAVE),
            ("ex2_quarter_to_half", 0x3E800000, OCTAVE),
            ("ex2_-half_to_-quarter", 0xBE800000, OCTAVE),
        ),
        (*(f"{digits}_{way}" for digits in (23, 24) for way in ROUNDINGS), "turned"),
    ),
    "lg2": Instruction((("lg2", 0x3F800000, OCTAVE), ("lg2_half_to_1", 0x3F000000, OCTAVE)),
                       ("nearest", "to_zero")),
}  # fmt: skip

NAN = 0x7FFFFFFF
SOURCE = r"""
static __device__ __forceinline__ float approx(float x) {
    float y;
    asm("%(name)s.approx.ftz.f32 %%0, %%1;" : "=f"(y) : "f"(x));
    return y;
}
"""
KERNELS = r"""
#define NAN_BITS 0x7fffffffu
#define INFINITE 0x7f800000u

static __device__ __forceinline__ unsigned scaled(unsigned sign, unsigned r, int e) {
    const int power = (int)(r >> 23) + e; /* r times 2^e, flushed */
    return sign | (power <= 0 ? 0u : power >= 255 ? INFINITE : r + ((unsigned)e << 23));
}

static __device__ unsigned predicted_rcp(int rule, unsigned b, const unsigned *t) {
    const unsigned sign = b & 0x80000000u, m = b & 0x7fffff;
    const int e = b >> 23 & 255;
    if (e == 255) return m ? NAN_BITS : sign;
    if (e == 0) return sign | INFINITE;
    return scaled(sign, t[m], 127 - e);
}

static __device__ unsigned predicted_rsqrt(int rule, unsigned b, const unsigned *t) {
    const unsigned sign = b & 0x80000000u, m = b & 0x7fffff;
    const int e = b >> 23 & 255, k = e - 127;
    if (e == 255) return m || sign ? NAN_BITS : 0;
    if (e == 0) return sign | INFINITE;
    if (sign) return NAN_BITS;
    return scaled(0, t[(k & 1) << 23 | m], -(k >> 1));
}

static __device__ unsigned predicted_sqrt(int rule, unsigned b, const unsigned *t) {
    const unsigned sign = b & 0x80000000u, m = b & 0x7fffff;
    const int e = b >> 23 & 255, k = e - 127;
    if (e == 0) return sign;
    if (e == 255) return m || sign ? NAN_BITS : INFINITE;
    if (sign) return NAN_BITS;
    return scaled(0, t[(k & 1) << 23 | m], k >> 1);
}

/* rules: 2^23 or 2^24 fractions; x rounded to them down, to zero, to even, away, up. The last one cuts |x|
   off after 23 digits and turns all digits over where x is below 0, but of integers. */
static __device__ unsigned predicted_ex2(int rule, unsigned b, const unsigned *t) {
    const float x = __uint_as_float(b);
    const int e = b >> 23 & 255, digits = rule < 5 ? 23 : 24;
    if (e == 255 && b << 9) return NAN_BITS;
    if (e == 0) return 0x3f800000u;
    if (x >= 128.0f) return INFINITE;
    if (x < -150.0f) return 0;
    if (rule == 10) {
        const int cut = (int)((double)x * 8388608.0), w = cut - (x < 0 && cut & 0x7fffff);
        return scaled(0, t[w & 0x7fffff], (w >> 23) - 1);
    }
    const double v = ldexp((double)x, digits), down = floor(v), up = ceil(v);
    double k = down;
    if (rule %% 5 == 1) k = v < 0 ? up : down;
    if (rule %% 5 == 2) k = rint(v);
    if (rule %% 5 == 3) k = v < 0 ? ceil(v - 0.5) : floor(v + 0.5);
    if (rule %% 5 == 4) k = up;
    const long long whole = (long long)k, one = 1ll << digits;
    const int n = (int)(whole >> digits);
    const unsigned at = (unsigned)(whole & (one - 1));
    if (digits == 23) return scaled(0, t[at], n - 1);
    /* the second table is of [1/2, 1), the third of [-1, -1/2) from -1/2 down */
    const unsigned half = 1u << 23;
    if (at >= half) return scaled(0, t[half + (at - half)], n);
    return at ? scaled(0, t[3 * half - at], n + 1) : scaled(0, t[0], n - 1);
}

/* e + lg2(m), rounded */
static __device__ unsigned predicted_lg2(int rule, unsigned b, const unsigned *t) {
    const unsigned sign = b & 0x80000000u, m = b & 0x7fffff;
    const int e = b >> 23 & 255;
    if (e == 0) return 0xff800000u;
    if (e == 255) return m || sign ? NAN_BITS : INFINITE;
    if (sign) return NAN_BITS;
    const double sum = (e - 127) + (double)__uint_as_float(t[m]);
    return __float_as_uint(rule ? __double2float_rz(sum) : __double2float_rn(sum));
}

extern "C" __global__ void values_%(name)s(unsigned first, unsigned n, unsigned *to) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = __float_as_uint(approx(__uint_as_float(first + i)));
}

/* blocks: `parts` for each sign and exponent; wrong and the least wrong input, by rule, sign and exponent */
extern "C" __global__ void compare_%(name)s(const unsigned *t, unsigned parts, unsigned each, unsigned nan,
                                            unsigned long long *wrong, unsigned *least) {
    const unsigned octave = blockIdx.x / parts, part = blockIdx.x %% parts;
    unsigned long long count[%(rules)d] = {0};
    unsigned where[%(rules)d];
    for (int r = 0; r < %(rules)d; r++) where[r] = 0xffffffffu;
    for (unsigned i = threadIdx.x; i < each; i += blockDim.x) {
        const unsigned b = octave << 23 | (part * each + i);
        const unsigned got = __float_as_uint(approx(__uint_as_float(b)));
        for (int r = 0; r < %(rules)d; r++) {
            const unsigned p = predicted_%(name)s(r, b, t);
            const bool both = nan && (p & 0x7fffffff) > INFINITE && (got & 0x7fffffff) > INFINITE;
            if (p != got && !both) {
                count[r]++;
                where[r] = b < where[r] ? b : where[r];
            }
        }
    }
    for (int r = 0; r < %(rules)d; r++)
        if (count[r]) {
            atomicAdd(wrong + (r * 512 + octave), count[r]);
            atomicMin(least + (r * 512 + octave), where[r]);
        }
}
"""


def main() -> None:
    """Asks the GPU; prints what each rule is wrong at."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--keep", action="store_true", help="copies tables whose rule is right everywhere")
    given = options.parse_args()
    if given.keep:
        keep(given.out, DATA)
        return
    from gpu.device import Device

    collect(Device(), given.out)


def collect(device: Any, out: Path, each: int = OCTAVE // PARTS) -> None:
    """Writes tables and found.json; `each` inputs of a block are compared, all by default."""
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "gpu": device.name, "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": {}, "rules": {},
    }  # fmt: skip
    kept: dict[str, np.ndarray] = {}
    for name, asked in INSTRUCTIONS.items():
        words = {"name": name, "rules": len(asked.rules)}
        module = device.load((SOURCE + KERNELS) % words)
        parts = []
        for table, first, n in asked.tables:
            to = device.array(np.zeros(n, np.uint32))
            device.launch(module, f"values_{name}", n // THREADS, THREADS, np.uint32(first), np.uint32(n), to)
            parts.append(kept.setdefault(table, device.fetch(to)))
            found["tables"][table] = {"first": first, "inputs": n, "first_result": int(parts[-1][0])}
        for nan in (1, 0):
            wrong = device.array(np.zeros(len(asked.rules) * 512, np.uint64))
            least = device.array(np.full(len(asked.rules) * 512, 0xFFFFFFFF, np.uint32))
            together = device.array(np.concatenate(parts))
            args = (together, np.uint32(PARTS), np.uint32(each), np.uint32(nan), wrong, least)
            device.launch(module, f"compare_{name}", 512 * PARTS, THREADS, *args)
            counts = device.fetch(wrong).reshape(-1, 512)
            where = device.fetch(least).reshape(-1, 512)
            for rule, of, at in zip(asked.rules, counts, where, strict=True):
                label = f"{name} {rule}{'' if nan else ', bits of NaN, too'}"
                some = np.flatnonzero(of)
                found["rules"][label] = {
                    "wrong": int(of.sum()),
                    "by_octave": {f"{k << 23:#010x}": [int(of[k]), f"{int(at[k]):#010x}"] for k in some},
                }
                print(f"{label}: {int(of.sum()):,} wrong in {len(some)} octaves", flush=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda table: save(out, table, kept[table], found["tables"][table]), kept))
    (out / "found.json").write_text(json.dumps(found, indent=1))


def save(out: Path, table: str, bits: np.ndarray, row: dict[str, Any], preset: int = 2) -> None:
    """Differences of neighbours; the digest is that of the results' bits."""
    steps = np.diff(bits.astype(np.int64))
    small = bool((np.abs(steps) < 128).all())
    data = steps.astype(np.int8) if small else bits
    row |= {"sha256": hashlib.sha256(bits.tobytes()).hexdigest(), "differences": small}
    (out / f"{table}.xz").write_bytes(lzma.compress(data.tobytes(), preset=preset))


def keep(out: Path, to: Path) -> None:
    """Copies tables, and writes whose they are, when, and how many results their rules have wrong: none.

    Raises:
        ValueError: a rule is not right at every input that it is for.
    """
    found = json.loads((out / "found.json").read_text())
    kept = {"gpu": found["gpu"], "date": found["date"], "tables": {}}
    for name, (rule, least) in RULES.items():
        octaves = found["rules"][rule]["by_octave"]
        wrong = sum(count for octave, (count, _) in octaves.items() if int(octave, 16) >= least)
        if wrong:
            raise ValueError(f"{rule} is wrong at {wrong:,} inputs.")
        row = found["tables"][name]
        bits = results(out, name, row)
        if name == "lg2":  # what its rule leaves of them
            bits = np.floor(bits.view(np.float32) * float(OCTAVE)).astype(np.uint32)
        kept["tables"][name] = {"rule": rule, "from_bits": f"{least:#010x}", "wrong": wrong}
        save(to, name, bits, kept["tables"][name], preset=9)
    (to / "found.json").write_text(json.dumps(kept, indent=1) + "\n")


def results(out: Path, table: str, row: dict[str, Any]) -> np.ndarray:
    """What `save` wrote.

    Raises:
        ValueError: another digest.
    """
    data = lzma.decompress((out / f"{table}.xz").read_bytes())
    if row["differences"]:
        steps = np.frombuffer(data, np.int8).astype(np.int64)
        bits = (row["first_result"] + np.concatenate([[0], np.cumsum(steps)])).astype(np.uint32)
    else:
        bits = np.frombuffer(data, np.uint32)
    if hashlib.sha256(bits.tobytes()).hexdigest() != row["sha256"]:
        raise ValueError(f"{table}.xz is not what its digest says.")
    return bits


if __name__ == "__main__":
    main()
