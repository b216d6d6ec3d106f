"""A search as it is kept: specification, front, islands, in one directory; new, or resumed from there.

What an island is given depends on numbers alone (evo/runs/archipelago.py), not on who was faster: the same
seed, islands and generations give the same front on any number of CPUs, and after any number of restarts.
The clock, the workers and the loop over epochs are a session's (evo/runs/evolution.py).

A search directory holds spec.json, checkpoint.npz, front.json, certificates/, records.jsonl, and seeds.json
if the search was given formulas to begin with.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evo.costs.model import CostError, CostModel
from evo.costs.pricing import Pricing
from evo.files import clear_scratch, write_atomically
from evo.floats.goal import FloatGoal, usual_metric
from evo.floats.inputs import FEW
from evo.fronts.front import Front, Member
from evo.fronts.verify import save_certificates, verified_front, verify
from evo.islands.epoch import Finished
from evo.islands.members import Members
from evo.islands.pool import Pool
from evo.islands.problem import Problem
from evo.kernels.vary import Variation
from evo.numbers.arithmetic import REAL, find_arithmetic
from evo.programs.ops import parse_ops
from evo.reductions.table import core_interval
from evo.runs import checkpoint
from evo.runs.archipelago import Archipelago
from evo.runs.asking import Asking
from evo.runs.directory import cannot_keep, refuse_if_taken
from evo.runs.news import news
from evo.runs.older import of_older
from evo.runs.seeds import read_given, read_seeds, seed_pool, taken
from evo.runs.spec import SearchSpec, SettledSpec, make_spec
from evo.runs.yaml_file import SpecError, read_mapping
from evo.targets.ends import end_text
from evo.targets.making import make_target
from evo.targets.metric import ULP
from evo.targets.target import Target


def make_problem(spec: SettledSpec) -> Problem:
    """What the specification's islands search for.

    Raises:
        TargetError, OpError: the target or the ops are no good.
        SpecError: the cost model is of another format, or lacks an op.
    """
    target, goal = _aim(spec)
    ops = parse_ops(spec.ops)
    variation = Variation(ops, spec.max_ops, spec.mutations, spec.tiers)
    return Problem(
        target,
        variation,
        spec.seed,
        spec.offspring,
        spec.parents,
        spec.niche,
        spec.cache_entries,
        backend=spec.backend,
        stretch=spec.stretch if goal is None else (1.0,),
        goal=goal,
        pricing=_pricing(spec, ops),
    )


def _pricing(spec: SettledSpec, ops: tuple[str, ...]) -> Pricing | None:
    """What programs cost by the specification's model; None where ops are what counts."""
    if not isinstance(spec.cost, CostModel):
        return None
    if spec.dtype != REAL and (computes := find_arithmetic(spec.dtype).computes.name) != spec.cost.dtype:
        raise SpecError(
            f"cost: the model is of {spec.cost.dtype}, but {spec.dtype} is computed in {computes}"
        )
    try:
        return Pricing(spec.cost, spec.cost_goal, ops)
    except CostError as error:
        raise SpecError(f"cost: {error}") from None


def _aim(spec: SettledSpec) -> tuple[Target, FloatGoal | None]:
    """What programs approximate, and the goal in float arithmetic."""
    metric = None if spec.metric == ULP else spec.metric
    if spec.dtype == REAL:
        return make_target(spec.target, spec.interval, metric), None
    way, core = spec.way or "", spec.part or ""
    if not spec.full:
        target = make_target(spec.target, spec.interval, metric)
        metric = spec.metric or usual_metric(target, spec.dtype)
        return target, FloatGoal(target, spec.dtype, metric, require=spec.require)
    lo, hi = (end_text(end) for end in spec.interval or core_interval(spec.target, way, core))
    target = Target(spec.target, lo, hi, "absolute")
    given = tuple(piece for text in spec.given for piece in read_given(text))
    metric = spec.metric or usual_metric(target, spec.dtype)
    goal = FloatGoal(target, spec.dtype, metric, True, way, core, given, spec.require)
    return goal.core, goal


OLDER = (
    "An older version of evonum began this search: what it found is kept, but it does not go on exactly as "
    "it would have there."
)
BUDGET = ("time", "generations", "error")
"""Entries of a specification that say when a search ends."""
SEEDS = "seeds.json"
"""What the search began with, as front.json has it."""
CHANGES = (*BUDGET, "max_ops")
"""Those that a search which is resumed takes anew."""
Says = Callable[[str], None]
Fetch = Callable[[Any], Any]
"""The value that workers keep, from what stands for it."""


