"""Specifications of older versions, as this version has them."""

from collections.abc import Mapping
from typing import Any


def of_older(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an older version's search, as this version has them.

    `lanes`, the threads that made its programs, are gone; where they were, the behaviour tier was always on.
    """
    if "lanes" not in entries:
        return dict(entries)
    kept = {name: value for name, value in entries.items() if name != "lanes"}
    return {**kept, "tiers": list(dict.fromkeys([*kept["tiers"], "behaviour"]))}
