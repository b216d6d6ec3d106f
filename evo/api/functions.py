"""Targets: the catalogue, a function checked and drawn, classical forms of it, its complete front."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from evo.api.sources import front as front_of
from evo.backends.backend import BACKENDS, backend_on
from evo.classical.baselines import Baseline
from evo.classical.baselines import baselines as classical
from evo.complete.fitting import STARTS
from evo.complete.result import Completed
from evo.complete.run import Elsewhere, Watch, default_name
from evo.complete.run import run as run_complete
from evo.complete.screen import Known
from evo.programs.ops import parse_ops
from evo.runs.directory import locked
from evo.runs.sources import function_of_file
from evo.runs.workers import RayFits, check_address
from evo.targets.catalogue import CATALOGUE, CatalogueRow
from evo.targets.making import make_target
from evo.targets.target import Target, TargetError

SUFFIX = ".fpcore"
"""Of a file of functions in the place of a target."""
MAX_CLASSICAL = 24
"""Most ops of a classical form."""


def targets() -> Sequence[CatalogueRow]:
    """The catalogue."""
    return tuple(CATALOGUE.values())


def check_target(target: str, interval: tuple[str, str] | None = None, metric: str | None = None) -> Target:
    """A target that is fit to be approximated; takes milliseconds, for few functions seconds.

    Args:
        target: a catalogue name, or an expression of x.
        interval, metric: the target's own by default; (0, 1) and relative for expressions.

    Raises:
        TargetError: one line with the reason and, where one applies, the place on the interval.
    """
    return make_target(target, interval, metric)


def drawn(target: Target, points: int) -> tuple[list[float], list[float]]:
    """A function's graph: so many x in its interval, and the values there, correctly rounded.

    Raises:
        TargetError: there is no finite value at some x.
    """
    first, last = target.span
    x = first + (last / points - first / points) * np.arange(points + 1)
    x = np.clip(x, first, last)
    return x.tolist(), target.exact(x).tolist()


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
    said = {"interval": interval, "metric": metric}
    given = {
        **entries_of_function(target, core, interval is not None),
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
    address: str | None = None,
    known: str | Path | None = None,
    watch: Watch = lambda stage: None,
) -> Completed:
    """The best program of each size among all there are, and how sure that is.

    Args:
        target, interval, metric, ops: as for `search`.
        max_ops: largest program, at most `MOST_OPS`; with `+ - * /` 6 take minutes, and 7 on a GPU.
        starts: points that every fit starts from; with more fewer optima are missed.
        out: directory of the survey, `runs/complete-TARGET-Nops` by default; one that was begun goes on.
        threads: one per CPU by default; no result depends on it.
        backend: what fits, as for `search`; `cuda` makes the programs, too.
        address: of a Ray cluster whose processes fit; by default this one does. No result depends on it.
        known: formulas of the target, as for `front`. What is proved to have larger errors than theirs is
            not fitted; where a GPU makes the programs, those of `max_ops` are not even told apart.
        watch: told of progress.

    Raises:
        TargetError, OpError, SizeError: it makes no sense.
        SurveyError: the directory holds something else.
        FrontError: what is known is of something else, or nothing is proved of it.
        DirectoryError: it is in use, or cannot be written.
        BackendError, BuildError: this machine cannot run it.
        AddressError, WorkersError: no cluster is there, or it cannot run it.
    """
    checked, names = make_target(target, interval, metric), parse_ops(ops)
    reached = None if known is None else Known.of(str(known), front_of(known), checked, names, max_ops)
    if address is not None:
        check_address(address)
    directory = Path(out) if out is not None else default_name(checked.name, max_ops)
    threads = threads or len(os.sched_getaffinity(0))
    fits_here = address is None or backend not in BACKENDS  # an unknown one is refused here
    here = backend_on(backend if fits_here else "native", threads=threads)
    with locked(directory), ExitStack() as ends:
        elsewhere = None
        if address is not None:
            cluster = ends.enter_context(closing(RayFits(address, checked, backend, starts)))
            elsewhere = Elsewhere(backend, cluster.run)
        return run_complete(
            checked, names, max_ops, directory, here, threads, starts, watch, elsewhere, reached
        )


def entries_of_function(target: str, core: str | None, has_interval: bool) -> dict[str, Any]:
    """A target as entries of a specification: as it is, or that of a file of FPCores."""
    if core is None and not target.endswith(SUFFIX):
        return {"target": target}
    return function_of_file(Path(target), core, not has_interval)
