"""Directories of searches: found and cleaned."""

from collections.abc import Iterable
from pathlib import Path

from evo.runs.directory import DirectoryError, UnwritableError
from evo.runs.housekeeping import Kept, Leftover, delete, find_searches, leftovers


def searches(folder: str | Path = ".") -> list[Kept]:
    """The searches in a folder and the folders below it; the last to change comes first.

    Raises:
        DirectoryError: no such folder.
    """
    return find_searches(Path(folder))


def clean(
    directories: Iterable[str | Path], everything: bool = False, yes: bool = False
) -> dict[Path, list[Leftover]]:
    """What can go of each search directory, or is gone.

    Args:
        directories: of searches; nothing is deleted if one of them is none.
        everything: all that a search wrote, its front and certificates too; else what only `resume` needs.
        yes: delete it.

    Raises:
        DirectoryError: no search directory, or another process runs its search.
        UnwritableError: it cannot be deleted.
    """
    asked = {Path(directory): leftovers(Path(directory), everything) for directory in directories}
    if not yes:
        return asked
    try:
        return {directory: delete(directory, everything) for directory in asked}
    except DirectoryError:  # an OSError itself
        raise
    except OSError as error:
        raise UnwritableError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
