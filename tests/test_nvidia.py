"""NVIDIA's instructions without a GPU: tables, what they mean here and in C, reductions, exports."""

import ctypes
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from evo.exports.c import render
from evo.exports.cuda import _INSTRUCTIONS
from evo.exports.emulation import emulated, give_tables
from evo.exports.export import EXPORT_FORMATS, ExportError, write
from evo.floats.wanted import exact_core
from evo.library.shelf import NVIDIA, find, formula_of, rows
from evo.numbers import approximate
from evo.numbers.formats import FLOAT_FORMATS, FloatError
from evo.programs.floats import functions_on
from evo.programs.operation import BITS, FLOAT
from evo.reductions.nvidia import ONLY
from evo.reductions.steps import NVIDIA_STEPS, find_step
from evo.reductions.table import ON_NVIDIA
from exported import assert_wanted, call, compiled, inputs_of
from test_cuda_sources import errors
from test_exports_bits import tool
from test_house import ROOT

sys.path.insert(0, str(ROOT / "experiments"))

from gpu import approximations
from gpu.approximations import RULES

F32 = FLOAT_FORMATS["float32"]
WAYS = [pytest.param(way, id=name) for name, (way,) in ON_NVIDIA.items()]
SHIPPED = [formula_of(point) for row in rows(platform=NVIDIA) for point in row.points]
EXACT = {
    "rcp": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "ex2": np.exp2,
}
PROMISED = {"rcp": 1.0, "rsqrt": 2.0, "ex2": 2.0}
"""Ulp, of the manual of PTX: 2^-23 relatively, and 2^-22 to 2^-22.9."""


