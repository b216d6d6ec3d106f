"""Evolution judged by complete fronts: does a search of one minute reach the optimum of each size, and when?

    python experiments/truth.py --max-ops 6 --jobs 2 --out truth            # targets of the catalogue, all
    python experiments/truth.py --max-ops 7 --backend cuda --jobs 16 --out truth exp2 log2
    python experiments/truth.py --max-ops 7 --surveys experiments/complete --jobs 2    # surveys that are kept
    python experiments/truth.py --out truth --table                         # what is there, as a table

Each target is surveyed (`evonum complete`: what fits of every program reach) and searched from empty code,
with the same ops, in one process without Ray. A size is reached when the search has a program of at most so
many ops within one percent of the least error of the survey. What is done stays in the folder, a file each.
"""

import argparse
import json
import math
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from evo import api
from evo.files import write_atomically

Fronts = list[tuple[float, dict[int, float]]]
"""Time [s] and errors by ops, of each front that a search had."""
OPS = "+ - * /"
REACHED = 1.01
"""Largest ratio of a search's error to the survey's that counts as the same: polishes differ by far less."""


class Watch(api.Watcher):
    """Notes the front whenever it is another one, with the search's time."""

    def __init__(self) -> None:
        self.seen: Fronts = []

    def advances(self, progress: Any) -> None:
        """See `Watcher`."""
        self.note(progress.seconds, progress.front)

    def note(self, seconds: float, front: api.Front) -> None:
        """A front, unless it is the one before."""
        errors = {m.ops: m.polished_error or m.sampled_error for m in front}
        if not self.seen or self.seen[-1][1] != errors:
            self.seen.append((seconds, errors))


def searched(name: str, max_ops: int, time_s: float, seed: int, folder: Path) -> Fronts:
    """Fronts of one search, in the order of its time; the last one is proved."""
    watch = Watch()
    front = api.search(
        name, ops=OPS, max_ops=max_ops, time=time_s, seed=seed, workers="serial", record=False,
        out=folder / f"search-{name}-{max_ops}-{seed}-{time.time_ns()}", watcher=watch,
    )  # fmt: skip
    watch.note(time_s, front)
    return watch.seen


def surveyed(name: str, max_ops: int, backend: str, folder: Path) -> dict[str, Any]:
    """Least errors of at most 1, 2, ... ops, and how sure they are."""
    began = time.monotonic()
    found = api.complete(name, max_ops, ops=OPS, backend=backend, out=folder / f"survey-{name}-{max_ops}")
    return {
        "error": [size.error for size in found.sizes],
        "success": [size.success for size in found.sizes],
        "digest": found.digest,
        "seconds": time.monotonic() - began,
    }


def kept(folder: Path, max_ops: int) -> dict[str, dict[str, Any]]:
    """What `surveyed` gives, by target, of complete.json files that are of its own interval and metric."""
    usual = {target.name: target for target in api.targets()}
    found = {}
    for path in sorted(folder.glob("*.json")):
        survey = json.loads(path.read_text())
        target = usual.get(survey["target"])
        interval, metric = survey["interval"], survey["metric"]
        own = target and ([target.lo, target.hi], target.metric) == (interval, metric)
        if own and survey["ops"] == ["add", "sub", "mul", "div"] and survey["max_ops"] >= max_ops:
            sizes = survey["sizes"][:max_ops]
            words = {key: [size[key] for size in sizes] for key in ("error", "success")}
            found[target.name] = {**words, "digest": survey["digest"], "seconds": 0.0}
    return found


def reached(seen: Fronts, ops: int, truth: float) -> tuple[float, float | None]:
    """The least error of at most so many ops that a search ended with, over the truth; when it was near.

    A front on the way may hold an error that is not true, of a pole between points: the last one counts.
    """
    least = [min((e for n, e in errors.items() if int(n) <= ops), default=math.inf) for _, errors in seen]
    if least[-1] > REACHED * truth:
        return least[-1] / truth, None
    return least[-1] / truth, next(s for (s, _), e in zip(seen, least, strict=True) if e <= REACHED * truth)


