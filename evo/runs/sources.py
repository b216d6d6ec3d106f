"""Where commands take formulas from: a search directory, a file, an MLflow run, a registered model."""

import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evo.backends.backend import BACKENDS
from evo.errors import EvonumError
from evo.exports.formula import Origin
from evo.files import open_regular
from evo.fronts.fpcore import read_function
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.reading import read_members
from evo.proofs.certificate import MAX_FILE, Certificate, CertificateError
from evo.proofs.prove import Refusal, check, prove
from evo.runs.spec import OPS, SearchSpec, make_spec

REGISTERED = "models:/"
Recorded = Callable[[str], tuple[Any, Mapping[str, Any]]]
"""Of a run id or a name such as `models:/NAME@ops-07`: front.json's objects, the parameters.
LookupError if there is none, OSError if the store is away."""
_ALWAYS = ("ops", "max_ops", "time", "generations", "seed", "islands")
_OPTIONS = (*_ALWAYS, "seeds", "error", "metric", "dtype", "way", "cost_goal", "backend")
_FLAGS = ("full",)


class StoreError(EvonumError, OSError):
    """MLflow's store is away or broken, or has no room; one line says which."""

    kind = "machine"


@dataclass(frozen=True)
class Source:
    """Formulas and what is known of their search.

    Attributes:
        name: as the user gave it.
        front: the formulas.
        spec: of the search, as in spec.json; empty if unknown.
        version: of evonumerics that searched, if known.
        folder: with certificates, if there is one.
        search: the command that searched, where no specification tells.
    """

    name: str
    front: Front
    spec: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    folder: Path | None = None
    search: str | None = None

    def origin(self, member: Member) -> Origin:
        """Of one of the formulas; its certificate is that of the folder, or made now if there was a proof."""
        seed = str(self.spec.get("seed"))
        return Origin(
            source=shlex.quote(self.name),
            seed=int(seed) if seed.isdigit() else None,
            version=self.version,
            search=self.search or _command(self.spec),
            certificate=_digest(member, self.folder),
        )

    def chosen(self, ops: int | None, every: bool) -> list[Member]:
        """The members that the options name.

        Raises:
            FrontError: none, or several without `every`; lists what there is.
        """
        if not len(self.front):
            raise FrontError(f"{self.name} has no members.")
        if every or (ops is None and len(self.front) == 1):
            return list(self.front)
        there = ", ".join(str(m.ops) for m in self.front)
        if ops is None:
            raise FrontError(
                f"{self.name} has members of {there} operations: choose one by --ops, or take --all."
            )
        if not (found := [m for m in self.front if m.ops == ops]):
            raise FrontError(f"{self.name} has no member of {ops} operations; it has {there}.")
        return found[-1:]  # of several, that of the least error


def load_source(source: str, recorded: Recorded, core: str | None = None) -> Source:
    """The formulas of a directory, a file, a run id or a name such as `models:/NAME@ops-07`.

    Args:
        source: as the user gave it.
        recorded: what MLflow has.
        core: of a file of FPCores, the name or number of the one to read.

    Raises:
        FrontError: none of these; one line says what was tried.
        StoreError: nothing could be tried, as the store does not answer.
    """
    path = Path(source)
    if os.path.isfile(path):  # unlike Path.is_file, with a name that is too long, too
        return _from_file(source, read_text(path), core)
    if core is not None:
        raise FrontError(f"{source!r} is no file of FPCores: leave out --core.")
    if os.path.isdir(path):
        front, survey = Front.load(path / "front.json"), _json(path / "complete.json")
        if survey:  # evo/complete/run.py
            return Source(source, front, {}, survey.get("evonumerics"), path, survey.get("command"))
        return Source(source, front, _json(path / "spec.json"), _version(path), path)
    if path.suffix in (".json", ".fpcore", ".txt"):
        raise FrontError(f"There is no file {source!r}.")
    try:
        objects, params = recorded(source)
    except LookupError as error:
        registered = source.startswith(REGISTERED)
        kind = "registered model" if registered else "search directory, and no MLflow run either"
        raise FrontError(f"{source!r} is no {kind}: {error}") from None
    except OSError as error:
        raise StoreError(f"{source!r} cannot be looked up in MLflow: {error}") from None
    return Source(source, Front.from_objects(objects), params, params.get("version"))


