"""A complete survey in its directory: enumerated, fitted, kept, polished, proved.

The directory holds survey.npz, and in the end front.json, complete.json, certificates/, and start.json, the
best programs of each size, for a search to begin with. A run that ended early goes on from there, with the
same result.
"""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from evo.backends.backend import BACKENDS, Backend
from evo.complete.bounds import Bounds
from evo.complete.enumeration import FAMILIES, kept_families
from evo.complete.finish import beginners, finished
from evo.complete.fitting import FURTHER, ROUNDS, STARTS
from evo.complete.kept import BEGINNERS, RESULT, load, refuse_others, save
from evo.complete.result import Completed
from evo.complete.screen import Known, Screen
from evo.complete.spill import clear
from evo.complete.survey import NEAR, Run, Survey, Surveyor
from evo.files import write_atomically
from evo.fronts.verify import save_certificates
from evo.programs.ops import BY_TEXT
from evo.targets.target import Target

SAVE_EVERY = 5.0
"""Seconds between two states on the disk."""


@dataclass(frozen=True)
class Stage:
    """How far a run is.

    Attributes:
        name: what it does now.
        done: of `whole`.
        whole: tasks, families or rounds.
        left: what this stage still takes, as it went so far [s]; None while that is unknown.
        best: least error of exactly 1, 2, ... ops so far; inf where none is known.
    """

    name: str
    done: int
    whole: int
    left: float | None = None
    best: tuple[float, ...] = ()


Watch = Callable[[Stage], None]
"""Told of a stage."""


class Elsewhere(NamedTuple):
    """Other machines.

    Attributes:
        backend: what fits there, by name.
        run: gives them tasks.
    """

    backend: str
    run: Run


def default_name(target: str, max_ops: int) -> Path:
    """The directory of a survey whose user names none: the same command goes on where it ended."""
    safe = "".join(c if c.isalnum() else "-" for c in target).strip("-")[:40]
    return Path("runs") / f"complete-{safe}-{max_ops}ops"


class Clock:
    """Tells the time that a stage still takes, from where it began in this session."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._name = ""

    def tell(self, name: str, done: int, whole: int, best: Sequence[float] = ()) -> None:
        """A stage is so far."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._began, self._first = name, now, done
        fresh = done - self._first
        left = (now - self._began) / fresh * (whole - done) if fresh else None
        self._watch(Stage(name, done, whole, left, tuple(best)))


def run(
    target: Target, names: Sequence[str], max_ops: int, directory: Path, backend: Backend, threads: int,
    starts: int = STARTS, watch: Watch = lambda stage: None, elsewhere: Elsewhere | None = None,
    known: Known | None = None,
) -> Completed:  # fmt: skip
    """The complete front of a target in a directory of its own, which exists; goes on with what it holds.

    Args:
        names: of the ops.
        backend: what fits.
        threads: how many enumerate.
        starts: points that a family's fit starts from.
        watch: told of progress; an exception of it ends the run, which may go on later.
        elsewhere: where fits are made in the place of here.
        known: what formulas from elsewhere reach; what is proved not to do better is not fitted.

    Raises:
        SizeError: larger programs than can be enumerated.
        TargetError: the target has no value somewhere.
        SurveyError: the directory holds a survey of something else.
        OSError: no space.
    """
    subject = _subject(target, names, max_ops, starts, known)
    refuse_others(directory, subject)
    load(directory, subject)  # refuses another survey before the programs are made
    clock = Clock(watch)
    clock.tell("enumerating", 0, 1)

    def told(done: int, tasks: int) -> None:
        clock.tell("enumerating", done, tasks)

    bounds = Bounds(target)
    screen = Screen(bounds, known.least) if known else None
    families = kept_families(names, max_ops, directory, backend, threads, told, screen)
    subject["digest"] = families.digest
    begun = load(directory, subject)
    surveyor = Surveyor.of(families, target, backend, starts, threads)
    if known is not None:
        surveyor = replace(surveyor, known=known.error, bounds=bounds)
    if elsewhere is not None:
        batch = BACKENDS[elsewhere.backend].families
        surveyor = replace(surveyor, run=elsewhere.run, batch=batch)
    survey = surveyed(surveyor, begun or surveyor.begin(), lambda s: save(directory, subject, s), clock)
    clock.tell("proving", 0, 1, survey.best.tolist())
    front, proofs = finished(survey, families, target, survey.seconds)
    completed = Completed.of(survey, families, front, starts)
    front.save(directory / "front.json")
    beginners(survey, families, target).save(directory / BEGINNERS)
    save_certificates(directory, proofs)
    origin = {
        "evonumerics": version("evonumerics"),
        "command": _command(subject, elsewhere.backend if elsewhere else backend.name, known),
    }
    text = json.dumps({**subject, **completed.to_object(), **origin}, indent=1) + "\n"
    write_atomically(directory / RESULT, text.encode())
    (directory / FAMILIES).unlink(missing_ok=True)
    clear(directory)
    return completed


def _subject(
    target: Target, names: Sequence[str], max_ops: int, starts: int, known: Known | None
) -> dict[str, Any]:
    return {
        "target": target.name,
        "interval": list(target.interval),
        "metric": target.metric,
        "ops": list(names),
        "max_ops": max_ops,
        "starts": starts,
        "rounds": ROUNDS,
        "further": FURTHER,
        "near": NEAR,
        "known": known and known.to_object(),
    }


def _command(subject: Mapping[str, Any], backend: str, known: Known | None) -> str:
    ops = " ".join(BY_TEXT[name].symbol for name in subject["ops"])
    words = ["evonum", "complete", subject["target"], "--interval", *subject["interval"]]
    words += ["--metric", subject["metric"], "--ops", ops, "--max-ops", str(subject["max_ops"])]
    words += ["--starts", str(subject["starts"]), "--backend", backend]
    return shlex.join([*words, *(("--known", known.source) if known else ())])


def surveyed(surveyor: Surveyor, survey: Survey, keep: Callable[[Survey], None], clock: Clock) -> Survey:
    """The survey taken to its end; it is kept from time to time, and then."""
    saved = began = time.monotonic()
    before, whole = survey.seconds, len(surveyor.families)
    for known in surveyor.further(survey):
        survey = known.at(before + time.monotonic() - began)
        if survey.rounds:
            clock.tell("fitting again", survey.rounds, ROUNDS + FURTHER, survey.best.tolist())
        else:
            clock.tell("fitting", survey.done, whole, survey.best.tolist())
        if survey.ended or time.monotonic() - saved > SAVE_EVERY:
            keep(survey)
            saved = time.monotonic()
    return survey
