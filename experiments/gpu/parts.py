"""What a GPU is asked of shipped functions: errors at all floats, times, instructions, attention's exp2."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpu.kernels import ATTENTION, DIGEST, ERRORS, EX2, LOOP, MEMORY, MISROUNDED, RATE, SUM
from gpu.words import EVERYWHERE, EXACT, HELPERS, INSTRUCTIONS, OWN, RANGES, REACH, USUAL

THREADS = 256
CALLS, TIMES = 64, 16
"""Of a loop in registers: CALLS arguments over the range, TIMES times over."""
STRIDE, SAMPLE = 1021, 1 << 22
"""Inputs whose results are compared by digest: multiples of STRIDE, as bits."""
ELEMENTS = 1 << 26
SHARES = (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16)
"""Of 16 exponentials by a program."""
BESIDE = (0, 4, 8, 16)
"""Multiply-adds beside an instruction."""


def digest(y: np.ndarray) -> str:
    """Of the bits, with one NaN for all."""
    return hashlib.sha256(np.where(np.isnan(y), y.dtype.type(np.nan), y).tobytes()).hexdigest()


def rivals(functions: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """(function, expression) by a name for kernels: shipped ones, then CUDA's own of the same functions."""
    found = {f["name"]: (f["function"], f"{f['name']}(x)") for f in functions if f["function"] in OWN}
    for function in dict.fromkeys(function for function, _ in list(found.values())):
        for k, expression in enumerate(OWN[function].values()):
            found[f"own{k}_{function}"] = (function, expression)
    return found


def made(template: str, name: str, function: str, own: str) -> str:
    """A kernel's text."""
    return template % {"name": name, "own": own, "exact": EXACT.get(function, "x")}


def source(folder: Path, kernels: Sequence[str]) -> str:
    """The library's functions, words, and kernels; nothing that NVRTC lacks."""
    return "\n".join(["#define EVONUM_DEVICE_ONLY", (folder / "evomath.cuh").read_text(), HELPERS, *kernels])


