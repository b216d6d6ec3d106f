"""Exported CUDA against the interpreter, bit for bit, on a GPU machine that has only NumPy and CuPy.

    python experiments/cuda_bits.py make FOLDER      # here: writes exports.cu, inputs.npz, wanted.json
    python experiments/cuda_bits.py check FOLDER     # there: compiles by NVRTC, runs, compares; exit code 1

The programs are those of `everything` in tests/exported.py (published, random and gallery ones, each in both
formats, the gallery's exp2 on all floats, too), and other cores of exp2 and exp on all floats; 100,000 inputs
each, special values and random bit patterns among them. What is compared are SHA-256 digests of all result
bits, any NaN counting as one; the first results are kept to show.
Every program runs twice, compiled with the default flags and with those that make CUDA least exact: the
exports name only -ftz=false.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = 64
FLAGS = {
    "default": ("-std=c++17",),
    "contracting, approximate division": ("-std=c++17", "-fmad=true", "-prec-div=false", "-prec-sqrt=false"),
}


def digest(y: np.ndarray) -> str:
    """Of the bits, with one NaN for all."""
    return hashlib.sha256(np.where(np.isnan(y), y.dtype.type(np.nan), y).tobytes()).hexdigest()


def make(folder: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from evo.exports.export import write
    from evo.exports.samples import results
    from exported import everything, inputs, inputs_everywhere
    from test_exports_full import CASES, full

    folder.mkdir(parents=True, exist_ok=True)
    chosen = (*everything(), *(full(name, dtype, fused) for name, dtype in CASES for fused in (False, True)))
    arrays = {name: inputs(name) for name in ("float64", "float32")}
    arrays |= {f"full_{name}": inputs_everywhere(name) for name in ("float64", "float32")}
    wanted: dict[str, Any] = {}
    for formula in chosen:
        which = f"{'full_' if formula.reduction else ''}{formula.fmt.name}"
        y = results(formula, arrays[which])
        first = [f"{v:#x}" for v in y[:SHOWN].view(formula.fmt.unsigned).tolist()]
        wanted[formula.name] = {"inputs": which, "digest": digest(y), "first": first}
    (folder / "exports.cu").write_text(write(chosen, "cuda"))
    np.savez_compressed(folder / "inputs.npz", **arrays)
    (folder / "wanted.json").write_text(json.dumps(wanted))
    print(f"{len(wanted)} functions in {folder}")


def compiled(source: str, options: tuple[str, ...]) -> Any:
    """The module, by NVRTC itself: CuPy's own call adds -ftz=true, which loses float32's subnormals."""
    from cupy.cuda import Device, function, nvrtc

    program = nvrtc.createProgram(source, "exports.cu", (), ())
    try:
        nvrtc.compileProgram(program, (f"-arch=sm_{Device().compute_capability}", *options))
    except nvrtc.NVRTCError:
        sys.exit(nvrtc.getProgramLog(program))
    module = function.Module()
    module.load(nvrtc.getCUBIN(program))
    return module


def check(folder: Path) -> int:
    import cupy

    arrays = dict(np.load(folder / "inputs.npz"))
    on_device = {name: cupy.asarray(x) for name, x in arrays.items()}
    wanted = json.loads((folder / "wanted.json").read_text())
    wrong = 0
    for label, options in FLAGS.items():
        module = compiled((folder / "exports.cu").read_text(), options)
        before = wrong
        for name, expected in wanted.items():
            x = on_device[expected["inputs"]]
            y = cupy.empty_like(x)
            blocks = (x.size + 255) // 256
            module.get_function(f"{name}_array")((blocks,), (256,), (np.uint64(x.size), x, y))
            got = cupy.asnumpy(y)
            if digest(got) != expected["digest"]:
                wrong += 1
                unsigned = np.uint64 if got.itemsize == 8 else np.uint32
                bits = [f"{v:#x}" for v in got[:SHOWN].view(unsigned).tolist()]
                pairs = zip(arrays[expected["inputs"]][:SHOWN], bits, expected["first"], strict=True)
                print(f"{label}: {name} differs; first: {[p for p in pairs if p[1] != p[2]][:3]}")
        good = len(wanted) - (wrong - before)
        print(f"{label}: {good} of {len(wanted)} functions give the interpreter's bits")
    props = cupy.cuda.runtime.getDeviceProperties(0)
    print(f"device {props['name'].decode()}, cupy {cupy.__version__}, inputs {arrays['float64'].size:,} each")
    return int(wrong > 0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    sys.exit({"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2])))
