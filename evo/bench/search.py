"""Where the time of a search's generations goes, in one process and in several on one machine or GPU.

Every process is an island of its own with the settings of a search for 2^x; all measure at the same time.
"""

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from evo.bench.kernels import machine
from evo.islands.generation import step
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.islands.state import init
from evo.runs.search import make_problem
from evo.runs.spec import make_spec

WARM = 2
"""Generations before the measured ones, which compile and fill the population."""


@dataclass(frozen=True)
class Taken:
    """What one process did.

    Attributes:
        began, ended: of the measured generations, on the machine's clock [s].
        first: what the first generation took, from loading the backend on [s].
        counts: of programs fitted and LM iterations.
        spent: in each part of a generation [s].
        keys: of the functions fitted, uint64.
    """

    began: float
    ended: float
    first: float
    counts: dict[str, int]
    spent: dict[str, float]
    keys: np.ndarray


def bench_search(
    engine: str = "native",
    rows: int | None = None,
    max_ops: int = 10,
    generations: int = 12,
    processes: Sequence[int] = (1,),
) -> dict[str, Any]:
    """What the generations of a search reach, and where their time goes.

    Args:
        engine: what fits.
        rows: offspring of a generation; the search's own number by default.
        generations: measured, after two that compile and fill the population.
        processes: how many at a time; a row for each number, and for one.

    Returns:
        `{"machine", "results"}`: programs fitted a second of wall time, and different functions among them
        (what the bounded cache forgot is fitted again); the mean seconds of each part in a process, and the
        share of making, telling apart and selecting programs, fits in and beyond float64 being the rest; this
        rate as a part of what fits alone would reach in one process; what the first generation took, from
        loading the backend on.
    """
    spec = make_spec({"target": "exp2", "max_ops": max_ops, "backend": engine, "offspring": rows})
    problem = make_problem(spec.settled())
    counts = sorted({1, *processes})
    alone = math.nan
    results = []
    for count in counts:
        row = _row(problem, _together(problem, generations, count))
        if count == 1:
            alone = row["fitted_per_s"] / (1.0 - row["share_around_fit"])
        row["of_fit_speed"] = row["fitted_per_s"] / alone
        results.append(row)
    return {"machine": machine(), "results": results}


def _together(problem: Problem, generations: int, count: int) -> list[Taken]:
    """What `count` processes do at the same time; one alone is this process itself."""
    if count == 1:
        return [_measured(problem, 0, generations, lambda: None)]
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    for island in range(count):
        mine, its = context.Pipe()
        context.Process(target=_serve, args=(its, problem, island, generations), daemon=True).start()
        its.close()
        ends.append(mine)
    for end in ends:
        end.recv()
    for end in ends:
        end.send(None)
    return [end.recv() for end in ends]


def _serve(end: Connection, problem: Problem, island: int, generations: int) -> None:
    def meet() -> None:
        end.send(None)
        end.recv()

    end.send(_measured(problem, island, generations, meet))


def _measured(problem: Problem, island: int, generations: int, meet: Callable[[], None]) -> Taken:
    started = time.perf_counter()
    operators, state, first = Operators(problem), init(problem), math.nan
    for generation in range(WARM):
        state, _ = step(operators, island, state)
        if generation == 0:
            first = time.perf_counter() - started
    meet()
    began = time.time()
    before, spent, keys = state.counts, dict[str, float](), list[np.ndarray]()
    for _ in range(generations):
        state, info = step(operators, island, state)
        spent = {name: spent.get(name, 0.0) + s for name, s in info.seconds.items()}
        keys.append(info.found.fingerprint)
    counts = {name: state.counts[name] - before[name] for name in ("fitted", "lm_iterations")}
    return Taken(began, time.time(), first, counts, spent, np.unique(np.concatenate(keys)))


def _row(problem: Problem, taken: Sequence[Taken]) -> dict[str, Any]:
    wall = max(t.ended for t in taken) - min(t.began for t in taken)
    spent = {name: sum(t.spent[name] for t in taken) / len(taken) for name in taken[0].spent}
    fitting = (spent["fit"] + spent["deep"]) / sum(spent.values())
    return {
        "backend": problem.backend,
        "device": Operators(problem).engine.device,
        "processes": len(taken),
        "offspring": problem.offspring,
        "max_ops": problem.variation.max_ops,
        "fitted_per_s": sum(t.counts["fitted"] for t in taken) / wall,
        "functions_per_s": len(np.unique(np.concatenate([t.keys for t in taken]))) / wall,
        "lm_iterations_per_s": sum(t.counts["lm_iterations"] for t in taken) / wall,
        **{f"{name}_s": seconds for name, seconds in spent.items()},
        "share_around_fit": 1.0 - fitting,
        "first_generation_s": max(t.first for t in taken),
    }
