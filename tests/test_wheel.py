"""The wheel where its users are: a new environment outside the repository, with no compiler on the PATH."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evo.kernels.processor import LEVELS, supports
from evo.library.shelf import functions
from test_house import ROOT, copied

BIN = Path(sys.executable).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc to make the wheel"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `make wheel` makes of the checkout's own files."""
    folder = copied(tmp_path_factory.mktemp("checkout"))
    command = ["make", "-o", f"{BIN.parent}/.ready", "wheel", f"VENV={BIN.parent}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "dist").iterdir()
    return made


def test_its_tag_names_a_c_library_that_has_all_that_the_kernels_call(wheel):
    tag = re.search(r"-py3-none-manylinux_(\d+)_(\d+)_x86_64\.whl$", wheel.name)
    assert tag, wheel.name
    with zipfile.ZipFile(wheel) as files:
        kernels = [name for name in files.namelist() if name.endswith(".so")]
        called = [v for name in kernels for v in re.findall(rb"GLIBC_(\d+)\.(\d+)", files.read(name))]
        (metadata,) = [name for name in files.namelist() if name.endswith("/METADATA")]
        text = files.read(metadata).decode()
        assert {"evo/py.typed", "tracking/py.typed"} <= set(files.namelist())
    assert len(kernels) == len(LEVELS)
    assert max((int(major), int(minor)) for major, minor in called) <= (int(tag[1]), int(tag[2]))
    assert "License-Expression: MIT" in text
    assert "Classifier: Operating System :: POSIX :: Linux" in text


def interpreter(version):
    """A Python of this version that runs; None if there is none."""
    name = f"python{version}"
    installed = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/{name}"))
    for path in (shutil.which(name), *map(str, installed)):
        if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


SMOKE = """
import json
import evo
from evo.kernels.library import library_path
front = evo.search("exp2", interval=("0", "1"), max_ops=3, generations=4, workers="serial", out="p")
print(json.dumps([evo.__file__, str(library_path()), float(front.best(ops=3)(0.5))]))
"""

FAST = """
import json, numpy as np, ml_dtypes
from evo.library import numpy as fast
x = np.linspace(-3, 3, 7)
found = {str(np.dtype(t)): fast.exp2(x.astype(t)).astype(float).tolist()
         for t in (np.float32, np.float16, ml_dtypes.bfloat16)}
print(json.dumps([found, sorted(dir(fast))]))
"""


@pytest.mark.skipif(not supports(LEVELS[-1]), reason=f"this processor lacks {LEVELS[-1].name}")
@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_it_searches_proves_and_exports_without_a_compiler(version, wheel, in_tmp):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    subprocess.run([python, "-m", "venv", "new"], check=True)
    install = ["new/bin/pip", "install", "--quiet", "--constraint", f"{ROOT}/constraints.txt", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    environment = {"PATH": str(in_tmp / "new" / "bin"), "HOME": str(in_tmp / "home")}
    (in_tmp / "home").mkdir()

    def run(*words):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=in_tmp)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    evonum = str(in_tmp / "new" / "bin" / "evonum")
    assert run(evonum, "--version").startswith("evonum ")
    run(evonum, "search", "exp2", "--max-ops", "4", "--generations", "4", "--out", "s")
    run(evonum, "verify", "s")
    front = json.loads((in_tmp / "s" / "front.json").read_text())
    assert all(member["proved_bound"] > 0 for member in front)
    assert "exp2" in run(evonum, "export", "s", "--ops", "3", "--to", "c", "--dtype", "float32")
    code, kernels, value = json.loads(run(str(in_tmp / "new/bin/python"), "-c", SMOKE).splitlines()[-1])
    site = in_tmp / "new" / "lib" / f"python{version}" / "site-packages"
    assert Path(code).is_relative_to(site)
    assert Path(kernels).is_relative_to(site)
    assert abs(value / 2**0.5 - 1) < 1e-3
    found, names = json.loads(run(str(in_tmp / "new/bin/python"), "-c", FAST).splitlines()[-1])
    assert set(functions()) <= set(names)
    assert all(y == [0.125, 0.25, 0.5, 1, 2, 4, 8] for y in found.values())
    assert set(found) == {"float32", "float16", "bfloat16"}
    header = run(evonum, "library", "--to", "c", "--function", "exp2")
    assert "evo_exp2_float32" in header
