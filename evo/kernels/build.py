"""Compiles the kernels, for this machine's processor or for a level of many (evo/kernels/processor.py).

The library is compiled once (about two seconds) and kept in the user's cache folder, under a name made
of what it depends on: sources, generated headers, flags, $CC and processor. So a machine that has it needs no
compiler. Its own digest follows it in the file (the loader ignores what comes after the library): a file that
a full disk or a crash damaged is compiled anew.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from evo.errors import EvonumError
from evo.kernels import processor
from evo.kernels.headers import generated_headers

NATIVE = "native"
"""The processor that this is, for `-march=`."""
FLAGS = (
    *("-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"),
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


class NoCompilerError(BuildError):
    """There is none."""


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
    raise NoCompilerError(
        "No C compiler found (tried $CC, gcc, cc, clang). evonum compiles its kernels for your "
        "processor: install gcc, or set CC to a compiler."
    )


def cache_folder() -> Path:
    """Where compiled code is kept: $EVONUM_CACHE, else evonumerics in the user's cache folder.

    Raises:
        BuildError: none is named, and the user has no home.
    """
    if base := os.environ.get("EVONUM_CACHE"):
        return Path(base)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evonumerics"
    except RuntimeError:  # no HOME, and the user has no entry in the list of users
        raise BuildError(
            "There is no folder for the compiled kernels: this user has no home. "
            "Set EVONUM_CACHE to a folder that can be written."
        ) from None


def build(folder: Path | None = None, extra_flags: tuple[str, ...] = (), march: str = NATIVE) -> Path:
    """The compiled library's path; compiles if this very build does not exist yet.

    Args:
        folder: where it is kept; the cache folder by default.
        extra_flags: for the compiler, after `FLAGS`.
        march: the processor it is for, as gcc names it.

    Raises:
        BuildError: no compiler, or it refused; carries the compiler's words.
    """
    flags = (f"-march={march}", *FLAGS, *extra_flags)
    name = source_digest(*flags, os.environ.get("CC", ""), processor.identity())
    library = (folder or cache_folder()) / f"kernels-{name}.so"
    if not is_whole(library):
        make_library(library, flags)
    return library


def make_library(library: Path, flags: tuple[str, ...]) -> None:
    """Compiles to a file, which is there whole or not at all.

    Raises:
        BuildError: as `build`.
    """
    compiler = find_compiler()
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            for name, text in generated_headers().items():
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


def source_digest(*parts: str) -> str:
    """Tells apart what is compiled from other sources, or with other flags and whatever `parts` hold."""
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".h"))
    texts = [*generated_headers().values(), *STRICT, *parts, *(path.read_text() for path in sources)]
    return _digest("\0".join(texts).encode()).hex()


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


def is_whole(library: Path) -> bool:
    """Whether a file is a library as `make_library` wrote it."""
    try:
        data = library.read_bytes()
    except OSError:
        return False
    return len(data) > _DIGEST and _digest(data[:-_DIGEST]) == data[-_DIGEST:]
