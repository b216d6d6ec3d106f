"""What evonum does, as plain functions: what the command line, Python and a service call, and nothing below.

In: words as a user has them (names of targets, directories, options of a search). Out: fronts, members,
certificates, texts; progress and questions go through a `Watcher`. What can go wrong is an `EvonumError`,
whose kind says whose fault it is (evo/errors.py).
"""

import json
import os
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo.backends.backend import BACKENDS, backend_on
from evo.bench.functions import SIZE, Timing, race_front
from evo.classical.baselines import Baseline, best_forms
from evo.classical.families import FAMILIES
from evo.complete.result import Completed
from evo.complete.run import Stage, Watch, default_name
from evo.complete.run import run as run_complete
from evo.complete.survey import STARTS
from evo.complete.words import MOST_OPS
from evo.errors import EvonumError
from evo.exports.check import Checked
from evo.exports.check import check as check_member
from evo.exports.export import EXPORT_FORMATS, ExportError, find_export, prepare, write
from evo.exports.export import export as export_members
from evo.exports.formula import Formula
from evo.exports.text import JSON_FORMAT
from evo.fronts.figures import Figures
from evo.fronts.front import Front, FrontError, Member
from evo.fronts.verify import Verified, VerifyError, false_claims, save_certificates
from evo.fronts.verify import verify as verify_member
from evo.library.checks import Rechecked, rechecked, refuse_changed
from evo.library.shelf import Point, Shipped, formula_of, rows
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.programs.ops import parse_ops
from evo.proofs.certificate import Certificate
from evo.proofs.prove import check
from evo.runs.directory import DirectoryError, UnwritableError, default_directory, locked
from evo.runs.housekeeping import Kept, Leftover, delete, find_searches, leftovers
from evo.runs.journal import Progress, Sink
from evo.runs.search import CHANGES, Search, make_problem
from evo.runs.session import QUIET, Crew, End, Opener, Watcher, run_search
from evo.runs.sources import REGISTERED, Source, StoreError, function_of_file, load_source, read_text
from evo.runs.spec import SearchSpec, SpecError, load_spec, make_spec
from evo.runs.standing import Standing, standing
from evo.runs.workers import WORKERS, WorkersError, check_address, knock
from evo.runs.yaml_file import read_mapping
from evo.targets.catalogue import CATALOGUE, CatalogueRow
from evo.targets.metric import METRICS
from evo.targets.target import Target, TargetError, make_target

__all__ = [
    "BACKENDS", "CHANGES", "EXPORT_FORMATS", "FAMILIES", "METRICS", "MOST_OPS", "STARTS", "Baseline",
    "Certificate", "Checked", "Completed", "End", "EvonumError", "Exported", "Figures", "Front", "Kept",
    "Leftover", "Member", "Point", "Progress", "SearchSpec", "Shipped", "Stage", "Standing", "Target",
    "Timing", "Verified", "Watcher", "baselines", "best_forms", "check_certificate", "check_entries",
    "check_library", "check_search", "check_source", "check_target", "clean", "cluster_trouble", "complete",
    "dashboard", "deliver", "deliver_all", "draw", "draw_timings", "drawn", "export", "export_library",
    "export_source", "front", "library", "local_sink", "read_entries", "refuse_changed", "refuse_false",
    "resume", "search", "searches", "standing", "store_of", "targets", "time_source", "undelivered", "verify",
    "verify_source",
]  # fmt: skip

SUFFIX = ".fpcore"
"""Of a file of functions in the place of a target."""
MAX_CLASSICAL = 24
"""Most ops of a classical form."""


