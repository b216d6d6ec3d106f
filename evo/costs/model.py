"""A cost model: what each operation takes on a platform, as `evonum bench ops` measured it; a file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evo.errors import EvonumError
from evo.files import open_regular

VERSION = 1
MOST_BYTES = 1 << 20

SAME = 1.25
"""Ratio below which two times of one pipe are one: whole parts of a cycle are seldom closer."""

CostGoal = Literal["throughput", "latency"]
Nanoseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CostError(EvonumError, ValueError):
    """A file that is no cost model, or a model that lacks what a program needs."""


class Figure(BaseModel):
    """A time [ns], of some rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: Nanoseconds
    tenth: Nanoseconds = Field(description="The tenth percentile: what others do on the machine only adds.")


class OpCost(BaseModel):
    """What one operation takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipe: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="What it occupies; operations of several pipes run side by side."
    )
    throughput: Figure = Field(description="An element, where many elements are independent.")
    latency: Figure = Field(description="From its operand to its result.")


class CostModel(BaseModel):
    """What operations take on a platform, in one format of floats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    platform: str
    dtype: Literal["float32", "float64"]
    machine: dict[str, str | int | float] = Field(description="Where it was measured, and with what.")
    floor: Figure = Field(description="An element of the loop x + 1, loads and stores included.")
    ops: Annotated[dict[str, OpCost], Field(min_length=1)] = Field(description="By name of the operation.")

    def times(self, goal: CostGoal) -> dict[str, float]:
        """What counts of each operation [ns]: tenth percentiles, differences within `SAME` levelled.

        Operations of one pipe take whole parts of a cycle: what is closer is the measurement's.
        """
        found = {name: getattr(op, goal).tenth for name, op in self.ops.items()}
        for pipe in {op.pipe for op in self.ops.values()}:
            left = sorted((t, name) for name, t in found.items() if self.ops[name].pipe == pipe)
            while left:
                alike = [(t, name) for t, name in left if t < SAME * left[0][0]]
                left = left[len(alike) :]
                found |= dict.fromkeys((name for _, name in alike), sum(t for t, _ in alike) / len(alike))
        return found

    def to_json(self) -> str:
        """The text of its file."""
        return self.model_dump_json(indent=1) + "\n"


def read_model(path: Path) -> CostModel:
    """The model of a file.

    Raises:
        CostError: there is none, or it is no model; one line says which.
    """
    try:
        with open_regular(path) as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CostError(f"No cost model at {path}: {getattr(error, 'strerror', None) or error}.") from None
    try:
        if len(text) > MOST_BYTES:
            raise CostError(f"{path} is no cost model: it has more than {MOST_BYTES} bytes.")
        return CostModel.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        raise CostError(
            f"{path} is no cost model{f', at {where}' if where else ''}: {first['msg']}. "
            "evonum bench ops --output FILE writes one."
        ) from None
