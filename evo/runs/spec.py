"""The specification of a search: one schema for Python, the command line and YAML files.

What users write leaves entries open (`SearchSpec`); what a search runs by does not (`SettledSpec`).
"""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from evo.backends.backend import BACKENDS
from evo.costs.model import CostError, CostGoal, CostModel, read_model
from evo.floats.requirements import RequirementError, parse_requirement
from evo.kernels.vary import mutations
from evo.numbers.arithmetic import ARITHMETICS, REAL
from evo.programs.ops import parse_ops
from evo.runs.durations import parse_duration
from evo.runs.yaml_file import SpecError, read_mapping
from evo.targets.metric import METRICS, ULP

MAX_OPS = 32
OPS = "ops"
"""What programs cost, if nothing else is said."""


def _words(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _texts(value: Any) -> Any:
    return [str(v) for v in value] if isinstance(value, list | tuple) else value


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else _texts(value)


class SearchSpec(BaseModel):
    """What to search for, how long, and how.

    Attributes:
        target: a catalogue name or an expression of x.
        interval: two numbers or constant expressions; the target's own by default.
        metric: the target's own by default; "ulp" for floats.
        dtype: the arithmetic: "real", or a row of `ARITHMETICS`.
        full: whether the function is meant on all floats, by a range reduction.
        way: which reduction, where the function has several.
        part: which of its cores, where it has several.
        given: further cores: members of files, FILE:OPS each.
        require: what a function of floats has to satisfy at every input (evo/floats/requirements.py).
        ops: the operations that programs may use.
        max_ops: largest program.
        time: budget [s]; stops at a generation's end.
        generations: budget of each island, for runs that can be repeated exactly.
        error: ends the search before its budget: once it is reached, by the smallest program that a search
            as long again finds (evo/runs/goal.py).
        cost: what the front holds against errors: "ops", or time by a cost model: its file, or itself.
        cost_goal: which time: "throughput" of independent elements, or "latency" from input to result.
        seed: of all random streams.
        seeds: a file of formulas, or a search directory, that every island begins with.
        islands: populations that evolve apart and exchange their best; one per CPU by default, on a GPU
            or in one process (evo/api/searching.py) one for each length of `stretch`.
        offspring: new programs of a generation; 4096 by default, 2^19 on a GPU.
        parents: population of an island; 256 by default, 2048 on a GPU, where fewer make the same again.
        niche: candidates kept per op count; 32 by default, 256 on a GPU.
        epoch: generations between exchanges.
        save_every: between checkpoints [s].
        cache_entries: functions an island remembers, a power of two; 2^20 by default, 2^22 on a GPU.
        stretch: lengths of the islands' intervals, in turns, as multiples of the target's.
        backend: what fits constants.
        tiers: equivalence tiers that skip programs; "behaviour" those of one error curve after the fit.
        mutations: weights by name, where not the table's (evo/kernels/mutate.h).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    target: str
    interval: Annotated[tuple[str, str] | None, BeforeValidator(_texts)] = None
    metric: str | None = None
    dtype: str = REAL
    full: bool = False
    way: str | None = Field(None, min_length=1)
    part: str | None = Field(None, min_length=1)
    given: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    require: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    ops: Annotated[str, BeforeValidator(_words)] = "+ - * /"
    max_ops: int = Field(10, ge=1, le=MAX_OPS)
    time: Annotated[float | None, BeforeValidator(parse_duration)] = Field(None, gt=0)
    generations: int | None = Field(None, ge=1)
    error: float | None = Field(None, gt=0)
    cost: CostModel | Annotated[str, Field(min_length=1)] = OPS
    cost_goal: CostGoal = "throughput"
    seed: int = Field(0, ge=0, lt=1 << 64)
    seeds: str | None = Field(None, min_length=1)
    islands: int | None = Field(None, ge=1, le=4096)
    offspring: int | None = Field(None, ge=1, le=1 << 20)
    parents: int | None = Field(None, ge=4, le=1 << 16)
    niche: int | None = Field(None, ge=1, le=1 << 12)
    epoch: int = Field(8, ge=1)
    save_every: Annotated[float, BeforeValidator(parse_duration)] = Field(10.0, ge=0)
    cache_entries: int | None = Field(None, ge=1 << 10, le=1 << 26)
    stretch: Annotated[tuple[Annotated[float, Field(ge=1, le=64)], ...], Field(min_length=1)] = (1.0, 8.0)
    backend: str = "native"
    tiers: tuple[Literal["text", "function", "redundant", "behaviour"], ...] = (
        "text",
        "function",
        "redundant",
        "behaviour",
    )
    mutations: dict[str, Annotated[float, Field(ge=0)]] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _no_switches(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's yes, on and true would pass as the number 1."""
        if isinstance(value, bool) and info.field_name != "full":
            raise ValueError("no entry is yes or no")
        return value

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, name: str) -> str:
        if name not in BACKENDS:
            raise ValueError(f"there are {_listed(name, BACKENDS)}")
        return name

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str | None) -> str | None:
        if name is not None and name not in (*METRICS, ULP):
            raise ValueError(f"there are {_listed(name, (*METRICS, ULP))}")
        return name

    @field_validator("dtype")
    @classmethod
    def _known_dtype(cls, name: str) -> str:
        if name not in (REAL, *ARITHMETICS):
            raise ValueError(f"there are {_listed(name, (REAL, *ARITHMETICS))}")
        return name

    @field_validator("require")
    @classmethod
    def _known_requirements(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            try:
                parse_requirement(text)
            except RequirementError as error:
                raise ValueError(str(error).removeprefix("require: ")) from None
        return tuple(dict.fromkeys(texts))

    @model_validator(mode="after")
    def _check(self) -> "SearchSpec":
        parse_ops(self.ops)
        if self.cache_entries and self.cache_entries & (self.cache_entries - 1):
            raise ValueError(f"cache_entries must be a power of two, got {self.cache_entries}")
        if self.mutations:
            _check_mutations(self.mutations)
        if self.dtype == REAL and (self.full or self.metric == ULP):
            what = "full" if self.full else "metric: ulp"
            raise ValueError(f"{what} takes a dtype: {', '.join(ARITHMETICS)}")
        if self.dtype == REAL and self.require:
            raise ValueError(f"require takes a dtype: {', '.join(ARITHMETICS)}")
        for name in ("way", "part", "given"):
            if getattr(self, name) and not self.full:
                raise ValueError(f"{name} takes full: it is one of a range reduction")
        if self.cost == OPS and self.cost_goal != "throughput":
            raise ValueError("cost_goal takes cost: a model of times")
        if self.dtype != REAL and self.backend != "native":
            raise ValueError("backend: float arithmetic is searched by the native one")
        return self

    def settled(self) -> "SettledSpec":
        """The specification with everything decided that depends on the machine, the backend or files.

        Raises:
            SpecError: there is no such cost model.
        """
        row = BACKENDS[self.backend]
        usual, cpus = row.defaults, os.cpu_count() or 1
        decided = {
            "cost": _model(self.cost),
            "islands": self.islands or (len(self.stretch) if row.per_gpu else cpus),
            "offspring": self.offspring or usual.offspring,
            "parents": self.parents or usual.parents,
            "niche": self.niche or usual.niche,
            "cache_entries": self.cache_entries or usual.cache_entries,
        }
        return SettledSpec.model_construct(**{**dict(self), **decided})

    @property
    def budget(self) -> float | None:
        """Time budget [s]: a minute if neither time nor generations are given."""
        return 60.0 if self.time is None and self.generations is None else self.time


def _model(cost: str | CostModel) -> str | CostModel:
    """The model that a file holds; what is none is left as it is.

    Raises:
        SpecError: no such file, or it holds something else.
    """
    if isinstance(cost, CostModel) or cost == OPS:
        return cost
    try:
        return read_model(Path(cost))
    except CostError as error:
        raise SpecError(f"cost: {error}") from None


class SettledSpec(SearchSpec):
    """A specification in which nothing is left open: what a search runs by, and what spec.json holds."""

    islands: int
    offspring: int
    parents: int
    niche: int
    cache_entries: int


def _check_mutations(weights: Mapping[str, float]) -> None:
    known = mutations()
    for name in weights:
        if name not in known:
            raise ValueError(
                f"unknown mutation {name[:60]!r}; evo/kernels/mutate.h has {_listed(name, known)}"
            )
    if not any({**known, **weights}.values()):
        raise ValueError("mutations: at least one weight must be positive")


def _listed(name: str, known: Iterable[str]) -> str:
    """The names that there are, and the one that was meant."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    return f"{', '.join(names)}.{f' Did you mean {near[0]!r}?' if near else ''}"


def make_spec(entries: Mapping[str, Any]) -> SearchSpec:
    """A checked specification.

    Raises:
        SpecError: names the first wrong entry, what was expected and what came.
    """
    try:
        return SearchSpec(**entries)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:60] for part in first["loc"]) or "specification"
        if first["type"] == "extra_forbidden":
            known = _listed(where, SearchSpec.model_fields)
            raise SpecError(f"unknown entry {where!r}; a specification has {known}") from None
        got = "" if not first["loc"] or first["type"] == "missing" else f" (got {str(first['input'])[:60]!r})"
        raise SpecError(f"{where}: {first['msg'].removeprefix('Value error, ')}{got}") from None


def load_spec(path: Path, overrides: Mapping[str, Any]) -> SearchSpec:
    """The specification of a YAML file, with entries that take its place.

    Raises:
        SpecError: no such file, not YAML, not a mapping, or a wrong entry.
    """
    return make_spec({**read_mapping(path), **overrides})
