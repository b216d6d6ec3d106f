import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evo.kernels import build as native
from evo.kernels import library as loading
from evo.kernels.build import BuildError, build, cache_folder
from evo.kernels.headers import ops_header
from evo.kernels.library import kernels
from evo.programs.ops import OPS

TESTS = Path(__file__).parent
gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


@gcc
def test_the_kernels_compile_without_a_single_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    library = build(tmp_path, ("-Werror", "-O1", "-Wshadow=local"))
    assert library.exists()
    assert {"-Wall", "-Wextra"} <= set(native.FLAGS)


@gcc
def test_a_second_build_is_a_cache_hit_and_other_flags_are_another_build(tmp_path, monkeypatch):
    first = build(tmp_path, ("-O0",))
    stamp = first.stat().st_mtime_ns

    def again(command, **options):
        raise AssertionError("compiled again")

    monkeypatch.setattr(subprocess, "run", again)
    assert build(tmp_path, ("-O0",)) == first
    assert first.stat().st_mtime_ns == stamp
    with pytest.raises(AssertionError, match="compiled again"):
        build(tmp_path, ("-O0", "-g"))
    assert os.listdir(tmp_path) == [first.name], "no scratch folder stays"


def damage_nothing(library):
    pass


def damage_by_truncation(library):
    library.write_bytes(library.read_bytes()[:-1000])