def search(
    target: str | None = None,
    *,
    spec: str | Path | None = None,
    out: str | Path | None = None,
    core: str | None = None,
    workers: str = "ray",
    address: str | None = None,
    processes: int | None = None,
    record: bool = True,
    tracking_uri: str | None = None,
    sink: Sink | None = None,
    watcher: Watcher = QUIET,
    **entries: Any,
) -> Front:
    """Evolves formulas for `target` and returns the front.

    Args:
        target: a catalogue name, or an expression of x, or a file of functions such as SUITE.fpcore.
        core: name or number of the function in that file; may be left out where there is one.
        spec: a YAML file of entries; those given here take precedence.
        out: directory of the search; a new one under `runs` by default.
        workers: "ray", or "serial" for all islands in this process.
        address: a running Ray cluster; a local one by default.
        processes: of Ray, at most; one per CPU of the cluster by default.
        record: deliver the records to MLflow; without it they stay in the directory (see `deliver`).
        tracking_uri: of MLflow; $MLFLOW_TRACKING_URI, else mlflow.db in the current folder, by default.
        sink: takes the records instead.
        watcher: is told of progress, and may stop the search.
        entries: of `evo.runs.spec.SearchSpec`: interval, ops, metric, max_ops, time, generations, seed, ...

    Raises:
        SpecError, TargetError, OpError: the search makes no sense.
        DirectoryError: the directory holds a search already, or cannot be written.
        WorkersError, BackendError, BuildError: this machine or cluster cannot run it.
    """
    crew = _crew(workers, address, processes)
    if target is None and spec is None and "target" not in entries:
        names = ", ".join(CATALOGUE)
        raise SpecError(f"Name a target ({names}) or a --spec file")
    given = entries if target is None else {**_function(target, core, "interval" in entries), **entries}
    full = load_spec(Path(spec), given) if spec is not None else make_spec(given)
    made = Search(full, Path(out) if out is not None else default_directory(full.target, full.seed))
    with locked(made.directory):
        made.refuse_if_taken()
        opener = _opener(record, tracking_uri, sink, watcher)
        return _remembered(run_search(made, crew, opener, watcher), made.directory)


def resume(
    directory: str | Path,
    *,
    workers: str = "ray",
    address: str | None = None,
    processes: int | None = None,
    record: bool = True,
    tracking_uri: str | None = None,
    sink: Sink | None = None,
    watcher: Watcher = QUIET,
    **changes: Any,
) -> Front:
    """Goes on with the search of a directory; its front never gets worse.

    Args:
        directory: of the search.
        workers, address, processes, record, tracking_uri, sink, watcher: as for `search`.
        changes: `time`, `generations` or `error`, in place of all three of the first session's; more
            `max_ops`.

    Raises:
        DirectoryError: no such directory, or another process runs its search.
        CheckpointError: a damaged checkpoint, or none.
        SpecError, WorkersError, BackendError, BuildError: as `search`.
    """
    crew = _crew(workers, address, processes)
    if other := set(changes) - set(CHANGES):
        raise SpecError(f"A search goes on as it was: leave out {', '.join(sorted(other))}")
    checked = make_spec({"target": "x", **changes}).model_dump(include=set(changes))
    here = Path(directory)
    if not os.path.isdir(here):
        raise DirectoryError(f"No search directory {here}.")
    with locked(here):
        opener = _opener(record, tracking_uri, sink, watcher)
        return _remembered(run_search(Search.resume(here, checked), crew, opener, watcher), here)


def check_entries(entries: Mapping[str, Any]) -> SearchSpec:
    """The specification that entries make; its target is looked at by `check_target`.

    Raises:
        SpecError: names the first wrong entry, what was expected and what came.
        OpError: an unknown op.
    """
    return make_spec(entries)


def read_entries(path: str | Path) -> dict[str, Any]:
    """The entries of a specification's file, unchecked.

    Raises:
        SpecError: no such file, not YAML, not a mapping.
    """
    return read_mapping(Path(path))


def cluster_trouble(address: str) -> str | None:
    """Why no search can begin on a Ray cluster now; None if something listens there. Takes at most 3 s.

    Args:
        address: HOST:PORT.

    Raises:
        AddressError: it is none of a cluster.
    """
    check_address(address)
    try:
        knock(address)
    except WorkersError as error:
        return str(error)
    return None


def check_target(target: str, interval: tuple[str, str] | None = None, metric: str | None = None) -> Target:
    """A target that is fit to be approximated; takes milliseconds, for few functions seconds.

    Args:
        target: a catalogue name, or an expression of x.
        interval, metric: the target's own by default; (0, 1) and relative for expressions.

    Raises:
        TargetError: one line with the reason and, where one applies, the place on the interval.
    """
    return make_target(target, interval, metric)


def check_search(entries: Mapping[str, Any]) -> Target:
    """The target of a search that is not begun; behind a range reduction, that of its core.

    Raises:
        SpecError, TargetError, OpError, BackendError: as `search`.
    """
    return make_problem(make_spec(entries).settled()).target


def drawn(target: Target, points: int) -> tuple[list[float], list[float]]:
    """A function's graph: so many x in its interval, and the values there, correctly rounded.

    Raises:
        TargetError: there is no finite value at some x.
    """
    first, last = target.span
    x = first + (last / points - first / points) * np.arange(points + 1)
    x = np.clip(x, first, last)
    return x.tolist(), target.exact(x).tolist()


