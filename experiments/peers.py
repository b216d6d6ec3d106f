"""pyoperon, gplearn and plain DEAP gp beside us: the same time on one core, the same target, the same ops.

    python experiments/peers.py start --out peers --time 120 --processes 30 --cores 0-29
    python experiments/peers.py report --out peers --processes 30

2^x on (0, 1) with + - * /. `start` keeps what each tool found, as it wrote it (experiments/tools.py has the
tools and their settings; a peer gets the whole time for each setting, and for each seed the best setting
counts). `report` makes programs of all of it, counts operations by one rule and polishes everybody's
constants by one tool (experiments/judge.py); this takes none of the tools' time.

Peers see 256 points, dense where 2^x is small, so that their mean squared error is of the relative error.
"""

import argparse
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import runs
from evo.kernels.library import kernels
from judge import best_by_ops

MAX_OPS = 12
JOBS = {
    "us": ("default",),
    "pyoperon": ("rmse and length", "mse and length, longer fits"),
    "gplearn": ("documentation", "no parsimony", "automatic parsimony"),
    "deap": ("documentation", "larger"),
}


def name_of(job: Sequence[str]) -> str:
    tool, setting, _, seed = job
    return f"{tool}-{setting.replace(',', '').replace(' ', '-')}-seed{seed}.json"


def run(tool: str, setting: str, seed: int, budget_s: float, out: Path) -> dict[str, Any]:
    """One tool with one setting; what it found is written every few seconds where the tool lets us look."""
    import tools  # needs the peers' packages, which `report` does not

    path = out / name_of((tool, setting, "--seed", str(seed)))
    result: dict[str, Any] = {"tool": tool, "setting": setting, "seed": seed, "budget_s": budget_s}
    result |= {"machine": runs.machine(), "finished": False, "formulas": []}
    started = time.monotonic()

    def keep(formulas: Sequence[Mapping[str, Any]], evaluations: int) -> None:
        result["formulas"] = list(formulas)
        result["evaluations"] = evaluations
        result["wall_s"] = time.monotonic() - started
        result["cpu_s"] = time.process_time()
        runs.write(path, result)

    tools.TOOLS[tool](setting, seed, budget_s, MAX_OPS, keep)
    result["finished"] = True
    runs.write(path, result)
    return result


def errors_of(judged: Mapping[int, tuple[float, Any, Any]]) -> dict[int, float]:
    """Least error of the formulas with at most so many ops, for all up to MAX_OPS."""
    best, errors = math.inf, {}
    for ops in range(1, MAX_OPS + 1):
        best = min(best, judged[ops][0] if ops in judged else math.inf)
        errors[ops] = best
    return errors


def by_tool(
    found: Sequence[Mapping[str, Any]], errors: Sequence[dict[int, float]]
) -> dict[str, dict[int, list[float]]]:
    """For each tool and op count the error of each seed, the best of its settings counting."""
    table: dict[str, dict[int, dict[int, float]]] = {}
    for result, error in zip(found, errors, strict=True):
        for ops, e in error.items():
            seeds = table.setdefault(result["tool"], {}).setdefault(ops, {})
            seeds[result["seed"]] = min(e, seeds.get(result["seed"], math.inf))
    return {tool: {ops: list(s.values()) for ops, s in rows.items()} for tool, rows in table.items()}


def report(out: Path, processes: int, keep: Path | None = None) -> str:
    """Tables in Markdown; `keep` gets the polished formulas as JSON."""
    found = [r for r in runs.read(out) if r["formulas"]]
    fresh = multiprocessing.get_context("spawn")  # whoever asks may have threads
    with ProcessPoolExecutor(processes, fresh) as pool:
        judged = list(pool.map(best_by_ops, [r["formulas"] for r in found], [MAX_OPS] * len(found)))
    if keep:
        runs.write(keep, [_kept(result, best) for result, best in zip(found, judged, strict=True)])
    errors = [errors_of(best) for best in judged]
    table = by_tool(found, errors)
    lines = [f"{len(found)} runs of {found[0]['budget_s']:g} s on {found[0]['machine']['cpu']}"]
    lines += _settings(found, errors)
    for title, pick in (("median over seeds", statistics.median), ("best seed", min)):
        lines += _compared(title, {tool: table[tool] for tool in JOBS if tool in table}, pick)
    return "\n".join(lines)


