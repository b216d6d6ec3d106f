"""Generates the kernels' op table, compiles the kernels for this machine's processor, loads them.

The library is compiled once (about two seconds) and kept in the user's cache folder, under a name made
of everything it depends on: sources, op table, flags, compiler and processor.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from evo.ops import OPS, Op

FLAGS = (
    *("-std=gnu11", "-O3", "-march=native", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"),
    # Sums over points may be reordered into vectors; NaN and infinity keep their meaning.
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
    "-ffp-contract=fast",
    # Where there are 512-bit vectors, the field arithmetic is a third faster with them.
    *(("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()),
)
SOURCES = Path(__file__).parent


class BuildError(RuntimeError):
    """The kernels cannot be compiled here; the message says what is missing."""


def ops_header(ops: tuple[Op, ...] = OPS) -> str:
    """The op table as C: `OPS(ROW)` applies ROW to (code, name, value, partials, field, its partials)."""

    def three(texts: tuple[str, ...]) -> list[str]:
        return [f"({text})" for text in (*texts, "0", "0")[:3]]

    def row(code: int, op: Op) -> str:
        cells = [
            str(code), op.name, f"({op.c})", *three(op.partials), f"({op.field})", *three(op.field_partials)
        ]  # fmt: skip
        return f"    ROW({', '.join(cells)}) \\"

    def table(name: str, values: list[int]) -> str:
        return f"static const int {name}[] = {{{', '.join(map(str, values))}}};"

    return "\n".join(
        [
            "/* Generated from evo/ops.py by evo/native/build.py. */",
            "#include <math.h>",
            "#define OPS(ROW) \\",
            *(row(code, op) for code, op in enumerate(ops)),
            "",
            f"enum {{ {', '.join(f'OP_{op.name.upper()}' for op in ops)}, N_OPS }};",
            "enum { " + ", ".join(f"ARITY_{code} = {op.arity}" for code, op in enumerate(ops)) + " };",
            table("ARITY", [op.arity for op in ops]),
            table("SYMMETRIC", [int(op.symmetric) for op in ops]),
            table("COST", [op.cost for op in ops]),
            table("ROOTS", [int("root(" in op.field) for op in ops]),
            table("DIVIDES", [int(op.symbol == "/") for op in ops]),
            "static double clears(int op, double a, double b, double c)",
            "{",
            "    (void)a, (void)b, (void)c;",
            "    switch (op) {",
            *(f"    case {code}: return {op.clears};" for code, op in enumerate(ops)),
            "    }",
            "    return 0.0;",
            "}",
            "",
        ]
    )


def _compiler() -> str:
    for name in (os.environ.get("CC"), "gcc", "cc", "clang"):
        if name and (path := shutil.which(name)):
            return path
    raise BuildError(
        "No C compiler found (tried $CC, gcc, cc, clang). evonum compiles its kernels for your "
        "processor: install gcc, or set CC to a compiler."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def cache_folder() -> Path:
    """Where compiled code is kept: $EVONUM_CACHE, else evonumerics in the user's cache folder."""
    base = os.environ.get("EVONUM_CACHE")
    return (
        Path(base)
        if base
        else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evonumerics"
    )


def build(folder: Path | None = None, extra_flags: tuple[str, ...] = ()) -> Path:
    """The compiled library's path; compiles if this very build does not exist yet.

    Raises:
        BuildError: no compiler, or it refused; carries the compiler's words.
    """
    compiler, flags, header = _compiler(), (*FLAGS, *extra_flags), ops_header()
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".h"))
    parts = [header, *flags, compiler, version, _processor(), *(path.read_text() for path in sources)]
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=10).hexdigest()
    library = (folder or cache_folder()) / f"kernels-{digest}.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            (Path(scratch) / "ops.h").write_text(header)
            output = Path(scratch) / "kernels.so"
            command = [compiler, *flags, "-I", scratch, str(SOURCES / "kernels.c"), "-o", str(output), "-lm"]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                raise BuildError(f"{compiler} could not compile the kernels:\n{run.stderr[-2000:]}")
            output.replace(library)  # atomic: a second process never loads half a file
    except OSError as error:
        raise BuildError(
            f"The compiled kernels cannot be kept in {library.parent}: {error.strerror}. "
            "Set EVONUM_CACHE to a folder that can be written."
        ) from None
    return library


@cache
def kernels() -> ctypes.CDLL:
    """The loaded library, compiled first if need be.

    Raises:
        BuildError: as `build`.
    """
    library = ctypes.CDLL(str(build()))
    library.fit.restype = ctypes.c_int64
    library.offspring.restype = ctypes.c_int64
    library.mutation_name.restype = ctypes.c_char_p
    library.mutation_weight.restype = ctypes.c_double
    return library