@contextlib.contextmanager
def _resuming(path: Path) -> Iterator[None]:
    """What is wrong with a file that a search goes on from, in one line."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointError(
            f"{path} cannot be resumed: {type(error).__name__}: {' '.join(str(error).split())[:200]}. "
            + ("Begin a new search." if path.suffix == ".json" else checkpoint.starting_over(path))
        ) from None


class Search:
    """One search in one directory; new, or made by `resume`; advanced by `evo.runs.evolution.evolve`.

    Attributes:
        spec: settled.
        directory: where everything is kept.
        problem: what the islands search for.
        front: the best so far.
        archipelago: the islands.
        seeds: formulas that the search was given to begin with.
        seconds: search time, earlier sessions included [s].
        remarks: on what it was resumed from, for whoever watches; one line each.

    Raises:
        TargetError, OpError, FrontError: the target, the ops or the seeds are no good.
    """

    def __init__(self, spec: SearchSpec, directory: Path) -> None:
        self.spec = spec.settled()
        self.directory = directory
        self.problem = make_problem(self.spec)
        self.seeds, remarks = self._read_seeds()
        self._pool = seed_pool(self.seeds, self.problem) if self.seeds else None
        self.front = Front.of(Members(self.problem).of(self._pool) if self._pool else ())
        self.archipelago = self._new_islands(self.spec.islands)
        self.seconds = 0.0
        self.remarks = remarks
        self._whole = True

    @property
    def islands(self) -> int:
        """How many islands evolve."""
        return len(self.archipelago)

    @property
    def mends(self) -> bool:
        """Whether what does not satisfy what is required may be found at the end alone."""
        goal = self.problem.goal
        return goal is not None and bool(goal.require) and goal.arithmetic.gives.bits > FEW

    def _new_islands(self, islands: int) -> Archipelago:
        spec, lengths = self.spec, len(self.spec.stretch)
        return Archipelago(
            islands, spec.epoch, spec.generations, spec.max_ops, lengths, self._pool, self.problem.most
        )

    def _read_seeds(self) -> tuple[Front, tuple[str, ...]]:
        """Those that the search takes, and what is to be said of them.

        They are what the directory keeps, if it has some: the file may be another one by now.
        """
        if self.spec.seeds is None:
            return Front(()), ()
        kept = self.directory / SEEDS
        given = Front.load(kept) if kept.exists() else read_seeds(Path(self.spec.seeds))
        seeds, reason = taken(given, self.problem)
        number = f"{len(seeds)} of {len(given)}" if reason else str(len(seeds))
        begins = f"It begins with {number} formulas of {self.spec.seeds}."
        return seeds, (f"{begins} {reason}" if reason else begins,)

    def refuse_if_taken(self) -> None:
        """`refuse_if_taken` of its directory; the caller holds its lock."""
        refuse_if_taken(self.directory)

    def make_directory(self) -> Path:
        """Makes the directory, with the specification in it.

        Raises:
            DirectoryError: it cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            text = self.spec.model_dump_json(indent=1) + "\n"
            write_atomically(self.directory / "spec.json", text.encode())
            if self.seeds:
                self.seeds.save(self.directory / SEEDS)
        except OSError as error:
            raise cannot_keep(self.directory, error) from None
        return self.directory

    @classmethod
    def resume(cls, directory: Path, changes: Mapping[str, Any]) -> "Search":
        """The search of a directory as its last checkpoint has it; the caller holds the directory's lock.

        A search that died before its first checkpoint starts over, from its spec.json. Formulas in front.json
        that were found after the checkpoint are kept, with errors measured again.

        Args:
            changes: of `CHANGES`, in place of the first session's; one of `BUDGET` replaces all of these.

        Raises:
            SpecError: fewer `max_ops` than before.
            CheckpointError: no checkpoint, or a damaged one.
        """
        path, fresh = directory / "checkpoint.npz", directory / "spec.json"
        meta, arrays = (None, {}) if fresh.exists() and not path.exists() else checkpoint.load(path)
        with _resuming(fresh if meta is None else path):
            known = read_mapping(fresh) if meta is None else meta["spec"]
            read = of_older(known)
            kept = make_spec(read)
        if (most := changes.get("max_ops", kept.max_ops)) < kept.max_ops:
            raise SpecError(
                f"max_ops: {directory} has programs of up to {kept.max_ops} ops, so {most} is too few: "
                "give more, or leave it out"
            )
        ended = BUDGET if set(changes) & set(BUDGET) else ()
        with _resuming(fresh if meta is None else path):
            search = cls(
                make_spec({**{k: v for k, v in read.items() if k not in ended}, **changes}), directory
            )
            search.remarks = (OLDER,) if read != known else search.remarks if meta is None else ()
            if meta is not None:
                search._restore(meta, arrays)
        found, remarks = news(directory / "front.json", search.problem.target, search.front)
        search.front = Front.of([*search.front, *map(search._priced, found)]).found_first(search.front)
        search.remarks = *search.remarks, *remarks
        clear_scratch(path)
        return search

    def save(self, fetch: Fetch) -> None:
        """Writes front.json and checkpoint.npz, each whole or not at all.

        Raises:
            OSError: no space, or the directory is gone; the front is written even where the larger
                checkpoint cannot be.
            LostError: a state is lost; an older checkpoint stays.
        """
        self.front.save(self.directory / "front.json")
        self.writer(fetch)()

    def writer(self, fetch: Fetch) -> Callable[[], None]:
        """What writes a checkpoint of the search as it is now, whenever it is called."""
        islands, values = self.archipelago.kept()
        meta = {
            "spec": self.spec.model_dump(mode="json"),
            "seconds": self.seconds,
            "islands": islands,
            "front": json.loads(self.front.to_json()),
        }

        def write() -> None:
            arrays = (
                pair for name, value in values for pair in checkpoint.to_arrays(name, fetch(value)).items()
            )
            checkpoint.save(self.directory / "checkpoint.npz", meta, arrays)

        return write

    def rescue(self, fetch: Fetch) -> None:
        """Saves what there is when something else went wrong already."""
        with contextlib.suppress(Exception):
            self.front.save(self.directory / "front.json")
        if self._whole:
            with contextlib.suppress(Exception):
                self.save(fetch)

    def prove(
        self,
        says: Says = lambda text: None,
        archives: Callable[[], Sequence[Pool]] = tuple,
        seconds: float = 0.0,
    ) -> None:
        """Gives a front its bounds, for front.json and certificates/; in floats, errors of every input.

        What gains nothing that can be seen is left out there, and in floats what does not satisfy what is
        required; the checkpoint has it.

        Args:
            says: is told how it goes, a line each.
            archives: what the islands have.
            seconds: for mending what does not satisfy what is required [s].
        """
        if self.problem.goal is not None and self.problem.goal.missing:
            return  # no function yet
        if self.problem.goal is not None:
            self.front = Asking(self.problem, says, archives, seconds).asked(self.front)
            self.front.save(self.directory / "front.json")
            return
        found = [verify(member) for member in self.front.visible(self.spec.error)]
        front = verified_front(found)
        save_certificates(self.directory, found)
        front.save(self.directory / "front.json")
        self.front = front

    def archives(self, fetch: Fetch) -> list[Pool]:
        """The best candidates of every island.

        Raises:
            LostError: a state is lost.
        """
        return [fetch(one.handle).archive for one in self.archipelago.islands if one.handle is not None]

    def last_islands(self) -> tuple[Archipelago, str]:
        """The islands of the last checkpoint, or new ones; and what is wrong with a damaged one."""
        path = self.directory / "checkpoint.npz"
        islands = self._new_islands(self.islands)
        if path.exists():
            try:
                meta, arrays = checkpoint.load(path)
                islands.restore(meta["islands"], arrays)
            except (LookupError, TypeError, ValueError) as damaged:  # CheckpointError among them
                return self._new_islands(self.islands), f"{path} cannot be read ({type(damaged).__name__})"
        return islands, ""

    def _priced(self, member: Member) -> Member:
        """The member with what the search's own model says it costs."""
        pricing = self.problem.pricing
        return replace(member, cost=pricing.price(member.code) if pricing else None)

    def _restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        self.seconds = float(meta["seconds"])
        self.front = Front.from_objects(meta["front"])
        self.archipelago = self._new_islands(len(meta["islands"]))
        self.archipelago.restore(meta["islands"], arrays)

    def apply(self, finished: Sequence[Finished]) -> None:
        """Takes outcomes of epochs; the front is written if it is another now."""
        before = self.front
        members = [member for one in finished for member in one.outcome.members]
        found = Front.of([*before, *members]).found_first(before) if members else before
        self._whole = False  # a second Ctrl-C amid these lines must not reach the checkpoint
        self.front = found
        for one in finished:
            self.archipelago.finish(one)
        self._whole = True
        if self.front != before:
            self.front.save(self.directory / "front.json")
