"""The same function for usual inputs, by fewer steps: what is known of every value there need not be asked.

From an interval of x intervals of the steps' values follow, rounding being monotone, and so what comparisons
give: choices, clamps and the handling of special values fall away, and where 2^n is a normal number, two
factors of it become an addition to the exponent. Nothing is assumed but the ranges of the cores' values.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from evo.numbers.formats import FloatFormat
from evo.programs.floats import functions_on
from evo.reductions.reduction import Reduction
from evo.reductions.steps import Step, find_step

LEAST_REACH = 8.0
"""A largest usual |x| below this would leave too many inputs out, but where the function ends before."""
MOST_LEAST = 4.0
"""A least usual x above this would, too."""
_SPLITS = 8
"""Largest |x| that are tried from 8 to 256: this many from one power of two to the next."""
_LEASTS = (0.0, 2.0**-60, 2.0**-12)
"""Least |x| that are tried."""
_MONOTONE = ("add", "sub", "mul", "fma", "residual", "div", "rcp", "sqrt", "floor", "neg")
"""Whose results lie between those at the corners of their operands' intervals."""
_SLOW = {
    "div": 18.0, "rcp": 10.0, "sqrt": 12.0, "choose": 2.0, "count": 2.0,
    "bits": 0.0, "float": 0.0, "size": 0.0,
}  # fmt: skip
"""What steps take beside 1 for the others, roughly, on GPUs; only orders what is usual."""


class Usual(NamedTuple):
    """Which inputs, and how.

    Attributes:
        lo: of x.
        hi: of x.
        least: of |x|; 0 if all numbers are usual that are small enough.
        reduction: the function by fewer steps, right for these x.
    """

    lo: float
    hi: float
    least: float
    reduction: Reduction

    @property
    def symmetric(self) -> bool:
        """Whether -x is usual where x is."""
        return self.lo == -self.hi


class Range(NamedTuple):
    """Between which numbers a value lies, none of them NaN; of bits, between which integers."""

    lo: float
    hi: float


Known = Range | bool | None
"""Of a value: a range, of a comparison its outcome; None where nothing is known."""


def usual(
    reduction: Reduction, cores: Mapping[str, Range], fmt: FloatFormat, asking: float = 1,
    pieces: bool = False,
) -> Usual | None:  # fmt: skip
    """The usual inputs that save most, and the steps for them; None if nothing is saved.

    Args:
        reduction: a function.
        cores: ranges of the cores' values, by name.
        fmt: of every value.
        asking: what it takes to ask whether an input is usual, in steps.
        pieces: whether, of a function of positive numbers, those beyond the last of its pieces may be usual.
    """
    best, least_cost = None, _cost(reduction.steps)
    for low, tops, least in _candidates(reduction, fmt, pieces):

        def at(top: float, low: float | None = low, least: float = least) -> tuple[float, Usual]:
            lo = -top if low is None else low
            shorter = _Specialised(reduction, cores, fmt, lo, top, least).shorter()
            return _cost(shorter.steps) + asking + (low is not None or least > 0), Usual(
                lo, top, least, shorter
            )

        cost, found = at(tops[0])
        if cost < least_cost:  # what saves most is known of the fewest inputs: how many more know it?
            few, many = 0, len(tops)
            while many - few > 1:
                middle = (few + many) // 2
                as_much, wider = at(tops[middle])
                few, many = (middle, many) if as_much == cost else (few, middle)
                found = wider if few == middle else found
            best, least_cost = found, cost
    return best


def _candidates(
    reduction: Reduction, fmt: FloatFormat, pieces: bool
) -> Iterator[tuple[float | None, list[float], float]]:
    """The least x (None: the largest's opposite), largest ones, rising, and the least |x|."""
    first, last = reduction.span(fmt)
    end = min(max(abs(first), abs(last)), float(np.finfo(fmt.type).max))
    constants = reduction.constants(fmt).values()
    known = [abs(c) for c in constants if LEAST_REACH <= abs(c) < end]
    grid = [t for k in range(5 * _SPLITS + 1) if (t := float(fmt.type(2.0 ** (3 + k / _SPLITS)))) < end]
    tops = sorted({end, (near := _next(end, 0, fmt)), _next(near, 0, fmt), *known, *grid})
    lows = [max(2.0**fmt.emin, at) if first >= 0 else at for at in (first, _next(first, end, fmt))]
    if pieces and first >= 0:
        lows += [n for c in constants if first < c <= MOST_LEAST for n in (c, _next(c, end, fmt))]
    for least in _LEASTS:
        yield None, tops, least
        yield from ((low, tops, least) for low in lows if np.isfinite(low) and not (least and low > 0))


