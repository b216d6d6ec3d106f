"""Does functional-equivalence hashing pay? Equal wall time with each tier off in turn, and with all off.

    python experiments/ablation.py start --out ablation --time 600 --processes 30 --cores 0-29
    python experiments/ablation.py report --out ablation

2^x on (0, 1), one island on one core. The island works on the interval itself: one on a longer interval
would measure how its polishing at home competes with the fits, not what the tiers save. Formulas have up to
10 operations; with 8, most configurations would end at the same front long before the time is over.

Measured is what the hashing paper (Gillard et al., arXiv 2302.05433) asks of a hash: evaluations saved, time
to a given quality, quality after equal time, collisions; median, mean and range over seeds, and the ratio to
the full method. Errors are those of polished members.

Without the tier of texts, mutations do not go on from a known text either: that is part of it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import runs
from evo.islands.pool import Pool
from evo.kernels.fingerprint import functions
from evo.kernels.library import kernels
from evo.kernels.vary import TIERS
from evo.runs.spec import make_spec

TIERS_OF = {
    "all on": tuple(TIERS),
    **{f"no {tier}": tuple(t for t in TIERS if t != tier) for tier in TIERS},
    "none": (),
}
BARS = {6: 3e-7, 7: 6e-10, 8: 1e-11, 9: 1.5e-13, 10: 2.2e-15}
"""Errors whose time is reported, by op count: issue's bars for 2^x, and 3e-7 at 6 operations."""
EXP2 = {"target": "exp2", "interval": ["0", "1"], "max_ops": 10}
SKIPPED = ("seen_text", "seen_function", "redundant")
EVERY_S = 5.0


def name_of(job: Sequence[str]) -> str:
    configuration, _, seed, *_ = job
    return f"{configuration.replace(' ', '-')}-seed{seed}.json"


