"""The objects of front.json: what each entry has to be, said once.

`version` tells later readers what they have before them; a file without it is of version 1, as all files
were that were written before it was.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evo.errors import EvonumError

VERSION = 1

Text = Annotated[str, Field(description="a text")]
Figure = Annotated[float, Field(allow_inf_nan=False, description="a number")]
Error = Annotated[float, Field(allow_inf_nan=False, ge=0, description="a number, not below 0")]
Perhaps = Annotated[
    float | None, Field(allow_inf_nan=False, ge=0, description="a number or null, not below 0")
]


class FrontError(EvonumError, ValueError):
    """A front that cannot be read, or has no member as asked for."""


class PieceObject(BaseModel):
    """Another core of the same function."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    core: Text
    program: Text
    constants: Annotated[list[str], Field(description="an array of texts")]


class MemberObject(BaseModel):
    """One formula as JSON has it; `Member` says what the entries mean. Further keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    version: Annotated[
        int, Field(ge=1, le=VERSION, description=f"{VERSION}: newer files take a newer evonum")
    ] = VERSION
    ops: Annotated[int, Field(ge=0, lt=10_000, description="a whole number")]
    target: Text
    interval: Annotated[list[str], Field(min_length=2, max_length=2, description="an array of two texts")]
    metric: Text
    formula: Text
    program: Text
    constants: Annotated[list[str], Field(description="an array of texts")]
    sampled_error: Error
    polished_error: Perhaps
    proved_bound: Perhaps
    worst_x: Figure
    seconds_to_find: Figure
    dtype: Annotated[
        Literal["real", "float32", "bfloat16", "float16", "float64"], Field(description="an arithmetic")
    ] = "real"
    full: Annotated[bool, Field(description="true or false")] = False
    way: Text = ""
    core: Text = ""
    given: Annotated[list[PieceObject], Field(description="an array of cores")] = []
    require: Annotated[list[str], Field(description="an array of texts")] = []
    cost: Annotated[
        float | None, Field(gt=0, allow_inf_nan=False, description="a number above 0 or null")
    ] = None


def read_member(data: dict[str, Any]) -> MemberObject:
    """The object, checked.

    Raises:
        FrontError: the missing keys, or the first wrong entry with what was expected and what was there.
    """
    try:
        return MemberObject.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    if missing := sorted(str(fault["loc"][0]) for fault in faults if fault["type"] == "missing"):
        raise FrontError(f"A member lacks {', '.join(missing)}.")
    name = str(faults[0]["loc"][0])
    expected = MemberObject.model_fields[name].description
    raise FrontError(f"A member's {name} is {expected}, got {str(data[name])[:60]!r}.")
