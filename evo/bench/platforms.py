"""Platforms whose ops can be measured: one row each. To add one, add a row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from evo.bench.chains import MEASURED, Loops
from evo.bench.loops_c import loops_in_c
from evo.errors import EvonumError
from evo.kernels.processor import LEVELS, Level, model, supports
from evo.numbers.formats import FloatFormat
from evo.programs.ops import OPS

DTYPES = ("float32", "float64")
"""Formats that are computed in."""
FREE_SHARE = 0.01
"""Of a multiply-add's time: a program of free operations alone has a time."""


class PlatformError(EvonumError, ValueError):
    """No such platform."""


class MissingPlatformError(PlatformError):
    """This machine is another one."""

    kind = "machine"


@dataclass(frozen=True)
class Platform:
    """A row.

    Attributes:
        name: as users write it.
        lacking: what this machine lacks for it, in words; "" where it is one.
        loops: what times chains of operations.
        pipes: what operations occupy, where it is not `usual`.
        usual: the pipe of all others.
        free: operations that are part of others' instructions: they count as `FREE_SHARE` of a multiply-add.
        steps: whether steps of range reductions are measured, too, besides ops.
    """

    name: str
    lacking: Callable[[], str]
    loops: Callable[[Sequence[str], FloatFormat], Loops]
    pipes: Mapping[str, tuple[str, ...]]
    usual: str = "fma"
    free: tuple[str, ...] = ()
    steps: bool = True

    def pipe(self, operation: str) -> str:
        """What an operation occupies."""
        return next((pipe for pipe, held in self.pipes.items() if operation in held), self.usual)

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the operations that are measured."""
        return MEASURED if self.steps else tuple(op.name for op in OPS)

    def check(self) -> None:
        """Raises where this machine is no such platform.

        Raises:
            MissingPlatformError: it lacks something; one line says what.
        """
        if lacking := self.lacking():
            raise MissingPlatformError(f"Platform {self.name}: {lacking}")


def _in_c(level: Level, bits: int, *flags: str) -> tuple[Callable[[], str], Callable[..., Loops]]:
    def lacking() -> str:
        return "" if supports(level) else f"this processor ({model()}) lacks what {level.name} has."

    flags = (f"-march={level.name}", "-mtune=native", *flags)
    return lacking, partial(loops_in_c, bits=bits, flags=flags)


def _late(module: str, function: str) -> Callable[..., Any]:
    """A function of a module that takes long to import."""
    return lambda *given: getattr(import_module(f"evo.bench.{module}"), function)(*given)


_V4, _V3 = LEVELS
_X86 = {
    "divider": ("div", "sqrt", "rcp"),
    "integer": (
        *("neg", "size", "choose", "odd", "less", "plus", "minus", "flip", "half", "lift", "sink", "sign"),
        "power",
    ),
}
PLATFORMS: dict[str, Platform] = {
    row.name: row
    for row in (
        Platform("avx512", *_in_c(_V4, 512, "-mprefer-vector-width=512"), _X86),
        Platform("avx2", *_in_c(_V3, 256), _X86),
        Platform("xla", str, _late("loops_xla", "loops_in_xla"), _X86, free=("neg",), steps=False),
        Platform(
            "cuda", _late("loops_cuda", "lacking"), _late("loops_cuda", "loops_in_cuda"),
            {"conversion": ("floor", "count")}, "issue", free=("neg", "size"),
        ),
    )
}  # fmt: skip
"""A GPU's schedulers begin one instruction of a warp in a cycle, whichever pipe it is for; conversions and
roundings have a pipe that takes one in eight cycles."""


def usable(name: str | None, dtype: str) -> Platform:
    """The row of a name, of this machine; a format that ops are measured in.

    Raises:
        PlatformError: unknown, or this machine is another one.
    """
    row = find_platform(name)
    if dtype not in DTYPES:
        raise PlatformError(f"Ops are measured in {' or '.join(DTYPES)}, not {dtype[:60]!r}.")
    row.check()
    return row


def find_platform(name: str | None) -> Platform:
    """The row of a name, or the widest vectors that this machine has.

    Raises:
        PlatformError: unknown.
    """
    if name is None:
        rows = list(PLATFORMS.values())
        return next((row for row in rows if not row.lacking()), rows[0])
    if name not in PLATFORMS:
        near = get_close_matches(name, list(PLATFORMS), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise PlatformError(f"Unknown platform {name[:60]!r}; known are {', '.join(PLATFORMS)}.{hint}")
    return PLATFORMS[name]
