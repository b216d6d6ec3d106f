"""The house itself: scripts can be loaded, and what a command leaves behind changes no other's answer."""

import importlib.util
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from searches import evonum

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "experiments").rglob("*.py"))
BIN = Path(sys.executable).parent
ON_A_GPU = {"torch", "triton"}
"""What scripts for GPUs import, and the project does not install."""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "experiments")))
def test_every_script_of_the_experiments_can_be_loaded(script, monkeypatch):
    monkeypatch.syspath_prepend(str(script.parent))
    spec = importlib.util.spec_from_file_location(f"script_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except ModuleNotFoundError as error:
        if error.name not in ON_A_GPU:
            raise
        pytest.skip(f"{error.name} is not installed here")


def copied(folder: Path) -> Path:
    """The checkout's own files, as git has them, in a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def leave_things_behind(folder: Path) -> None:
    """What users' commands leave in a checkout: searches, stores, exports, pip's build folder."""
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    search = [
        "search",
        "exp2",
        "--max-ops",
        "3",
        "--generations",
        "2",
        "--islands",
        "1",
        "--workers",
        "serial",
    ]
    assert evonum(*search, cwd=folder, env=environment, recorded=True).returncode == 0
    (run,) = (folder / "runs").iterdir()
    export = ["export", str(run), "--ops", "2", "--to", "numpy", "--output", "exp2.py"]
    assert evonum(*export, cwd=folder, env=environment).returncode == 0
    (folder / "build" / "lib" / "evo").mkdir(parents=True)
    (folder / "build" / "lib" / "evo" / "old.py").write_text("import os, sys\nfrom evo import gone\n")
    (folder / "build" / "bdist").mkdir()


def check(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_linter_says_the_same_after_the_main_job(tmp_path):
    folder = copied(tmp_path / "checkout")
    leave_things_behind(folder)
    for words in (["check"], ["format", "--check"]):
        done = check(
            folder, str(BIN / "ruff"), *words, "--no-cache", "evo", "tracking", "experiments", "tests"
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_all_checks_say_the_same_after_the_main_job(tmp_path):
    folder = copied(tmp_path / "checkout")
    leave_things_behind(folder)
    ready = f"{BIN.parent}/.ready"
    done = check(folder, "make", "-o", ready, "check", f"VENV={BIN.parent}")
    assert done.returncode == 0, done.stdout + done.stderr


def needed(name: str, extras: set[str], seen: set[tuple[str, ...]]) -> set[str]:
    """Normalised names of all that an installed package asks for here."""
    found = set()
    for requirement in map(Requirement, requires(name) or ()):
        marker, mark = requirement.marker, (requirement.name, *sorted(requirement.extras))
        if mark not in seen and (not marker or any(marker.evaluate({"extra": e}) for e in {"", *extras})):
            seen.add(mark)
            found |= {normalised(requirement.name), *needed(requirement.name, requirement.extras, seen)}
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_file_that_a_document_names_exists():
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "experiments/README.md")]
    named = re.compile(r"`((?:evo|tests|tracking|experiments|docs|deploy)/[\w./-]*)`")
    found = {p for page in [*pages, *(ROOT / "docs").glob("*.md")] for p in named.findall(page.read_text())}
    assert len(found) > 50
    assert not [path for path in found if not (ROOT / path).exists()]


def test_the_constraints_are_the_versions_that_are_installed():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: version(name) for name in pins} == pins, "make constraints"
    asked = needed("evonumerics", {"dev"}, set())
    assert len(asked) > 100
    assert asked - {"setuptools"} <= {normalised(name) for name in pins}, "make constraints"
