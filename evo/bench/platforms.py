"""Platforms whose ops can be measured: one row each. To add one, add a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from evo.errors import EvonumError
from evo.kernels.processor import LEVELS, Level, model, supports

DTYPES = ("float32", "float64")
"""Formats that are computed in."""


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
        level: what the processor must have, as gcc names it.
        bits: of a vector.
        flags: for the compiler, besides those of exported C.
        pipes: what operations occupy, where it is not the pipe of multiply-adds.
    """

    name: str
    level: Level
    bits: int
    flags: tuple[str, ...]
    pipes: Mapping[str, tuple[str, ...]]

    def pipe(self, operation: str) -> str:
        """What an operation occupies."""
        return next((pipe for pipe, held in self.pipes.items() if operation in held), "fma")

    def check(self) -> None:
        """Raises where this machine is no such platform.

        Raises:
            MissingPlatformError: it lacks something; one line says what.
        """
        if not supports(self.level):
            raise MissingPlatformError(
                f"Platform {self.name}: this processor ({model()}) lacks what {self.level.name} has."
            )


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
        Platform("avx2", _V3, 256, ("-march=x86-64-v3", "-mtune=native"), _X86),
        Platform(
            "avx512", _V4, 512, ("-march=x86-64-v4", "-mtune=native", "-mprefer-vector-width=512"), _X86
        ),
    )
}


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
        rows = sorted(PLATFORMS.values(), key=lambda row: -row.bits)
        return next((row for row in rows if supports(row.level)), rows[-1])
    if name not in PLATFORMS:
        near = get_close_matches(name, list(PLATFORMS), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise PlatformError(f"Unknown platform {name[:60]!r}; known are {', '.join(PLATFORMS)}.{hint}")
    return PLATFORMS[name]
