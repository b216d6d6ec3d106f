"""The states of a job, and which may follow which."""

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal["queued", "starting", "running", "recovering", "stopping", "succeeded", "failed", "stopped"]
STATES: tuple[State, ...] = get_args(State)

FOLLOWERS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"starting", "stopped"}),
    "starting": frozenset({"running", "recovering", "stopping", "succeeded", "failed"}),
    "running": frozenset({"recovering", "stopping", "succeeded", "failed"}),
    "recovering": frozenset({"running", "stopping", "succeeded", "failed"}),
    "stopping": frozenset({"stopped", "succeeded", "failed"}),
    "succeeded": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "stopped": frozenset({"queued"}),
}
"""What may come next. A job that ended stays so, unless its owner asks to go on with it."""

ENDED: frozenset[State] = frozenset({"succeeded", "failed", "stopped"})
ACTIVE: frozenset[State] = frozenset({"starting", "running", "recovering", "stopping"})
"""A job in these has its cores."""
