"""The program of a helper: answers questions on standard input, one JSON object a line, by calls of
evo/api.

Proofs and checks change settings of a whole process (flint's precision) and may take long: so they have
processes of their own, one question at a time, and a clock that ends the process where the service is not
there to do it.
"""

import base64
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from evo import api

MEMORY = 12 << 30
"""Address space of a helper [bytes]."""


def check_search(entries: Mapping[str, Any]) -> Any:
    """The target of a search's entries."""
    return api.check_search(entries).to_json()


def check_target(target: str, interval: list[str] | None, metric: str | None, points: int) -> Any:
    """A target and its graph."""
    found = api.check_target(target, _pair(interval), metric)
    x, y = api.drawn(found, points)
    return {**found.to_json(), "x": x, "y": y}


def export(directory: str, to: str, options: Mapping[str, Any]) -> Any:
    """A formula of a search directory in a format."""
    made = api.export_source(directory, to, **options)
    if isinstance(made.content, bytes):
        return {"base64": base64.b64encode(made.content).decode()}
    return {"text": made.content}


def baselines(
    target: str, interval: list[str] | None, metric: str | None, max_ops: int, ops: str | None
) -> Any:
    """A target, and its best classical forms.

    The target is looked at first: what comes from outside is never the name of a file of functions.
    """
    known = api.check_target(target, _pair(interval), metric)
    checked, found = api.baselines(known.name, known.interval, known.metric, max_ops, ops=ops)
    return {**checked.to_json(), "forms": [asdict(form) for form in found]}


QUESTIONS: Mapping[str, Callable[..., Any]] = {
    "check_search": check_search, "check_target": check_target, "export": export, "baselines": baselines,
}  # fmt: skip
"""By name; each takes and gives JSON values."""


def _pair(interval: list[str] | None) -> tuple[str, str] | None:
    return None if interval is None else (interval[0], interval[1])


def answer(question: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a question's function returns, or what is wrong."""
    try:
        return {"value": QUESTIONS[question](**arguments)}
    except api.EvonumError as error:
        return {"error": str(error), "kind": error.kind}
    except (MemoryError, RecursionError):
        return {"error": "it takes more memory than there is for it", "kind": "input"}
    except Exception:
        return {"error": traceback.format_exc(), "kind": "fault"}


def main() -> None:
    """Answers until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the service's
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        signal.alarm(asked["seconds"])
        said = answer(asked["question"], asked["arguments"])
        signal.alarm(0)
        print(json.dumps(said), file=out, flush=True)


if __name__ == "__main__":
    main()
