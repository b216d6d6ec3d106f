"""The library on a GPU, in one run: errors at every float32, times beside CUDA's, attention's exp2, Triton.

    python experiments/gpu_library.py make FOLDER        # here: writes sources, digests of C's results
    python experiments/gpu_library.py run FOLDER OUT     # there (NumPy, CuPy; PyTorch, Triton for one part)

`run` has each part in a process of its own, so that one that fails loses no other, and writes OUT/PART.json
and OUT/tables.md. Times are of interleaved launches, medians, net of the loop's floor, in slots: 1 is what a
multiply-add takes where all pipes of its kind are busy.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpu.parts import SAMPLE, STRIDE, attention, digest, errors, loops, memory, rates, usual

PARTS: dict[str, Callable[..., Any]] = {
    "errors": errors, "usual": usual, "loops": loops, "memory": memory, "attention": attention,
    "rates": rates,
}  # fmt: skip
TENSORS = "tensors"
LIMIT = 150
"""Seconds of a part."""
MEANT = 1e4
"""Ulp of which a table speaks; more is cancellation or flushing."""
SLACK = 1 + 1e-4
"""Of errors beside values in float64."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("task", choices=("make", "run", *PARTS, TENSORS))
    options.add_argument("folder", type=Path)
    options.add_argument("out", type=Path, nargs="?")
    given = options.parse_args()
    if given.task == "make":
        make(given.folder)
        return 0
    if given.out is None:
        options.error("run takes a folder for results, too.")
    given.out.mkdir(parents=True, exist_ok=True)
    if given.task == "run":
        return run(given.folder, given.out)
    functions = json.loads((given.folder / "functions.json").read_text())
    if given.task == TENSORS:
        from gpu.tensors import tensors

        found = tensors(given.folder, functions)
    else:
        from gpu.device import Device

        device = Device()
        own = [f for f in functions if f["dtype"] == "float32"]
        found = {"device": device.name, given.task: PARTS[given.task](device, given.folder, own)}
    (given.out / f"{given.task}.json").write_text(json.dumps(found, indent=1))
    return 0