def _function(target: str, core: str | None, has_interval: bool) -> dict[str, Any]:
    """A target as entries of a specification: as it is, or that of a file of FPCores."""
    if core is None and not target.endswith(SUFFIX):
        return {"target": target}
    return function_of_file(Path(target), core, not has_interval)


def _crew(kind: str, address: str | None, processes: int | None) -> Crew:
    if kind not in WORKERS:
        raise SpecError(f"--workers is {' or '.join(WORKERS)}, not {kind!r}")
    if address is not None and kind == "serial":
        raise SpecError("--workers serial is this process alone: leave out --address, or --workers serial")
    if address is not None:
        check_address(address)
    if processes is not None and processes < 1:
        raise SpecError(f"--processes: at least 1, got {processes}")
    return Crew(kind, address, processes)


def _opener(record: bool, tracking_uri: str | None, sink: Sink | None, watcher: Watcher) -> Opener:
    """What opens the sink of a directory, once there is something to keep."""
    from tracking.mlflow_sink import check_address, open_sink, resolve_tracking_uri
    from tracking.sink import JsonLinesSink

    if sink is not None:
        return lambda directory: _Lent(sink)
    if not record:
        return lambda directory: JsonLinesSink(directory / "records.jsonl", watcher.says)
    try:
        check_address(resolve_tracking_uri(tracking_uri))
    except ValueError as error:
        raise SpecError(str(error)) from None
    return partial(open_sink, tracking_uri=tracking_uri, warn=watcher.says)


@dataclass(frozen=True)
class _Lent:
    """A caller's sink, which the caller closes."""

    sink: Sink

    def write(self, record: Mapping[str, Any]) -> None:
        self.sink.write(record)

    def close(self, timeout_s: float) -> None:
        pass


_FOUND: dict[Member | None, Path] = {}
"""The directories of what this process found: what a member's export says of its origin stands there."""


def _remembered(front: Front, directory: Path) -> Front:
    _FOUND.update((member, directory.resolve()) for member in front)
    return front


def local_sink(directory: Path) -> Any:
    """A sink whose store is a database in the directory itself."""
    from tracking.mlflow_sink import open_sink

    return open_sink(directory, f"sqlite:///{directory}/mlflow.db")


def front(source: str | Path, tracking_uri: str | None = None, core: str | None = None) -> Front:
    """The formulas of a search directory, a file, an MLflow run or a registered model.

    Args:
        source: which.
        tracking_uri: of MLflow.
        core: of a file of FPCores, the name or number of the one to read; the others may be anything.

    Raises:
        FrontError: `source` is none of these.
        StoreError: MLflow does not answer.
    """
    return _load(source, tracking_uri, core).front


def _load(source: str | Path, tracking_uri: str | None, core: str | None = None) -> Source:
    return load_source(str(source), partial(_recorded, tracking_uri=tracking_uri), core)


def _recorded(source: str, tracking_uri: str | None = None) -> tuple[Any, Mapping[str, Any]]:
    """What MLflow has of a run id or a registered model (evo/runs/sources.py, `Recorded`)."""
    from tracking.mlflow_sink import model_member, run_front, run_params

    if source.startswith(REGISTERED):
        return model_member(source, tracking_uri)
    return run_front(source, tracking_uri), run_params(source, tracking_uri)


def verify(member: Member) -> Verified:
    """Polishes and proves one member of a front, and bounds its error in float64.

    Raises:
        FrontError, TargetError: the member has constants that are no numbers, or no such target.
    """
    return verify_member(member)


def verify_source(
    source: str | Path,
    ops: int | None = None,
    tracking_uri: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    core: str | None = None,
) -> list[tuple[Member, Verified]]:
    """Every member of a source (or that of so many ops) as given, and with what is proved of it.

    A search directory keeps the certificates and the bounds, if the front is what it says, and if it can be
    written.

    Args:
        source, tracking_uri, core: as for `front`.
        ops: of the only member that counts.
        report: told in one line that a directory cannot be written.

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
    """
    found = front(source, tracking_uri, core)
    members = _of_ops(source, found, ops)
    pairs = [(m, verify_member(m)) for m in members]
    path = Path(source)
    if path.is_dir() and not any(one.faults for _, one in pairs):
        new = {m: one.member for m, one in pairs}
        try:
            save_certificates(path, (one for _, one in pairs))
            Front(tuple(new.get(m, m) for m in found)).save(path / "front.json")
        except OSError as error:
            report(f"{path} cannot be written ({error.strerror}): bounds and certificates are not kept.")
    return pairs


