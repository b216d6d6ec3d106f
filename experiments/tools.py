"""The searches that experiments/peers.py compares, each behind one function, with its settings.

Every function takes (setting, seed, budget_s, max_ops, keep); `keep(formulas, evaluations)` is told what
there is: formulas as the tool prints them. Peers work on trees, whose operations are more than ours count
after sharing and folding, so they may use `SLACK` more, and the judge takes what is small enough.
"""

import functools
import operator
import random
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from judge import training_points

SLACK = 4
PER_SIZE = 20
EVERY_S = 10.0

Keep = Callable[[Sequence[dict[str, Any]], int], None]


class Harvest:
    """The best formulas of every size that a tool has shown."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._best: dict[int, dict[str, float]] = {}

    def add(self, size: int, error: float, formula: Callable[[], str]) -> None:
        """Takes a formula of `size` operations, printed only if it is good enough."""
        if size > self._most or size < 1 or not np.isfinite(error):
            return
        best = self._best.setdefault(size, {})
        if len(best) >= PER_SIZE and error >= max(best.values()):
            return
        best[formula()] = error
        if len(best) > PER_SIZE:
            del best[max(best, key=best.__getitem__)]

    def formulas(self) -> list[dict[str, Any]]:
        return [
            {"formula": text, "size": size, "error": error}
            for size, best in sorted(self._best.items())
            for text, error in sorted(best.items(), key=lambda item: item[1])
        ]


def us(setting: str, seed: int, budget_s: float, max_ops: int, keep: Keep) -> None:
    """Our search as it is by default on one core."""
    import runs

    spec = {"target": "exp2", "interval": ["0", "1"], "metric": "relative", "max_ops": max_ops}
    last = [None]

    def tell(now: runs.Moment) -> None:
        if now.front != last[0] or now.wall_s >= budget_s:
            last[0] = now.front
            members = [{"program": m.program, "constants": m.constants} for m in now.front]
            keep(members, now.state.counts["fitted"])

    runs.evolve({**spec, "seed": seed, "islands": 1}, budget_s, tell)


OPERON = {
    "rmse and length": {
        "objectives": ["rmse", "length"],
        "optimizer_iterations": 10,
        "population_size": 1000,
    },
    "mse and length, longer fits": {
        "objectives": ["mse", "length"],
        "optimizer_iterations": 50,
        "population_size": 500,
    },
}


def pyoperon(setting: str, seed: int, budget_s: float, max_ops: int, keep: Keep) -> None:
    """NSGA-II over error and length with local search, linear scaling included; final front and population.

    `epsilon` is how much smaller an error must be to count; its default of 1e-5 would end the search there.
    """
    import pyoperon as op
    from pyoperon.sklearn import SymbolicRegressor

    x, y = training_points()
    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,constant,variable",
        max_length=2 * (max_ops + SLACK) + 1, max_depth=12, initialization_max_length=10,
        generations=1 << 30, max_evaluations=1 << 40, max_time=int(budget_s), epsilon=0.0,
        tournament_size=3, n_threads=1, random_state=seed, **OPERON[setting],
    )  # fmt: skip
    model.fit(x[:, None], y)
    harvest = Harvest(max_ops + SLACK)
    data = op.Dataset(np.asfortranarray(x[:, None]))
    for individual in model.individuals_:
        tree = individual.Genotype
        got = op.Evaluate(op.DispatchTable(), tree, data, op.Range(0, data.Rows)).ravel()
        if np.isfinite(got).all() and np.ptp(got) > 0:
            scale, offset = op.FitLeastSquares(got.astype(np.float32), y.astype(np.float32))
            text = functools.partial(_operon_text, model, tree, scale, offset)
            error = float(np.mean((scale * got + offset - y) ** 2))
            harvest.add(sum(not node.IsLeaf for node in tree.Nodes), error, text)
    front = [
        {"formula": model.get_model_string(one["tree"], 17), "error": one["mean_squared_error"]}
        for one in model.pareto_front_
    ]
    keep([*front, *harvest.formulas()], model.population_size * (model.stats_["generations"] + 1))


def _operon_text(model: Any, tree: Any, scale: float, offset: float) -> str:
    return f"({scale!r}) * ({model.get_model_string(tree, 17)}) + ({offset!r})"


GPLEARN: dict[str, dict[str, Any]] = {
    "documentation": {
        "population_size": 5000, "p_crossover": 0.7, "p_subtree_mutation": 0.1, "p_hoist_mutation": 0.05,
        "p_point_mutation": 0.1, "max_samples": 0.9, "parsimony_coefficient": 0.01,
    },
    "no parsimony": {
        "population_size": 2000, "metric": "rmse", "const_range": (-5.0, 5.0), "parsimony_coefficient": 0.0,
        "p_crossover": 0.6, "p_subtree_mutation": 0.1, "p_hoist_mutation": 0.15, "p_point_mutation": 0.1,
    },
    "automatic parsimony": {
        "population_size": 2000, "metric": "rmse", "const_range": (-5.0, 5.0),
        "parsimony_coefficient": "auto",
    },
}  # fmt: skip


def gplearn(setting: str, seed: int, budget_s: float, max_ops: int, keep: Keep) -> None:
    """Generation by generation until the time is over; the best of every size of all generations."""
    from gplearn.genetic import SymbolicRegressor

    started = told = time.monotonic()
    x, y = training_points()
    model = SymbolicRegressor(
        function_set=("add", "sub", "mul", "div"), generations=1, stopping_criteria=0.0, warm_start=True,
        n_jobs=1, random_state=seed, **GPLEARN[setting],
    )  # fmt: skip
    harvest, evaluations, longest = Harvest(max_ops + SLACK), 0, 0.0
    while (now := time.monotonic()) - started + longest < budget_s or not evaluations:
        model.fit(x[:, None], y)
        programs = [p for p in model._programs[-1] if p is not None]
        for one in programs:
            harvest.add((len(one.program) - 1) // 2, float(one.raw_fitness_), one.__str__)
        evaluations += len(programs)
        model.set_params(generations=model.generations + 1)
        longest = max(longest, time.monotonic() - now)
        if time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            keep(harvest.formulas(), evaluations)
    keep(harvest.formulas(), evaluations)


DEAP = {
    "documentation": (300, 3, 17, functools.partial(random.randint, -1, 1)),
    "larger": (2000, 5, 8, functools.partial(random.uniform, -5.0, 5.0)),
}
"""Population, tournament, greatest height, ephemeral constant."""


def protected_division(left: Any, right: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(right == 0, 1.0, np.divide(left, np.where(right == 0, 1.0, right)))


def deap(setting: str, seed: int, budget_s: float, max_ops: int, keep: Keep) -> None:
    """The symbolic regression example of DEAP's documentation, over + - * /, at our points.

    With its operators and rates; the values of a tree at all points are computed at once.
    """
    from deap import algorithms, base, creator, gp, tools

    population, tournament, height, constant = DEAP[setting]
    random.seed(seed)
    x, y = training_points()
    pset = gp.PrimitiveSet("MAIN", 1)
    for function, name in (
        (operator.add, "add"),
        (operator.sub, "sub"),
        (operator.mul, "mul"),
        (protected_division, "protectedDiv"),
    ):
        pset.addPrimitive(function, 2, name)
    pset.addEphemeralConstant("number", constant)
    creator.create("FitnessMin", base.Fitness, weights=(-1.0,))
    creator.create("Individual", gp.PrimitiveTree, fitness=creator.FitnessMin)
    box = base.Toolbox()
    box.register("expr", gp.genHalfAndHalf, pset=pset, min_=1, max_=2)
    box.register("individual", tools.initIterate, creator.Individual, box.expr)
    box.register("mate", gp.cxOnePoint)
    box.register("expr_mut", gp.genFull, min_=0, max_=2)
    box.register("mutate", gp.mutUniform, expr=box.expr_mut, pset=pset)
    box.register("select", tools.selTournament, tournsize=tournament)
    for name in ("mate", "mutate"):
        box.decorate(name, gp.staticLimit(key=operator.attrgetter("height"), max_value=height))
    harvest, evaluations = Harvest(max_ops + SLACK), 0

    def evaluate(individual: Any) -> tuple[float]:
        with np.errstate(all="ignore"):
            got = gp.compile(individual, pset)(x)
            error = float(np.mean((got - y) ** 2))
        error = error if np.isfinite(error) else 1e30
        harvest.add((len(individual) - 1) // 2, error, individual.__str__)
        return (error,)

    started = told = time.monotonic()
    people = [box.individual() for _ in range(population)]
    while True:
        for one in (p for p in people if not p.fitness.valid):
            one.fitness.values = evaluate(one)
            evaluations += 1
            if time.monotonic() - started >= budget_s:
                return keep(harvest.formulas(), evaluations)
        if time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            keep(harvest.formulas(), evaluations)
        people = algorithms.varAnd(box.select(people, len(people)), box, cxpb=0.5, mutpb=0.1)


TOOLS = {"us": us, "pyoperon": pyoperon, "gplearn": gplearn, "deap": deap}
warnings.filterwarnings("ignore", module="gplearn|pyoperon|sklearn")