def some_floats(count=200_000):
    """Of every kind of bits, usual sizes and special values."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 1e-45, -1e-45, 2.0**-126]
    sizes = np.concatenate([special, rng.uniform(-150, 150, count), np.arange(-151.0, 130)])
    return np.concatenate([bits.view(np.float32), sizes.astype(np.float32)])


def same(a, b):
    """Bits, any NaN counting as one."""
    return (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("name", [*EXACT, "lg2"])
def test_a_table_is_the_one_that_a_gpu_gave(name):
    said = json.loads((approximate.DATA / "found.json").read_text())
    assert said["gpu"].startswith("NVIDIA H")
    assert said["tables"][name]["wrong"] == 0
    digest = hashlib.sha256(approximate.table(name).tobytes()).hexdigest()
    assert digest == said["tables"][name]["sha256"]


@pytest.mark.parametrize("name", EXACT)
def test_a_table_is_within_what_its_maker_promises(name):
    bits = approximate.table(name)
    x = (np.arange(len(bits), dtype=np.uint32) + np.uint32(0x3F800000)).view(np.float32).astype(float)
    exact = EXACT[name](x)
    size = np.exp2(np.floor(np.log2(exact)) - 23)
    error = np.abs(bits.view(np.float32) - exact) / size
    assert 0.5 < error.max() <= PROMISED[name]


def test_logarithms_from_2_on_are_cut_off_and_none_is_given_below():
    x = np.concatenate([np.linspace(2, 9, 50_001), 2.0 ** np.arange(1, 128), [3e38]]).astype(np.float32)
    got, exact = approximate.lg2(x), np.log2(x.astype(float))
    off = np.abs(got - exact) / np.exp2(np.floor(np.log2(exact)) - 23)
    assert 0.5 < off.max() < 1.5
    powers = np.exp2(np.arange(1, 128)).astype(np.float32)
    assert (approximate.lg2(powers) == np.arange(1, 128)).all()
    assert np.isnan(approximate.lg2(np.float32([1.5, 0.1, -1, -np.inf, np.nan]))).all()
    assert (approximate.lg2(np.float32([0.0, -0.0, 1e-45, np.inf])) == [-np.inf] * 3 + [np.inf]).all()


@pytest.mark.parametrize("name", EXACT)
def test_results_are_those_of_the_table_times_powers_of_two_and_flushed(name):
    x = some_floats()
    got = getattr(approximate, name)(x)
    with np.errstate(all="ignore"):
        flushed = np.where(np.abs(x) < 2.0**-126, np.copysign(np.float32(0), x), x).astype(float)
        exact = EXACT[name](flushed)
        off = np.abs(got - exact) / np.exp2(np.floor(np.log2(np.abs(exact))) - 23)
    normal = np.isfinite(exact) & (np.abs(exact) >= 2.0**-126) & (np.abs(exact) < 2.0**128)
    assert off[normal].max() < 2.4 if name == "ex2" else off[normal].max() <= PROMISED[name]
    assert (got[np.abs(exact) < 2.0**-127] == 0).all()
    assert np.isinf(got[np.abs(exact) >= 2.0**128]).all()
    assert (np.isnan(got) == np.isnan(exact)).all()


def test_other_formats_are_refused():
    with pytest.raises(FloatError, match="float64"):
        approximate.rcp(np.float64(2))


def build(folder, text):
    (folder / "a.c").write_text(text)
    flags = ["-std=gnu11", "-O2", "-mfma", "-ffp-contract=off", "-shared", "-fPIC"]
    library = folder / "a.so"
    loaded = compiled([tool("gcc"), *flags, str(folder / "a.c"), "-o", str(library), "-lm"], library)
    give_tables(loaded)
    return loaded


def pointers(*arrays):
    return [ctypes.c_void_p(a.ctypes.data) for a in arrays]


def test_c_has_the_interpreters_bits_of_every_instruction(tmp_path):
    lines = [emulated([formula_of(rows(platform=NVIDIA)[0].points[0])])]
    for row in NVIDIA_STEPS:
        values = ", ".join(f"{letter}[i]" for letter in "abc"[: row.arity])
        lines.append(f"void all_{row.name}(int n, const float *a, const float *b, const float *c, float *y)")
        lines.append(f"{{ for (int i = 0; i < n; i++) y[i] = evonum_{row.name}({values}); }}")
    library, a = build(tmp_path, "\n".join(lines)), some_floats()
    b, c = np.roll(a, 5), np.roll(a, 11)
    for row in NVIDIA_STEPS:
        got = np.empty_like(a)
        getattr(library, f"all_{row.name}")(len(a), *pointers(a, b, c, got))
        with np.errstate(all="ignore"):
            wanted = np.asarray(row.on_floats(functions_on(F32), *(a, b, c)[: row.arity]), np.float32)
        assert same(got, wanted).all(), row.name


@pytest.mark.parametrize("way", WAYS)
def test_steps_take_what_is_there_of_the_right_kind(way):
    kinds = {"x": FLOAT, **{k: BITS if isinstance(v, int) else FLOAT for k, v in way.constants(F32).items()}}
    for value, operation, args in way.steps:
        row = find_step(operation)
        assert "".join(kinds[a] for a in args) == row.takes, value
        assert value not in kinds
        kinds[value] = row.gives
    assert kinds["result"] == FLOAT


MOST = {"mish": 7.0, "normcdf": 4.0}
"""Ulp with an exact core, 3.5 elsewhere; of mish where results are nearly subnormal."""


@pytest.mark.parametrize("way", WAYS)
def test_with_exact_cores_a_function_is_within_some_ulp_and_right_at_special_values(way):
    from evo.floats.whole import sampled_inputs

    way = way.with_given({core.name: exact_core(core) for core in way.cores})
    way.given["scaled"] = lambda r: (r.astype(float) / np.log(2)).astype(np.float32)
    x = sampled_inputs(way, F32, 1 << 14).astype(np.float32)
    x = np.append(x, np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 105, -105]))
    got, exact = way.run(way.steps, way.given[way.core.name], x, F32), way.float64_at(x)
    with np.errstate(all="ignore"):
        right = exact.astype(np.float32)
    finite = np.isfinite(right)
    off = np.abs(got[finite] - exact[finite]) / way.unit(x[finite].astype(float), exact[finite], F32)
    assert off.max() < MOST.get(way.name, 3.5), x[finite][np.argmax(off)]
    assert np.array_equal(got[~finite], right[~finite], equal_nan=True)
    zero = right == 0
    assert (np.signbit(got) == np.signbit(right))[zero].all()


@pytest.mark.parametrize("formula", SHIPPED, ids=lambda f: f.name)
def test_a_shipped_function_errs_as_its_file_says_and_has_the_same_bits_in_c(formula, tmp_path):
    f = formula
    calls = f"void call_{f.name}(size_t n, const float *x, float *y) {{ {f.name}_array(n, x, y); }}"
    library = build(tmp_path, emulated([f]) + render([f]) + calls)
    assert_wanted(f, call(library, f, inputs_of(f)))
    x = inputs_of(f)
    got = f.reduction.evaluate(f.program, f.numbers, x, F32)
    with np.errstate(invalid="ignore"):  # a NaN that signals
        exact = f.reduction.float64_at(x.astype(float))
    finite = np.isfinite(exact) & (np.abs(exact) < 3.4e38)
    off = np.abs(got[finite] - exact[finite]) / f.reduction.unit(x[finite].astype(float), exact[finite], F32)
    assert off.max() <= f.float_errors[0].value * (1 + 1e-6)
    assert off.max() > 0.3 * f.float_errors[0].value


def test_with_its_approximations_every_reciprocal_and_root_is_right_and_so_are_quotients():
    """As exported CUDA makes them (`_QUICK`); quotients are right then by Markstein's theorem."""
    m = functions_on(F32)
    one = np.float32(1)

    def reciprocal(b):
        near = approximate.rcp(b)
        return m.fma(near, m.fma(-b, near, one), near)

    b = (np.arange(1 << 23, dtype=np.uint32) | 0x3F800000).view(np.float32)
    np.testing.assert_array_equal(reciprocal(b), one / b)
    for first in (0x3F800000, 0x40000000):
        a = (np.arange(1 << 23, dtype=np.uint32) + np.uint32(first)).view(np.float32)
        r = approximate.rsqrt(a)
        q = a * r
        np.testing.assert_array_equal(m.fma(np.float32(0.5) * r, m.fma(-q, q, a), q), np.sqrt(a))
    rng = np.random.default_rng(6)
    a, b = (np.ldexp(rng.uniform(1, 2, 1 << 21), rng.integers(-60, 60, 1 << 21)) for _ in range(2))
    a, b = a.astype(np.float32), b.astype(np.float32)
    r = reciprocal(b)
    q = a * r
    np.testing.assert_array_equal(m.fma(r, m.fma(-b, q, a), q), a / b)