def errors(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every float32, beside CUDA's float64 functions; and digests beside those of the C export."""
    rows, shipped = [], {f["name"]: f for f in functions}
    for name, (function, own) in rivals(functions).items():
        module = device.load(source(folder, [made(t, name, function, own) for t in (ERRORS, DIGEST)]))
        found = device.array(np.zeros(4, np.uint64))
        reach = map(np.float32, REACH.get(function, EVERYWHERE))
        device.launch(module, f"errors_{name}", 32 * device.processors, THREADS, *reach, found)
        largest, normal, right, wrong = device.fetch(found)
        row = {"name": name, "function": function, "expression": own, "wrong_nan_or_zero": int(wrong)}
        for key, pair in (("ulp", largest), ("normal_ulp", normal), ("normal_ulp_above_minus_1", right)):
            words = np.array([int(pair) >> 32, int(pair) & 0xFFFFFFFF], np.uint32).view(np.float32)
            row |= {key: float(words[0]), f"{key}_at": float(words[1])}
        if name in shipped:
            y = device.array(np.empty(SAMPLE, np.float32))
            blocks = SAMPLE // THREADS
            device.launch(module, f"digest_{name}", blocks, THREADS, np.uint32(STRIDE), np.uint32(SAMPLE), y)
            row["same_bits_as_c"] = digest(device.fetch(y)) == shipped[name]["digest"]
            row |= {"shipped_ulp": shipped[name]["ulp"], "tail": shipped[name]["tail"]}
        rows.append(row)
    return rows


def usual(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether the steps for usual inputs give the bits of all steps, at every float32."""
    rows = []
    for name, own in ((f["name"], f"{f['name']}(x)") for f in functions):
        text, sums = source(folder, [made(SUM, name, "", own)]), []
        for head in ("", "#define EVONUM_WHOLE\n"):
            found = device.array(np.zeros(1, np.uint64))
            device.launch(device.load(head + text), f"sum_{name}", 32 * device.processors, THREADS, found)
            sums.append(int(device.fetch(found)[0]))
        rows.append({"name": name, "shorter": f"{name}_usual" in text, "same_bits": sums[0] == sums[1]})
    return rows


def timed(device: Any, launches: Mapping[str, tuple], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each launch, all in one shuffled order a round: median and tenth percentile."""
    for launch in launches.values():
        device.milliseconds(*launch)
    found: dict[str, list[float]] = {name: [] for name in launches}
    order, rng = list(launches), random.Random(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            found[name].append(device.milliseconds(*launches[name]))
    return {
        name: {"median": float(np.median(ms)), "p10": float(np.percentile(ms, 10))}
        for name, ms in found.items()
    }


def slots(times: Mapping[str, Mapping[str, float]], name: str, which: str) -> float:
    """Multiply-adds' slots of a call, net of the loop; 32 of them are timed in the same run."""
    floor, scale = times["floor"][which], times["fma32"][which]
    return 32 * (times[name][which] - floor) / (scale - floor)


def loops(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]], rounds: int = 25) -> Any:
    """Times in a register-resident loop, in slots of multiply-adds net of the loop's floor, and in ns."""
    blocks = 48 * device.processors
    out = device.array(np.empty(blocks * THREADS, np.float32))
    calls = {name: (own, RANGES.get(function, USUAL)) for name, (function, own) in rivals(functions).items()}
    calls |= {"floor": ("x", USUAL), "fma32": ("fma32(x)", USUAL)}
    launches = {}
    for name, (own, (lo, hi)) in calls.items():
        module = device.load(source(folder, [made(LOOP, name, "", own)]))
        step = (hi - lo) / (CALLS + 1)
        args = (np.float32(lo), np.float32(step), np.int32(CALLS), np.int32(TIMES), out)
        launches[name] = (module, f"loop_{name}", blocks, THREADS, *args)
    times = timed(device, launches, rounds)
    each = 1e6 / (blocks * THREADS * CALLS * TIMES)  # ns a call, of milliseconds
    rows = [
        {
            "name": name, "range": calls[name][1],
            "net_slots": slots(times, name, "median"), "net_slots_p10": slots(times, name, "p10"),
            "net_ns": each * (times[name]["median"] - times["floor"]["median"]),
        }
        for name in calls
    ]  # fmt: skip
    return {"rows": rows, "milliseconds": times, "rounds": rounds}


def memory(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]], rounds: int = 15) -> Any:
    """Milliseconds over arrays, beside a copy."""
    rng = np.random.default_rng(0)
    uniform = rng.random(ELEMENTS, np.float32)
    to = device.array(np.empty(ELEMENTS, np.float32))
    arrays: dict[tuple[float, float], Any] = {}
    launches = {}
    calls = {**rivals(functions), "copy": ("", "x")}
    for name, (function, own) in calls.items():
        lo, hi = RANGES.get(function, USUAL)
        if (lo, hi) not in arrays:
            arrays[lo, hi] = device.array((lo + (hi - lo) * uniform).astype(np.float32))
        module = device.load(source(folder, [made(MEMORY, name, function, own)]))
        n = ELEMENTS // 4
        args = (arrays[lo, hi], to, np.uint32(n))
        launches[name] = (module, f"memory_{name}", n // THREADS, THREADS, *args)
    times = timed(device, launches, rounds)
    copy = times["copy"]["median"]
    rows = [{"name": name, **times[name], "of_copy": times[name]["median"] / copy} for name in calls]
    return {"rows": rows, "elements": ELEMENTS, "copy_gb_per_s": 8e-6 * ELEMENTS / copy}


def rates(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]], rounds: int = 15) -> Any:
    """Slots of instructions: alone, and with multiply-adds beside them, which other pipes run meanwhile."""
    blocks, times = 16 * device.processors, 8
    out = device.array(np.empty(blocks * THREADS, np.float32))
    args = (np.float32(0.3), np.float32(1e-7), np.int32(64), np.int32(times), out)
    launches = {}
    for name, statement in INSTRUCTIONS.items():
        word = "".join(c if c.isalnum() else "_" for c in name)
        kernels = [RATE % {"name": f"{word}{m}", "statement": statement, "fmas": m} for m in BESIDE]
        module = device.load("\n".join(kernels))
        for m in BESIDE:
            launches[f"{name}+{m}"] = (module, f"beside_{word}{m}_{m}", blocks, THREADS, *args)
    found = timed(device, launches, rounds)
    fma = (found["fma+16"]["median"] - found["fma+0"]["median"]) / 16
    rows = [
        {"name": name, **{f"slots_beside_{m}": found[f"{name}+{m}"]["median"] / fma for m in BESIDE}}
        for name in INSTRUCTIONS
    ]
    return {"rows": rows, "milliseconds": found}


