"""Loops in C, compiled for a benchmark and loaded into this process."""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

from evo.kernels.build import BuildError, find_compiler

STRICT = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno")
"""What exported C is compiled with: its bits are the interpreter's."""


def library(source: str, path: Path, flags: Sequence[str], libraries: Sequence[str] = ()) -> ctypes.CDLL:
    """Compiled, and linked without -ffast-math, which would make the whole process flush subnormals.

    Args:
        source: text in C.
        path: where its files are made, without an ending.
        flags: for the compiler.
        libraries: for the linker.

    Raises:
        BuildError: no compiler, or it refuses.
    """
    path.with_suffix(".c").write_text(source)
    compiler, made = find_compiler(), path.with_suffix(".so")
    for command in (
        [*compiler, *flags, "-fPIC", "-c", f"{path}.c", "-o", f"{path}.o"],
        [*compiler, "-shared", f"{path}.o", "-o", str(made), *libraries],
    ):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise BuildError(f"{compiler[0]} could not compile what is timed:\n{run.stderr[-1000:]}")
    return ctypes.CDLL(str(made))
