"""Where a search begins: with nothing, or with the best of all programs of few operations."""

import re
from hashlib import blake2b
from pathlib import Path

from evo.api.functions import complete
from evo.complete.run import Stage, default_name
from evo.numbers.arithmetic import REAL
from evo.runs.session import Watcher
from evo.runs.spec import SearchSpec, SpecError


def begun(spec: SearchSpec, start: str, watcher: Watcher) -> SearchSpec:
    """The specification with seeds: the best programs of each size of a complete survey.

    The survey is made first, or goes on, in a folder of `runs` that all searches of its function share. The
    time that it takes is not the search's.

    Args:
        start: "complete:N", the programs of at most N ops.

    Raises:
        SpecError: it is no such word, or does not go with the other entries.
        TargetError, OpError, BackendError, DirectoryError: as `complete`.
    """
    ops = _size(start, spec)
    subject = f"{spec.interval} {spec.metric} {spec.ops}".encode()
    name = default_name(spec.target, ops)
    out = Path(f"{name}-{blake2b(subject, digest_size=4).hexdigest()}")
    watcher.says(f"All programs of at most {ops} ops come first, in {out}.")
    told = _Told(watcher)
    complete(
        spec.target, ops, interval=spec.interval, metric=spec.metric, ops=spec.ops, out=out,
        backend=spec.backend, watch=told,
    )  # fmt: skip
    return spec.model_copy(update={"seeds": str(out)})


def _size(start: str, spec: SearchSpec) -> int:
    found = re.fullmatch(r"complete:([1-9][0-9]?)", start)
    if not found:
        raise SpecError(
            f"--start is complete:N, all programs of at most N ops, such as complete:5; got {start[:40]!r}"
        )
    ops = int(found[1])
    if ops > spec.max_ops:
        raise SpecError(f"--start complete:{ops}: the search takes at most {spec.max_ops} ops (--max-ops)")
    if spec.seeds is not None:
        raise SpecError("--start gives seeds of its own: leave out --seeds, or --start")
    if spec.dtype != REAL or spec.full:
        raise SpecError(
            "--start is for searches in real arithmetic: leave out --start, or --dtype and --full"
        )
    return ops


class _Told:
    """Says each stage of a survey once."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher, self._name = watcher, ""

    def __call__(self, stage: Stage) -> None:
        if stage.name != self._name:
            self._name = stage.name
            self._watcher.says(f"all programs: {stage.name}")
