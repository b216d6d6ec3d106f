"""Chains that operations are measured by, and how a language writes them.

Some operations cannot follow themselves: a compiler folds them, or they give another kind of value. Those
are measured with others, whose own time is subtracted; where two go together only, each has half.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from evo.exports.languages import Language, letters
from evo.numbers.formats import FloatFormat
from evo.programs.operation import BITS, FLOAT, TRUTH
from evo.programs.ops import OPS
from evo.reductions.steps import FREE, STEPS, find_step

MEASURED = tuple(row.name for row in (*OPS, *STEPS) if row.name not in (*FREE, "core"))


class Measured(NamedTuple):
    """What an operation is measured by.

    Attributes:
        chain: operations in turn.
        less: those whose own time is subtracted.
        share: operations that have equal parts of the rest.
    """

    chain: tuple[str, ...]
    less: tuple[str, ...] = ()
    share: int = 1

    @property
    def word(self) -> str:
        """The chain's name."""
        return "_".join(self.chain)


_SINGLE = (
    *("neg", "size", "floor", "half", "lift", "sink", "sign", "power", "count", "rcp", "div"),
    *("atleast", "atmost"),
)
"""With an addition between each two, through which no compiler looks."""
_OTHERS: Mapping[str, Measured] = {
    **{name: Measured((name, "add"), ("add",)) for name in _SINGLE},
    **{name: Measured((name, "flip"), share=2) for name in ("plus", "minus")},
    "flip": Measured(("plus", "flip"), share=2),
    **{name: Measured((name, "choose", "add"), ("add",), 2) for name in ("below", "odd", "less")},
    "choose": Measured(("below", "choose", "add"), ("add",), 2),
}
"""Of operations that cannot follow themselves."""


class Loops(NamedTuple):
    """What times chains on a platform: `wide_long_WORD` and so on, and `plain_loop`, which is x + 1.

    Attributes:
        calls: each returns the time of a pass through one loop, of an element if it is wide or plain [ns].
        wide: how many more times a long chain has its operations than a short one, for throughput.
        deep: the same for latency.
        device: where they run, if it is not the processor.
    """

    calls: Mapping[str, Callable[[], float]]
    wide: int
    deep: int
    device: Mapping[str, str] = MappingProxyType({})


def measured(name: str) -> Measured:
    """What an operation is measured by."""
    return _OTHERS.get(name, Measured((name,)))


def chains(names: Sequence[str]) -> Sequence[Measured]:
    """Those that some operations need, each once."""
    needed = (measured(n) for name in names for n in (name, *measured(name).less))
    return list({one.chain: one for one in needed}.values())


def turn(chain: Sequence[str], value: str, mark: str, fmt: FloatFormat, language: Language) -> list[str]:
    """Lines that put a value through the operations, and give it its new one.

    They read the floats c and d, the bits e and the casts op_bits and op_float.
    """
    words = {**letters(fmt), "name": "op"}
    lines, now, kind = [], value, FLOAT
    for place, name in enumerate(chain):
        row = find_step(name)
        operands = [_as(row.takes[0], now, kind)]
        for k, letter in enumerate(row.takes[1:]):
            operands.append(value if row.name == "choose" and k else "e" if letter == BITS else "cd"[k])
        now, kind = f"v{mark}_{place}", row.gives
        lines.append(language.define(now, row.write(language.name, operands, words), fmt, kind))
    return [*lines, f"{value} = {_as(FLOAT, now, kind)}"]


def _as(wanted: str, value: str, kind: str) -> str:
    """A value as another kind."""
    if wanted == kind or TRUTH in (wanted, kind):
        return value
    return f"op_{'bits' if wanted == BITS else 'float'}({value})"
