"""Range reduction: from cores on short intervals to a function on all floats, as data.

A `Reduction` is straight-line code over the operations of evo/reductions/steps.py that calls one core or
more; which functions have some, and several of one function, says evo/reductions/table.py. Written as text, a
step is `name = operation operand operand`; operands are x, earlier values, or constants (upper case), for
which rules say what they are in a format (evo/reductions/rules.py).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from evo.errors import EvonumError
from evo.numbers.formats import FloatFormat, ulp
from evo.programs.floats import compute, evaluate, functions_on
from evo.programs.program import Program
from evo.reductions.rules import Rule, numbers
from evo.reductions.steps import Step, find_step
from evo.targets.catalogue import CATALOGUE
from evo.targets.expression import Expression, parse_expression


class ReductionError(EvonumError, ValueError):
    """A member that no row can extend; one line."""


class Core(NamedTuple):
    """What a program approximates.

    Attributes:
        function: of the catalogue, or an expression of x.
        lo: lower end, an expression.
        hi: upper end.
        name: what steps call it: `core.NAME`, or plainly `core`.
    """

    function: str
    lo: str
    hi: str
    name: str = "core"


class Tail(NamedTuple):
    """Where an ulp of the result says nothing, for the function is far smaller than what it is made of.

    Attributes:
        below: inputs below are the tail.
        size: an ulp there is at least that of this number, a power of two.
    """

    below: float
    size: float


Given = Callable[[np.ndarray], np.ndarray]
"""A core on numbers of the format."""


def written(text: str) -> tuple[Step, ...]:
    """Steps of lines `name = operation operand operand`."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, right = line.partition(" = ")
        operation, *operands = right.split()
        found.append((name, operation, tuple(operands)))
    return tuple(found)


@lru_cache(maxsize=64)
def _expression(name: str) -> Expression:
    """Of a function in the catalogue; asked for at every input."""
    return parse_expression(CATALOGUE[name].expression)