def _of_ops(source: str | Path, found: Front, ops: int | None) -> list[Member]:
    """The members of so many ops, or all.

    Raises:
        FrontError: there is none.
    """
    members = [m for m in found if ops in (None, m.ops)]
    if not members:
        what = f"member of {ops} ops" if len(found) else "members"
        raise FrontError(f"{source} has no {what}.")
    return members


def refuse_false(pairs: Iterable[tuple[Member, Verified]]) -> None:
    """Raises where verified members are not what they say, or are not proved.

    Raises:
        VerifyError: one line with every complaint.
    """
    if wrong := [f"{one.member.ops} ops: {text}" for _, one in pairs for text in one.complaints]:
        raise VerifyError("; ".join(wrong))


def check_certificate(path: str | Path) -> Certificate | None:
    """Proves a certificate again from its file alone; None if the file holds something else.

    Raises:
        CertificateError: it does not hold, or is damaged.
        FrontError: the file cannot be read.
    """
    if not os.path.isfile(path):  # unlike Path.is_file, with a name that is too long, too
        return None
    text = read_text(Path(path))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("format") in (None, JSON_FORMAT):
        return None
    certificate = Certificate.from_json(text)
    check(certificate)
    return certificate


def check_source(
    source: str | Path, ops: int | None = None, tracking_uri: str | None = None
) -> list[Checked]:
    """What every input of a format gives, of the members of a source (or that of so many ops).

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
        CheckError: a member is of real arithmetic.
    """
    return [check_member(m) for m in _of_ops(source, front(source, tracking_uri), ops)]


def time_source(
    source: str | Path,
    ops: int | None = None,
    size: int = SIZE,
    interval: tuple[float, float] | None = None,
    tracking_uri: str | None = None,
) -> tuple[Front, Sequence[Timing]]:
    """Members of a source (or that of so many ops) in C, timed in one run beside what people use.

    Args:
        source, ops, tracking_uri: as for `check_source`.
        size: elements of the array.
        interval: where inputs are drawn from; a usual one by default.

    Returns:
        The members, and every contestant, fastest first.

    Raises:
        FrontError, StoreError: as `front`; or there is no such member.
        ExportError, BuildError: a member cannot be C, or there is no compiler.
    """
    members = _of_ops(source, front(source, tracking_uri), ops)
    return Front(tuple(members)), race_front(members, size, interval=interval)


def draw_timings(members: Front, timings: Sequence[Timing], path: Path) -> None:
    """Draws errors against time, of functions of all floats, to a file.

    Raises:
        FrontError: no figure can be there.
    """
    from tracking.figures import timings_figure

    title = f"{members[0].target}, {members[0].dtype}"
    rows = [(row.name, row.median, row.error) for row in timings if row.error]
    try:
        timings_figure(title, rows).savefig(path)
    except (OSError, ValueError) as error:
        raise FrontError(f"Cannot draw {path}: {error}") from None


@dataclass(frozen=True)
class Exported:
    """Formulas in a format.

    Attributes:
        content: of the file: str, or bytes for binary formats.
        formulas: what is in it.
    """

    content: str | bytes
    formulas: tuple[Formula, ...]


def export(member: Member | Sequence[Member], to: str, **options: Any) -> Any:
    """A member (or several, as a family) as the text of a format; options: dtype, full, name, origin.

    A member that a search of this process found says so, unless `origin` says otherwise.

    Raises:
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    first = member if isinstance(member, Member) else next(iter(member), None)
    if first is not None and first in _FOUND and "origin" not in options:
        options["origin"] = _load(_FOUND[first], None).origin(first)
    return export_members(member, to, **options)


def export_source(
    source: str | Path,
    to: str,
    *,
    ops: int | None = None,
    every: bool = False,
    dtype: str | None = None,
    full: bool = False,
    name: str | None = None,
    tracking_uri: str | None = None,
    core: str | None = None,
) -> Exported:
    """Formulas of a source in a format, with their origin, if they are what they say.

    Args:
        source: as for `front`.
        to: a name of `EXPORT_FORMATS`.
        ops: the member of so many; may be left out where there is one.
        every: all members, as a family in one file.
        dtype: "float64" or "float32"; what the member is computed in by default, float64 if it is real.
        full, name: as for `export`.
        tracking_uri, core: as for `front`.

    Raises:
        FrontError, StoreError: as `front`; or no such member; or one that is not what it says.
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    find_export(to)
    if every and (ops is not None or name is not None):
        raise ExportError("--all takes every member: leave out --ops and --name.")
    found = _load(source, tracking_uri, core)
    members = found.chosen(ops, every)
    formulas = [
        replace(prepare(m, dtype or _computed_in(m), full or m.full, name, found.origin(m)), to=to)
        for m in members
    ]
    real = [m for m in members if m.dtype == REAL]
    if wrong := [f"{m.ops} ops: {text}" for m in real for text in false_claims(m)]:
        raise FrontError(f"{source} is not what it says (see evonum verify): {'; '.join(wrong)}")
    return Exported(write(formulas, to), tuple(formulas))


