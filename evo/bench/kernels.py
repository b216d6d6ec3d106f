"""The project's own benchmarks: fits per second, new programs per second.

An LM iteration is one residual and Jacobian evaluation, one damped solve and one trial evaluation of one
program at 48 points. Each backend counts the iterations its algorithm asked for: `native` evaluates no
Jacobian again after a rejected step; `jax` evaluates one with every trial, and its rows wait for each
other, which is not counted.

Backends are compared in child processes, in turns within one run, compile time excluded: once bound to one
processor core before JAX starts (`threads` 1), once free to use them all, with a GPU if there is one.
`per_core` is by processor time, so that other load on the machine weighs little; it is none on a GPU. On a
GPU `cuda` and `naive-vmap` are compared at large batches too, and `on_device_per_s` leaves the transfers out.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from evo.backends.backend import BACKENDS, Backend, BackendError, BackendRow, backend
from evo.bench.spent import spent
from evo.islands.generation import step
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.islands.state import State, init
from evo.kernels import processor
from evo.kernels.build import NoCompilerError, find_compiler
from evo.kernels.cache import Cache
from evo.kernels.effort import Effort
from evo.kernels.library import kernels, library_path
from evo.kernels.vary import TIERS, Offspring, Variation, offspring
from evo.programs.batch import Batch
from evo.targets.making import make_target
from evo.targets.points import Points, fit_points

OPS, CONSTANTS, POINTS = 10, 5, 48
"""Size of the benchmark's programs and fits."""
LM_STEPS = 40
GPU_BATCHES = (4096, 16384, 65536, 262144)
MIN_ROUNDS = 3
FEW_PARENTS = 256
"""The nearest to the size asked for, while hardly any program has it."""
ARITHMETIC = ("add", "sub", "mul", "div")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": processor.model(),
        "cores": len(free_cores()),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "jax")},
        "compiler": _compiler(),
        "kernels": library_path().stem,
    }


def _compiler() -> str:
    try:
        command = find_compiler()
    except NoCompilerError:
        return "none"
    run = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return run.stdout.partition("\n")[0]


def bench_programs(rows: int, x: np.ndarray, ops: int = OPS, constants: int = CONSTANTS) -> Batch:
    """Different programs of just this size, finite at `x`, as mutations make them."""
    variation = Variation(ARITHMETIC, ops, weights={"perturb": 0.0}, audit=0.0)
    texts, functions = Cache.empty(1 << 20), Cache.empty(1 << 22)
    parents, native = Batch.empty(0, ops), backend("native")
    found: list[Batch] = []
    generation = 0
    while sum(map(len, found)) < rows:
        batch = offspring(generation, variation, parents, texts, functions, 4096).batch.take(slice(None))
        right = (batch.n == ops) & (batch.k == constants) & np.isfinite(native.values(batch, x)).all(axis=1)
        found.append(batch.take(np.flatnonzero(right)))
        near = np.flatnonzero((batch.n >= ops - 2) & (abs(batch.k - constants) <= 1))
        far = np.abs(batch.k - constants) + np.maximum(ops - 2 - batch.n, 0)
        parents = batch.take(near if len(near) > 50 else np.argsort(far, kind="stable")[:FEW_PARENTS])
        generation += 1
    return Batch.concatenate(found).take(slice(rows))


def bench_fit(batches: Sequence[int] = (256, 1024), seconds: float = 10.0) -> dict[str, Any]:
    """LM iterations per second of each backend.

    Args:
        batches: programs fitted in one call.
        seconds: measured time per batch size and number of threads; at least three rounds are made.

    Returns:
        `{"machine": {...}, "results": [...]}`, a row for each backend, number of threads and batch size;
        `ratio_to_naive` compares with `naive-vmap` in the same process, at the same batch size.
    """
    kernels()  # without a compiler it ends here, in one line
    free = free_cores()
    groups = [free[:1]] if len(free) == 1 else [free[:1], free]
    results = [
        row for group in groups for row in _in_child(group, list(batches), seconds, group is groups[-1])
    ]
    return {"machine": machine(), "results": results}


