"""Texts that read back: the program text, and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from evo.exports.comments import comment
from evo.exports.formula import Formula

JSON_FORMAT = "evonum export 1"


def render_text(formulas: Sequence[Formula]) -> str:
    """The program text; `# target: ...` and the like in front, as `evonum verify FILE` reads them."""
    (formula,) = formulas
    m = formula.member
    keys = {"target": m.target, "interval": " ".join(m.interval), "metric": m.metric}
    lines = [f"# {key}: {value}" for key, value in keys.items()]
    lines += [f"# {name} = {text}" for name, _, text in formula.used_constants()]
    known = comment([n for n in formula.notes() if n[0] not in ("target", "constants")], "#  ")
    return "\n".join([*lines, *known, str(formula.program), ""])


def render_json(formulas: Sequence[Formula]) -> str:
    """One object, or an array of them: the member as in front.json, and what is known of it.

    JSON has no infinity: an error without a number is null.
    """
    found = [_object(f) for f in formulas]
    return json.dumps(found if len(found) > 1 else found[0], indent=1, allow_nan=False) + "\n"


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in values.items()}


def _object(f: Formula) -> dict[str, Any]:
    used = {name: {"value": number, "hex": number.hex()} for name, number, _ in f.used_constants()}
    return {
        "format": JSON_FORMAT,
        **_finite(f.member.to_object()),
        "name": f.name,
        "dtype": f.fmt.name,
        "rounded_constants": used,
        "float_errors": [_finite(asdict(figure)) for figure in f.float_errors],
        "float_bound": asdict(f.float_bound) if f.float_bound else None,
        "fused": f.fused,
        "full": f.reduction is not None,
        "origin": asdict(f.origin),
        "notes": dict(f.notes()),
    }
