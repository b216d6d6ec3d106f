"""Kernels compiled ahead: which one a processor gets, and that it tells programs apart as any other does."""

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from evo.kernels import fingerprint, library, prebuilt, processor
from evo.kernels.build import BuildError, build, is_whole
from evo.kernels.processor import LEVELS
from strategies import ALL, random_batch

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="levels are of x86-64"),
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc"),
]
V4, V3 = LEVELS
OTHERS = "fpu sse sse2"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the libraries of all levels."""
    folder = tmp_path_factory.mktemp("prebuilt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prebuilt, "FOLDER", folder)
        prebuilt.make_all()
    return folder


def copy(file: Path, to: Path) -> None:
    to.parent.mkdir(exist_ok=True)
    shutil.copy(file, to)


@pytest.fixture
def without_compiler(made, tmp_path, monkeypatch):
    """A machine that has the wheel's libraries, and neither a compiler nor anything compiled before."""
    monkeypatch.setattr(prebuilt, "FOLDER", made)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EVONUM_CACHE", str(tmp_path / "cache"))
    for name in ("CC", library.VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Gives the processor other features."""

    def with_features(features):
        (tmp_path / "cpuinfo").write_text(f"model name\t: Old One\nflags\t\t: {' '.join(features)}\n" * 2)
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")

    return with_features


@pytest.mark.parametrize(
    ("features", "level"),
    [
        (V4.features | set(OTHERS.split()), V4),
        (V3.features, V3),
        (V4.features - {"avx512vl"}, V3),
        (V4.features - {"fma"}, None),
        ({"sse2"}, None),
    ],
)
def test_a_machine_without_a_compiler_gets_the_best_kernels_that_its_processor_has(
    features, level, without_compiler, pretend
):
    pretend(features)
    if level is None:
        with pytest.raises(BuildError, match=r"^No C compiler .* wheel .*AVX2.* this is Old One\.$"):
            library.library_path()
    else:
        assert library.library_path() == prebuilt.prebuilt(level)


def test_a_compiler_that_refuses_is_quoted_with_the_kernels_that_need_none(without_compiler, monkeypatch):
    monkeypatch.setenv("CC", shutil.which("false", path="/bin:/usr/bin"))
    with pytest.raises(BuildError, match=r"could not compile(.|\n)*EVONUM_KERNELS=x86-64-v[34]\."):
        library.library_path()


def test_where_a_compiler_is_its_kernels_are_taken(made, tmp_path, monkeypatch):
    monkeypatch.setattr(prebuilt, "FOLDER", made)
    monkeypatch.delenv(library.VARIABLE, raising=False)
    assert library.library_path() == build()


def test_kernels_of_other_sources_or_damaged_ones_are_not_taken(without_compiler, made, monkeypatch):
    level = prebuilt.best()
    assert level is not None
    there = prebuilt.prebuilt(level)
    whole = there.read_bytes()
    there.write_bytes(whole[:-1])
    try:
        assert prebuilt.best() != level
    finally:
        there.write_bytes(whole)
    monkeypatch.setattr(prebuilt, "FLAGS", (*prebuilt.FLAGS, "-DANOTHER"))
    assert prebuilt.best() is None


def test_kernels_can_be_asked_for_by_name(without_compiler, pretend, monkeypatch):
    monkeypatch.setenv(library.VARIABLE, "native")
    with pytest.raises(BuildError, match="No C compiler"):
        library.library_path()
    monkeypatch.setenv(library.VARIABLE, "x86-64-v5")
    with pytest.raises(library.ChoiceError, match=r"'x86-64-v5' .* there are: native, x86-64-v4, x86-64-v3"):
        library.library_path()
    pretend(V3.features)
    monkeypatch.setenv(library.VARIABLE, V4.name)
    with pytest.raises(BuildError, match="Old One"):
        library.library_path()
    monkeypatch.setenv(library.VARIABLE, V3.name)
    assert library.library_path() == prebuilt.prebuilt(V3)


@pytest.mark.parametrize(
    "level", [pytest.param(V4, marks=pytest.mark.slow), V3], ids=lambda level: level.name
)
def test_a_level_that_nobody_made_ahead_is_compiled(level, made, tmp_path, monkeypatch):
    """Its compilation gives what the same one gave before."""
    if not processor.supports(level):
        pytest.skip(f"this processor lacks {level.name}")
    compiled = {prebuilt._flags(level): made / prebuilt.prebuilt(level).name}
    monkeypatch.setattr("evo.kernels.build.make_library", lambda new, flags: copy(compiled[flags], new))
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    monkeypatch.setenv("EVONUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(library.VARIABLE, level.name)
    assert library.library_path().parent == tmp_path / "cache"
    assert is_whole(library.library_path())


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_prebuilt_kernels_tell_programs_apart_as_native_ones_do(level, made, monkeypatch):
    if not processor.supports(level):
        pytest.skip(f"this processor lacks {level.name}")
    batch = random_batch(np.random.default_rng(5), 500, ops=ALL, size=(1, 12), constants=12)
    native = fingerprint.functions(batch)
    monkeypatch.setattr(prebuilt, "FOLDER", made)
    ahead = library.load(prebuilt.prebuilt(level))
    monkeypatch.setattr(fingerprint, "kernels", lambda: ahead)
    for array, other in zip(native, fingerprint.functions(batch), strict=True):
        np.testing.assert_array_equal(array, other)


def test_making_them_again_leaves_none_of_other_sources(made, monkeypatch):
    monkeypatch.setattr(prebuilt, "FOLDER", made)
    monkeypatch.setattr(prebuilt, "make_library", lambda path, flags: path.write_bytes(b"new"))
    kept = {path: path.read_bytes() for path in made.iterdir()}
    (made / "kernels-x86-64-v3-0123.so").write_text("old")
    try:
        prebuilt.make_all()
        assert sorted(made.iterdir()) == sorted(kept)
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