def _in_child(cores: list[int], batches: list[int], seconds: float, gpu: bool) -> list[dict[str, Any]]:
    """Measures on these cores, in a process that is bound to them before JAX counts them."""
    bind = f"import os; getattr(os, 'sched_setaffinity', lambda *_: None)(0, {cores})"
    code = f"{bind}\nfrom evo.bench.kernels import _measure\n_measure({cores}, {batches}, {seconds}, {gpu})"
    environment = dict(os.environ)
    if not gpu:
        environment["JAX_PLATFORMS"] = "cpu"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    if run.returncode:
        raise RuntimeError(f"The benchmark's process on cores {cores} failed:\n{run.stderr[-2000:]}")
    rows: list[dict[str, Any]] = json.loads(run.stdout.splitlines()[-1])
    return rows


def _measure(cores: list[int], batches: list[int], seconds: float, gpu: bool) -> None:
    contestants = _contestants(len(cores), gpu)
    points = fit_points(make_target("exp2"), POINTS)
    rows = []
    for size in batches:
        rows += _race(contestants, bench_programs(size, points.x), points, len(cores), seconds)
    if on_gpu := [name for name, one in contestants.items() if one.on_device]:
        programs = bench_programs(max(GPU_BATCHES), points.x)
        large = {name: contestants[name] for name in (*on_gpu, "naive-vmap")}
        for size in GPU_BATCHES:
            rows += _race(large, programs.take(slice(size)), points, len(cores), seconds)
    print(json.dumps(rows))


@dataclass(frozen=True)
class Contestant:
    """What fits a batch and returns the LM iterations done; the time on its GPU, if it needs one."""

    device: str
    fit: Callable[[Batch, Points], int]
    on_cpu: bool
    on_device: Callable[[], float] | None = None


def _contestants(threads: int, gpu: bool) -> dict[str, Contestant]:
    import jax

    from evo.backends.jax import double
    from evo.bench.naive import naive_fit

    def naive(batch: Batch, points: Points) -> int:
        with double():
            naive_fit(batch, points, LM_STEPS)
        return len(batch) * LM_STEPS

    def own(engine: Backend) -> Callable[[Batch, Points], int]:
        effort = Effort(starts=0, first_steps=LM_STEPS, final_steps=0, lawson_rounds=0)

        def run(batch: Batch, points: Points) -> int:
            stream, worth = np.arange(len(batch), dtype=np.uint64), np.zeros(len(batch))
            fits = engine.fit(batch, points, effort, stream, worth)
            _ = fits.constants  # which a device has, until they are asked for
            return fits.iterations

        return run

    def entered(name: str, row: BackendRow) -> Contestant:
        engine: Any = backend(name, **row.options(threads=threads))
        inside = (lambda: float(engine.seconds)) if row.per_gpu else None
        return Contestant(engine.device, own(engine), row.threaded or engine.device == "cpu", inside)

    made = {}
    for name, row in BACKENDS.items():
        if gpu or not row.per_gpu:
            with contextlib.suppress(BackendError):
                made[name] = entered(name, row)
    device = jax.devices()[0].device_kind
    return {**made, "naive-vmap": Contestant(device, naive, device == "cpu")}


def _race(
    contestants: dict[str, Contestant], batch: Batch, points: Points, cores: int, seconds: float
) -> list[dict[str, Any]]:
    """All contestants in turns, the first of a round another one each time."""
    names = list(contestants)
    done = {name: contestants[name].fit(batch, points) for name in names}  # compiles
    wall, busy, inside = ({name: list[float]() for name in names} for _ in range(3))
    end, turn = time.perf_counter() + seconds, 0
    while turn < MIN_ROUNDS or time.perf_counter() < end:
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken, _ = spent(partial(contestants[name].fit, batch), lambda: points)
            wall[name].append(taken.wall)
            busy[name].append(taken.busy)
            if on_device := contestants[name].on_device:
                inside[name].append(on_device())
        turn += 1
    rate = {name: done[name] / statistics.median(wall[name]) for name in names}
    on_cpu = {name: contestants[name].on_cpu for name in names}
    return [
        {
            "backend": name,
            "device": contestants[name].device,
            "threads": cores if on_cpu[name] else 1,
            "batch": len(batch),
            "lm_iterations_per_s": rate[name],
            "per_core": done[name] / statistics.median(busy[name]) if on_cpu[name] else None,
            "on_device_per_s": done[name] / statistics.median(inside[name]) if inside[name] else None,
            "median_s": statistics.median(wall[name]),
            "ratio_to_naive": rate[name] / rate["naive-vmap"],
        }
        for name in names
    ]