def _next(number: float, towards: float, fmt: FloatFormat) -> float:
    return float(np.nextafter(fmt.type(number), fmt.type(towards)))


def _cost(steps: tuple[Step, ...]) -> float:
    return sum(_SLOW.get(operation, 1.0) for _, operation, _ in steps)


class _Specialised:
    """The steps, one after the other, for x of such sizes."""

    def __init__(
        self, reduction: Reduction, cores: Mapping[str, Range], fmt: FloatFormat,
        lo: float, hi: float, least: float,
    ) -> None:  # fmt: skip
        self.reduction, self.cores, self.fmt = reduction, cores, fmt
        self.m = functions_on(fmt)
        self.positive = lo > 0
        self.size = Range(lo if lo > 0 else least, max(-lo, hi))
        self.constants = reduction.constants(fmt)
        self.known: dict[str, Known] = {
            name: None if c != c else Range(c, c) for name, c in self.constants.items()
        }
        self.known["x"] = Range(lo, hi)
        self.same: dict[str, str] = {}
        self.made: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.more: dict[str, int] = {}
        self.steps: list[Step] = []

    def shorter(self) -> Reduction:
        """The reduction with what is left of the steps."""
        for name, operation, args in self.reduction.steps:
            self._take(name, operation, tuple(self.same.get(a, a) for a in args))
        result = self.same.get("result", "result")
        needed, kept = {result}, []
        for name, operation, args in reversed(self.steps):
            if name in needed:
                needed |= set(args)
                kept.append((("result" if name == result else name), operation, args))
        rules = {name: (lambda fmt, c=c: c) for name, c in self.more.items()}
        return replace(
            self.reduction, steps=tuple(reversed(kept)), vector=(), rules={**self.reduction.rules, **rules}
        )

    def _take(self, name: str, operation: str, args: tuple[str, ...]) -> None:
        self.known[name] = self._range(operation, args)
        other = self._other_name(operation, args)
        if other is not None:
            self.same[name] = other
        elif not isinstance(self.known[name], bool) and not self._scaled(name, operation, args):
            self._add(name, operation, args)

    def _add(self, name: str, operation: str, args: tuple[str, ...]) -> None:
        self.made[name] = operation, args
        self.steps.append((name, operation, args))

    def _other_name(self, operation: str, args: tuple[str, ...]) -> str | None:
        """The value that this one is, bit for bit."""
        known = [self.known[a] for a in args]
        if operation == "choose" and isinstance(known[0], bool):
            return args[1 if known[0] else 2]
        if operation in ("atleast", "atmost"):
            a, b = (_mirrored(r) if operation == "atmost" else r for r in known)
            if isinstance(a, Range) and isinstance(b, Range):
                return args[0] if a.lo >= b.hi else args[1] if a.hi < b.lo else None
        if operation == "add" and self._is(args[1], 0.0) and self.made.get(args[0], ("",))[0] == "count":
            return args[0]
        if operation == "mul" and self._is(args[1], 1.0):
            return args[0]
        return "x" if operation == "size" and args == ("x",) and self.positive else None

    def _is(self, name: str, number: float) -> bool:
        return self.constants.get(name) == number and np.signbit(self.constants[name]) == np.signbit(number)

    def _range(self, operation: str, args: tuple[str, ...]) -> Known:
        known = [self.known[a] for a in args]
        kind, _, core = operation.partition(".")
        if kind == "core":
            return self.cores.get(core or kind)
        if operation == "choose":
            if isinstance(known[0], bool):
                return known[1 if known[0] else 2]
            return _hull(known[1], known[2])
        if operation == "size" and args == ("x",):
            return self.size
        if operation in ("atleast", "atmost"):
            one, other = known
            if not (isinstance(one, Range) and isinstance(other, Range)):
                return None
            best = max if operation == "atleast" else min
            return Range(best(one.lo, other.lo), best(one.hi, other.hi))
        ranges = [r for r in known if isinstance(r, Range)]
        if len(ranges) < len(known):
            return None
        if operation in _MONOTONE:
            return self._corners(operation, ranges)
        found = getattr(self, f"_{operation}", None)
        return found(*ranges) if found else None

    def _corners(self, operation: str, ranges: list[Range]) -> Range | None:
        """Of an operation that rounding leaves monotone in each operand."""
        if operation in ("div", "rcp") and ranges[-1].lo <= 0 <= ranges[-1].hi:
            return None
        corners = np.array(list(product(*ranges)), self.fmt.type).T
        with np.errstate(all="ignore"):
            got = np.asarray(find_step(operation).on_floats(self.m, *corners), self.fmt.type)
        return None if np.isnan(got).any() else Range(float(got.min()), float(got.max()))

    def _size(self, a: Range) -> Range:
        ends = abs(a.lo), abs(a.hi)
        return Range(0.0 if a.lo <= 0 <= a.hi else min(ends), max(ends))

    def _below(self, a: Range, b: Range) -> bool | None:
        return True if a.hi < b.lo else False if a.lo >= b.hi else None

    _less = _below

    def _bits(self, a: Range) -> Range | None:
        if a.lo <= 0:
            return None
        lo, hi = (int(np.asarray(self.fmt.type(e)).view(self.fmt.unsigned)) for e in a)
        return Range(lo, hi)

    def _float(self, a: Range) -> Range | None:
        lo, hi = (float(np.asarray(self.fmt.unsigned(e)).view(self.fmt.type)) for e in a)
        return Range(lo, hi) if 0 <= lo <= hi < np.inf else None

    def _wrapped(self, lo: float, hi: float) -> Range | None:
        """Unsigned integers, if all of them wrap alike."""
        turns = int(lo) >> self.fmt.bits
        if turns != int(hi) >> self.fmt.bits:
            return None
        return Range(int(lo) - (turns << self.fmt.bits), int(hi) - (turns << self.fmt.bits))

    def _plus(self, a: Range, b: Range) -> Range | None:
        return self._wrapped(a.lo + b.lo, a.hi + b.hi)

    def _minus(self, a: Range, b: Range) -> Range | None:
        return self._wrapped(a.lo - b.hi, a.hi - b.lo)

    def _half(self, a: Range) -> Range:
        return Range(int(a.lo) >> 1, int(a.hi) >> 1)

    def _sink(self, a: Range) -> Range | None:
        if a.hi >= 1 << self.fmt.bits - 1:
            return None
        return Range(int(a.lo) >> self.fmt.digits - 1, int(a.hi) >> self.fmt.digits - 1)

    def _count(self, a: Range) -> Range | None:
        return a if a.hi < 1 << self.fmt.digits else None

    def _power(self, a: Range) -> Range | None:
        """Normal numbers alone."""
        if not 1 <= a.lo <= a.hi <= 2 * self.fmt.bias:
            return None
        return Range(2.0 ** (a.lo - self.fmt.bias), 2.0 ** (a.hi - self.fmt.bias))

    def _scaled(self, name: str, operation: str, args: tuple[str, ...]) -> bool:
        """Whether this is y 2^h 2^g, of which the exponent of y takes n: the same bits if all is normal."""
        if operation != "mul":
            return False
        partly, (first, second) = self.made.get(args[0], ("", ())), ("", args[1])
        if partly[0] != "mul":
            return False
        y, first = partly[1]
        h, g = self._maker(first, "power"), self._maker(second, "power")
        total = self._maker(h, "half")
        if not (total and self._maker(g, "minus") == total and self.made[g][1][1] == h):
            return False
        made = self.made.get(total, ("", ()))
        known = self.known[total]
        size = self.known[y]
        if made[0] != "minus" or not isinstance(known, Range) or not isinstance(size, Range):
            return False
        halves = known.lo // 2, known.hi - known.hi // 2
        if not 1 <= halves[0] <= halves[1] <= 2 * self.fmt.bias:
            return False  # a factor that is no normal number
        if size.lo <= 0:
            return False
        ends = math.log2(size.lo) + known.lo, math.log2(size.hi) + known.hi
        if not self.fmt.emin < ends[0] - 2 * self.fmt.bias <= ends[1] - 2 * self.fmt.bias < self.fmt.bias:
            return False
        words, offset = made[1]
        left = (int(self.constants[offset]) + 2 * self.fmt.bias) % (1 << self.fmt.bits)
        if (left << self.fmt.digits - 1) % (1 << self.fmt.bits):
            self.more["MOVED"] = left
            self._add(f"moved_{name}", "minus", (words, "MOVED"))
            words = f"moved_{name}"
        self._add(f"raised_{name}", "lift", (words,))
        self._add(f"significand_{name}", "bits", (y,))
        self._add(f"sum_{name}", "plus", (f"significand_{name}", f"raised_{name}"))
        self._add(name, "float", (f"sum_{name}",))
        return True

    def _maker(self, name: str, operation: str) -> str:
        """The first operand of the step that made it, if that is this operation."""
        made = self.made.get(name)
        return made[1][0] if made and made[0] == operation else ""


def _mirrored(a: Known) -> Known:
    return Range(-a.hi, -a.lo) if isinstance(a, Range) else a


def _hull(a: Known, b: Known) -> Range | None:
    if isinstance(a, Range) and isinstance(b, Range):
        return Range(min(a.lo, b.lo), max(a.hi, b.hi))
    return None
