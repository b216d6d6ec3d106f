"""A program's time on a platform, from what its ops take there.

Where many elements are independent, ops of different pipes run side by side, so that the busiest pipe says
how long an element takes (throughput). Where the next input waits for the result, the longest chain of ops
says so (latency). Loads, stores and the loop are left out: they are the same for all programs.
"""

from collections.abc import Callable, Iterable, Mapping

from evo.costs.model import CostError, CostGoal, CostModel
from evo.programs.program import Program


def predicted(program: Program, model: CostModel, goal: CostGoal = "throughput") -> float:
    """A program's time: of an element [ns] for throughput, from input to result [ns] for latency.

    What depends on constants alone is folded before it runs, and takes nothing.

    Raises:
        CostError: the model lacks an op.
    """
    check_ops({instruction.op for instruction in program.instructions}, model)
    return _GOALS[goal](program, model, model.times(goal))


def check_ops(names: Iterable[str], model: CostModel) -> None:
    """Raises where a model lacks an operation.

    Raises:
        CostError: names it, and what there is.
    """
    if missing := sorted(set(names) - set(model.ops)):
        raise CostError(
            f"The cost model of {model.platform} says nothing of {missing[0]!r}; "
            f"it has {', '.join(model.ops)}."
        )


def _busiest(program: Program, model: CostModel, times: Mapping[str, float]) -> float:
    pipes: dict[str, float] = {}
    for (op, _), varies in zip(program.instructions, program.varying, strict=True):
        if varies:
            pipe = model.ops[op].pipe
            pipes[pipe] = pipes.get(pipe, 0.0) + times[op]
    return max(pipes.values(), default=0.0)


def _longest(program: Program, model: CostModel, times: Mapping[str, float]) -> float:
    ready: list[float] = []
    for (op, args), varies in zip(program.instructions, program.varying, strict=True):
        began = max((ready[a.index] for a in args if a.kind == "v"), default=0.0)
        ready.append(began + times[op] if varies else 0.0)
    return ready[-1]


_GOALS: dict[str, Callable[[Program, CostModel, Mapping[str, float]], float]] = {
    "throughput": _busiest,
    "latency": _longest,
}