def damage_a_byte(library):
    data = bytearray(library.read_bytes())
    data[len(data) // 2] ^= 1
    library.write_bytes(data)


def damage_to_nothing(library):
    library.write_bytes(b"")


def damage_to_a_folder(library):
    library.unlink()
    (library / "deep").mkdir(parents=True)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache folder with a library; its only file."""
    return build(tmp_path_factory.mktemp("compiled") / "cache", ("-O0",))


@gcc
@pytest.mark.parametrize(
    "damage", [damage_nothing, damage_by_truncation, damage_a_byte, damage_to_nothing, damage_to_a_folder]
)
def test_a_damaged_library_is_compiled_again_and_a_whole_one_needs_no_compiler(
    compiled, tmp_path, monkeypatch, damage
):
    library = Path(shutil.copytree(compiled.parent, tmp_path / "cache")) / compiled.name
    whole = library.read_bytes()
    damage(library)
    if damage is damage_nothing:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert build(tmp_path / "cache", ("-O0",)) == library
    assert library.read_bytes() == whole
    ctypes.CDLL(str(library))
    assert os.listdir(tmp_path / "cache") == [library.name]


def test_a_compiler_that_makes_nothing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "true --quiet")
    with pytest.raises(BuildError, match=r"true says that it compiled .* made no file\. Set CC"):
        build(tmp_path)
    monkeypatch.setenv("CC", "gcc '")
    with pytest.raises(BuildError, match=r"is no command"):
        build(tmp_path)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(BuildError, match=r"false could not compile"):
        build(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_library_that_does_not_load_is_told(tmp_path, monkeypatch):
    (tmp_path / "kernels.so").write_text("no library")
    monkeypatch.setattr(loading, "build", lambda: tmp_path / "kernels.so")
    with pytest.raises(BuildError, match="do not load"):
        kernels.__wrapped__()


@gcc
def test_the_compiler_may_have_options(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc -DOPTION")
    assert build(tmp_path, ("-O0",)).exists()


def test_the_generated_header_lists_every_op():
    header = ops_header()
    rows = re.findall(r"^    ROW\((\d+), (\w+), ", header, re.MULTILINE)
    assert rows == [(str(code), op.name) for code, op in enumerate(OPS)]
    names = re.search(r"enum \{ (.*), N_OPS \};", header)
    assert names
    assert names[1].split(", ") == [f"OP_{op.name.upper()}" for op in OPS]
    for table, values in {
        "ARITY": [op.arity for op in OPS],
        "SYMMETRIC": [int(op.symmetric) for op in OPS],
        "COST": [op.cost for op in OPS],
        "ROOTS": [int("root(" in op.field) for op in OPS],
        "DIVISOR": [3 if op.divisor is None else op.divisor for op in OPS],
    }.items():
        assert f"static const int {table}[] = {{{', '.join(map(str, values))}}};" in header


def test_another_op_table_is_another_header():
    assert ops_header(OPS[:-1]) != ops_header()


def test_no_compiler_is_one_line_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"No C compiler found \(tried .*install gcc") as caught:
        build(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inside", [False, True])
def test_a_cache_folder_that_cannot_be_written_is_one_line_that_says_what_to_set(tmp_path, inside):
    folder = tmp_path / "cache"
    folder.write_text("a file, not a folder")
    with pytest.raises(BuildError, match=r"cannot be kept in .*EVONUM_CACHE") as caught:
        build(folder / "deeper" if inside else folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@gcc
def test_a_compiler_that_refuses_is_quoted(tmp_path):
    with pytest.raises(BuildError, match=r"could not compile the kernels:\n(.|\n)*no-such-flag"):
        build(tmp_path, ("--no-such-flag",))
    assert os.listdir(tmp_path) == []


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EVONUM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EVONUM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "evonumerics"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("~/.cache/evonumerics").expanduser()


def test_the_library_is_loaded_once_and_exports_what_python_calls():
    library = kernels()
    assert kernels() is library
    for name in ("fit", "measure", "evaluate", "offspring", "fingerprints", "canonical_forms", "cache_merge"):
        assert callable(getattr(library, name))
    assert not hasattr(library, "canonicalise"), "helpers stay inside"


SANITISED = """
import sys
from pathlib import Path
import numpy as np
from evo.kernels import build, library
flags = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
made = build.build(Path(sys.argv[1]), flags)
library.library_path = lambda: made
from evo.programs.batch import Batch
from evo.kernels.cache import Cache, Entries
from evo.kernels.fingerprint import functions, texts
from evo.programs.program import parse
from evo.kernels.vary import Variation, mutations, offspring
from strategies import ALL, random_batch
chain = ["v1 = x + c1", *(f"v{i} = v{i - 1} {'*+/'[i % 3]} c{i}" for i in range(2, 65))]
square = ["v1 = x * x", *(f"v{i} = v{i - 1} / v{max(i - 3, 1)}" for i in range(2, 65))]
big = [parse("\\n".join(lines)) for lines in (chain, square, chain[:32])]
parents = Batch.of(big, [[1.5] * p.n_constants for p in big], 64)
random = random_batch(np.random.default_rng(0), 200, ops=ALL, size=(1, 12), constants=12)
for batch in (parents, random, Batch.empty(0, 64)):
    if len(batch):
        functions(batch)
        batch, key = texts(batch)
        batch = batch.take(np.flatnonzero(key))
    weights = [None] + [{n: float(n == name) for n in mutations()} for name in mutations()]
    for weight in weights:
        known = Cache.empty(64), Cache.empty(64)
        found = offspring(1, Variation(ALL, 64, weight, further=0.7), batch, *known, 40)
        functions(found.batch)
        ops = found.batch.ops.astype(np.uint8)
        known[1].merge(Entries(found.fingerprint, found.check, ops, np.ones(len(ops), np.float32)))
        known[1].scores(found.fingerprint)
from types import SimpleNamespace
from evo.backends.native import NativeBackend
from evo.kernels.effort import Effort
x = np.linspace(0.01, 1, 45)
points = SimpleNamespace(x=x, exact=np.exp2(x), weight=1 / np.exp2(x))
out = offspring(2, Variation(ALL, 64, further=0.7), parents, Cache.empty(64), Cache.empty(64), 40).batch
backend = NativeBackend()
for batch in (out, texts(random)[0].take(np.flatnonzero(texts(random)[1]))):
    rows = np.arange(len(batch), dtype=np.uint64)
    fits = backend.fit(batch, points, Effort(lawson_rounds=3), rows, np.full(len(batch), np.inf))
    assert fits.iterations > 0
    backend.measure(batch, np.arange(len(batch)), points, 7)
    backend.jacobian(batch, x)
print("clean")
"""


def sanitiser(name):
    """The compiler's own copy of a run-time library, or None."""
    if not shutil.which("gcc"):
        return None
    path = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return path.stdout.strip() if Path(path.stdout.strip()).is_absolute() else None


def run_sanitised(code, folder):
    environment = {
        **os.environ,
        "CC": "gcc",
        "LD_PRELOAD": f"{sanitiser('libasan.so')} {sanitiser('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        "PYTHONMALLOC": "malloc",  # every array has its own guarded block
    }
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@gcc
@pytest.mark.skipif(not (sanitiser("libasan.so") and sanitiser("libubsan.so")), reason="gcc has no sanitiser")
def test_the_kernels_touch_no_memory_but_their_own_and_have_no_undefined_behaviour(tmp_path):
    run = run_sanitised(SANITISED, tmp_path)
    assert run.returncode == 0, run.stderr[-4000:]
    assert run.stdout.strip() == "clean"
    assert "ERROR" not in run.stderr
    assert "runtime error" not in run.stderr