def problem_of(text: str) -> dict[str, Any]:
    """Entries of a specification, as JSON, checked."""
    try:
        entries = json.loads(text)
        make_spec(entries)
    except (RecursionError, TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{error} (expected such as {json.dumps(EXP2)})") from error
    return dict(entries)


def run(
    configuration: str, seed: int, budget_s: float, out: Path, problem: dict[str, Any] = EXP2
) -> dict[str, Any]:
    """One search; its results are written every few seconds and at every better front."""
    spec = {
        **problem,
        "metric": "relative",
        "seed": seed,
        "islands": 1,
        "stretch": [1.0],
        "tiers": list(TIERS_OF[configuration]),
    }
    result: dict[str, Any] = {
        "configuration": configuration,
        "seed": seed,
        "budget_s": budget_s,
        "spec": spec,
    }
    result |= {"machine": runs.machine(), "finished": False, "moments": [], "front": []}
    path, written = out / name_of((configuration, "--seed", str(seed))), [0.0]

    def tell(now: runs.Moment) -> None:
        errors = {str(m.ops): m.sampled_error for m in now.front}
        known = result["moments"][-1]["errors"] if result["moments"] else None
        if errors == known and now.wall_s - written[0] < EVERY_S and now.wall_s < budget_s:
            return
        moment = {"wall_s": now.wall_s, "cpu_s": time.process_time(), "generations": now.state.generation}
        moment |= {"counts": now.state.counts, "errors": errors, "different": different(now.state.population)}
        result["moments"].append(moment)
        result["front"] = [{"ops": m.ops, "program": m.program, "constants": m.constants} for m in now.front]
        written[0] = now.wall_s
        runs.write(path, result)

    runs.evolve(spec, budget_s, tell)
    result["finished"] = True
    runs.write(path, result)
    return result


def different(population: Pool) -> dict[str, float]:
    """What part of the parents are different functions, and have different errors."""
    keys, errors = functions(population.batch)[0], np.round(np.log(population.error), 6)
    return {"functions": len(np.unique(keys)) / len(keys), "errors": len(np.unique(errors)) / len(errors)}


def error_at(errors: dict[str, float], ops: int) -> float | None:
    """Least error with at most so many operations."""
    return min((e for n, e in errors.items() if int(n) <= ops), default=None)


def time_to(result: dict[str, Any], ops: int, error: float) -> float | None:
    """Wall time after which the front had that error [s]; None if it never had."""
    return next(
        (m["wall_s"] for m in result["moments"] if (error_at(m["errors"], ops) or 1.0) <= error), None
    )


def share(counts: dict[str, int], names: Sequence[str], of: Sequence[str]) -> float | None:
    whole = sum(counts.get(name, 0) for name in of)
    return sum(counts.get(name, 0) for name in names) / whole if whole else None


def measures(result: dict[str, Any]) -> dict[str, float | None]:
    """The figures of one run."""
    last, spec = result["moments"][-1], result["spec"]
    counts, most = last["counts"], max(spec["max_ops"], max(BARS))
    bars = BARS if spec["target"] == EXP2["target"] else {}
    return {
        "fits saved": share(counts, SKIPPED, ["made"]),
        "saved by text": share(counts, ["seen_text"], ["made"]),
        "saved by function": share(counts, ["seen_function"], ["made"]),
        "saved as redundant": share(counts, ["redundant"], ["made"]),
        "programs made": counts["made"],
        "programs fitted": counts["fitted"],
        "fitted/s": counts["fitted"] / last["wall_s"],
        "entered archive": counts["entered"],
        **{f"different {name} among the parents": part for name, part in last["different"].items()},
        "collisions / hits": share(counts, ["collisions"], ["collisions", "seen_function"]),
        "audited": counts["audited"],
        "audited, twice as good": share(counts, ["audited_better"], ["audited"]),
        **{f"s to {bar:g} at {ops} ops": time_to(result, ops, bar) for ops, bar in bars.items()},
        **{f"error at {ops} ops": error_at(last["errors"], ops) for ops in range(5, most + 1)},
        "wall s": last["wall_s"],
        "processor s": last["cpu_s"],
    }


def spread(values: Sequence[float | None], budget_s: float | None) -> tuple[float | None, str]:
    """Median, and text of median, mean and range; times that were not reached count as the budget."""
    reached = [v for v in values if v is not None]
    filled = reached if budget_s is None else [budget_s if v is None else v for v in values]
    if not filled:
        return None, "-"
    middle = statistics.median(filled)
    mark = (
        f" ({len(reached)} of {len(values)})" if budget_s is not None and len(reached) < len(values) else ""
    )
    if budget_s is not None and sum(v is None for v in values) * 2 > len(values):
        return None, f"> {budget_s:.4g}{mark}"
    text = f"{middle:.4g}, mean {statistics.mean(filled):.4g} [{min(filled):.4g}, {max(filled):.4g}]{mark}"
    return middle, text


SUMMARY = (
    "fits saved", "programs fitted", "collisions / hits", "s to 3e-07 at 6 ops", "s to 1e-11 at 8 ops",
    "error at 8 ops", "error at 10 ops",
)  # fmt: skip


def limit_of(measure: str, budget_s: float) -> float | None:
    """What a time counts as that was not reached; None for what is no time."""
    return budget_s if measure.startswith("s to") else None


def summary(tables: dict[str, list[dict[str, float | None]]], budget_s: float) -> Iterator[str]:
    """Medians over seeds, a row for each configuration; in brackets the ratio to all on."""
    known = next(rows[0] for rows in tables.values() if rows)
    largest = max(
        (name for name in known if name.startswith("error at")), key=lambda name: int(name.split()[2])
    )
    columns = dict.fromkeys(name for name in (*SUMMARY, largest) if name in known)
    yield f"| median over seeds | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, rows in tables.items():
        cells = []
        for measure in columns:
            limit = limit_of(measure, budget_s)
            base, own = (spread([r[measure] for r in part], limit) for part in (tables["all on"], rows))
            value = own[1].split(",")[0] if own[0] is None else f"{own[0]:.4g}"
            ratio = f" ({own[0] / base[0]:.3g})" if own[0] is not None and base[0] else ""
            cells.append(value + ratio)
        yield f"| {name} | {' | '.join(cells)} |"


def report(out: Path) -> str:
    """Tables in Markdown: the summary, and a table for each measure, a row for each configuration."""
    found = runs.read(out)
    lines = []
    groups = {name: [r for r in found if r["configuration"] == name and r["moments"]] for name in TIERS_OF}
    budgets = sorted({r["budget_s"] for r in found})
    cut = [f"{r['configuration']} seed {r['seed']}" for r in found if not r["finished"]]
    lines.append(
        f"{len(found)} runs of {', '.join(f'{b:g}' for b in budgets)} s on {found[0]['machine']['cpu']}"
    )
    if cut:
        lines.append(f"cut off: {', '.join(cut)}")
    tables = {name: [measures(r) for r in group] for name, group in groups.items()}
    lines += ["", *summary(tables, budgets[-1])]
    for measure in next(rows[0] for rows in tables.values() if rows):
        limit = limit_of(measure, budgets[-1])
        lines += [
            "",
            f"| {measure} | median, mean [least, most] | ratio to all on | seeds |",
            "|---|---|---|---|",
        ]
        base = spread([row[measure] for row in tables["all on"]], limit)[0] if tables["all on"] else None
        for name, rows in tables.items():
            middle, text = spread([row[measure] for row in rows], limit) if rows else (None, "-")
            ratio = f"{middle / base:.3g}" if middle is not None and base else "-"
            lines.append(f"| {name} | {text} | {ratio} | {len(rows)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="all configurations and seeds, those that are done left out")
    runs.add_options(start, 600.0)
    start.add_argument("--only", nargs="+", choices=TIERS_OF, default=list(TIERS_OF), metavar="NAME")
    one = commands.add_parser("run", help="one of them in this process")
    one.add_argument("configuration", choices=TIERS_OF)
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--time", type=runs.duration, required=True)
    one.add_argument("--out", type=runs.folder, required=True)
    for command in (start, one):
        command.add_argument(
            "--problem", type=problem_of, default=EXP2, metavar="JSON", help=f"default: {json.dumps(EXP2)}"
        )
    commands.add_parser("report", help="the tables").add_argument(
        "--out", type=runs.results_in, required=True
    )
    args = parser.parse_args()
    if args.command == "run":
        run(args.configuration, args.seed, args.time, args.out, args.problem)
        return 0
    if args.command == "report":
        print(report(args.out))
        return 0
    kernels()  # compiled once, before the processes look for it
    problem = ("--problem", json.dumps(args.problem))
    jobs = [(name, "--seed", str(seed), *problem) for seed in range(args.seeds) for name in args.only]
    return min(1, runs.launch(__file__, jobs, lambda job: runs.is_finished(args.out / name_of(job)), args))


if __name__ == "__main__":
    sys.exit(main())