def test_cuda_is_the_same_steps_by_single_instructions(tmp_path):
    text = write(SHIPPED, "cuda")
    assert errors(text) == []
    for word in ("ex2.approx.ftz.f32", "rcp.approx.ftz.f32", "fma.rn.sat.f32"):
        assert word in text
    words = "\n".join(_INSTRUCTIONS)
    assert words in text
    emulation = emulated(SHIPPED).replace("fmaf", "__builtin_fmaf")
    lines = ["#define EVONUM_APPROXIMATE", f'#include "{ROOT}/tests/emulate_cuda.h"']
    lines += ['extern "C" {', emulation, "}"]
    lines += [text.replace(words, "").replace("#pragma once", ""), 'extern "C" {']
    for f in SHIPPED:
        lines.append(f"void call_{f.name}(size_t n, const float *x, float *y)")
        lines.append(f"{{ for (size_t i = 0; i < n; i++) y[i] = {f.name}(x[i]); }}")
    (tmp_path / "all.cpp").write_text("\n".join([*lines, "}", ""]))
    flags = ["-std=c++17", "-O2", "-mfma", "-ffp-contract=off", "-shared", "-fPIC"]
    library = tmp_path / "all.so"
    loaded = compiled([tool("g++"), *flags, str(tmp_path / "all.cpp"), "-o", str(library), "-lm"], library)
    give_tables(loaded)
    for f in SHIPPED:
        assert_wanted(f, call(loaded, f, inputs_of(f)))


def test_triton_has_the_instructions_and_other_formats_refuse():
    f = SHIPPED[0]
    text = write([f], "triton")
    assert "ex2.approx.ftz.f32" in text
    assert f"def {f.name}_array(x):" in text
    for to in EXPORT_FORMATS.keys() - set(ONLY):
        with pytest.raises(ExportError):
            write([f], to)
    with pytest.raises(ExportError, match=r"NVIDIA's GPUs .*use cuda or triton"):
        write([f], "c")


def test_the_library_keeps_them_apart():
    assert all(row.platform == NVIDIA for row in rows(platform=NVIDIA))
    assert not any(formula_of(point).reduction.only for row in rows() for point in row.points)
    first = rows(platform=NVIDIA)[0]
    assert find(first.function, first.dtype).point() not in first.points
    assert find(first.function, first.dtype, NVIDIA).points == first.points


