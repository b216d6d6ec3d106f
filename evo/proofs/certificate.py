"""Certificates: a proved bound with all that is needed to prove it again, as JSON.

Anyone can read one; `evo.proofs.prove.check` trusts nothing in it but the claim itself.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from evo.errors import EvonumError

FORMAT = "evonum certificate 1"
MAX_TEXT = 20_000
MAX_ROOT = 32
"""Of t in x = lo + t^root: functions such as x^(1/13) bend like a root of that degree at an end."""
MAX_CONSTANTS = 1000
MAX_CUTS = 100
MAX_FILE = 10_000_000
_BOUND = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_DYADIC = re.compile(r"[01]|[1-9][0-9]{0,19}/[1-9][0-9]{0,19}")


class CertificateError(EvonumError, ValueError):
    """A certificate that cannot be read, or that does not hold; one line."""


class Piece(NamedTuple):
    """A part of a section on which the bound is proved at once.

    A section is the interval, or what lies between two neighbours among its ends and its cuts.

    Attributes:
        lo, hi: its ends as parts of the section, from 0 to 1.
        order: of the Taylor model.
        root: m in x = lo + t^m or hi - t^m, on a piece at an end.
        section: which one, from the left.
    """

    lo: Fraction
    hi: Fraction
    order: int
    root: int = 1
    section: int = 0

    @property
    def at_end(self) -> bool:
        """Whether it touches an end of its section."""
        return self.lo == 0 or self.hi == 1


@dataclass(frozen=True)
class Certificate:
    """The claim that |error| <= bound on the whole open interval, and its proof.

    Attributes:
        program: text form.
        constants: decimal strings, exact, c1 first.
        target: the catalogue's name or an expression.
        interval: two decimal strings.
        metric: "relative" or "absolute".
        bound: decimal string, rounded up, in the metric's unit.
        lower: an error reached at `lower_x`, decimal string, rounded down: how tight the bound is.
        lower_x: a float64 inside the interval.
        pieces: in order, without a gap in any section.
        precision: of the balls [bits].
        versions: of the software that made it; a record only.
        cuts: exact places inside the interval where sections meet; the error there is its limit.
    """

    program: str
    constants: tuple[str, ...]
    target: str
    interval: tuple[str, str]
    metric: str
    bound: str
    lower: str
    lower_x: float
    pieces: tuple[Piece, ...]
    precision: int
    versions: dict[str, str]
    cuts: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of all the rest, against accidents: whoever tampers can renew it."""
        return hashlib.sha256(json.dumps(self._plain(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps({**self._plain(), "digest": self.digest}, indent=1) + "\n"

    def _plain(self) -> dict[str, Any]:
        pieces = [[str(p.lo), str(p.hi), p.order, p.root] for p in self.pieces]
        plain = {"format": FORMAT, **asdict(self), "pieces": pieces}
        return plain if self.cuts else {name: value for name, value in plain.items() if name != "cuts"}

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """The certificate of `to_json`, of the right form; `evo.proofs.prove.check` tells whether it holds.

        Raises:
            CertificateError: one line with what is wrong.
        """
        if len(text) > MAX_FILE:
            raise CertificateError(f"A certificate has at most {MAX_FILE} characters, got {len(text)}.")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CertificateError(f"A certificate is JSON: {str(error)[:200]}.") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CertificateError(f"A certificate is an object with the format {FORMAT!r}.")
        digest = data.pop("digest", None)
        del data["format"]
        for name in cls.__dataclass_fields__:
            if name not in data and name != "cuts":
                raise CertificateError(f"The certificate lacks {name!r}.")
        if unknown := sorted(set(data) - set(cls.__dataclass_fields__)):
            raise CertificateError(f"A certificate has no {unknown[0][:40]!r}.")
        made = cls(**{**data, **_lists(data)})
        made.check_form()
        if made.digest != digest:
            raise CertificateError("The certificate was changed: its digest is another.")
        return made

    def check_form(self) -> None:
        """Sizes, types, and that the pieces cover the interval.

        Raises:
            CertificateError: one line with what is wrong.
        """
        texts = (self.program, self.target, self.metric, *self.interval, *self.constants, *self.cuts)
        numbers = (self.bound, self.lower)
        for wrong, message in (
            (not all(isinstance(t, str) and len(t) <= MAX_TEXT for t in texts), "a text that is none"),
            (len(self.constants) > MAX_CONSTANTS, "too many constants"),
            (len(self.cuts) > MAX_CUTS, "too many cuts"),
            (len(self.interval) != 2, "an interval without two ends"),
            (
                not all(isinstance(n, str) and len(n) <= 100 and _BOUND.fullmatch(n) for n in numbers),
                "a bound that is no number",
            ),
            (not isinstance(self.lower_x, float) or not math.isfinite(self.lower_x), "a bad lower_x"),
            (not _is_count(self.precision, 32, 4096), "a precision out of 32 to 4096"),
            (not _is_flat(self.versions), "versions that are no object of texts"),
            (not 2 <= len(self.pieces) <= 10_000, "too few or too many pieces"),
        ):
            if wrong:
                raise CertificateError(f"The certificate has {message}.")
        at, section = Fraction(0), 0
        for piece in self.pieces:
            if at == 1 and section < len(self.cuts):
                at, section = Fraction(0), section + 1
            if piece.section != section or piece.lo != at or piece.hi <= at:
                raise CertificateError(f"The pieces leave a gap or overlap at {at} of the interval.")
            if not (
                _is_count(piece.order, 2, 200) and _is_count(piece.root, 1, MAX_ROOT if piece.at_end else 1)
            ):
                raise CertificateError(f"The piece at {at} of the interval has a bad order or root.")
            at = piece.hi
        if at != 1 or section != len(self.cuts):
            raise CertificateError(f"The pieces leave a gap at {at} of the interval.")


def _lists(data: dict[str, Any]) -> dict[str, Any]:
    """The members that JSON has as arrays."""
    for name in ("constants", "interval", "pieces", "cuts"):
        if not isinstance(data.get(name, []), list):
            raise CertificateError(f"The certificate's {name} are no array.")
    return {
        "constants": tuple(data["constants"]),
        "interval": tuple(data["interval"]),
        "pieces": tuple(_pieces(data["pieces"])),
        "cuts": tuple(data.get("cuts", ())),
    }


def _pieces(items: list[Any]) -> Iterator[Piece]:
    """The pieces, each section beginning at 0."""
    section = 0
    for n, item in enumerate(items):
        piece = _piece(item)
        section += n > 0 and piece.lo == 0
        yield piece._replace(section=section)


def _piece(item: Any) -> Piece:
    if not (isinstance(item, list) and len(item) == 4) or not all(
        isinstance(text, str) and _DYADIC.fullmatch(text) for text in item[:2]
    ):
        raise CertificateError(f"A piece is [from, to, order, root], got {str(item)[:60]!r}.")
    return Piece(Fraction(item[0]), Fraction(item[1]), item[2], item[3])


def _is_flat(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def _is_count(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def versions() -> dict[str, str]:
    """What made a certificate."""
    found = {}
    for name in ("evonumerics", "python-flint"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
