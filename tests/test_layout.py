"""What Python and the kernels share has one source, and the compiler is asked whether both agree."""

import ctypes
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from evo.backends.device import source
from evo.kernels import layout
from evo.kernels.binding import TYPES, CPoints, Struct
from evo.kernels.build import SOURCES
from evo.kernels.effort import NUMBERS
from evo.kernels.headers import generated_headers
from evo.kernels.layout import FUNCTIONS, STRUCTS, Row, layout_header
from evo.kernels.library import kernels

gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


def refusal(text: str, folder, *flags: str) -> str:
    """What gcc says of this C."""
    file = folder / "given.c"
    file.write_text(text)
    command = ["gcc", "-fsyntax-only", "-Werror", *flags, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@gcc
def test_the_compiler_agrees_with_ctypes_in_every_size_and_offset(tmp_path):
    assert refusal(layout_header(), tmp_path) == ""
    assert refusal(layout_header(), tmp_path, "-xc++") == ""


EXPORTED = {
    path.name: re.findall(r"^EXPORT [\w ]+?\*?(\w+)\(", path.read_text(), re.MULTILINE)
    for path in SOURCES.glob("*.[ch]")
}


@gcc
@pytest.mark.parametrize("name", STRUCTS)
def test_a_structure_that_c_sees_otherwise_is_no_library(tmp_path, name):
    first = STRUCTS[name][0]
    other = layout_header().replace(f"    {first};", f"    char moved; {first};")
    said = refusal(other, tmp_path)
    assert f'static assertion failed: "__builtin_offsetof({name}, {first.name}) == 0"' in said


@gcc
@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.arguments])
def test_a_function_that_takes_something_else_is_no_library(tmp_path, monkeypatch, name):
    function = FUNCTIONS[name]
    *before, last = function.arguments
    other = function._replace(arguments=(*before, last._replace(kind="float", pointer=not last.pointer)))
    monkeypatch.setitem(FUNCTIONS, name, other)
    for file, text in generated_headers().items():
        (tmp_path / file).write_text(text)
    unit = "strict.c" if name in EXPORTED["strict.c"] else "kernels.c"
    said = refusal(f'#include "{SOURCES}/{unit}"\n', tmp_path, "-I", str(tmp_path))
    assert re.search(f"conflicting types for .{name}.", said)


def test_every_exported_function_is_declared():
    assert set().union(*EXPORTED.values()) == set(FUNCTIONS)


def test_a_number_of_the_fit_stands_in_no_kernel_and_every_one_is_used():
    texts = [source(kernel, 4) for kernel in ("fit", "evaluate")]
    texts += [path.read_text() for path in SOURCES.glob("*.h")]
    for name in NUMBERS:
        assert any(re.search(rf"(?<!#define )\b{name}\b", text) for text in texts), name
        assert not any(re.search(rf"#define {name}\b", path.read_text()) for path in SOURCES.glob("*.*h"))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(4, np.float32), "got float32"),
        (np.zeros((4, 2))[:, 0], r"strides \(16,\)"),
        ([0.0, 1.0], "got list"),
        (None, "got NoneType"),
    ],
)
def test_an_array_that_the_kernels_would_misread_is_refused(array, words):
    good = np.zeros(4)
    with pytest.raises(TypeError, match=f"exact must be a contiguous array of float64, .*{words}"):
        CPoints.of(SimpleNamespace(x=good, exact=array, weight=good), points=4)
    with pytest.raises(ctypes.ArgumentError, match=words):
        kernels().behaviours(array, good, 1, 4, np.zeros(1, np.uint64))


def test_a_read_only_array_is_read_but_never_written():
    curve, error, found = np.zeros((1, 4)), np.ones(1), np.zeros(1, np.uint64)
    curve.flags.writeable = False
    kernels().behaviours(curve, error, 1, 4, found)
    assert found[0]
    found.flags.writeable = False
    with pytest.raises(ctypes.ArgumentError, match="behaviour is written"):
        kernels().behaviours(curve, error, 1, 4, found)


def test_a_structure_keeps_the_arrays_that_it_points_to():
    made = CPoints.of(SimpleNamespace(x=np.arange(3.0), exact=np.ones(3), weight=np.ones(3)), points=3)
    assert made.x == made.source.x.ctypes.data
    assert all(issubclass(kind, Struct) for kind in TYPES.values())


def test_declarations_are_read_as_c_reads_them():
    for text in ("const double *x", "uint8_t *op", "int64_t rows", "unsigned long long *iterations"):
        assert str(Row.of(text)) == text
    assert layout.KINDS.keys() >= {row.kind for rows in STRUCTS.values() for row in rows}