class Emulated:
    """A device whose approximations are those of the tables here; one thread after the other."""

    name = "no GPU"
    HEAD = r"""
#define __device__
#define __global__
#define __forceinline__ inline
struct Index { unsigned x; };
static Index blockIdx, threadIdx, blockDim;
static inline unsigned __float_as_uint(float a) { unsigned b; memcpy(&b, &a, 4); return b; }
static inline float __uint_as_float(unsigned a) { float b; memcpy(&b, &a, 4); return b; }
static inline float __double2float_rn(double a) { return (float)a; }
static inline float __double2float_rz(double a) { return (float)a; }
static void atomicAdd(unsigned long long *a, unsigned long long b) { *a += b; }
static void atomicMin(unsigned *a, unsigned b) { *a = b < *a ? b : *a; }
"""

    def __init__(self, folder):
        self.folder = folder

    def load(self, source):
        name = source.partition(".approx")[0].rpartition('"')[2]
        compare = (
            "const unsigned *",
            "unsigned",
            "unsigned",
            "unsigned",
            "unsigned long long *",
            "unsigned *",
        )
        calls = "\n".join(
            self.run(kernel, types)
            for kernel, types in (
                (f"values_{name}", ("unsigned", "unsigned", "unsigned *")),
                (f"compare_{name}", compare),
            )
        )
        approx = f"static float approx(float x) {{ return evonum_{name}_approx(x); }}\n"
        kernels = source[source.index("#define NAN_BITS") :]
        emulation = emulated(SHIPPED).replace("fmaf", "__builtin_fmaf")
        path = self.folder / f"{name}.cpp"
        heads = "#include <math.h>\n#include <stdint.h>\n#include <string.h>\n"
        path.write_text(heads + f'extern "C" {{{emulation}}}\n' + self.HEAD + approx + kernels + calls)
        library = path.with_suffix(".so")
        command = ["g++", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", str(library), str(path)]
        subprocess.run(command, check=True)
        loaded = ctypes.CDLL(str(library))
        give_tables(loaded)
        return loaded

    def run(self, kernel, types):
        names = [f"a{k}" for k in range(len(types))]
        takes = ", ".join(f"{t} {n}" for t, n in zip(types, names, strict=True))
        return (
            f'extern "C" void run_{kernel}(unsigned blocks, unsigned threads, {takes}) {{'
            " blockDim.x = threads; for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)"
            f" for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) {kernel}({', '.join(names)}); }}"
        )

    def array(self, values):
        return values

    fetch = array

    def launch(self, module, name, blocks, threads, *args):
        given = [
            ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_uint(int(a))
            for a in args
        ]
        getattr(module, f"run_{name}")(ctypes.c_uint(blocks), ctypes.c_uint(threads), *given)


def test_the_script_finds_these_tables_and_their_rules_on_a_device_that_has_them(tmp_path, monkeypatch):
    chosen = {
        name: rule for name, rule in RULES.items() if name != "lg2"
    }  # whose table has less than it gives
    asked = {name: approximations.INSTRUCTIONS[name] for name in chosen}
    monkeypatch.setattr(approximations, "INSTRUCTIONS", asked)
    monkeypatch.setattr(approximations, "RULES", chosen)
    out, kept = tmp_path / "out", tmp_path / "kept"
    approximations.collect(Emulated(tmp_path), out, 64)
    kept.mkdir()
    approximations.keep(out, kept)
    here, there = (json.loads((f / "found.json").read_text())["tables"] for f in (approximate.DATA, kept))
    assert all(there[name]["sha256"] == here[name]["sha256"] for name in chosen)
    wrong = json.loads((out / "found.json").read_text())["rules"]
    assert wrong["ex2 23_down"]["wrong"] > 0
    for name in chosen:
        assert (kept / f"{name}.xz").stat().st_size < 1 << 20


def test_a_table_whose_rule_is_wrong_is_not_kept(tmp_path):
    rules = {rule: {"by_octave": {"0x3f800000": [1, "0x3f800000"]}} for rule, _ in RULES.values()}
    text = json.dumps({"gpu": "", "date": "", "tables": {}, "rules": rules})
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(ValueError, match="rcp flushed is wrong at 1 inputs"):
        approximations.keep(tmp_path, tmp_path)
