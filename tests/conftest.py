"""Fixtures shared by the tests."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are tiny: more threads only wait, and count
os.environ.pop("COLUMNS", None)  # set where tests run in several processes: no test's output has a width
CACHES = Path(__file__).parent.parent / ".cache" / "tests"
"""Kept between runs, and used by nobody else: what another program damaged fails no test."""
os.environ["MPLCONFIGDIR"] = str(CACHES / "matplotlib")
os.environ["EVONUM_CACHE"] = str(CACHES / "evonum")
CACHES.joinpath("matplotlib").mkdir(parents=True, exist_ok=True)

settings.register_profile(  # a busy machine is no failure
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

LONGEST = (
    "test_ray", "test_backends", "test_service", "test_mlflow", "test_floats", "test_baselines",
    "test_keeping", "test_bench", "test_exports", "test_attack", "test_fingerprint", "test_discover",
    "test_cli", "test_whole", "test_losing", "test_native", "test_readme", "test_exports_full", "test_stack",
    "test_added_rows", "test_refusals", "test_enumeration", "test_house", "test_dashboard",
)  # fmt: skip
"""Files of half a minute and more begin first, so that all processes end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than processors: tests of servers and of commands wait now and then."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs the test in an empty folder, with no tracking server configured."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
