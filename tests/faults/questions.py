"""Random specifications and expressions (experiments/inputs.py), sent to a running service to be checked.

python tests/faults/questions.py [PART ...] [--number N] [--seed S] [--clients N]

Each is a request of its own to POST /api/v1/check, whose target a helper looks at; an expression is the
target of a search on (1/2, 1). A fault is what is answered neither with a specification nor with 422 and a
problem of one line, or is not answered in time. Prints a table; ends with code 1 after a fault.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "experiments"))

from inputs import entries, text
from services import running

PATIENCE = 90.0
"""With an answer [s]; a helper ends after 20 of processor time, or 60."""
TOO_LONG = "It takes more than"
"""What the service says of a target that its helper gave up."""


def expression(rng: random.Random) -> dict[str, Any]:
    """A text as a target."""
    return {"target": text(rng), "interval": ["1/2", "1"], "time": 1}


PARTS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "specifications": entries,
    "expressions": expression,
}


@dataclass(frozen=True)
class Answered:
    """What became of one.

    Attributes:
        status: of the answer; 0: there was none.
        seconds: until it came.
        gave_up: whether the service said that the target takes too long.
        fault: what is wrong with the answer, None if nothing is.
    """

    status: int
    seconds: float
    gave_up: bool = False
    fault: str | None = None


def fault_of(answer: requests.Response) -> str | None:
    """What is wrong with an answer: only a specification, or a problem of one line, is right."""
    try:
        said = answer.json()
    except ValueError:
        return f"{answer.status_code}, no JSON: {answer.text[:200]!r}"
    if answer.status_code == 200:
        return None if set(said) == {"spec"} else f"200: {said}"
    if answer.status_code != 422:
        return f"{answer.status_code}: {said}"
    told = said.get("detail")
    if not isinstance(told, str) or not told or "\n" in told or "Traceback" in told:
        return f"422, no problem of one line: {said}"
    return None


def asked(url: str, part: str, seeds: Iterable[str]) -> list[Answered]:
    """Sends the inputs of these seeds, one after another over one connection."""
    found = []
    with requests.Session() as session:
        for seed in seeds:
            body = json.dumps({"spec": PARTS[part](random.Random(f"{part} {seed}"))})
            began = time.perf_counter()
            try:
                answer = session.post(
                    f"{url}/api/v1/check",
                    body,
                    headers={"Content-Type": "application/json"},
                    timeout=PATIENCE,
                )
                status, fault, gave_up = answer.status_code, fault_of(answer), TOO_LONG in answer.text
            except requests.RequestException as error:
                status, fault, gave_up = 0, f"{type(error).__name__}: {error}", False
            where = None if fault is None else f"{part} {seed}: {fault}"
            found.append(Answered(status, time.perf_counter() - began, gave_up, where))
    return found


def row(part: str, found: list[Answered], wall: float) -> str:
    """A line of the table."""
    times = sorted(1e3 * one.seconds for one in found)
    counts = [sum(one.status == status for one in found) for status in (200, 422)]
    faults, gave_up = sum(one.fault is not None for one in found), sum(one.gave_up for one in found)
    shown = f"{times[len(times) // 2]:.0f}, {times[len(times) * 99 // 100]:.0f}, {times[-1]:.0f}"
    return (
        f"| {part} | {len(found)} | {counts[0]} | {counts[1]} | {gave_up} | {faults}"
        f" | {len(found) / wall:.0f} | {shown} |"
    )


def all_asked(url: str, part: str, seed: int, number: int, clients: int) -> list[Answered]:
    """Sends so many inputs of a part by so many clients; the k-th of a seed is always the same."""
    seeds = [[f"{seed} {k}" for k in range(i, number, clients)] for i in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return [one for many in pool.map(lambda mine: asked(url, part, mine), seeds) for one in many]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=2)
    words = parser.parse_args()
    bad = 0
    print(
        "| inputs of | number | 200 | 422 | of them too long | faults | a second"
        " | answered after [ms], median, 99 %, most |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data", helpers=2) as service:
        for part in words.parts or PARTS:
            began = time.monotonic()
            found = all_asked(service.url, part, words.seed, words.number, words.clients)
            print(row(part, found, time.monotonic() - began), flush=True)
            faults = [one.fault for one in found if one.fault is not None]
            for fault in faults[:20]:
                print(fault.encode("ascii", "backslashreplace").decode(), file=sys.stderr)
            bad += len(faults)
        assert service.ask("GET", "/readyz").status_code == 200
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
