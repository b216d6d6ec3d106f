"""The non-dominated front of a search: the best formula at each cost.

A front's members are plain data, in the form of front.json: anyone can recompute a member's error from
its object alone.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from evo.files import open_regular, write_atomically
from evo.fronts.schema import VERSION, FrontError, read_member
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.floats import evaluate
from evo.programs.piece import Piece
from evo.programs.program import Program, ProgramError, parse
from evo.targets.metric import ULP
from evo.targets.points import Points
from evo.targets.target import Target

_GAIN = 0.999
"""An error that is more than this share of another is shown, and counts, as the same."""


@dataclass(frozen=True)
class Member:
    """One formula of a front, as front.json has it.

    Attributes:
        ops: number of operations (weighted by their cost).
        target: the catalogue's name or the user's expression.
        interval: two decimal strings; the error is the supremum over the open interval.
        metric: of `METRICS`.
        formula: the program in one line.
        program: its text form, one instruction a line.
        constants: decimal strings, c1 first; exact.
        sampled_error: max error of exactly these constants in real arithmetic, at many points and
            refined between them.
        polished_error: the same at the optimal constants, or None if not polished.
        proved_bound: a rigorous bound on the whole interval, or None if not proved.
        worst_x: where the sampled error is.
        seconds_to_find: search time when it was found [s].
        dtype: "real", or the arithmetic that the program runs in (a row of `ARITHMETICS`): then constants
            are hexadecimal numbers of its format, and the sampled error is that of float results.
        full: whether it is the core of a function on all floats, and the error that of the function.
        way: which of the function's range reductions, where it is not the first for the interval.
        core: which of the reduction's cores the program is, where it is not the first.
        given: further cores of the function, which the error has as they are.
        require: what every input was asked for and satisfies (evo/floats/requirements.py), as users write it.
        cost: predicted time of the program [ns] on the platform that the search was for, loads and stores
            left out; None where the front is of ops.
    """

    ops: int
    target: str
    interval: tuple[str, str]
    metric: str
    formula: str
    program: str
    constants: tuple[str, ...]
    sampled_error: float
    polished_error: float | None
    proved_bound: float | None
    worst_x: float
    seconds_to_find: float
    dtype: str = REAL
    full: bool = False
    way: str = ""
    core: str = ""
    given: tuple[Piece, ...] = ()
    require: tuple[str, ...] = ()
    cost: float | None = None

    @property
    def price(self) -> float:
        """What fronts hold against errors: the predicted time, or ops."""
        return self.ops if self.cost is None else self.cost

    @property
    def label(self) -> str:
        """Such as `ops-05`, or `ops-05-0.123ns`: of members of a front, no two have the same."""
        return f"ops-{self.ops:02d}" + ("" if self.cost is None else f"-{self.cost:.4g}ns")

    def __call__(self, x: Any) -> np.ndarray:
        """The formula at an array of inputs, op by op in float64 or its own format; an fma rounds once."""
        fmt = FLOAT_FORMATS["float64"] if self.dtype == REAL else find_arithmetic(self.dtype).computes
        return evaluate(self.code, self.constants, x, fmt)

    @property
    def code(self) -> Program:
        """The program."""
        return parse(self.program)

    @property
    def function(self) -> Target:
        """What it approximates, and where; absolutely where errors are in ulp, which are those of floats."""
        return Target(self.target, *self.interval, "absolute" if self.metric == ULP else self.metric)

    def to_object(self) -> dict[str, Any]:
        """The entry of front.json; what is of float arithmetic stands there only where there is some."""
        entries = asdict(self)
        if self.dtype == REAL:
            del entries["dtype"], entries["full"]
        for name in ("way", "core", "given", "require", "cost"):
            if not entries[name]:
                del entries[name]
        if self.given:
            entries["given"] = [piece._asdict() for piece in self.given]
        return entries


@dataclass(frozen=True)
class Front(Sequence[Member]):
    """Members by ops (or predicted time, where they have one), each of less error than those before it."""

    members: tuple[Member, ...]

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: Any) -> Any:
        return self.members[index]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    @classmethod
    def of(cls, members: Iterable[Member]) -> "Front":
        """The non-dominated of these, in whatever order they come."""
        kept: list[Member] = []
        for m in sorted(members, key=lambda m: (m.price, m.sampled_error, m.program, m.constants)):
            if m.sampled_error < (kept[-1].sampled_error if kept else inf):
                kept.append(m)
        return cls(tuple(kept))

    def visible(self, sought: float | None = None) -> "Front":
        """The members that are a thousandth better than the one before, or reach the error that is sought.

        A front that is added to keeps them all: which of them gain something depends on those to come.
        """
        kept: list[Member] = []
        for m in self.members:
            before = kept[-1].sampled_error if kept else inf
            reaches = sought is not None and m.sampled_error <= sought < before
            if m.dtype != REAL or m.sampled_error < _GAIN * before or reaches:
                kept.append(m)
        return Front(tuple(kept))

    def found_first(self, before: "Front") -> "Front":
        """The same front; a member no more than a thousandth better than the one before it keeps its time."""
        earlier = {m.price: m for m in before}

        def timed(m: Member) -> Member:
            first = earlier.get(m.price, m)
            same = m.sampled_error > _GAIN * first.sampled_error
            return replace(m, seconds_to_find=min(m.seconds_to_find, first.seconds_to_find)) if same else m

        return Front(tuple(timed(m) for m in self))

    def best(self, ops: int | None = None, error: float | None = None) -> Member:
        """The member of least error with at most `ops`, or the cheapest with at most `error`.

        Raises:
            FrontError: no such member (names what there is), or not exactly one condition given.
        """
        if (ops is None) == (error is None):
            raise FrontError("Ask for the best by ops or by error, one of the two.")
        if ops is not None:
            found = [m for m in self.members if m.ops <= ops]
        else:
            found = [m for m in self.members if error is not None and m.sampled_error <= error]
        if not found:
            has = ", ".join(f"{m.ops} ops {m.sampled_error:.2e}" for m in self.members) or "no members"
            raise FrontError(
                f"No formula with {f'{ops} ops' if ops is not None else f'error {error}'}; has {has}."
            )
        return found[-1] if ops is not None else found[0]

    def of_each_size(self) -> "Front":
        """Of each number of ops the member of least error: the others cost less, where there are some."""
        least = {m.ops: m for m in self.members}
        return Front(tuple(least[ops] for ops in sorted(least)))

    def to_json(self) -> str:
        """The text of front.json."""
        return json.dumps([{**m.to_object(), "version": VERSION} for m in self.members], indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Writes front.json whole or not at all."""
        write_atomically(path, self.to_json().encode())

    @classmethod
    def load(cls, path: Path) -> "Front":
        """Reads front.json.

        Raises:
            FrontError: missing, not JSON, or not a front; one line says which.
        """
        try:
            with open_regular(path) as file:
                objects = json.loads(file.read().decode())
        except OSError as error:
            raise FrontError(f"No front at {path}: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:  # not JSON, or not even text
            raise FrontError(f"{path} is not JSON: {error}.") from None
        try:
            return cls.from_objects(objects)
        except FrontError as error:
            raise FrontError(f"{path} is no front: {error}") from None

    @classmethod
    def from_objects(cls, objects: Any) -> "Front":
        """The front of parsed JSON.

        Raises:
            FrontError: not an array of objects with the members' keys; further keys are ignored.
        """
        if not isinstance(objects, list) or not all(isinstance(o, dict) for o in objects):
            raise FrontError("A front is an array of objects.")
        return cls(tuple(_member(o) for o in objects))


def _member(o: dict[str, Any]) -> Member:
    """The member of a JSON object, with every key of the right type."""
    entries = read_member(o).model_dump(exclude={"version"})
    try:
        program = parse(entries["program"])
    except ProgramError as error:
        raise FrontError(f"A member's program is none. {error}") from None
    if program.ops != entries["ops"]:
        raise FrontError(f"A member says {entries['ops']} ops, but its program has {program.ops}.")
    lists = {name: tuple(entries[name]) for name in ("interval", "constants", "require")}
    lists["given"] = tuple(_piece(piece) for piece in entries["given"])
    derived = {"formula": program.formula()}  # what is shown is the program, whatever the file calls it
    return Member(**{**entries, **lists, **derived})


def _piece(o: dict[str, Any]) -> Piece:
    try:
        parse(o["program"])
    except ProgramError as error:
        raise FrontError(f"A member's given program is none. {error}") from None
    return Piece(o["core"], o["program"], tuple(o["constants"]))


def curve(member: Member, points: Points) -> dict[str, list[float]]:
    """The signed error curve in float64, for pictures: x, error."""
    error = (member(points.x) - points.exact) * points.weight
    return {"x": points.x.tolist(), "error": error.tolist()}
