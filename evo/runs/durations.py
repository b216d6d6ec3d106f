"""Durations as users write them."""

import re
from typing import Any

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: Any) -> Any:
    """Seconds of `90`, `"60s"`, `"10m"` or `"1.5h"`.

    Raises:
        ValueError: another form.
    """
    if not isinstance(text, str):
        return text
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|m|min|h|)\s*", text)
    if not found:
        raise ValueError(f"expected a duration such as 60s, 10m or 1h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]
