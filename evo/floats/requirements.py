"""What a function of floats has to satisfy at every input, beside errors: a row each, to add one, add a row.

    monotonic        results never fall where the function rises, nor rise where it falls
    odd, even        f(-x) is -f(x), or f(x), to the last bit
    exact:WHERE      the correctly rounded result at integers, at powers (of two), or at numbers (exact:0,1/2)
    within:LO,HI     results from LO to HI

A requirement looks at inputs two by two, or at single ones. Where float64 tells no difference between the
exact values of two neighbours, monotonic results do not differ.
"""

from collections.abc import Callable
from difflib import get_close_matches
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from evo.errors import EvonumError
from evo.floats.inputs import moved
from evo.floats.wanted import correct
from evo.numbers.formats import FloatFormat

MOST = 4096
"""Inputs of `exact`."""
_WHERE = ("integers", "powers")


class RequirementError(EvonumError, ValueError):
    """A requirement that makes no sense; one line."""

    def __init__(self, text: str) -> None:
        super().__init__(f"require: {text}")


class Results(NamedTuple):
    """Results and exact values at inputs two by two, float64 [..., pairs] and [pairs]; exact ones are rounded
    to float64."""

    first: np.ndarray
    second: np.ndarray
    exact: np.ndarray
    exact_of_second: np.ndarray


class Kind(NamedTuple):
    """A row.

    Attributes:
        form: as users write it.
        beside: the second input of each pair, of sorted inputs and their format; None: the same again.
        broken: which pairs break it, [..., pairs], of results, the numbers behind the colon, and the format.
        says: what a broken one is.
        numbers: how many numbers follow the colon; None: any number, or one of `integers` and `powers`.
        steps: whether it looks at steps from one input to the next: roundings break it here and there, more
            or less by the order of operations, and hardly by their constants.
    """

    form: str
    beside: Callable[[np.ndarray, FloatFormat], np.ndarray] | None
    broken: Callable[[Results, tuple[float, ...], FloatFormat], np.ndarray]
    says: str
    numbers: int | None = 0
    steps: bool = False


def _next(x: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    return moved(x, np.ones(len(x), np.int64), fmt)


def _opposite(x: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    return -x


def _other_way(y: Results, numbers: tuple[float, ...], fmt: FloatFormat) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # of infinities
        step, wanted = y.second - y.first, y.exact_of_second - y.exact
    return np.asarray(((wanted >= 0) & (step < 0)) | ((wanted <= 0) & (step > 0)))


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays have the same numbers, or NaN both."""
    return np.asarray(((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b)))


def _not_right(y: Results, numbers: tuple[float, ...], fmt: FloatFormat) -> np.ndarray:
    return ~_same(y.first, correct(y.exact, fmt))


KINDS: dict[str, Kind] = {
    "monotonic": Kind("monotonic", _next, _other_way, "steps go the wrong way", steps=True),
    "odd": Kind("odd", _opposite, lambda y, *_: ~_same(y.second, -y.first), "inputs with f(-x) unlike -f(x)"),
    "even": Kind("even", _opposite, lambda y, *_: ~_same(y.second, y.first), "inputs with f(-x) unlike f(x)"),
    "exact": Kind(
        "exact:integers, exact:powers or exact:0,1/2", None, _not_right,
        "of these results are not correctly rounded", None,
    ),
    "within": Kind(
        "within:LO,HI", None, lambda y, ends, _: ~((y.first >= ends[0]) & (y.first <= ends[1])),
        "results are outside", 2,
    ),
}  # fmt: skip


class Requirement(NamedTuple):
    """A row with its numbers.

    Attributes:
        text: as the user wrote it.
        name: of the row.
        numbers: those behind the colon.
        where: or the word there.
    """

    text: str
    name: str
    numbers: tuple[float, ...] = ()
    where: str = ""

    @property
    def kind(self) -> Kind:
        """The row."""
        return KINDS[self.name]

    @property
    def names_inputs(self) -> bool:
        """Whether it looks at inputs of its own alone."""
        return self.kind.numbers is None

    def inputs(self, x: np.ndarray, lo: float, hi: float, fmt: FloatFormat) -> np.ndarray:
        """The inputs that it looks at, of these, or the ones that it names.

        Args:
            x: inputs of the format, sorted.
            lo: end of the function's interval, which may be an input itself.
            hi: likewise.

        Raises:
            RequirementError: a number that it names is no input; or there are none, or too many.
        """
        if not self.names_inputs:
            return x
        found = np.array(self.numbers) if not self.where else _named(self.where, lo, hi, fmt)
        if off := [n for n in self.numbers if float(fmt.type(n)) != n or not lo <= n <= hi]:
            raise RequirementError(f"{self.text}: {off[0]:.9g} is no {fmt.name} from {lo:.9g} to {hi:.9g}")
        if not 0 < len(found) <= MOST:
            raise RequirementError(f"{self.text} are {len(found):,} inputs; 1 to {MOST:,} are taken")
        return found


def _named(where: str, lo: float, hi: float, fmt: FloatFormat) -> np.ndarray:
    """Integers, or powers of two, of a format, from lo to hi; of integers at most one too many."""
    if where == "powers":
        sizes = np.exp2(np.arange(fmt.emin - fmt.digits + 1, fmt.bias + 1))
        found = np.concatenate([-sizes[::-1], sizes])
    else:
        first = np.ceil(max(lo, -(2.0**fmt.bias)))
        found = first + np.arange(min(np.floor(min(hi, 2.0**fmt.bias)) - first, MOST) + 1)
    with np.errstate(over="ignore"):
        return found[(found >= lo) & (found <= hi) & (found.astype(fmt.type).astype(float) == found)]


def parse_requirement(text: str) -> Requirement:
    """A requirement as users write it.

    Raises:
        RequirementError: unknown, or its numbers are none; says what there is.
    """
    name, colon, rest = text.partition(":")
    if name not in KINDS:
        near = get_close_matches(name, KINDS, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        forms = "; ".join(kind.form for kind in KINDS.values())
        raise RequirementError(f"unknown {text[:60]!r}; there are {forms}.{meant}")
    kind = KINDS[name]
    if kind.numbers is None and rest in _WHERE:
        return Requirement(text, name, where=rest)
    try:
        numbers = tuple(_number(word) for word in rest.split(",")) if colon else ()
    except (ValueError, ArithmeticError):
        numbers = ()
    least, most = (1, MOST) if kind.numbers is None else (kind.numbers, kind.numbers)
    if not least <= len(numbers) <= most or (colon and not most):
        raise RequirementError(f"expected {kind.form}, got {text[:60]!r}")
    if name == "within" and not numbers[0] < numbers[1]:
        raise RequirementError(f"{text[:60]}: the lower number comes first")
    return Requirement(text, name, numbers)


def _number(word: str) -> float:
    """A fraction or a decimal, or an infinity."""
    word = word.strip()
    return float(word) if word in ("inf", "-inf") else float(Fraction(word))