def library(function: str | None = None) -> Sequence[Shipped]:
    """The functions that are shipped (evo/library), or that one of them.

    Raises:
        ShelfError: it is not shipped.
    """
    return rows(function)


def export_library(to: str, function: str | None = None) -> str | bytes:
    """Shipped functions as one file in a format.

    Raises:
        ShelfError: that one is not shipped.
        ExportError: the format is unknown, or cannot hold them.
    """
    content: str | bytes = write([formula_of(point) for row in rows(function) for point in row.points], to)
    return content


def check_library(function: str | None = None) -> Iterator[Rechecked]:
    """Every input of the shipped functions, one after the other; see `refuse_changed`.

    Raises:
        ShelfError: that one is not shipped.
    """
    return rechecked(function)


def _computed_in(member: Member) -> str:
    """The format of an export where nobody names one."""
    return "float64" if member.dtype == REAL else find_arithmetic(member.dtype).computes.name


def baselines(
    target: str,
    interval: tuple[str, str] | None = None,
    metric: str | None = None,
    max_ops: int = 12,
    report: Callable[[str], None] = lambda line: None,
    ops: str | None = None,
    core: str | None = None,
) -> tuple[Target, list[Baseline]]:
    """The target, and its best classical forms of every family at every op count: what to beat.

    Args:
        target, interval, metric, core: as for `search`.
        max_ops: largest program, at most `MAX_CLASSICAL`.
        report: told of every form that is tried, one line each.
        ops: those that a form may use, such as "+ - * /"; all by default.

    Raises:
        TargetError: no such target, or no form of it.
        OpError: no such op.
    """
    from evo.classical.baselines import baselines as classical

    said = {"interval": interval, "metric": metric}
    given = {
        **_function(target, core, interval is not None),
        **{k: v for k, v in said.items() if v is not None},
    }
    checked = make_target(given["target"], given.get("interval"), given.get("metric"))
    tried: list[str] = []

    def note(line: str) -> None:
        tried.append(line)
        report(line)

    found = classical(checked, max_ops, note, None if ops is None else parse_ops(ops))
    if not found:
        kind = "ops" if ops is None else f"ops of {ops!r}"
        raise TargetError(
            f"No classical form of {checked.name} on ({', '.join(checked.interval)}) with at most {max_ops} "
            f"{kind}: {len(tried)} were tried; {tried[-1] if tried else 'none is so small'}."
        )
    return checked, found


def complete(
    target: str,
    max_ops: int,
    *,
    interval: tuple[str, str] | None = None,
    metric: str | None = None,
    ops: str = "+ - * /",
    starts: int = STARTS,
    out: str | Path | None = None,
    threads: int | None = None,
    backend: str = "native",
    watch: Watch = lambda stage: None,
) -> Completed:
    """The best program of each size among all there are, and how sure that is.

    Args:
        target, interval, metric, ops: as for `search`.
        max_ops: largest program, at most `MOST_OPS`; with `+ - * /` 6 take minutes, and 7 on a GPU.
        starts: points that every fit starts from; with more fewer optima are missed.
        out: directory of the survey, `runs/complete-TARGET-Nops` by default; one that was begun goes on.
        threads: one per CPU by default; no result depends on it.
        backend: what fits, as for `search`; the programs are made by the processor.
        watch: told of progress.

    Raises:
        TargetError, OpError, SizeError: it makes no sense.
        SurveyError: the directory holds something else.
        DirectoryError: it is in use, or cannot be written.
        BackendError, BuildError: this machine cannot run it.
    """
    checked, names = make_target(target, interval, metric), parse_ops(ops)
    directory = Path(out) if out is not None else default_name(checked.name, max_ops)
    threads = threads or len(os.sched_getaffinity(0))
    fits = backend_on(backend, threads=threads)
    with locked(directory):
        return run_complete(checked, names, max_ops, directory, fits, threads, starts, watch)


