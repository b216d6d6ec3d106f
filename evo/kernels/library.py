"""Which compiled kernels this process calls: those for its processor where a compiler is, else prebuilt ones.

Sums over points follow the width of vectors. So two libraries differ in the last bits of errors, and a search
repeats exactly with the same kernels only: $EVONUM_KERNELS says which.
"""

import ctypes
import os
from functools import cache
from pathlib import Path

from evo.errors import EvonumError
from evo.kernels import processor
from evo.kernels.binding import declare
from evo.kernels.build import NATIVE, BuildError, NoCompilerError, build, is_whole
from evo.kernels.prebuilt import best, prebuilt
from evo.kernels.processor import LEVELS

VARIABLE = "EVONUM_KERNELS"


class ChoiceError(EvonumError, ValueError):
    """$EVONUM_KERNELS names no kernels."""


def library_path() -> Path:
    """The library that is loaded here; compiled first if need be.

    Raises:
        BuildError: no compiler, and no prebuilt kernels for this processor; or as `build`.
        ChoiceError: $EVONUM_KERNELS asks for what there is not.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", NATIVE):
        return _of_level(asked)
    ahead = best()
    try:
        return build()
    except NoCompilerError as error:
        if ahead and asked != NATIVE:
            return prebuilt(ahead)
        raise BuildError(
            f"{error} Without one it takes evonum's wheel and a processor with AVX2 ({LEVELS[-1].name}); "
            f"this is {processor.model()}."
        ) from None
    except BuildError as error:
        if ahead is None:
            raise
        raise BuildError(f"{error}\nOr take prebuilt kernels: {VARIABLE}={ahead.name}.") from None


def _of_level(name: str) -> Path:
    level = next((level for level in LEVELS if level.name == name), None)
    if level is None:
        known = ", ".join([NATIVE, *(level.name for level in LEVELS)])
        raise ChoiceError(f"{VARIABLE}={name!r} names no kernels; there are: {known}.")
    if not processor.supports(level):
        raise BuildError(f"{VARIABLE}={name}: this processor ({processor.model()}) lacks what {name} has.")
    library = prebuilt(level)
    return library if is_whole(library) else build(march=name)


def arithmetic() -> str:
    """What results depend on in their last bits: the processor's name, and that of the kernels' library."""
    return f"{processor.model()} with {library_path().stem}"


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
    """The loaded library.

    Raises:
        BuildError, ChoiceError: as `library_path` and `load`.
    """
    return load(library_path())
