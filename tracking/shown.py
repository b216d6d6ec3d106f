"""What the dashboard shows of a search's records: names that tell, and the numbers that matter.

The records keep everything. Records of older versions use the same words, and are shown alike.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tracking.tables import best_error

Record = Mapping[str, Any]
EXPERIMENT = "evonum"
"""The experiment of a search that does not say what it is of."""
FRONT_ERROR, FRONT_DIGITS, FRONT_BOUND = "front/error", "front/digits", "front/proved_bound"
_SHOWN = re.compile(r"search/(evaluations|evaluations_per_s|error_ops_[0-9]+)")


class Searched(NamedTuple):
    """What a search is of. Errors compare where `function` and `metric` are the same."""

    function: str
    metric: str
    seed: str

    @staticmethod
    def of(start: Record) -> "Searched | None":
        """What a start record says; None if it does not say enough."""
        said = {**(start.get("params") or {}), **(start.get("tags") or {})}
        ends = str(said.get("interval", "")).split()
        if len(ends) != 2 or not said.get("target") or not said.get("metric"):
            return None
        dtype = str(said.get("dtype", "real"))
        where = f"all {dtype}" if str(said.get("full")) == "True" else f"({ends[0]}, {ends[1]})"
        arithmetic = "" if dtype == "real" or where.startswith("all") else f" in {dtype}"
        seed = "" if said.get("seed") is None else f"seed {said['seed']}: "
        return Searched(f"{said['target']} on {where}{arithmetic}"[:300], str(said["metric"]), seed)


def experiment_name(start: Record) -> str:
    """One experiment for what can be compared, such as `exp2 on (0, 1), relative error`."""
    found = Searched.of(start)
    return EXPERIMENT if found is None else f"{found.function}, {found.metric} error"


def run_name(start: Record) -> str:
    """Such as `seed 0: exp2 on (0, 1), relative`. Columns are narrow: what tells runs apart comes first."""
    found = Searched.of(start)
    if found is None:
        return str(start.get("name") or "search")
    return f"{found.seed}{found.function}, {found.metric}"


def alias_of(member: Record) -> str:
    """`ops-07`."""
    return f"ops-{int(member['ops']):02d}"


def model_name(member: Record) -> str:
    """Such as `exp2-ops-07`, without what MLflow takes in no model's name: `/ : . % " '`."""
    target = re.sub(r"[^A-Za-z0-9_\- ]", "_", str(member.get("target", "formula")))
    return f"{target[:100]}-{alias_of(member)}"


def error_at(ops: int) -> str:
    """The metric that follows the error at so many operations through a search."""
    return f"search/error_ops_{ops:02d}"


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a record's numbers that matter to whoever compares searches."""
    return {name: value for name, value in values.items() if _SHOWN.fullmatch(name)}


def front_point(member: Record) -> Iterator[tuple[str, float]]:
    """A member's numbers, as points of its run's front: their step is `ops`."""
    error = best_error(member)[1]
    yield FRONT_ERROR, error
    if error > 0:
        yield FRONT_DIGITS, -math.log10(error)
    if member.get("proved_bound") is not None:
        yield FRONT_BOUND, float(member["proved_bound"])