def _kept(
    result: Mapping[str, Any], judged: Mapping[int, tuple[float, str, Sequence[str]]]
) -> dict[str, Any]:
    formulas = [
        {"ops": ops, "error": error, "program": program, "constants": constants}
        for ops, (error, program, constants) in judged.items()
    ]
    return {**{name: result[name] for name in ("tool", "setting", "seed")}, "formulas": formulas}


def _compared(
    title: str, table: Mapping[str, Mapping[int, Sequence[float]]], pick: Callable[[Sequence[float]], float]
) -> list[str]:
    lines = ["", f"| ops, {title} | {' | '.join(table)} | best peer / us |", "|---" * (len(table) + 2) + "|"]
    for ops in range(2, MAX_OPS + 1):
        figures = {tool: pick(rows[ops]) for tool, rows in table.items()}
        peers = [figure for tool, figure in figures.items() if tool != "us"]
        ratio = f"{min(peers) / figures['us']:.3g}" if "us" in figures and peers else "-"
        lines.append(f"| {ops} | {' | '.join(f'{f:.3g}' for f in figures.values())} | {ratio} |")
    return lines


SHOWN = (5, 7, 9, 12)


def _settings(found: Sequence[Mapping[str, Any]], errors: Sequence[dict[int, float]]) -> list[str]:
    columns = ["seeds", "wall s", "processor s", "programs evaluated", "formulas kept"]
    columns += [f"median error at {ops} ops" for ops in SHOWN]
    lines = ["", f"| tool, setting | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for job in ((tool, setting) for tool, settings in JOBS.items() for setting in settings):
        own = [(r, e) for r, e in zip(found, errors, strict=True) if (r["tool"], r["setting"]) == job]
        if own:
            figures = [[r[name] for r, _ in own] for name in ("wall_s", "cpu_s", "evaluations")]
            figures += [[len(r["formulas"]) for r, _ in own], *([e[ops] for _, e in own] for ops in SHOWN)]
            cut = sum(not r["finished"] for r, _ in own)
            words = [f"{len(own)}{f' ({cut} cut off)' if cut else ''}"]
            words += [f"{statistics.median(values):.4g}" for values in figures]
            lines.append(f"| {', '.join(job)} | {' | '.join(words)} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="all tools, settings and seeds, those that are done left out")
    runs.add_options(start, 120.0)
    start.add_argument("--tools", nargs="*", choices=JOBS, default=list(JOBS))
    one = commands.add_parser("run", help="one of them in this process")
    one.add_argument("tool", choices=JOBS)
    one.add_argument("setting")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--time", type=runs.duration, required=True)
    one.add_argument("--out", type=runs.folder, required=True)
    tables = commands.add_parser("report", help="polish everything, and the tables")
    tables.add_argument("--out", type=runs.results_in, required=True)
    tables.add_argument("--processes", type=runs.count, default=1)
    tables.add_argument("--json", type=Path, help="also write the polished formulas here")
    args = parser.parse_args()
    if args.command == "run":
        run(args.tool, args.setting, args.seed, args.time, args.out)
        return 0
    kernels()  # compiled once, before the processes look for it
    if args.command == "report":
        print(report(args.out, args.processes, args.json))
        return 0
    jobs = [
        (tool, setting, "--seed", str(seed))
        for seed in range(args.seeds)
        for tool in args.tools
        for setting in JOBS[tool]
    ]
    return min(1, runs.launch(__file__, jobs, lambda job: runs.is_finished(args.out / name_of(job)), args))


if __name__ == "__main__":
    sys.exit(main())
