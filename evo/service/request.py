"""What may be asked for from outside: a specification's entries but for those that reach out of the job.

The schema is that of YAML files and the command line (`api.check_entries`), but that `given` names cores of
jobs, and no files (`evo.service.given`), and that `cost` is operations, as a model of times is a file.
Refused are entries that name files (seeds), that choose the service's own matters (backend, save_every), and
sizes that would take its memory.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from evo import api
from evo.service import given as given_cores
from evo.service.problems import ProblemError

TAKEN = frozenset(
    {
        "target", "interval", "metric", "dtype", "full", "way", "part", "given", "require", "ops", "max_ops",
        "time", "generations", "error", "cost", "seed", "islands", "offspring", "parents", "niche", "epoch",
        "cache_entries", "stretch", "tiers", "mutations",
    }
)  # fmt: skip
"""Entries that a request may have: no others, as later ones may name files, too."""
OWN = frozenset(api.SearchSpec.model_fields) - TAKEN
"""Entries that name files of the service, or that the service chooses."""
MOST: Mapping[str, int] = {
    "islands": 64,
    "offspring": 1 << 14,
    "parents": 1 << 11,
    "niche": 1 << 8,
    "cache_entries": 1 << 22,
    "epoch": 1 << 10,
    "generations": 10**9,
}
"""Largest values of entries that take memory, or time before a search can be stopped."""
COSTS = ("ops",)
"""What may be held against errors: a model of times is a file of the machine that it was measured on."""
_LONGEST = 1000
"""Characters of a target."""


def _schema() -> dict[str, Any]:
    """Of the entries, for the interface's description; they are checked by `checked_entries`."""
    full = api.SearchSpec.model_json_schema()
    full.pop("$defs", None)  # of entries that are left out
    taken = {n: what for n, what in full["properties"].items() if n not in OWN}
    return {**full, "properties": {**taken, "cost": {"enum": list(COSTS), "default": COSTS[0]}}}


Entries = Annotated[dict[str, Any], WithJsonSchema(_schema())]


class JobRequest(BaseModel):
    """What is sent to submit a job."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"spec": {"target": "exp2", "interval": ["0", "1"], "max_ops": 8, "time": "60s"}}]
        },
    )

    spec: Entries = Field(description="Entries of a specification, as `evonum search --spec` has them.")
    cores: int = Field(1, ge=1, le=4096, description="That the search runs on.")


class SpecRequest(BaseModel):
    """What is sent to have a specification checked."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"spec": {"target": "exp2", "interval": ["0", "1"]}}]},
    )

    spec: Entries


class SessionRequest(BaseModel):
    """What is sent to have a cookie."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"token": "evo_ID_SECRET"}]}
    )

    token: str = Field(max_length=200)


class ChangesRequest(BaseModel):
    """What is sent to go on with a job that ended."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"changes": {"time": "60s"}}]}
    )

    changes: dict[str, Any] = Field(
        default_factory=dict, description="time, generations or error, in place of all three; more max_ops."
    )


class CheckRequest(BaseModel):
    """What is sent to have a target looked at."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"target": "sin(x)/x", "interval": ["0", "1"]}]},
    )

    target: str = Field(min_length=1, max_length=_LONGEST)
    interval: tuple[str, str] | None = None
    metric: str | None = Field(None, max_length=20)
    points: int = Field(200, ge=2, le=1000, description="How many values of the function are wanted.")


def checked_entries(given: Mapping[str, Any], max_time: float) -> dict[str, Any]:
    """The entries of a specification from outside, as JSON values, with a limit of time.

    Args:
        given: as it came.
        max_time: largest time of a search [s].

    Raises:
        ProblemError: 422, with the entry that is wrong.
    """
    for name in sorted(OWN & set(given)):
        if given[name] is not None:
            what = "it names a file, or is the service's own choice"
            raise ProblemError(422, f"{name}: leave it out: {what}", f"spec.{name}")
    if given.get("cost") is not None and given["cost"] not in COSTS:
        what = "a model of times is a file, and no request names files of the service"
        raise ProblemError(422, f"cost: {', '.join(COSTS)}, or leave it out: {what}", "spec.cost")
    if len(str(given.get("target", ""))) > _LONGEST:
        raise ProblemError(422, f"target: it has more than {_LONGEST} characters", "spec.target")
    try:
        spec = api.check_entries(given)
    except api.EvonumError as error:
        raise ProblemError(422, str(error), _entry(str(error))) from None
    if len(spec.given) > given_cores.MOST:
        raise ProblemError(422, f"given: at most {given_cores.MOST} cores", "spec.given")
    for core in spec.given:
        given_cores.parsed(core)
    for name, most in MOST.items():
        if (value := getattr(spec, name)) is not None and value > most:
            raise ProblemError(422, f"{name}: at most {most} here (got {value})", f"spec.{name}")
    time = max_time if spec.generations is not None and spec.time is None else spec.budget
    if time is None or time > max_time:
        raise ProblemError(422, f"time: at most {max_time:g} s here (got {time})", "spec.time")
    asked = spec.model_dump(mode="json", exclude_defaults=True)
    return {**asked, "target": spec.target, "seed": spec.seed, "time": time}


def checked_changes(given: Mapping[str, Any], max_time: float) -> dict[str, Any]:
    """What a job goes on with, as JSON values.

    Raises:
        ProblemError: 422, with the entry that is wrong.
    """
    if other := sorted(set(given) - set(api.CHANGES)):
        what = ", ".join(name[:40] for name in other)
        raise ProblemError(422, f"changes: {', '.join(api.CHANGES)} can change, not {what}", "changes")
    found = checked_entries({"target": "x", **given}, max_time)
    kept = {name: found[name] for name in api.CHANGES if name in found}
    return (
        kept
        if set(given) & {"time", "generations", "error"}
        else {k: v for k, v in kept.items() if k != "time"}
    )


def _entry(message: str) -> str:
    """The entry that a message of a specification begins with."""
    name, colon, _ = message.partition(":")
    return f"spec.{name}" if colon and name.replace(".", "").replace("_", "").isalnum() else "spec"