def attention(device: Any, folder: Path, functions: Sequence[Mapping[str, Any]], rounds: int = 15) -> Any:
    """Shares of exponentials by programs, beside ex2.approx; and how many bfloat16 results are not right."""
    text = (folder / "attention.cuh").read_text()
    programs = {
        line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("// program ")
    }
    alone_of = next(iter(programs))
    blocks = 48 * device.processors
    out = device.array(np.empty(blocks * THREADS, np.float32))
    args = (np.float32(-20), np.float32(20 / (CALLS + 1)), np.int32(CALLS), np.int32(TIMES), out)
    launches, right = {}, []
    for program in programs:
        own = f"{program}({'x' if programs[program] == 'x' else '(float)j, part, above'})"
        kernels = [ATTENTION % {"name": f"{program}_{k}", "own": own, "share": k} for k in SHARES]
        module = device.load("\n".join(["#define EVONUM_DEVICE_ONLY", text, EX2, *kernels]))
        for k in SHARES:
            launches[f"{program}_{k}"] = (module, f"attention_{program}_{k}", blocks, THREADS, *args)
    kernel = ATTENTION % {"name": "none", "own": "x", "share": 16}
    launches["none"] = (device.load(EX2 + kernel), "attention_none", blocks, THREADS, *args)
    for program in [*programs, "ex2_approx_ftz"]:
        given = "x" if programs.get(program, "x") == "x" else "x, 1.0f / 126.0f, 1.0f"
        kernel = MISROUNDED % {"name": program, "own": f"{program}({given})"}
        module = device.load("\n".join(["#define EVONUM_DEVICE_ONLY", text, EX2, kernel]))
        row: dict[str, Any] = {"name": program}
        for key, ranges in (
            ("bfloat16", ((0, 0x7F7F0000, 1 << 16), (0x80000000, 0xFF7F0000, 1 << 16))),
            ("bfloat16_-126_to_0", ((0x80000000, 0xC2FC0000, 1 << 16),)),
            ("float32_-126_to_0", ((0x80000000, 0xC2FC0000, 1),)),
        ):
            found = device.array(np.zeros(2, np.uint64))
            for first, last, step in ranges:
                words = map(np.uint32, (first, last, step))
                device.launch(module, f"misrounded_{program}", blocks, THREADS, *words, found)
            wrong, every = device.fetch(found)
            row |= {f"misrounded_{key}": int(wrong), f"inputs_{key}": int(every)}
        right.append(row)
    times = timed(device, launches, rounds)
    alone = times[f"{alone_of}_0"]["median"]
    floor = times["none"]["median"]
    rows = [
        {
            "program": program, "share": k / 16, "median": times[f"{program}_{k}"]["median"],
            "rate": alone / times[f"{program}_{k}"]["median"],
            "net_rate": (alone - floor) / max(times[f"{program}_{k}"]["median"] - floor, 1e-9),
        }
        for program in programs
        for k in SHARES
    ]  # fmt: skip
    return {"rows": rows, "misrounded": right, "milliseconds": times}
