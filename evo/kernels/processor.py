"""This machine's processor: its features, and the levels of them that gcc has names for."""

import platform
from dataclasses import dataclass
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Level:
    """A set of features that many processors have.

    Attributes:
        name: as `-march=` has it.
        features: what a processor of this level has, as /proc/cpuinfo calls it.
    """

    name: str
    features: frozenset[str]


_V3 = frozenset(
    [
        "cx16",
        "lahf_lm",
        "popcnt",
        "ssse3",
        "sse4_1",
        "sse4_2",
        "avx",
        "avx2",
        "bmi1",
        "bmi2",
        "f16c",
        "fma",
        "abm",
        "movbe",
        "xsave",
    ]
)
LEVELS = (
    Level("x86-64-v4", _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    Level("x86-64-v3", _V3),
)
"""The best first. Source: System V Application Binary Interface, AMD64 supplement, 1.0, table 3.1."""


def identity() -> str:
    """Model and features, as text: equal where code compiled for one processor is right for the other."""
    return "".join(sorted({f"{name}: {value}\n" for name, value in _facts()})) or platform.processor()


def model() -> str:
    """The processor's name."""
    names = {value for name, value in _facts() if name == "model name"}
    return " and ".join(sorted(names)) or platform.processor() or platform.machine()


def supports(level: Level) -> bool:
    """Whether this processor has all that a level asks for."""
    found = (set(value.split()) for name, value in _facts() if name == "flags")
    return level.features <= next(found, set())


def _facts() -> list[tuple[str, str]]:
    """What /proc/cpuinfo says of kinds and features, core by core."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return []
    pairs = (line.partition(":") for line in lines)
    facts = [(name.strip(), value.strip()) for name, _, value in pairs]
    return [fact for fact in facts if fact[0] in ("model name", "flags", "Features")]