def run(folder: Path, out: Path) -> int:
    """Every part, then the tables; exit code 1 if one failed."""
    failed = []
    for part in (*PARTS, TENSORS):
        start = time.monotonic()
        command = [sys.executable, __file__, part, str(folder), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
            said, code = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired:
            said, code = f"stopped after {LIMIT} s", 1
        print(f"{part}: {time.monotonic() - start:.1f} s, exit code {code}", flush=True)
        if code:
            failed.append(part)
            print(said[-1500:], flush=True)
            (out / f"{part}.log").write_text(said)
    text = tables(out)
    (out / "tables.md").write_text(text)
    print(text)
    return int(bool(failed))


def make(folder: Path) -> None:
    """Sources, and what C gives, to be compared there."""
    from evo.exports.export import write
    from evo.library.shelf import formula_of, rows_in
    from evo.reductions.table import REDUCTIONS

    folder.mkdir(parents=True, exist_ok=True)
    points = [(row, point, formula_of(point)) for row in rows_in("cuda") for point in row.points]
    of_32 = [formula for row, _, formula in points if row.dtype == "float32"]
    (folder / "evomath.cuh").write_text(str(write(of_32, "cuda")))
    (folder / "evomath.py").write_text(str(write([formula for *_, formula in points], "triton")))
    (folder / "attention.cuh").write_text(attention_programs())
    portable = [formula for row, _, formula in points if not row.platform]
    results = c_results(portable, folder)
    results |= {f.name: interpreted(f) for row, _, f in points if row.platform}
    found = [
        {
            "name": formula.name, "function": row.function, "dtype": row.dtype, "ops": point.member.ops,
            "ulp": point.ulp, "digest": digest(results[formula.name](row.dtype)),
            "tail": any(way.tail is not None for way in REDUCTIONS[row.function]),
        }
        for row, point, formula in points
    ]  # fmt: skip
    (folder / "functions.json").write_text(json.dumps(found, indent=1))
    print(f"{len(found)} functions in {folder}")


def c_results(formulas: Sequence[Any], folder: Path) -> dict[str, Callable[[str], np.ndarray]]:
    """What the C export gives: at all inputs of 16 bits, rounded to them; at every STRIDE-th float32."""
    import ctypes
    import tempfile

    import ml_dtypes

    from evo.exports.export import write
    from evo.kernels.build import find_compiler

    types = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
    with tempfile.TemporaryDirectory() as place:
        source, library = Path(place) / "all.c", Path(place) / "all.so"
        calls = [f"void call_{f.name}(size_t n, const float *x, float *y) {{ {f.name}_array(n, x, y); }}"
                 for f in formulas]  # fmt: skip
        source.write_text("\n".join([str(write(formulas, "c")), *calls, ""]))
        flags = ["-O3", "-march=native", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"]
        flags += ["-fPIC", "-shared"]
        subprocess.run([*find_compiler(), *flags, str(source), "-o", str(library), "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))

    def of(name: str, dtype: str) -> np.ndarray:
        if dtype == "float32":
            x = (np.arange(SAMPLE, dtype=np.uint64) * STRIDE).astype(np.uint32).view(np.float32)
        else:
            x = np.arange(1 << 16, dtype=np.uint16).view(types[dtype]).astype(np.float32)
        y = np.empty_like(x)
        pointers = (ctypes.c_void_p(v.ctypes.data) for v in (x, y))
        getattr(loaded, f"call_{name}")(ctypes.c_size_t(len(x)), *pointers)
        with np.errstate(all="ignore"):
            return y if dtype == "float32" else y.astype(types[dtype]).astype(np.float32)

    return {f.name: lambda dtype, name=f.name: of(name, dtype) for f in formulas}


def interpreted(formula: Any) -> Callable[[str], np.ndarray]:
    """What the interpreter gives of a function that C does not have, at every STRIDE-th float32."""

    def of(dtype: str) -> np.ndarray:
        x = (np.arange(SAMPLE, dtype=np.uint64) * STRIDE).astype(np.uint32).view(np.float32)
        given = (formula.program, formula.numbers)
        return np.concatenate(
            [formula.reduction.evaluate(*given, part, formula.fmt) for part in np.split(x, 64)]
        )

    return of


def attention_programs() -> str:
    """Device functions of 2^x for x in [-126, 0] without special values: ours of each size, and the cubic."""
    from evo.exports.cuda import render
    from evo.exports.export import reduction_of
    from evo.exports.formula import make_formula
    from evo.fronts.front import Front

    members = [m for m in Front.load(Path(__file__).parent / "floats" / "exp2-bfloat16.json") if m.ops > 1]
    formulas = [make_formula(m, "float32", f"ours{m.ops}", reduction=reduction_of(m)) for m in members]
    lines = [render(formulas)]
    for f in formulas:
        lines += [
            f"// program program_{f.name} x",
            f"static __device__ __forceinline__ float program_{f.name}(float x)"
            f" {{ return {f.name}_usual(fmaxf(x, -126.0f)); }}",
            saturated(f"saturated_{f.name}", f"{f.name}_core"),
        ]
    c = [f"{float(np.float32(v)).hex()}f" for v in cubic()]
    lines += [
        "// program program_cubic x",
        "static __device__ __forceinline__ float program_cubic(float x) {",
        "    const float t = fmaxf(x, -127.0f), s = __fadd_rd(t, 12582912.0f), r = t - (s - 12582912.0f);",
        f"    const float p = __fmaf_rn(__fmaf_rn(__fmaf_rn({c[2]}, r, {c[1]}), r, {c[0]}), r, 1.0f);",
        "    return __uint_as_float((__float_as_uint(s) << 23) + __float_as_uint(p));",
        "}",
        "",
    ]
    return "\n".join(lines)


def saturated(name: str, core: str) -> str:
    """2^x of x = scale a + shift, less than 0, clamped to [-126, 0] by the multiply-add that makes it.

    It is given scale/126 and shift/126 + 1: t = x/126 + 1 saturates to [0, 1] at no cost.
    """
    return f"""// program {name} scores
static __device__ __forceinline__ float {name}(float a, float scale, float shift) {{
    float t;
    asm("fma.rn.sat.f32 %0, %1, %2, %3;" : "=f"(t) : "f"(a), "f"(scale), "f"(shift));
    const float s = __fmaf_rn(t, 126.0f, 12582912.0f - 126.0f);
    const float r = __fmaf_rn(t, 126.0f, (12582912.0f - 126.0f) - s);
    return __uint_as_float((__float_as_uint(s) << 23) + __float_as_uint({core}(r)));
}}"""


def cubic() -> Any:
    """1 + c1 x + c2 x^2 + c3 x^3 for 2^x on [0, 1), the least relative error: as FlashAttention-4 has it."""
    from scipy.optimize import linprog

    x = (1 - np.cos(np.linspace(0, np.pi, 4001))) / 2
    powers = np.stack([x, x**2, x**3, np.zeros_like(x)], 1) / np.exp2(x)[:, None]
    powers[:, 3] = -1
    other = -powers
    other[:, 3] = -1
    gap = 1 - np.exp2(-x)
    found = linprog([0, 0, 0, 1], np.concatenate([powers, other]), np.concatenate([gap, -gap]),
                    bounds=[(None, None)] * 4, options={"primal_feasibility_tolerance": 1e-10,
                                                        "dual_feasibility_tolerance": 1e-10})  # fmt: skip
    return found.x[:3]


def tables(out: Path) -> str:
    """Markdown of what there is."""
    found: dict[str, Any] = {}
    for part in (*PARTS, TENSORS):
        path = out / f"{part}.json"
        if path.exists():
            found[part] = json.loads(path.read_text())
    lines = [f"device: {next((f['device'] for f in found.values() if 'device' in f), 'unknown')}", ""]
    for part, show in SHOWN.items():
        if part in found:
            try:
                lines += [*show(found), ""]
            except Exception as error:
                lines += [f"{part}: no table: {type(error).__name__}: {error}", ""]
    return "\n".join(lines)


def table(*rows: Sequence[Any]) -> list[str]:
    """The first row is the head."""
    texts = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (texts[0], ["---"] * len(texts[0]), *texts[1:])]


def _by_name(found: Mapping[str, Any], part: str) -> dict[str, Any]:
    rows = found.get(part, {}).get(part, {})
    return {row["name"]: row for row in (rows["rows"] if isinstance(rows, dict) and rows else rows)}


def functions_table(found: Mapping[str, Any]) -> list[str]:
    """Ours and CUDA's own, by function: slots and the largest error of all floats; what is wrong besides."""
    exact, slot = (_by_name(found, part) for part in ("errors", "loops"))
    kinds: dict[str, list[list[str]]] = {}
    tails = {row["function"] for row in exact.values() if row.get("tail")}

    def error_of(row: Mapping[str, Any]) -> float:
        """Where the function has a tail that is judged by absolute errors, above -1 only."""
        return float(row["normal_ulp_above_minus_1" if row["function"] in tails else "ulp"])

    for name, row in exact.items():
        error = f"{error_of(row):.2f}" if error_of(row) < MEANT else "-"
        net = f"{slot[name]['net_slots']:.1f}" if name in slot else "?"
        ours = "shipped_ulp" in row
        special = "nvidia " if "_nvidia_" in name else ""
        label = (
            special + name.rpartition("_")[2].removesuffix("ops")
            if ours
            else row["expression"].removesuffix("(x)")
        )
        column = 0 if ours else 1 if name.startswith("own0_") else 2
        kinds.setdefault(row["function"], [[], [], []])[column].append(f"{label}, {net} / {error}")
    head = ("function", "ours: multiply-adds, slots / ulp", "CUDA's own, slots / ulp", "others, slots / ulp")
    lines = table(
        head,
        *(
            (f"{f}, x > -1" if f in tails else f, *("; ".join(column) for column in columns))
            for f, columns in kinds.items()
        ),
    )
    shipped = [row for row in exact.values() if "shipped_ulp" in row]
    wrong = {
        "C's bits at a sample": lambda row: not row["same_bits_as_c"],
        "the error that their files say": lambda row: not error_of(row) <= SLACK * row["shipped_ulp"],
        "NaN and signs of zeros right": lambda row: row["wrong_nan_or_zero"],
    }
    for words, off in wrong.items():
        names = [row["name"] for row in shipped if off(row)]
        of = f"{len(shipped) - len(names)} of {len(shipped)}"
        lines += ["", f"{words}: {of}; not {', '.join(names) or 'any'}"]
    return lines


def usual_table(found: Mapping[str, Any]) -> list[str]:
    rows = [row for row in _by_name(found, "usual").values() if row["shorter"]]
    other = [row["name"] for row in rows if not row["same_bits"]]
    words = f"{len(rows) - len(other)} of {len(rows)}; not {', '.join(other) or 'any'}"
    return [f"The bits of all steps where usual inputs have fewer: {words}"]


def rates_table(found: Mapping[str, Any]) -> list[str]:
    rows = _by_name(found, "rates")
    keys = [key for key in next(iter(rows.values())) if key != "name"]
    return table(("instruction", *keys), *((name, *(row[k] for k in keys)) for name, row in rows.items()))


def attention_table(found: Mapping[str, Any]) -> list[str]:
    """Each program at the share where it is fastest; misrounded results of all inputs if it did them all."""
    part = found["attention"]["attention"]
    best: dict[str, Any] = {}
    for row in part["rows"]:
        if row["rate"] > best.get(row["program"], row | {"rate": 0.0})["rate"]:
            best[row["program"]] = row
    keys = [key for key in part["misrounded"][0] if key.startswith("misrounded")]
    rows: list[Sequence[Any]] = [("program", "share", "rate", *(key.replace("_", " ") for key in keys))]
    for right in part["misrounded"]:
        counts = [f"{right[k]:,} of {right[k.replace('misrounded', 'inputs')]:,}" for k in keys]
        fastest = best.get(right["name"], {"share": 0.0, "rate": 1.0})
        rows.append((right["name"], fastest["share"], fastest["rate"], *counts))
    return table(*rows)


def tensors_table(found: Mapping[str, Any]) -> list[str]:
    part = found[TENSORS]
    lines = [f"torch {part['torch']}, triton {part['triton']}"]
    lines += [f"{key}: {text}" for key, text in part.items() if key.endswith("_failed")]
    wrong = [row["name"] for row in part["bits"] if not row["same_bits_as_c"]]
    lines += [
        f"Triton: {len(part['bits']) - len(wrong)} of {len(part['bits'])} have C's bits; not {wrong}",
        "",
    ]
    for which in ("softmax", "elementwise"):
        if rows := part[which]:
            lines += [*table(list(rows[0]), *(list(row.values()) for row in rows)), ""]
    return lines


SHOWN: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "errors": functions_table, "usual": usual_table, "attention": attention_table, "rates": rates_table,
    TENSORS: tensors_table,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
