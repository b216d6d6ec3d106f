"""A program's time on a platform, from what its ops take there.

Where many elements are independent, ops of different pipes run side by side, so that the busiest pipe says
how long an element takes (throughput). Where the next input waits for the result, the longest chain of ops
says so (latency). Loads, stores and the loop are left out: they are the same for all programs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from evo.costs.model import CostError, CostGoal, CostModel
from evo.programs.program import Program


class Work(NamedTuple):
    """An operation that runs.

    Attributes:
        op: its name.
        after: those whose results it waits for, by place.
    """

    op: str
    after: tuple[int, ...]


def work_of(program: Program, after: tuple[int, ...] = (), first: int = 0) -> list[Work]:
    """What a program runs: what depends on constants alone is folded before, and takes nothing.

    Args:
        after: what its input waits for, by place.
        first: the place of its first operation.
    """
    found: list[Work] = []
    places: dict[int, int] = {}
    for n, ((op, args), varies) in enumerate(zip(program.instructions, program.varying, strict=True)):
        if varies:
            inner = (places[a.index] for a in args if a.kind == "v" and a.index in places)
            outer = after if any(a.kind == "x" for a in args) else ()
            places[n] = first + len(found)
            found.append(Work(op, (*outer, *inner)))
    return found


def predicted(program: Program, model: CostModel, goal: CostGoal = "throughput") -> float:
    """A program's time: of an element [ns] for throughput, from input to result [ns] for latency.

    Raises:
        CostError: the model lacks an op.
    """
    return predicted_work(work_of(program), model, goal)


def predicted_work(work: Sequence[Work], model: CostModel, goal: CostGoal) -> float:
    """The same of operations, the last of which gives the result.

    Raises:
        CostError: the model lacks one.
    """
    check_ops((one.op for one in work), model)
    return _GOALS[goal](work, model, model.times(goal))


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


def _busiest(work: Sequence[Work], model: CostModel, times: Mapping[str, float]) -> float:
    pipes: dict[str, float] = {}
    for op, _ in work:
        pipe = model.ops[op].pipe
        pipes[pipe] = pipes.get(pipe, 0.0) + times[op]
    return max(pipes.values(), default=0.0)


def _longest(work: Sequence[Work], model: CostModel, times: Mapping[str, float]) -> float:
    ready: list[float] = []
    for op, after in work:
        ready.append(max((ready[place] for place in after), default=0.0) + times[op])
    return ready[-1] if ready else 0.0


_GOALS: dict[str, Callable[[Sequence[Work], CostModel, Mapping[str, float]], float]] = {
    "throughput": _busiest,
    "latency": _longest,
}
