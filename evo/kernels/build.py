"""Generates the kernels' headers, compiles the kernels for this machine's processor, loads them.

The library is compiled once (about two seconds) and kept in the user's cache folder, under a name made
of what it depends on: sources, generated headers, flags, $CC and processor. So a machine that has it needs no
compiler. Its own digest follows it in the file (the loader ignores what comes after the library): a file that
a full disk or a crash damaged is compiled anew.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from evo.errors import EvonumError
from evo.kernels.binding import declare
from evo.kernels.layout import functions_header, layout_header
from evo.programs.ops import OPS, Op

FLAGS = (
    *("-std=gnu11", "-O3", "-march=native", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"),
    # Sums over points may be reordered into vectors; NaN and infinity keep their meaning.
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
    "-ffp-contract=fast",
    # Loops take 512-bit vectors where there are any (elements.h does anyway): offspring are 2 % faster.
    *(("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()),
)
STRICT = ("-fno-associative-math", "-fsigned-zeros", "-ffp-contract=off", "-Wno-unused-function")
"""Of strict.c, after `FLAGS`: float arithmetic as it is written; it uses a part of program.h only."""
SOURCES = Path(__file__).parent
_DIGEST = 10  # bytes


class BuildError(EvonumError, RuntimeError):
    """The kernels cannot be compiled here; the message says what is missing."""

    kind = "machine"


NOTHING = 3
"""Number of an operand that no op has: it divides by nothing."""


def ops_header(ops: tuple[Op, ...] = OPS) -> str:
    """The op table as C: `OPS(ROW)` applies ROW to (code, name, value, partials, field, its partials)."""

    def three(texts: tuple[str, ...]) -> list[str]:
        return [f"({text})" for text in (*texts, "0", "0")[:3]]

    def row(code: int, op: Op) -> str:
        cells = [
            str(code), op.name, f"({op.c})", *three(op.partials), f"({op.field})", *three(op.field_adjoints)
        ]  # fmt: skip
        return f"    ROW({', '.join(cells)}) \\"

    def table(name: str, values: list[int]) -> str:
        return f"static const int {name}[] = {{{', '.join(map(str, values))}}};"

    return "\n".join(
        [
            "/* Generated from evo/programs/ops.py by evo/kernels/build.py. */",
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
            "enum { NOTHING = 3 }; /* an operand that no op has */",
            table("DIVISOR", [NOTHING if op.divisor is None else op.divisor for op in ops]),
            f"static const double NEUTRAL[] = {{{', '.join(str(op.neutral or 0.0) for op in ops)}}};",
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


def generated_headers() -> dict[str, str]:
    """Headers that the kernels include and no file has, by name."""
    return {"ops.h": ops_header(), "layout.h": layout_header(), "functions.h": functions_header()}


def find_compiler() -> list[str]:
    """The compiler's command; $CC may have options."""
    named = os.environ.get("CC", "")
    try:
        given = shlex.split(named)
    except ValueError as error:
        raise BuildError(f"CC={named!r} is no command: {error}.") from None
    for words in (given, ["gcc"], ["cc"], ["clang"]):
        if words and (path := shutil.which(words[0])):
            return [path, *words[1:]]
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
    flags, generated = (*FLAGS, *extra_flags), generated_headers()
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".h"))
    named = os.environ.get("CC", "")
    parts = [*generated.values(), *flags, named, _processor(), *(path.read_text() for path in sources)]
    library = (folder or cache_folder()) / f"kernels-{_digest(chr(0).join(parts).encode()).hex()}.so"
    if _is_whole(library):
        return library
    compiler = find_compiler()
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            for name, text in generated.items():
                (Path(scratch) / name).write_text(text)
            output, strict = Path(scratch) / "kernels.so", Path(scratch) / "strict.o"
            command = [*compiler, *flags, "-I", scratch]
            _compile([*command, *STRICT, "-c", str(SOURCES / "strict.c"), "-o", str(strict)])
            _compile([*command, str(SOURCES / "kernels.c"), str(strict), "-o", str(output), "-lm"])
            data = output.read_bytes()
            output.write_bytes(data + _digest(data))
            if library.is_dir():
                shutil.rmtree(library)
            output.replace(library)  # atomic: a second process never loads half a file
    except OSError as error:
        raise BuildError(
            f"The compiled kernels cannot be kept in {library.parent}: {error.strerror}. "
            "Set EVONUM_CACHE to a folder that can be written."
        ) from None
    return library


def _compile(command: list[str]) -> None:
    """Runs the compiler.

    Raises:
        BuildError: it refused, or what it made is no library.
    """
    compiler, output = command[0], command[command.index("-o") + 1]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{compiler} could not compile the kernels:\n{run.stderr[-2000:]}")
    try:
        empty = Path(output).stat().st_size == 0
    except OSError:
        empty = True
    if empty:
        raise BuildError(
            f"{compiler} says that it compiled the kernels, but made no file. Set CC to a C compiler."
        )


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _is_whole(library: Path) -> bool:
    try:
        data = library.read_bytes()
    except OSError:
        return False
    return len(data) > _DIGEST and _digest(data[:-_DIGEST]) == data[-_DIGEST:]


def load(path: Path) -> ctypes.CDLL:
    """A compiled library, whose functions know what they take.

    Raises:
        BuildError: it is no library of this machine.
    """
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(
            f"The compiled kernels do not load ({error}). Set CC to a C compiler for this machine."
        ) from None
    declare(library)
    return library


@cache
def kernels() -> ctypes.CDLL:
    """The loaded library, compiled first if need be.

    Raises:
        BuildError: as `build` and `load`.
    """
    return load(build())
