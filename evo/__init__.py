"""Evolves fast, provably accurate approximations of mathematical functions.

import evo

front = evo.search("exp2", interval=("0", "1"), max_ops=8, time="60s")
formula = front.best(ops=5)
formula(0.5)
print(evo.export(formula, "c"))
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo.fronts.front import Front, Member
    from evo.fronts.verify import Verified
    from evo.runs.search import Sink

__all__ = ["export", "search", "verify"]


def search(
    target: str,
    *,
    out: str | Path | None = None,
    workers: str = "ray",
    address: str | None = None,
    sink: "Sink | None" = None,
    **entries: Any,
) -> "Front":
    """Evolves formulas for `target` and returns the front.

    Args:
        target: a catalogue name, or an expression of x.
        out: directory of the search; a new one under `runs` by default.
        workers: "ray", or "serial" for all islands in this process.
        address: a running Ray cluster; a local one by default.
        sink: takes records, such as `tracking.mlflow_sink.open_sink(directory)`.
        entries: of `evo.runs.spec.SearchSpec`: interval, ops, metric, max_ops, time, generations, seed, ...

    Raises:
        SpecError, TargetError, OpError, DirectoryError, WorkersError: one line says what is wrong.
    """
    from evo.runs.directory import default_directory, locked
    from evo.runs.search import Search, make_workers
    from evo.runs.spec import make_spec

    spec = make_spec({"target": target, **entries})
    made = Search(spec, Path(out) if out else default_directory(spec.target, spec.seed))
    with locked(made.directory):
        made.refuse_if_taken()
        crew = make_workers(made.problem, made.islands, workers, address)
        try:
            made.make_directory()
            return made.run(crew, sink)[0]
        finally:
            crew.close()


def verify(member: "Member") -> "Verified":
    """Polishes and proves one member of a front, and bounds its error in float64."""
    from evo.fronts.verify import verify as verified

    return verified(member)


def export(member: "Member | Sequence[Member]", to: str, **options: Any) -> Any:
    """A member (or several, as a family) as the text of a format; options: dtype, full, name, origin.

    Raises:
        ExportError, FloatError, ProgramError, ReductionError, TargetError: one line says why it cannot be.
    """
    from evo.exports.export import export as exported

    return exported(member, to, **options)
