"""The experiment for GPUs without one: its kernels compile, its lines run, what they say becomes tables."""

import json
import sys

import numpy as np
import pytest

from test_cuda_sources import errors as compile_errors
from test_house import ROOT

sys.path.insert(0, str(ROOT / "experiments"))

import gpu_library
from evo.library.shelf import rows
from gpu import parts
from gpu.words import EXACT, OWN


class Emulated:
    """A device that compiles every source and runs nothing; each launch takes as long as its name says."""

    name, processors = "no GPU", 2

    def __init__(self):
        self.sources = []

    def load(self, source, *options):
        self.sources.append(source)
        return len(self.sources) - 1

    def array(self, values):
        return values

    def fetch(self, values):
        return values

    def launch(self, module, name, blocks, threads, *args):
        assert f" {name}(" in self.sources[module]

    def milliseconds(self, module, name, blocks, threads, *args):
        self.launch(module, name, blocks, threads, *args)
        return 1.0 + {"loop_floor": 0, "attention_none": 0, "loop_fma32": 32}.get(name, len(name) % 7 + 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("gpu")
    gpu_library.make(found)
    return found


@pytest.fixture(scope="module")
def results(folder, tmp_path_factory):
    """What all parts give on no GPU, and the sources that they compiled."""
    out, device = tmp_path_factory.mktemp("out"), Emulated()
    functions = [f for f in json.loads((folder / "functions.json").read_text()) if f["dtype"] == "float32"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ELEMENTS", 1 << 16)  # arrays that nobody reads
        for name, part in gpu_library.PARTS.items():
            found = {"device": device.name, name: part(device, folder, functions)}
            (out / f"{name}.json").write_text(json.dumps(found))
    return out, device


def test_every_function_has_the_bits_of_numpy_in_its_digest(folder):
    from evo.library import numpy as fast

    functions = json.loads((folder / "functions.json").read_text())
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    y = fast.exp2(x).astype(np.float32)
    ours = [f for f in functions if (f["function"], f["dtype"]) == ("exp2", "float16")]
    assert ours[-1]["digest"] == parts.digest(y)


def test_the_tables_have_every_function_and_every_program(results):
    out, _ = results
    text = gpu_library.tables(out)
    assert "no table" not in text
    assert "expf, " in text
    for function in {row.function for row in rows() if row.dtype == "float32"} & set(OWN):
        first = next(iter(OWN[function].values())).removesuffix("(x)")
        assert f"| {first}, " in text
    assert "| exp2 | 5, " in text
    assert "C's bits at a sample: 0 of" in text  # nothing ran
    assert "where usual inputs have fewer: " in text
    assert "program_cubic" in text
    assert "| ex2.approx |" in text


def test_times_are_net_of_the_loop_in_slots_of_multiply_adds():
    times = {"floor": {"median": 2.0}, "fma32": {"median": 10.0}, "f": {"median": 4.0}}
    assert parts.slots(times, "f", "median") == 8


def test_kernels_compile(results):
    """One of each kind, and all that attention takes; all of them under the mark slow."""
    _, device = results
    kinds = {}
    for source in device.sources:
        kernel = source.rpartition('extern "C" __global__ void ')[2].partition("_")[0]
        kinds.setdefault(kernel, source)
    assert set(kinds) == {"digest", "sum", "loop", "memory", "attention", "misrounded", "beside"}
    for source in kinds.values():
        assert compile_errors(source) == []


@pytest.mark.slow
def test_all_kernels_compile(results):
    for source in results[1].sources:
        assert compile_errors(source) == []


def test_every_function_of_the_tables_has_a_value_in_float64():
    assert set(OWN) == set(EXACT)
    lines = [f"__device__ double r{k}(double x) {{ return {e}; }}" for k, e in enumerate(EXACT.values())]
    own = [e for words in OWN.values() for e in words.values()]
    lines += [f"__device__ float f{k}(float x) {{ return {e}; }}" for k, e in enumerate(own)]
    from gpu.words import HELPERS

    assert compile_errors("\n".join([HELPERS, *lines])) == []


def test_the_cubic_of_attention_is_the_least_there_is():
    """8.77e-5 is what is published of FlashAttention-4's; levelled at five points it is the least."""
    c = gpu_library.cubic()
    x = np.linspace(0, 1, 100_001)
    error = (1 + x * (c[0] + x * (c[1] + x * c[2]))) / np.exp2(x) - 1
    most = np.abs(error).max()
    assert 8e-5 < most <= 8.77e-5
    assert np.diff(np.sign(error[np.abs(error) > 0.999 * most])).astype(bool).sum() == 3


def test_a_part_that_fails_loses_no_other(folder, tmp_path, capsys):
    """Here all parts fail: there is no GPU, and no CuPy perhaps."""
    assert gpu_library.run(folder, tmp_path) == 1
    said = capsys.readouterr().out
    assert all(f"{part}: " in said for part in (*gpu_library.PARTS, gpu_library.TENSORS))
    assert "device: unknown" in (tmp_path / "tables.md").read_text()
