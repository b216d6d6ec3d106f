"""Certificates: a proved bound with all that is needed to prove it again, as JSON.

Anyone can read one; `evo.proofs.prove.check` trusts nothing in it but the claim itself.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from evo.errors import EvonumError

FORMAT = "evonum certificate 1"
MAX_TEXT = 20_000
MAX_ROOT = 32
"""Of t in x = lo + t^root: functions such as x^(1/13) bend like a root of that degree at an end."""
MAX_CONSTANTS = 1000
MAX_CUTS = 100
MAX_FILE = 10_000_000
_DYADIC = re.compile(r"[01]|[1-9][0-9]{0,19}/[1-9][0-9]{0,19}")
_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_Decimal = Annotated[str, Field(max_length=100, pattern=r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$")]


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
    order: Annotated[int, Field(ge=2, le=200)]
    root: Annotated[int, Field(ge=1, le=MAX_ROOT)] = 1
    section: int = 0

    @property
    def at_end(self) -> bool:
        """Whether it touches an end of its section."""
        return self.lo == 0 or self.hi == 1


@dataclass(frozen=True, config=ConfigDict(strict=True))
class Certificate:
    """The claim that |error| <= bound on the whole open interval, and its proof.

    Attributes:
        program: text form.
        constants: decimal strings, exact, c1 first.
        target: the catalogue's name or an expression.
        interval: two decimal strings.
        metric: of `METRICS`.
        bound: decimal string, rounded up, in the metric's unit.
        lower: an error reached at `lower_x`, decimal string, rounded down: how tight the bound is.
        lower_x: a float64 inside the interval.
        pieces: in order, without a gap in any section.
        precision: of the balls [bits].
        versions: of the software that made it; a record only.
        cuts: exact places inside the interval where sections meet; the error there is its limit.
    """

    program: _Text
    constants: Annotated[tuple[_Text, ...], Field(max_length=MAX_CONSTANTS)]
    target: _Text
    interval: tuple[_Text, _Text]
    metric: _Text
    bound: _Decimal
    lower: _Decimal
    lower_x: Annotated[float, Field(allow_inf_nan=False)]
    pieces: Annotated[tuple[Piece, ...], Field(min_length=2, max_length=10_000)]
    precision: Annotated[int, Field(ge=32, le=4096)]
    versions: dict[str, str]
    cuts: Annotated[tuple[_Text, ...], Field(max_length=MAX_CUTS)] = ()

    @classmethod
    def of(cls, **fields: Any) -> "Certificate":
        """A certificate of the right form.

        Raises:
            CertificateError: one line with what is wrong.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise CertificateError(_first(error)) from None

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
        made = cls.of(**{**data, **_lists(data)})
        if made.digest != digest:
            raise CertificateError("The certificate was changed: its digest is another.")
        return made

    @model_validator(mode="after")
    def _covers(self) -> "Certificate":
        """The pieces are in order and leave no gap."""
        at, section = Fraction(0), 0
        for piece in self.pieces:
            if at == 1 and section < len(self.cuts):
                at, section = Fraction(0), section + 1
            if piece.section != section or piece.lo != at or piece.hi <= at:
                raise ValueError(f"they leave a gap or overlap at {at} of the interval")
            if piece.root != 1 and not piece.at_end:
                raise ValueError(f"the one at {at} has a root, but touches no end")
            at = piece.hi
        if at != 1 or section != len(self.cuts):
            raise ValueError(f"they leave a gap at {at} of the interval")
        return self


def _first(error: ValidationError) -> str:
    """What is wrong first, as one line."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:40] for part in fault["loc"]) or "pieces"
    return f"The certificate's {where}: {fault['msg'].removeprefix('Value error, ')}."


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


def versions() -> dict[str, str]:
    """What made a certificate."""
    found = {}
    for name in ("evonumerics", "python-flint"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
