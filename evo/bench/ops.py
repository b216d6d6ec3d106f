"""What every operation takes on a platform: `evonum bench ops`.

Loops hold chains of one operation. Throughput is that of independent chains over an array in the cache,
latency that of one chain through a vector. Each is timed with short and with long chains; the difference
leaves out loads, stores and the loop. All loops run in turns, in an order drawn anew each round. C is timed
by processor time, XLA by the wall clock, a GPU by its own events.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evo.bench.chains import Loops, measured
from evo.bench.kernels import machine
from evo.bench.platforms import FREE_SHARE, Platform, usable
from evo.costs.model import CostError, CostModel, Figure, OpCost
from evo.numbers.formats import FLOAT_FORMATS

ROUNDS = 41
_TRIES = 5
"""So often rounds are added where a chain took no longer than its half, on a machine with other work."""

Times = Mapping[str, np.ndarray]
"""Of each loop, by its name, the time of each round [ns an element, or a pass]."""


def bench_ops(
    platform: str | None = None,
    dtype: str = "float32",
    rounds: int = ROUNDS,
    names: Sequence[str] | None = None,
) -> CostModel:
    """Measures ops and steps of range reductions on this machine.

    Args:
        platform: a row of `PLATFORMS`; the widest vectors of this machine by default.
        dtype: of `DTYPES`.
        rounds: each times every loop once.
        names: of ops and steps; all that the platform measures by default.

    Raises:
        PlatformError: unknown, or this machine is another one.
        CostError: an op's time cannot be told from nothing, again and again.
        BuildError: no compiler, or it refuses.
    """
    row = usable(platform, dtype)
    fmt = FLOAT_FORMATS[dtype]
    names = names or row.measured
    free = [name for name in names if name in row.free]
    timed = dict.fromkeys([*(name for name in names if name not in row.free), *(("fma",) if free else ())])
    loops = row.loops(list(timed), fmt)
    times = _timed(loops.calls, rounds)
    for left in reversed(range(_TRIES)):
        try:
            costs = {name: _cost(name, row, times, loops) for name in timed}
            break
        except CostError:
            if not left:
                raise
            more = _timed(loops.calls, rounds)
            times = {name: np.concatenate([of, more[name]]) for name, of in times.items()}
    costs |= {name: _free(row.pipe(name), costs["fma"]) for name in free}
    said = {key: value for key, value in machine().items() if key != "kernels"}
    entries = {
        "platform": row.name,
        "dtype": fmt.name,
        "machine": {**said, **loops.device, "rounds": rounds},
        "floor": _quantiles(times["plain_loop"]),
        "ops": {name: costs[name] for name in names},
    }
    return CostModel.model_validate(entries)


def _cost(name: str, row: Platform, times: Times, loops: Loops) -> OpCost:
    throughput, latency = _figure(name, times, "wide", loops.wide), _figure(name, times, "deep", loops.deep)
    return OpCost(pipe=row.pipe(name), throughput=throughput, latency=latency)


def _free(pipe: str, fma: OpCost) -> OpCost:
    """Next to nothing."""

    def of(figure: Figure) -> Figure:
        return Figure(median=FREE_SHARE * figure.median, tenth=FREE_SHARE * figure.tenth)

    return OpCost(pipe=pipe, throughput=of(fma.throughput), latency=of(fma.latency))


def _figure(name: str, times: Times, kind: str, length: int) -> Figure:
    """One operation's share of its chain."""
    found = measured(name)
    word = found.word
    own = (times[f"{kind}_long_{word}"], times[f"{kind}_short_{word}"])
    others = [_figure(other, times, kind, length) for other in found.less]

    def net(percent: float, of: Callable[[Figure], float]) -> float:
        long, short = (float(np.percentile(t, percent)) for t in own)
        figure = ((long - short) / length - sum(map(of, others))) / found.share
        if not figure > 0:
            raise CostError(f"What {name!r} takes cannot be told: this machine has too much other work.")
        return figure

    return Figure(median=net(50, lambda f: f.median), tenth=net(10, lambda f: f.tenth))


def _quantiles(times: np.ndarray) -> Figure:
    return Figure(median=float(np.median(times)), tenth=float(np.percentile(times, 10)))


def _timed(calls: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """The time of each round, by name; the first round, which touches everything once, is left out."""
    rng, found = np.random.default_rng(1), {name: list[float]() for name in calls}
    for turn in range(rounds + 1):
        for name in rng.permutation(list(calls)).tolist():
            taken = calls[name]()
            if turn:
                found[name].append(taken)
    return {name: np.array(times) for name, times in found.items()}
