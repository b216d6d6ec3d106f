"""Parents by NSGA-II on (cost, log error): the one module that imports DEAP."""

import numpy as np
from deap import base, tools

from evo.islands.archive import first_fronts
from evo.islands.pool import Pool


class Fitness(base.Fitness):
    """(cost, log error), both minimised; always finite."""

    weights = (-1.0, -1.0)


class Individual:
    """A candidate of a pool, as DEAP selects it."""

    def __init__(self, row: int, cost: float, error: float) -> None:
        self.row = row
        self.fitness = Fitness((float(cost), float(np.log(max(error, 1e-300)))))


def select(pool: Pool, count: int) -> Pool:
    """NSGA-II's choice of at most `count` parents among candidates of distinct behaviour.

    Fronts that are taken whole need no sorting by DEAP, which is slow on the thousands that a GPU brings.
    """
    pool = pool.distinct()
    if len(pool) <= count:
        return pool
    whole, last = first_fronts(pool.cost, pool.error, count)
    individuals = [Individual(row, pool.cost[row], pool.error[row]) for row in last]
    chosen = tools.selNSGA2(individuals, k=count - len(whole), nd="log")
    return pool.take(np.sort([*whole, *(individual.row for individual in chosen)]))
