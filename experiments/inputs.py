"""Texts for the expression parser and values for every entry of a specification, as nobody should send them.

python experiments/inputs.py [--number N] [--seed S] [--processes N]

Each part gets so many inputs, made from a seed, in processes of its own: an input that ends one is a fault,
and so is one that is neither taken nor refused with the parser's or the service's own error, or that is taken
and means something else when it is read again. Ends with code 1 after a fault.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from evo.runs.spec import SearchSpec
from evo.service.problems import ProblemError
from evo.service.request import checked_entries
from evo.targets.expression import ExpressionError, parse_expression

CHUNK = 5000
"""Inputs of one task."""
LONGEST = 86400.0
"""Time of a search [s]."""
WORDS = (
    "x", "pi", "e", "exp", "log", "sin", "gamma", "erf", "sqrt", "bessel_i", "atan", "abs", "y",
    "_", "X", "inf", "nan",
    "0", "1", "-1", "2", ".5", "1.", "1e9", "1e-9", "1e999999", "9" * 400, "0x10", "1/0", "0^0",
    "2^-1", "x^65537",
    "+", "-", "*", "/", "^", "**", "(", ")", ",", "((", "))", "()", " ", "\t", "\n", "\0", ";",
    "%", "\\", "'", '"', "{",
    "\u00bd", "\u03c0", "\u00d7", "\u2212", "\ud800", "\U0001f600", "\u0660", "$(id)",
    "__import__('os')", "../../etc",
)  # fmt: skip
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 64, 1 << 20, 1 << 64, -(1 << 64), 10**400, 0.0, -0.0, 0.5,
    1e-320, 1e308,
    float("inf"), float("-inf"), float("nan"), "", " ", "0", "1", "60s", "-5m", "1e400h", "10 h",
    "nan", "\0", "\ud800",
    "/etc/passwd", "/etc/passwd:3", "a1b2:3", "..:1", "+ - *", "fma", "exp2", "relative", "ulp",
    "bfloat16", "real",
    "native", "cuda", "x" * 5000, [], [[]], ["0", "1"], [0, 1], ["1", "0"], ["-inf", "inf"],
    ["0"], ["0", "1", "2"],
    [1.0, 8.0], ["text"], {}, {"": 0}, {"constant": 1}, {"constant": float("nan")}, {"a": {"b": []}},
)  # fmt: skip


@dataclass
class Seen:
    """What became of inputs.

    Attributes:
        taken, refused: how many.
        faults: inputs that were neither, and why.
        slowest: longest time of one [s].
    """

    taken: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


def text(rng: random.Random) -> str:
    """Words in any order, or an expression, which may have a bite out of it."""
    if rng.random() < 0.5:
        return "".join(rng.choice(WORDS) for _ in range(rng.randrange(12)))
    made = _expression(rng, rng.randrange(5))
    if rng.random() < 0.3:
        k = rng.randrange(len(made))
        made = made[:k] + rng.choice(WORDS) + made[k + rng.randrange(3) :]
    if rng.random() < 0.02:
        made = rng.choice(("(", "-", "x^", "sin(")) * rng.randrange(3000) + made
    return made


def _expression(rng: random.Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(("x", "x", "pi", "e", "2", "0.1", "1e-3"))
    parts = [_expression(rng, depth - 1) for _ in range(2)]
    form = rng.choice(
        ("{0}+{1}", "({0})*({1})", "{0}/({1})", "-{0}", "({0})^3", "exp({0})", "sin({0})", "sqrt({0})")
    )
    return form.format(*parts)


def entries(rng: random.Random) -> dict[str, Any]:
    """A specification's entries: the fields in turns, each with a strange value, a text or a nest of them."""
    names = rng.sample(list(SearchSpec.model_fields), rng.choice((1, 1, 1, 2, 3)))
    found: dict[str, Any] = {"target": "exp2"} | {name: _value(rng, 2) for name in names}
    if rng.random() < 0.1:
        found[rng.choice(WORDS)] = _value(rng, 1)
    if rng.random() < 0.2:
        found |= {"dtype": "bfloat16", "full": True}
    return found


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if kind < 0.6 or depth == 0:
        return rng.choice(STRANGE)
    if kind < 0.7:
        return text(rng)
    if kind < 0.8:
        return rng.choice(
            (rng.uniform(-100, 100), rng.randrange(-(1 << 70), 1 << 70), str(rng.randrange(10**6)))
        )
    if kind < 0.9:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(WORDS)): _value(rng, depth - 1) for _ in range(rng.randrange(3))}


def parse(rng: random.Random) -> bool:
    """Whether a text is an expression; one that is must be the same when its own text is read."""
    made = text(rng)
    try:
        found = parse_expression(made)
    except ExpressionError as error:
        if "\n" in str(error):
            raise ValueError(f"two lines: {made!r}") from None
        return False
    assert parse_expression(found.text).nodes == found.nodes, f"another expression: {made!r}"
    return True


def specify(rng: random.Random) -> bool:
    """Whether entries are taken; such as are must be the same after their journey as JSON."""
    made = entries(rng)
    try:
        found = checked_entries(made, LONGEST)
    except ProblemError as error:
        if error.status != 422:
            raise ValueError(f"{error.status}: {made!r}") from None
        json.dumps(error.to_object("/")).encode()
        return False
    again = json.loads(json.dumps(found, allow_nan=False))
    assert checked_entries(again, LONGEST) == found, f"other entries: {made!r}"
    return True


PARTS: dict[str, Callable[[random.Random], bool]] = {"expressions": parse, "specifications": specify}


def tried(part: str, seed: int, number: int) -> Seen:
    """So many inputs of a part; the k-th of a seed is always the same."""
    seen = Seen()
    for k in range(number):
        began = time.perf_counter()
        try:
            if PARTS[part](random.Random(f"{part} {seed} {k}")):
                seen.taken += 1
            else:
                seen.refused += 1
        except Exception as error:
            seen.faults.append(f"{seed} {k}: {type(error).__name__}: {str(error)[:300]}")
        seen.slowest = max(seen.slowest, time.perf_counter() - began)
    return seen


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10**6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    bad = 0
    print("| inputs of | number | taken | refused | faults | a second | slowest [ms] |")
    print("|---|---|---|---|---|---|---|")
    for part in PARTS:
        began, chunks = time.monotonic(), range(-(-asked.number // CHUNK))
        all_seen = []
        with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
            tasks = [pool.submit(tried, part, asked.seed * 10**6 + k, CHUNK) for k in chunks]
            for k, task in zip(chunks, tasks, strict=True):
                try:
                    all_seen.append(task.result())
                except BrokenProcessPool:
                    all_seen.append(
                        Seen(faults=[f"{asked.seed * 10**6 + k}: its process or one beside it died"])
                    )
        faults = [fault for seen in all_seen for fault in seen.faults]
        taken, refused = sum(seen.taken for seen in all_seen), sum(seen.refused for seen in all_seen)
        number, slowest = taken + refused + len(faults), max(seen.slowest for seen in all_seen)
        rate = number / (time.monotonic() - began)
        print(
            f"| {part} | {number} | {taken} | {refused} | {len(faults)} | {rate:.0f} | {1e3 * slowest:.0f} |"
        )
        for fault in faults[:20]:
            print(fault.encode("ascii", "backslashreplace").decode(), file=sys.stderr)
        bad += len(faults)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
