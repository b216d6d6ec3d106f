"""Recomputes the errors of fronts from their files alone, by mpmath: nothing here is shared with evonum.

    python experiments/recompute.py experiments/fronts/*.json

For every member: its operations counted anew, the largest error at Chebyshev's points and next to both ends
of the interval, refined around the largest extrema; a fault where `sampled_error` or `polished_error`
differs by more than a thousandth or `proved_bound` is smaller. Exit code 1 if there is any.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mpmath
from mpmath import mpf

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp2": lambda x: mpf(2) ** x, "exp": mpmath.exp, "log2": lambda x: mpmath.log(x, 2), "log": mpmath.log,
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "tanh": mpmath.tanh, "atan": mpmath.atan,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "erf": mpmath.erf, "erfc": mpmath.erfc, "sqrt": mpmath.sqrt, "cbrt": mpmath.cbrt,
    "airy": lambda x: mpmath.airyai(-7 * x), "bessel": lambda x: mpmath.besseli(mpf(1) / 2, x),
    "lgamma": mpmath.loggamma,
}  # fmt: skip
"""What a target's name means."""
INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
}  # fmt: skip
CALLS: dict[str, Callable[..., Any]] = {
    "sqrt": mpmath.sqrt, "neg": lambda a: -a, "fma": lambda a, b, c: a * b + c,
}  # fmt: skip
AGREE = 1e-3
REFINED = 4
GOLDEN = 0.6180339887498949


def instructions(text: str) -> list[tuple[str, Callable[..., Any], list[str]]]:
    """Name, operation and operands of every line."""
    found = []
    for line in text.splitlines():
        name, right = line.split(" = ")
        if call := re.fullmatch(r"(\w+)\((.*)\)", right):
            found.append((name, CALLS[call[1]], call[2].split(", ")))
        else:
            left, symbol, second = right.split()
            found.append((name, INFIX[symbol], [left, second]))
    return found


def count_ops(text: str) -> int:
    """Instructions that depend on x."""
    varying = {"x"}
    for name, _, operands in instructions(text):
        if varying & set(operands):
            varying.add(name)
    return len(varying) - 1


class Curve:
    """The error of one formula at the points of an interval, which several may share.

    Args:
        program: text form.
        constants: decimal strings, c1 first.
        exact: values of the target that were computed before, by x; more are added.
    """

    def __init__(
        self, program: str, constants: Sequence[str], target: str, metric: str, exact: dict[Any, Any]
    ) -> None:
        self._lines = instructions(program)
        self._constants = {f"c{k}": mpf(c) for k, c in enumerate(constants, start=1)}
        self._target, self._relative, self._exact = FUNCTIONS[target], metric == "relative", exact

    def __call__(self, x: Any) -> Any:
        """|error| at x, infinite where the formula divides by zero."""
        values = {"x": x, **self._constants}
        try:
            for name, operation, operands in self._lines:
                values[name] = operation(*(values[word] for word in operands))
        except ZeroDivisionError:
            return mpmath.inf
        if x not in self._exact:
            self._exact[x] = self._target(x)
        error = abs(values[self._lines[-1][0]] - self._exact[x])
        return error / abs(self._exact[x]) if self._relative else error


def places(interval: Sequence[str], points: int) -> list[Any]:
    """Chebyshev's points, and some that approach both ends."""
    lo, hi = (mpf(end) for end in interval)
    parts = [mpmath.sin(mpmath.pi * k / (2 * points)) ** 2 for k in range(1, points)]
    near = [mpf(2) ** -k for k in range(8, 61, 4)]
    return [lo + (hi - lo) * part for part in sorted([*parts, *near, *(1 - n for n in near)])]


def largest(curve: Curve, x: Sequence[Any]) -> tuple[float, float]:
    """The largest error found, and where."""
    sizes = [curve(at) for at in x]
    last = len(x) - 1
    peaks = [k for k in range(last + 1) if sizes[k] >= max(sizes[max(k - 1, 0)], sizes[min(k + 1, last)])]
    best = max((size, at) for size, at in zip(sizes, x, strict=True))
    for k in sorted(peaks, key=lambda k: -sizes[k])[:REFINED]:
        a, b = x[max(k - 1, 0)], x[min(k + 1, last)]
        for _ in range(24):
            left, right = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
            at_left, at_right = curve(left), curve(right)
            best = max(best, (at_left, left), (at_right, right))
            a, b = (left, b) if at_right > at_left else (a, right)
    return float(best[0]), float(best[1])


def faults(member: Mapping[str, Any], error: float) -> list[str]:
    """What the member says of itself that is not so."""
    found = []
    if member["ops"] != (ops := count_ops(member["program"])):
        found.append(f"ops {member['ops']}, counted {ops}")
    for name in ("sampled_error", "polished_error"):
        claim = member[name]
        if claim is not None and not abs(claim - error) <= AGREE * error:
            found.append(f"{name} {claim:.6g}")
    if member["proved_bound"] is not None and member["proved_bound"] < error:
        found.append(f"proved_bound {member['proved_bound']:.6g}")
    return found


def recompute(member: Mapping[str, Any], points: int, exact: dict[Any, Any]) -> tuple[float, float]:
    """The largest error of a member of a front, and where."""
    curve = Curve(member["program"], member["constants"], member["target"], member["metric"], exact)
    return largest(curve, places(member["interval"], points))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FRONT.json")
    parser.add_argument("--points", type=int, default=600)
    parser.add_argument("--digits", type=int, default=60)
    args = parser.parse_args()
    mpmath.mp.dps = args.digits
    wrong = 0
    for path in args.files:
        members = json.loads(path.read_text())
        exact: dict[Any, Any] = {}
        for member in members if isinstance(members, list) else [members]:
            error, worst_x = recompute(member, args.points, exact)
            found = faults(member, error)
            wrong += len(found)
            print(
                f"{path.name} {member['ops']:2d} ops: {error:.6e} at {worst_x:.6g} {'; '.join(found) or 'ok'}"
            )
    print(f"{wrong} faults" if wrong else "all as said")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
