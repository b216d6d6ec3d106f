"""What several cores reach beside one: real generations, one process a core, in interleaved rounds.

Every process is bound to a core of its own and repeats the same generations from the same state. In each
round every number of cores has its turn, all its processes at once. Other load on the machine weighs on wall
time; the rate by processor time shows what cores cost each other (memory, caches, clock) all the same.
"""

import multiprocessing
import os
import statistics
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from evo.bench.kernels import ARITHMETIC, free_cores, machine
from evo.bench.spent import spent
from evo.islands.generation import step
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.islands.state import State, init
from evo.kernels.vary import Variation
from evo.targets.making import make_target

WARM = 6
"""Generations before the measured ones, which fill population and caches."""


def bench_cores(rounds: int = 7, generations: int = 4, rows: int = 4096, max_ops: int = 10) -> dict[str, Any]:
    """New programs fitted per second on one core and on several.

    Args:
        rounds: in each, every number of cores measures once.
        generations: of one measurement.
        rows: offspring of a generation.
        max_ops: largest program.

    Returns:
        `{"machine", "results"}`, a row for 1, 2, 4, ... and all cores: programs and LM iterations a second of
        wall time, median and best round; the same per second of processor time, which is one core's; ratios
        of each to one core's.
    """
    free = free_cores()
    counts = sorted(
        {1 << power for power in range(len(free).bit_length()) if 1 << power < len(free)} | {len(free)}
    )
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    for core in free:
        mine, its = context.Pipe()
        context.Process(target=_serve, args=(its, core, generations, rows, max_ops), daemon=True).start()
        its.close()
        ends.append(mine)
    for end in ends:
        end.recv()
    taken: dict[int, list[tuple[float, float, float]]] = {count: [] for count in counts}
    for turn in range(rounds):
        for count in counts[turn % len(counts) :] + counts[: turn % len(counts)]:
            chosen = ends[:count]
            for end in chosen:
                end.send(turn)
            rates = np.sum([end.recv() for end in chosen], axis=0)
            taken[count].append((float(rates[0]), float(rates[1]), float(rates[2])))
    for end in ends:
        end.send(None)
    rows_out = [_row(count, taken[count]) for count in counts]
    ratios = ("fitted_per_s", "best_per_s", "fitted_per_cpu_s")
    for row in rows_out:
        row |= {f"{name}_ratio": row[name] / rows_out[0][name] for name in ratios}
    return {"machine": machine(), "results": rows_out}


def _row(count: int, taken: list[tuple[float, float, float]]) -> dict[str, Any]:
    fitted, iterations, per_cpu = zip(*taken, strict=True)
    return {
        "cores": count,
        "rounds": len(taken),
        "fitted_per_s": statistics.median(fitted),
        "best_per_s": max(fitted),
        "lm_iterations_per_s": statistics.median(iterations),
        "fitted_per_cpu_s": statistics.median(per_cpu),
    }


def _serve(end: Connection, core: int, generations: int, rows: int, max_ops: int) -> None:
    """A process on one core: for every message the same generations; answers with their rates."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [core])
    problem = Problem(make_target("exp2"), Variation(ARITHMETIC, max_ops), 0, rows, 256, 32, 1 << 20)
    operators, warm = Operators(problem), init(problem)
    for _ in range(WARM):
        warm, _ = step(operators, 0, warm)
    end.send("ready")
    while end.recv() is not None:
        seconds, (fitted, iterations) = spent(
            lambda state: _generations(operators, state, generations),
            lambda: replace(warm, texts=warm.texts.copy(), functions=warm.functions.copy()),
        )
        end.send((fitted / seconds.wall, iterations / seconds.wall, fitted / seconds.busy))


def _generations(operators: Operators, state: State, generations: int) -> tuple[int, int]:
    """How many programs they fitted, in how many steps."""
    fitted = iterations = 0
    for _ in range(generations):
        state, info = step(operators, 0, state)
        fitted += info.counts["fitted"]
        iterations += info.counts["lm_iterations"]
    return fitted, iterations