@dataclass(frozen=True, eq=False)
class Reduction:
    """One way from cores to a function.

    Attributes:
        name: of the function, in the catalogue.
        way: its name among those of the function.
        cores: what programs approximate; the first is searched by default.
        steps: the whole function; the last value is `result`.
        rules: of the steps' constants.
        span: the inputs between which the function is real and results depend on x, in a format: beyond,
            results are what `float64` has there.
        float64: the function on float64 arrays, to a few ulp, special values included; beyond what the steps
            are for, what they promise there.
        vector: steps with the same bits by instructions that some processors have (`VECTOR_STEPS`).
        bends: whether it bends too often for polynomials on parts of its span.
        remark: what else users must know.
        tail: where errors are absolute.
        only: export formats that can hold it; all of them if it is empty.
        given: cores that are known.
    """

    name: str
    way: str
    cores: tuple[Core, ...]
    steps: tuple[Step, ...]
    rules: Mapping[str, Rule] = field(repr=False)
    span: Callable[[FloatFormat], tuple[float, float]] = field(repr=False)
    float64: Callable[[Any], Any] = field(repr=False)
    vector: tuple[Step, ...] = ()
    bends: bool = False
    remark: str = ""
    tail: Tail | None = None
    only: tuple[str, ...] = ()
    given: Mapping[str, Given] = field(default_factory=dict, repr=False)

    def constants(self, fmt: FloatFormat) -> dict[str, float | int]:
        """The numbers of the steps in `fmt`: floats, and integers where bits are meant."""
        return numbers(self.rules, fmt)

    def used_constants(self, fmt: FloatFormat, steps: Iterable[Step]) -> dict[str, float | int]:
        """Those that these steps read."""
        read = {a for _, _, args in steps for a in args}
        return {name: rule(fmt) for name, rule in self.rules.items() if name in read}

    @property
    def core(self) -> Core:
        """The first core."""
        return self.cores[0]

    def evaluate(self, program: Program, constants: Any, x: Any, fmt: FloatFormat) -> np.ndarray:
        """The function op by op, as `evo.programs.floats.evaluate`; the meaning of `--full`."""
        return self.run(self.steps, lambda r: evaluate(program, constants, r, fmt), x, fmt)

    def argument(self, x: Any, fmt: FloatFormat) -> np.ndarray:
        """What the core is asked for at `x`: its inputs."""
        asked = []

        def core(r: np.ndarray) -> np.ndarray:
            asked.append(r)
            return r

        self.run(self.steps, core, x, fmt)
        return np.broadcast_to(asked[0], np.shape(x))

    def result(self, x: Any, y: Any, fmt: FloatFormat) -> np.ndarray:
        """The function at `x` where the core gives `y`."""
        return self.run(self.steps, lambda r: np.asarray(y, fmt.type), x, fmt)

    def run(self, steps: Iterable[Step], core: Given, x: Any, fmt: FloatFormat) -> np.ndarray:
        """The steps at `x`.

        Args:
            core: the one that is not `given`.
        """
        return np.asarray(self._values(steps, core, x, fmt)["result"])

    def values(self, core: Given, x: Any, fmt: FloatFormat) -> dict[str, Any]:
        """All values of the steps at `x`, and the constants, by name."""
        return self._values(self.steps, core, x, fmt)

    def _values(self, steps: Iterable[Step], core: Given, x: Any, fmt: FloatFormat) -> dict[str, Any]:
        values = self._start(x, fmt)
        _do(steps, values, fmt, self.given, core)
        return values

    def _start(self, x: Any, fmt: FloatFormat) -> dict[str, Any]:
        """x and the constants."""
        values: dict[str, Any] = {
            name: (fmt.unsigned if isinstance(known, int) else fmt.type)(known)
            for name, known in self.constants(fmt).items()
        }
        with np.errstate(invalid="ignore"):  # a NaN that signals
            values["x"] = np.asarray(x, fmt.type)
        return values

    def prepared(self, x: Any, fmt: FloatFormat) -> "Prepared":
        """What does not depend on the core, done once."""
        return Prepared.of(self, x, fmt)

    def ball(self, x: Any) -> Any:
        """The exact function on an arb."""
        return _expression(self.name).ball(x)

    def float64_at(self, x: np.ndarray) -> np.ndarray:
        """The function in float64, to a few ulp."""
        with np.errstate(all="ignore"):
            return np.asarray(self.float64(np.asarray(x, float)))

    def unit(self, x: np.ndarray, exact: np.ndarray, fmt: FloatFormat) -> np.ndarray:
        """What an ulp is at these inputs, where these are the exact values."""
        if self.tail is None:
            return ulp(exact, fmt)
        return ulp(np.where(x < self.tail.below, np.maximum(np.abs(exact), self.tail.size), exact), fmt)

    def searching(self, name: str) -> "Reduction":
        """The same with the core of this name first; "": as it is."""
        first = [core for core in self.cores if core.name == name]
        return replace(self, cores=(*first, *(core for core in self.cores if core.name != name)))

    def with_given(self, given: Mapping[str, Given]) -> "Reduction":
        """The same with all cores but the first known."""
        return replace(self, given=given)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A function at given inputs, but for its core.

    Attributes:
        after: steps that depend on the core's value.
        core: the name of that value.
        r: what the core is asked for, [inputs].
        values: what the steps read, arrays [inputs] and scalars.
        fmt: of every value.
        given: further cores.
    """

    after: tuple[Step, ...]
    core: str
    r: np.ndarray
    values: Mapping[str, Any]
    fmt: FloatFormat
    given: Mapping[str, Given]

    @classmethod
    def of(cls, reduction: Reduction, x: Any, fmt: FloatFormat) -> "Prepared":
        """The steps at `x` as far as no core is asked that is not given."""
        searched = {core.name for core in reduction.cores} - set(reduction.given)
        depends, after = set[str](), list[Step]()
        core, asked = "", ""
        for step in reduction.steps:
            name, operation, args = step
            which = operation.partition(".")[2] or operation
            if which in searched:
                core, (asked,) = name, args
                depends.add(name)
            elif depends & set(args):
                depends.add(name)
                after.append(step)
        values, x = reduction._start(x, fmt), np.asarray(x, float)
        _do((step for step in reduction.steps if step[0] not in depends), values, fmt, reduction.given)
        read = {a for _, _, args in after for a in args} - depends
        kept = {name: known for name, known in values.items() if name in read}
        return cls(tuple(after), core, np.broadcast_to(values[asked], x.shape), kept, fmt, reduction.given)

    def take(self, rows: np.ndarray) -> "Prepared":
        """These inputs."""
        values = {k: v[rows] if np.ndim(v) else v for k, v in self.values.items()}
        return replace(self, r=self.r[rows], values=values)

    def result(self, y: np.ndarray) -> np.ndarray:
        """The function where the core gives `y` [..., inputs], numbers of the format."""
        values = {**self.values, self.core: y.astype(self.fmt.type)}
        _do(self.after, values, self.fmt, self.given)
        return np.asarray(values["result"])


_functions = lru_cache(functions_on)


def _do(
    steps: Iterable[Step],
    values: dict[str, Any],
    fmt: FloatFormat,
    given: Mapping[str, Given],
    core: Given | None = None,
) -> None:
    """Adds the steps' values to those that there are."""
    m = _functions(fmt) if core is None else functions_on(fmt, core=core)
    with np.errstate(all="ignore"):
        for name, operation, args in steps:
            operands = [values[a] for a in args]
            which = operation.partition(".")[2]
            values[name] = (
                given[which](operands[0])
                if which in given
                else compute(find_step(operation), m, operands, fmt, flush=False)
            )