def row(target: str, entry: dict[str, Any]) -> str:
    """A line of the table: for every size seconds, or how many times the optimum the search has."""
    cells = []
    for ops, truth in enumerate(entry["survey"]["error"], start=1):
        if truth is None:
            cells.append("")
            continue
        found = [reached(seen, ops, truth) for seen in entry["searches"].values()]
        misses = [ratio for ratio, when in found if when is None]
        times = sorted(when for _, when in found if when is not None)
        if not misses:
            better = " better" if min(ratio for ratio, _ in found) < 1 / REACHED else ""
            cells.append(f"{times[len(times) // 2]:.1f}{better}")
        else:
            cells.append(f"**{max(misses):.3g}×** ({len(misses)} of {len(found)})")
    sure = entry["survey"]["success"][-1]
    return f"| {target} | {' | '.join(cells)} | {'' if sure is None else f'{sure:.1%}'} |"


def table(folder: Path, max_ops: int) -> str:
    """All targets that are done."""
    lines = [
        f"| target | {' | '.join(f'{n} ops' for n in range(1, max_ops + 1))} | fits that succeed |",
        "|" + "---|" * (max_ops + 2),
    ]
    for path in sorted(folder.glob(f"truth-*-{max_ops}.json")):
        entry = json.loads(path.read_text())
        if entry.get("searches") and entry.get("survey"):
            lines.append(row(entry["target"], entry))
    return "\n".join(lines)


def main() -> None:
    """Surveys, then searches, then the table."""
    names = [found.name for found in api.targets()]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help="of the catalogue; all by default")
    parser.add_argument("--max-ops", type=int, default=6)
    parser.add_argument("--backend", default="native", help="of the surveys")
    parser.add_argument("--surveys", type=Path, help="folder of complete.json files, in place of surveys")
    parser.add_argument("--time", type=float, default=60.0, help="of a search [s]")
    parser.add_argument("--seeds", type=int, default=1, help="searches of each target")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time, a process each")
    parser.add_argument("--out", type=Path, default=Path("truth"))
    parser.add_argument("--table", action="store_true", help="nothing but the table of what is there")
    asked = parser.parse_args()
    if other := set(asked.targets) - set(names):
        sys.exit(f"no target of the catalogue: {', '.join(sorted(other))}; there are {', '.join(names)}")
    known = kept(asked.surveys, asked.max_ops) if asked.surveys else {}
    chosen = asked.targets or list(known) or names
    if asked.surveys and (not known or set(chosen) - set(known)):
        sys.exit(f"{asked.surveys} has surveys to {asked.max_ops} ops of: {', '.join(known) or 'nothing'}")
    asked.out.mkdir(parents=True, exist_ok=True)
    if not asked.table:
        work(asked, chosen, known)
    print(table(asked.out, asked.max_ops))


def work(asked: argparse.Namespace, names: list[str], known: dict[str, dict[str, Any]]) -> None:
    """Does what is not done yet; a file is written after every survey and every search."""
    entries = {}
    for name in names:
        path = asked.out / f"truth-{name}-{asked.max_ops}.json"
        entries[name] = json.loads(path.read_text()) if path.exists() else {"target": name, "searches": {}}

    def keep(name: str) -> None:
        path = asked.out / f"truth-{name}-{asked.max_ops}.json"
        write_atomically(path, f"{json.dumps(entries[name])}\n".encode())

    for name in names:
        if name in known:
            entries[name]["survey"] = known[name]
            keep(name)
        if "survey" not in entries[name]:
            entries[name]["survey"] = surveyed(name, asked.max_ops, asked.backend, asked.out)
            keep(name)
            print(
                f"{name}: surveyed in {entries[name]['survey']['seconds']:.1f} s", file=sys.stderr, flush=True
            )
    with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        begun = {
            pool.submit(searched, name, asked.max_ops, asked.time, seed, asked.out): (name, seed)
            for seed in range(asked.seeds)
            for name in names
            if str(seed) not in entries[name]["searches"]
        }
        for done in as_completed(begun):
            name, seed = begun[done]
            entries[name]["searches"][str(seed)] = done.result()
            keep(name)
            print(f"{name}: searched with seed {seed}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
