"""What goes wrong and whose fault it is: one base class, one table of exit codes."""

from typing import ClassVar

EXIT_CODES = {"input": 2, "machine": 1, "refuted": 1}
"""Exit code by kind.

input: the words or a file make no sense, here or on any machine.
machine: what is needed is not here now: a compiler, a cluster, room on the disk, a store, a port, a directory
    that nobody else uses.
refuted: what a file claims is not so.
"""


class EvonumError(Exception):
    """Something that a user can mend; its text is one line: value, place, what to do.

    Attributes:
        kind: a key of `EXIT_CODES`.
    """

    kind: ClassVar[str] = "input"

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return EXIT_CODES[self.kind]