def function_of_file(path: Path, core: str | None, bounded: bool) -> dict[str, Any]:
    """The target that a core of a file of FPCores is, as entries of a specification.

    Args:
        path: the file.
        core: name or number of the core; may be left out where there is one.
        bounded: whether its precondition gives the interval.

    Raises:
        FrontError: there is no such file or core, or it is no function of one argument on an interval.
    """
    if not os.path.isfile(path):
        raise FrontError(f"There is no file {str(path)!r} of FPCores.")
    try:
        found = read_function(read_text(path), core, bounded)
    except FrontError as error:
        hint = "; or give an --interval" if ":pre" in str(error) else ""
        raise FrontError(f"{str(error).removesuffix('.')}{hint}.") from None
    return {name: value for name, value in found.items() if value is not None}


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        FrontError: it cannot be read, is no text, or is larger than any certificate or front.
    """
    try:
        if (size := path.stat().st_size) > MAX_FILE:
            raise FrontError(f"{path} is too large: {size} bytes, at most {MAX_FILE} are read.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FrontError(f"{path} cannot be read: {error}") from None


def _from_file(source: str, text: str, core: str | None) -> Source:
    """Formulas of a file: bounds that it does not give are proved; its origin is taken as it says."""
    whole = core is None and text.lstrip().startswith("[")
    front = Front.load(Path(source)) if whole else read_members(text, source, core)
    proved = [m if m.proved_bound is not None else replace(m, proved_bound=_bound(m)) for m in front]
    try:
        said = json.loads(text)["origin"]
        texts = {k: str(said[k]) for k in ("seed", "version", "search") if said.get(k) is not None}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        texts = {}
    spec = {"seed": texts["seed"]} if "seed" in texts else {}
    return Source(source, Front(tuple(proved)), spec, texts.get("version"), None, texts.get("search"))


def _command(spec: Mapping[str, Any]) -> str | None:
    """The command line of a search, if its target is known; "null" and None stand for what was not given."""
    if "target" not in spec:
        return None
    words = ["evonum", "search", str(spec.get("target"))]
    given = {k: v for k, v in spec.items() if v is not None and str(v) not in ("null", "None")}
    if ends := given.get("interval"):
        words += ["--interval", *(map(str, ends) if isinstance(ends, list) else str(ends).split())]
    backend = given.get("backend")
    known = {"backend": backend} if backend in BACKENDS else {}  # the defaults depend on it
    usual = make_spec({"target": "x", **known}).settled()
    usual = usual.model_copy(update={"backend": SearchSpec.model_fields["backend"].default})
    for name in _OPTIONS:
        if name in given and (name in _ALWAYS or not _is_usual(name, given[name], usual)):
            text = str(given[name]).removesuffix(".0")
            words += [f"--{name.replace('_', '-')}", f"{text}s" if name == "time" else text]
    if given.get("cost", OPS) != OPS:
        words += ["--cost", "FILE"]
    if isinstance(required := given.get("require"), list | tuple):
        words += [word for text in required for word in ("--require", str(text))]
    words += [f"--{name}" for name in _FLAGS if str(given.get(name)) == "True"]
    said = {"target", "interval", "cost", *_OPTIONS, *_FLAGS}
    others = {k: v for k, v in given.items() if k not in said and not _is_usual(k, v, usual)}
    extra = ", ".join(f"{name}: {value}" for name, value in others.items())
    return shlex.join(words) + (f" --spec FILE ({extra})" if extra else "")


def _is_usual(name: str, value: Any, usual: SearchSpec) -> bool:
    """Whether that is what a specification has by itself, or no entry of it; MLflow has texts."""
    if name not in SearchSpec.model_fields:
        return True
    own = getattr(usual, name)
    return str(value) in (str(own), json.dumps(own)) or (isinstance(value, list) and tuple(value) == own)


def _json(path: Path) -> dict[str, Any]:
    """The object of a file; empty where there is none."""
    try:
        with open_regular(path) as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _version(directory: Path) -> str | None:
    """Of the start record."""
    try:
        with open_regular(directory / "records.jsonl") as file:
            return str(json.loads(file.readline())["params"]["version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _digest(member: Member, folder: Path | None) -> str | None:
    if member.proved_bound is None:
        return None
    if folder is not None:
        try:
            with open_regular(folder / "certificates" / f"{member.label}.json") as file:
                kept = Certificate.from_json(file.read().decode())
            if _subject(kept) == _subject(member) and float(kept.bound) == member.proved_bound:
                check(kept)
                return kept.digest
        except (OSError, UnicodeDecodeError, CertificateError):
            pass
    proof = _proof(member)
    return proof.digest if isinstance(proof, Certificate) else None


def _subject(said: Member | Certificate) -> tuple[Any, ...]:
    return said.program, said.constants, said.target, said.interval, said.metric


def _bound(member: Member) -> float | None:
    proof = _proof(member)
    return float(proof.bound) if isinstance(proof, Certificate) else None


def _proof(member: Member) -> Certificate | Refusal:
    return prove(member.code, member.constants, member.function)
