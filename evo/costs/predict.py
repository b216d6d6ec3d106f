"""A program's time on a platform, from what its ops take there.

Where many elements are independent, ops of different pipes run side by side, so that the busiest pipe says
how long an element takes (throughput). Where the next input waits for the result, the longest chain of ops
says so (latency). Loads, stores and the loop are left out: they are the same for all programs.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from evo.costs.model import CostError, CostModel, OpCost
from evo.programs.program import Program

CostGoal = Literal["throughput", "latency"]


def predicted(program: Program, model: CostModel, goal: CostGoal = "throughput") -> float:
    """A program's time: of an element [ns] for throughput, from input to result [ns] for latency.

    What depends on constants alone is folded before it runs, and takes nothing.

    Raises:
        CostError: the model lacks an op.
    """
    costs = [
        find_cost(instruction.op, model) if varies else None
        for instruction, varies in zip(program.instructions, program.varying, strict=True)
    ]
    return _GOALS[goal](program, costs)


def find_cost(operation: str, model: CostModel) -> OpCost:
    """What a model says of an operation.

    Raises:
        CostError: nothing; lists what it has.
    """
    if operation not in model.ops:
        raise CostError(
            f"The cost model of {model.platform} says nothing of {operation!r}; "
            f"it has {', '.join(model.ops)}."
        )
    return model.ops[operation]


def _busiest(program: Program, costs: Sequence[OpCost | None]) -> float:
    pipes: dict[str, float] = {}
    for cost in costs:
        if cost is not None:
            pipes[cost.pipe] = pipes.get(cost.pipe, 0.0) + cost.throughput.tenth
    return max(pipes.values(), default=0.0)


def _longest(program: Program, costs: Sequence[OpCost | None]) -> float:
    ready: list[float] = []
    for (_, args), cost in zip(program.instructions, costs, strict=True):
        began = max((ready[a.index] for a in args if a.kind == "v"), default=0.0)
        ready.append(0.0 if cost is None else began + cost.latency.tenth)
    return ready[-1]


_GOALS: dict[str, Callable[[Program, Sequence[OpCost | None]], float]] = {
    "throughput": _busiest,
    "latency": _longest,
}
