"""Results as JSON on standard output."""

import json
from math import isfinite
from typing import Any


def print_json(value: Any) -> None:
    """Prints a result; what JSON has no number for, such as an infinite error, is null."""
    print(json.dumps(_finite(value), indent=1, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