def bench_vary(
    max_ops: Sequence[int] = (8, 10), generations: int = 12, rows: int = 2048, rounds: int = 9
) -> dict[str, Any]:
    """Distinct new programs per second on one core, with the parents and caches of a running search.

    Args:
        max_ops: sizes of programs, a search for each.
        generations: of 2^x before the measurement, `rows` offspring each.
        rounds: calls measured, each on copies of the same caches and with a stream of its own.

    Returns:
        `{"machine", "results", "counts"}`. Of each size, a row of medians: `new_per_s` counts functions
        that no cache knew, `mutants_per_s` all that was made for them, `us_*` the time of a mutant with
        no tier that skips, with tier 1 alone and with all. `counts` says what became of the mutants.
    """
    measured = [_vary_row(size, generations, rows, rounds) for size in max_ops]
    return {
        "machine": machine(),
        "results": [row for row, _ in measured],
        "counts": [{"max_ops": size, **counts} for size, (_, counts) in zip(max_ops, measured, strict=True)],
    }


def _vary_row(
    max_ops: int, generations: int, rows: int, rounds: int
) -> tuple[dict[str, Any], dict[str, int]]:
    variation = Variation(ARITHMETIC, max_ops)
    operators = Operators(Problem(make_target("exp2"), variation, 0, rows, 256, 24, 1 << 20))
    state = init(operators.problem)
    for _ in range(generations):
        state, _ = step(operators, 0, state)
    tiers: dict[str, tuple[str, ...]] = {"none": (), "text": ("text",), "all": tuple(TIERS)}
    times: dict[str, list[float]] = {name: [] for name in tiers}
    new: list[float] = []
    counts: dict[str, int] = {}
    for turn in range(rounds):
        for name, chosen in tiers.items():
            seconds, brood, fresh = _timed(turn, Variation(ARITHMETIC, max_ops, tiers=chosen), state, rows)
            times[name].append(seconds / brood.counts["made"])
            if name == "all":
                new.append(fresh / seconds)
                counts = {key: counts.get(key, 0) + n for key, n in brood.counts.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    row = {
        "max_ops": max_ops,
        "parents": len(state.population),
        "known": state.functions.used,
        "rounds": rounds,
        "new_per_s": statistics.median(new),
        "mutants_per_s": 1.0 / median["all"],
        **{f"us_{name}": 1e6 * seconds for name, seconds in median.items()},
    }
    return row, counts


def _timed(turn: int, variation: Variation, state: State, rows: int) -> tuple[float, Offspring, int]:
    """Processor seconds of one call, its offspring, and how many functions among them are new."""

    def call(caches: tuple[Cache, Cache]) -> Offspring:
        return offspring(turn, variation, state.population.batch, *caches, rows)

    seconds, brood = spent(call, lambda: (state.texts.copy(), state.functions.copy()))
    fresh = np.setdiff1d(brood.fingerprint, state.functions.key)
    return seconds.busy, brood, len(fresh)


def bench_scale(engine: str = "native", rows: int = 256, rounds: int = 5) -> dict[str, Any]:
    """How the time of an LM iteration grows with ops, constants and points, one at a time.

    Returns:
        `{"machine", "results"}`, a row for each size: median of `rounds` fits in turns, per LM iteration.
    """
    sizes = [
        *((ops, CONSTANTS, POINTS) for ops in (5, 10, 15, 20)),
        *((OPS, constants, POINTS) for constants in (1, 3, 7)),
        *((OPS, CONSTANTS, points) for points in (192, 768)),
    ]
    fitting = backend(engine)
    effort = Effort(starts=0, first_steps=LM_STEPS, final_steps=0, lawson_rounds=0)
    jobs = []
    for ops, constants, count in sizes:
        points = fit_points(make_target("exp2"), count)
        jobs.append((bench_programs(rows, points.x, ops, min(constants, ops - 1)), points))
    times: list[list[float]] = [[] for _ in jobs]
    stream, worth = np.arange(rows, dtype=np.uint64), np.zeros(rows)
    for _ in range(rounds):
        for taken, (batch, points) in zip(times, jobs, strict=True):
            started = time.perf_counter()
            done = fitting.fit(batch, points, effort, stream, worth).iterations
            taken.append((time.perf_counter() - started) / done)
    results = [
        {
            "backend": engine, "ops": ops, "constants": int(jobs[i][0].k[0]), "points": count, "batch": rows,
            "us_per_lm_iteration": 1e6 * statistics.median(times[i]),
        }
        for i, (ops, _, count) in enumerate(sizes)
    ]  # fmt: skip
    return {"machine": machine(), "results": results}


def free_cores() -> list[int]:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
