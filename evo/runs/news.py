"""What a front.json holds that was found after the checkpoint, with errors measured here, not believed."""

import math
from collections.abc import Sequence
from pathlib import Path

from evo.fronts.front import Front, FrontError, Member
from evo.fronts.verify import ROUNDING, remeasured
from evo.targets.target import Target


def news(path: Path, target: Target, front: Front) -> tuple[Sequence[Member], Sequence[str]]:
    """The file's members of this target that claim to beat a front's, and are measured again.

    A proved front is of a session's end, and the checkpoint's but for rounding.

    Args:
        front: of the checkpoint.

    Returns:
        The members with their true errors, and a line for each whose own were smaller. A file that is no
        front has no members.
    """
    try:
        members = Front.load(path)
    except FrontError as wrong:
        return (), (f"{wrong} The front is the checkpoint's.",) if path.exists() else ()
    found, remarks = list[Member](), list[str]()
    for claimed in members:
        if not _is_news(claimed, target, front):
            continue
        try:
            true = remeasured(claimed)
        except FrontError as wrong:
            remarks.append(f"{path}: {wrong} It is left out.")
            continue
        found.append(true)
        if not claimed.sampled_error * (1 + ROUNDING) >= true.sampled_error:
            remarks.append(
                f"{path}: the member of {claimed.ops} ops says its error is {claimed.sampled_error:.6g}; "
                f"it is {true.sampled_error:.6g} at x = {true.worst_x:.9g}, which counts."
            )
    return found, remarks


def _is_news(member: Member, target: Target, front: Front) -> bool:
    ours = (member.target, member.interval, member.metric) == (target.name, target.interval, target.metric)
    if not ours or member in front:
        return False
    known = min((own.sampled_error for own in front if own.price <= member.price), default=math.inf)
    return member.proved_bound is None or member.sampled_error < (1 - ROUNDING) * known
