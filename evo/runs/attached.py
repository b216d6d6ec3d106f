"""What a search's last record holds of each formula beside its numbers: the proof, and C.

Whoever finds a formula in MLflow has both there, wherever the search's directory is.
"""

from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from evo.errors import EvonumError
from evo.exports.export import EXPORT_FORMATS, prepare, write
from evo.fronts.front import Front, Member
from evo.numbers.arithmetic import REAL
from evo.runs.sources import Source
from evo.runs.spec import SearchSpec


def attached(directory: Path, spec: SearchSpec, front: Front) -> dict[str, dict[str, str]]:
    """By ops, texts by the names of their files: certificate.json and C where there are such.

    Args:
        directory: of the search, with its certificates.
        spec: what was asked for; it stands in the code's comments.
        front: proved.
    """
    source = Source(str(directory), front, spec.model_dump(mode="json"), version("evonumerics"), directory)
    return {
        str(member.ops): {**_certificate(directory, member), **_code(source, member)}
        for member in front.of_each_size()
    }


def _certificate(directory: Path, member: Member) -> dict[str, str]:
    with suppress(OSError):
        if member.proved_bound is not None:
            text = (directory / "certificates" / f"{member.label}.json").read_text()
            return {"certificate.json": text}
    return {}


def _code(source: Source, member: Member) -> dict[str, str]:
    """Of a formula over the reals, in float64; one of floats would be asked every input once more."""
    if member.dtype == REAL:
        with suppress(EvonumError, OSError):
            formula = prepare(member, "float64", origin=source.origin(member))
            return {f"{formula.name}.{EXPORT_FORMATS['c'].suffix}": write([formula], "c")}
    return {}
