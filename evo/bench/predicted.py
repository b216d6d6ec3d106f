"""What a cost model says of an exported function: its core, or the whole of it on all floats."""

from collections.abc import Sequence

from evo.costs.model import CostError, CostModel
from evo.costs.predict import Work, predicted_work, work_of
from evo.exports.c import ASKING
from evo.exports.export import reduction_of
from evo.exports.formula import Formula, make_formula
from evo.exports.usual import usual_of
from evo.fronts.front import Member
from evo.programs.program import parse
from evo.reductions.reduction import Reduction
from evo.reductions.steps import FREE, Step


def predictions(
    members: Sequence[Member], computes: str, model: CostModel | None = None
) -> list[float | None]:
    """Times of members' exports; without a model, what those of a front of times say of programs alone.

    Args:
        computes: the format that they are timed in.

    Raises:
        CostError: the model is of another format, or lacks an operation.
    """
    if model is None:
        return [None if m.full else m.cost for m in members]
    if model.dtype != computes:
        raise CostError(f"The cost model is of {model.dtype}, but these functions are timed in {computes}.")
    return [predicted_time(m, model) for m in members]


def predicted_time(member: Member, model: CostModel) -> float:
    """Time of an element of the member's export [ns], loads and stores left out.

    Of a function on all floats the steps of its range reduction count, as usual inputs go through them.

    Raises:
        CostError: the model lacks an operation.
        ExportError: cores that nobody gave.
    """
    if not member.full:
        return predicted_work(work_of(member.code), model, "throughput")
    formula = make_formula(member, model.dtype, reduction=reduction_of(member))
    return predicted_work(whole_work(formula), model, "throughput")


def whole_work(formula: Formula) -> list[Work]:
    """What runs of a function on all floats: steps, and the cores where steps call them."""
    reduction = formula.reduction
    assert reduction is not None
    programs = {formula.core or reduction.core.name: formula.program}
    programs |= {piece.core: parse(piece.program) for piece in formula.member.given}
    work: list[Work] = []
    waits: dict[str, tuple[int, ...]] = {"x": ()}  # of what depends on x, what it waits for
    for name, operation, args in _usual(formula, reduction):
        known = [waits[arg] for arg in args if arg in waits]
        if not known:
            continue
        after = tuple(dict.fromkeys(place for places in known for place in places))
        kind, _, core = operation.partition(".")
        if kind == "core":
            work += work_of(programs[core or kind], after, len(work))
        elif operation not in FREE:
            work.append(Work(operation, after))
        waits[name] = after if operation in FREE else (len(work) - 1,)
    return work


def _usual(formula: Formula, reduction: Reduction) -> tuple[Step, ...]:
    """The steps that usual inputs go through in exported C without AVX-512's own instructions."""
    found = usual_of(formula, ASKING)
    return found.reduction.steps if found else reduction.steps