def draw(found: Front, path: Path, with_baselines: bool = False) -> tuple[Path, Path]:
    """Writes the figures of a front: errors against ops to `path`, error curves beside it.

    Raises:
        FrontError: no members, or no figure can be there.
    """
    from evo.classical.baselines import baselines as classical
    from evo.classical.pictures import curves, lines
    from tracking.figures import curves_figure, front_figure

    if not len(found):
        raise FrontError("The front has no members to draw.")
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    first, most = found[0], min(max(found[-1].ops, 2), MAX_CLASSICAL)
    target = make_target(first.target, first.interval, first.metric)
    shown = lines(classical(target, most)) if with_baselines else None
    members = json.loads(found.to_json())
    beside = path.with_name(f"{path.stem}-curves{path.suffix}")
    try:
        front_figure(members, shown).savefig(path)
        curves_figure(members, curves(found)).savefig(beside)
    except (OSError, ValueError) as error:
        raise FrontError(f"Cannot draw {path}: {error}") from None
    return path, beside


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


def targets() -> Sequence[CatalogueRow]:
    """The catalogue."""
    return tuple(CATALOGUE.values())


def deliver(directory: str | Path, tracking_uri: str | None = None) -> None:
    """Sends the records of a search that MLflow does not have yet.

    Raises:
        DirectoryError: no records there.
        FrontError: the address is no store's.
        UnwritableError: the directory cannot be written: what is delivered is noted there.
        StoreError: some are still undelivered.
    """
    from tracking.database import NoDatabaseError
    from tracking.mlflow_sink import deliver as send
    from tracking.outbox import UnnotedError

    began = clock.monotonic()
    try:
        left = send(directory, tracking_uri)
    except FileNotFoundError as error:
        raise DirectoryError(str(error)) from None
    except ValueError as error:
        raise FrontError(str(error)) from None
    except NoDatabaseError as error:
        raise StoreError(str(error)) from None
    except UnnotedError as error:
        raise UnwritableError(
            f"The records of {directory} are not delivered: what was sent is noted in {error.filename}, "
            f"which cannot be written ({error.strerror}). Copy the directory to where it can, "
            "and deliver the copy."
        ) from None
    if left:
        raise StoreError(
            f"{left} records are still undelivered after {clock.monotonic() - began:.0f} s; "
            f"they stay in {directory}."
        )


def deliver_all(
    folder: str | Path,
    tracking_uri: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    pause: float = 2.0,
) -> None:
    """Delivers every search in a folder, those that begin later, too, until it is interrupted.

    Args:
        folder: of search directories; it may have none yet.
        tracking_uri: as for `deliver`.
        report: told in one line what cannot be delivered now; it is tried again.
        pause: between two looks [s].

    Raises:
        FrontError: the address is no store's.
    """
    from tracking.mlflow_sink import check_address, resolve_tracking_uri
    from tracking.mlflow_sink import deliver as send

    try:
        check_address(resolve_tracking_uri(tracking_uri))
    except ValueError as error:
        raise FrontError(str(error)) from None
    while True:
        for directory in sorted(path.parent for path in Path(folder).rglob("records.jsonl")):
            if undelivered(directory):
                try:
                    send(directory, tracking_uri, 5.0, warn=report)
                except (OSError, ValueError) as error:  # the next one's may be delivered
                    report(f"{directory}: {error}")
        clock.sleep(pause)


def undelivered(directory: str | Path) -> int:
    """How many records of a search the store that it was last delivered to does not have."""
    from tracking.mlflow_sink import undelivered as count

    return count(directory)


def store_of(directory: str | Path) -> str | None:
    """MLflow's address for a search's records, where it is not the usual one."""
    from tracking.mlflow_sink import store_of as found

    return found(directory)


def dashboard(tracking_uri: str | None = None, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serves the MLflow dashboard until it is interrupted; its exit code.

    Raises:
        FrontError: there is no such store.
        StoreError: the store cannot be opened, or the port is taken.
    """
    from tracking.ui import open_ui

    try:
        return open_ui(tracking_uri, host, port)
    except (FileNotFoundError, ValueError) as error:
        raise FrontError(str(error)) from None
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from None
