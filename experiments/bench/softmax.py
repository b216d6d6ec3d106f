"""Softmax out of cache on one core: two passes, three with the same exponential, and JAX's, interleaved.

    python experiments/bench/softmax.py [--elements 16777216] [--rounds 15]

Three passes in three forms, each in C with the library's exponential: with the sum's exponentials kept in
the result and scaled there, the same with those written past the caches as two passes do, and made again.
Processor time, the parts of a round in a shuffled order; the median and the tenth percentile, and ratios to
two passes by medians of rounds.
"""

import argparse
import ctypes
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evo.exports.softmax import PART
from evo.kernels.build import find_compiler
from evo.library.shelf import find, formula_of
from evo.library.softmax import softmax

_SOURCE = """
void two(size_t n, const float *x, float *y) { NAME_softmax(n, x, y); }
void kept(size_t n, const float *x, float *y) {
    const float most = NAME_most(n, x);
    const float scale = (float)(1 / NAME_less(n, x, most, y));
    for (size_t i = 0; i < n; i++) y[i] *= scale;
}
void past(size_t n, const float *x, float *y) {
    const float most = NAME_most(n, x);
    const float scale = (float)(1 / NAME_past(n, x, most, y));
    for (size_t i = 0; i < n; i++) y[i] *= scale;
}
void again(size_t n, const float *x, float *y) {
    const float most = NAME_most(n, x);
    float part[PART];
    double sum = 0;
    for (size_t i = 0; i < n; i += PART) sum += NAME_less(n - i < PART ? n - i : PART, x + i, most, part);
    const float scale = (float)(1 / sum);
    for (size_t i = 0; i < n; i += PART) {
        const size_t m = n - i < PART ? n - i : PART;
        NAME_less(m, x + i, most, part);
        for (size_t j = 0; j < m; j++) y[i + j] = part[j] * scale;
    }
}
void copied(size_t n, const float *x, float *y) { for (size_t i = 0; i < n; i++) y[i] = x[i] + 1; }
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--elements", type=int, default=1 << 24)
    options.add_argument("--rounds", type=int, default=15)
    given = options.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before JAX makes its threads
    import jax

    x = (4 * np.random.default_rng(0).standard_normal(given.elements)).astype(np.float32)
    e = np.exp(x.astype(np.float64) - x.max())
    right = e / e.sum()
    calls = in_c(x)
    on_device, jitted = jax.device_put(x), jax.jit(jax.nn.softmax)
    calls["jax.nn.softmax"] = lambda: np.asarray(jitted(on_device))
    errors = {name: float(np.max(np.abs(call() / right - 1))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls), random.Random(0)
    for _ in range(given.rounds):
        rng.shuffle(order)
        for name in order:
            start = time.process_time()
            calls[name]()
            times[name].append(1e9 * (time.process_time() - start) / given.elements)
    print("| softmax | ns an element | tenth percentile | times two passes | largest relative error |")
    print("|---|---|---|---|---|")
    for name, ns in times.items():
        ratio = np.median(np.array(ns) / np.array(times["two passes"]))
        error = "" if name == "x + 1" else f"{errors[name]:.1e}"
        print(f"| {name} | {np.median(ns):.2f} | {np.percentile(ns, 10):.2f} | {ratio:.2f} | {error} |")


def in_c(x: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Each writes an array of its own, once touched."""
    name = formula_of(find("exp", "float32").point()).name
    text = softmax("c") + _SOURCE.replace("NAME", name).replace("PART", str(PART))
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "all.c", Path(folder) / "all.so"
        source.write_text(text)
        flags = ["-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared"]
        subprocess.run([*find_compiler(), *flags, str(source), "-o", str(library), "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))
    space = np.zeros(x.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    y = space[start : start + x.nbytes].view(np.float32)

    def of(word: str) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            pointers = (ctypes.c_void_p(v.ctypes.data) for v in (x, y))
            getattr(loaded, word)(ctypes.c_size_t(x.size), *pointers)
            return y

        return call

    names = {
        "two passes": "two", "three, exponentials kept": "kept", "three, kept, past the caches": "past",
        "three, exponentials made again": "again", "x + 1": "copied",
    }  # fmt: skip
    return {label: of(word) for label, word in names.items()}


if __name__ == "__main__":
    main()
