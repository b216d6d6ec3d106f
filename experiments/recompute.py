"""Recomputes the errors of fronts from their files alone, by mpmath: nothing here is shared with evonum.

    python experiments/recompute.py experiments/fronts/*.json

For every member: its operations counted anew, the largest error at Chebyshev's points and next to both ends
of the interval, refined around the largest extrema; a fault where `sampled_error` or `polished_error`
differs by more than a thousandth or `proved_bound` is smaller. Exit code 1 if there is any, 2 if a file is
no front: nothing in it is believed before it is looked at.
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
    "asin": mpmath.asin, "acos": mpmath.acos, "sinh": mpmath.sinh, "cosh": mpmath.cosh,
    "exp10": lambda x: mpf(10) ** x, "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "erf": mpmath.erf, "erfc": mpmath.erfc, "erfinv": mpmath.erfinv, "sqrt": mpmath.sqrt, "cbrt": mpmath.cbrt,
    "airy": lambda x: mpmath.airyai(-7 * x), "bessel": lambda x: mpmath.besseli(mpf(1) / 2, x),
    "bessel_i0": lambda x: mpmath.besseli(0, x), "lgamma": mpmath.loggamma,
    "bessel_j0": lambda x: mpmath.besselj(0, x), "tgamma": mpmath.gamma,
    "log10": mpmath.log10, "log1p": mpmath.log1p, "expm1": mpmath.expm1,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)), "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "asinh": mpmath.asinh, "acosh": mpmath.acosh, "atanh": mpmath.atanh,
    "normcdf": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, "srgb_power": lambda x: x ** (mpf(5) / 12),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "gelu_tanh": lambda x: (
        x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3))) / 2
    ),
}  # fmt: skip
"""What a target's name means."""
INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
}  # fmt: skip
CALLS: dict[str, Callable[..., Any]] = {
    "sqrt": mpmath.sqrt, "neg": lambda a: -a, "fma": lambda a, b, c: a * b + c, "rcp": lambda a: 1 / a,
}  # fmt: skip
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,5})?")
MAX_BYTES, MAX_LINES, MAX_DIGITS, MAX_X = 10_000_000, 1000, 1000, 1e6
"""Of a file, a program, a number, an interval's ends: more would only take time."""
AGREE = 1e-3
REFINED = 4
GOLDEN = 0.6180339887498949


FORM = re.compile(r"(?:[-+ 0-9pie/*^()]|sqrt\([2357]\))+")
TERM = re.compile(
    r"[+-]?(?:[0-9]+|pi|e|r[2357])(?:\^[0-9]{1,3})?(?:/[0-9]+)?"
    r"(?:\*(?:[0-9]+(?:/[0-9]+)?|(?:pi|e|r[2357])(?:\^[0-9]{1,3})?))*"
)


class NoFrontError(ValueError):
    """What is not a front: says which part."""


def instructions(text: str) -> list[tuple[str, Callable[..., Any], list[str]]]:
    """Name, operation and operands of every line.

    Raises:
        NoFrontError: a line is none of v1, v2, ... in turn, of known operations on what is there by then.
    """
    found: list[tuple[str, Callable[..., Any], list[str]]] = []
    for line in text.splitlines()[:MAX_LINES]:
        name, _, right = line.partition(" = ")
        if call := re.fullmatch(r"(\w+)\((.*)\)", right):
            operation, operands = CALLS.get(call[1]), call[2].split(", ")
            arity = 3 if call[1] == "fma" else 1
        else:
            left, _, rest = right.partition(" ")
            symbol, _, second = rest.partition(" ")
            operation, operands, arity = INFIX.get(symbol), [left, second], 2
        known = {"x", *(name for name, _, _ in found)}
        sound = all(word in known or re.fullmatch(r"c[1-9]\d{0,3}", word) for word in operands)
        if operation is None or len(operands) != arity or not sound or name != f"v{len(found) + 1}":
            raise NoFrontError(f"a program's line {len(found) + 1} is {line[:60]!r}")
        found.append((name, operation, operands))
    if not 0 < len(found) == len(text.splitlines()):
        raise NoFrontError(f"a program has {len(text.splitlines())} lines; 1 to {MAX_LINES} are taken")
    return found


def count_ops(text: str) -> int:
    """Instructions that depend on x."""
    varying = {"x"}  # every instruction has a name of its own
    for name, _, operands in instructions(text):
        if varying & set(operands):
            varying.add(name)
    return len(varying) - 1


