"""What goes wrong and whose fault it is: one base class, one table of exit codes."""

from typing import ClassVar

EXIT_CODES = {"input": 2, "machine": 1, "refuted": 1}
"""Exit code by kind: what the user gave is no good; what is needed is not here (a compiler, free CPUs, room
on the disk, a store); what a file claims is not so."""


class EvonumError(Exception):
    """Something that a user can mend; its text is one line: value, place, what to do.

    Attributes:
        kind: a key of `EXIT_CODES`.
    """

    kind: ClassVar[str] = "input"
