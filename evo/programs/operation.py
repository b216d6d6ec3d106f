"""What an operation is to floats and to exports: ops of programs and steps of range reductions alike.

`evo.programs.ops.Op` adds what a search needs; the other rows of `evo.reductions.steps` work on bits, or are
of no use to a search. `evo.programs.floats` evaluates them all, and exports print them all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from evo.errors import EvonumError

FLOAT, BITS, TRUTH = "f", "b", "t"
"""Kinds of values: a number of the format, an unsigned integer of the format's size, and a truth value."""

STEP_LANGUAGES = ("c", "avx512", "cuda", "rust", "numpy", "jax", "triton")
"""Those that have bits, and so range reductions; "avx512" is C's vectors of that name."""
LANGUAGES = (*STEP_LANGUAGES, "sympy", "latex", "fpcore")
"""What formulas are written in."""


class OpError(EvonumError, ValueError):
    """An op that the table does not have, or a set of ops that cannot make programs."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: unique among ops and steps.
        takes: kinds of the operands, a letter each, one to three: "ff" takes two floats.
        real: the meaning, `real(m, *operands)`; `m` supplies functions of the operands' kind of number
            (`m.sqrt`). That of ops is exact on all kinds of numbers; that of other steps is on NumPy arrays,
            with `m` by `evo.programs.floats.functions_on`.
        gives: kind of the result.
        printed: how a language writes it: a template with the operands {a}, {b}, {c} and the letters of the
            format, such as {f} for C's letter of the type (`evo.exports.languages.letters`).
        rounded: the value on floats where `real` would round more than once; `m` as for `real`.
        arithmetic: whether it computes; `neg` and the like only change bits, and flush no subnormals.
    """

    name: str
    takes: str
    real: Callable[..., Any]
    gives: str = dataclass_field(default=FLOAT, kw_only=True)
    printed: Mapping[str, str] = dataclass_field(default_factory=dict, compare=False, kw_only=True)
    rounded: Callable[..., Any] | None = dataclass_field(default=None, kw_only=True)
    arithmetic: bool = dataclass_field(default=True, kw_only=True)

    @property
    def arity(self) -> int:
        """Number of operands."""
        return len(self.takes)

    def on_floats(self, m: Any, *operands: Any) -> Any:
        """The value on NumPy's floats and bits, rounded once."""
        return (self.rounded or self.real)(m, *operands)

    def template(self, language: str) -> str:
        """How `language` writes it; see `printed`.

        Raises:
            OpError: the row has no word for it.
        """
        if language not in self.printed:
            raise OpError(f"The op {self.name!r} has no form in {language!r}; add one to its row.")
        return self.printed[language]

    def write(self, language: str, operands: Sequence[str], letters: Mapping[str, object]) -> str:
        """The expression of operands with these names."""
        return self.template(language).format(**dict(zip("abc", operands, strict=False)), **letters)