def number(value: Any) -> Any:
    """A number of a front, given as a number or in decimals.

    Raises:
        NoFrontError: it is none, or one of absurd length or size.
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if len(text) > MAX_DIGITS or not (NUMBER.fullmatch(text) or FORM.fullmatch(text)):
        raise NoFrontError(f"{str(value)[:60]!r} is no number")
    return mpf(text) if NUMBER.fullmatch(text) else quotient(text)


def quotient(text: str) -> Any:
    """A form such as 1/4*pi^2 or (3*pi + 1)/(2*e): a polynomial in pi, e and roots with fractions, or two.

    Raises:
        NoFrontError: it is none.
    """
    text = re.sub(r"sqrt\(([2357])\)", r"r\1", text)
    top, _, below = text.replace(" ", "").partition(")/(")
    parts = [top.removeprefix("("), below.removesuffix(")")] if below else [top]
    values = [sum((_term(term) for term in TERM.findall(part)), mpf(0)) for part in parts]
    if any("".join(TERM.findall(part)) != part or not part for part in parts) or (below and not values[1]):
        raise NoFrontError(f"{text[:60]!r} is no number")
    return values[0] / values[1] if below else values[0]


def _term(text: str) -> Any:
    value = mpf(-1 if text[0] == "-" else 1)
    for factor in text.lstrip("+-").split("*"):
        name, _, power = factor.partition("^")
        symbol, _, divisor = name.partition("/")
        root = mpmath.sqrt(int(symbol[1:])) if symbol[0] == "r" else None
        base = {"pi": mpmath.pi, "e": mpmath.e}.get(symbol, root)
        value *= (mpf(symbol) if base is None else base ** int(power or 1)) / int(divisor or 1)
    return value


def members_of(path: Path) -> list[Mapping[str, Any]]:
    """The members of a front's file, each with all its keys and values of their kinds.

    Raises:
        NoFrontError: one line that says why not.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise NoFrontError(f"it is larger than {MAX_BYTES} bytes")
        found = json.loads(data)
    except OSError as error:
        raise NoFrontError(str(error.strerror)) from error
    except (RecursionError, ValueError) as error:
        raise NoFrontError(" ".join(str(error).split())[:200]) from error
    members = found if isinstance(found, list) else [found]
    if not members:
        raise NoFrontError("it has no members")
    for member in members:
        _check(member)
    return members


def _check(member: Any) -> None:
    kinds = {
        "ops": int, "target": str, "metric": str, "program": str, "interval": list, "constants": list,
        "sampled_error": float | int, "polished_error": float | int | None,
        "proved_bound": float | int | None,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(member, dict) or key not in member or not isinstance(member[key], kind):
            raise NoFrontError(f"a member has no {key} of the kind that a front has")
    if member["target"] not in FUNCTIONS or member["metric"] not in ("relative", "absolute"):
        raise NoFrontError(f"unknown here: {member['target'][:60]!r}, {member['metric'][:60]!r}")
    ends = [number(end) for end in member["interval"]]
    if len(ends) != 2 or not -MAX_X <= ends[0] < ends[1] <= MAX_X:
        raise NoFrontError(f"an interval is {str(member['interval'])[:60]}")
    constants = {f"c{k}" for k, _ in enumerate(map(number, member["constants"]), start=1)}
    for _, _, operands in instructions(member["program"]):
        if missing := {word for word in operands if word.startswith("c")} - constants:
            raise NoFrontError(f"a program has no constant {min(missing)}")


class Curve:
    """The error of one formula at the points of an interval, which several may share.

    Args:
        program: text form.
        constants: decimal strings, c1 first.
        exact: values that were computed before, by target and x; more are added.
    """

    def __init__(
        self,
        program: str,
        constants: Sequence[str],
        target: str,
        metric: str,
        exact: dict[str, dict[Any, Any]],
    ) -> None:
        self._lines = instructions(program)
        self._constants = {f"c{k}": number(c) for k, c in enumerate(constants, start=1)}
        self._target, self._relative = FUNCTIONS[target], metric == "relative"
        self._exact = exact.setdefault(target, {})

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
    lo, hi = (number(end) for end in interval)
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
    if member["proved_bound"] is not None and not member["proved_bound"] >= error:
        found.append(f"proved_bound {member['proved_bound']:.6g}")
    return found


def recompute(
    member: Mapping[str, Any], points: int, exact: dict[str, dict[Any, Any]]
) -> tuple[float, float]:
    """The largest error of a member of a front, and where."""
    curve = Curve(member["program"], member["constants"], member["target"], member["metric"], exact)
    return largest(curve, places(member["interval"], points))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FRONT.json")
    parser.add_argument("--points", type=int, default=600, choices=range(2, 100_001), metavar="N")
    parser.add_argument("--digits", type=int, default=60, choices=range(20, 1001), metavar="N")
    args = parser.parse_args()
    mpmath.mp.dps = args.digits
    wrong = 0
    for path in args.files:
        try:
            members = members_of(path)
        except NoFrontError as error:
            print(f"{path} is no front: {error}", file=sys.stderr)
            return 2
        exact: dict[str, dict[Any, Any]] = {}
        for member in members:
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
