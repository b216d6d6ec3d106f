"""Kernels compiled ahead for levels of a processor: what the wheel carries, for machines without a compiler.

`make wheel` has them made beside the sources. A file's name tells what it was compiled from, so that sources
that changed since do not meet it.
"""

from pathlib import Path

from evo.kernels.build import FLAGS, SOURCES, is_whole, make_library, source_digest
from evo.kernels.processor import LEVELS, Level, supports

FOLDER = SOURCES
"""Where the libraries are."""


def prebuilt(level: Level) -> Path:
    """Where the library of a level is, if it was made."""
    return FOLDER / f"kernels-{level.name}-{source_digest(*_flags(level))}.so"


def best() -> Level | None:
    """The highest level that this processor has and whose library was made; None if there is none."""
    return next((level for level in LEVELS if supports(level) and is_whole(prebuilt(level))), None)


def make_all() -> None:
    """Makes the libraries of all levels, and removes those of other sources.

    Raises:
        BuildError: no compiler for them, or it refused.
    """
    for old in FOLDER.glob("kernels-*.so"):
        old.unlink()
    for level in LEVELS:
        make_library(prebuilt(level), _flags(level))


def _flags(level: Level) -> tuple[str, ...]:
    return f"-march={level.name}", *FLAGS


if __name__ == "__main__":
    make_all()
