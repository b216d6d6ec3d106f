"""Faults done to a service on purpose, once each; the scripts in tests/faults repeat them for the table."""

import subprocess
import sys
from pathlib import Path

import pytest

from faults.local import FAULTS, once

FOLDER = Path(__file__).parent / "faults"


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_nothing_is_lost_hangs_or_stays_behind(fault, tmp_path):
    lost, worse, back = once(fault, tmp_path)
    assert not lost
    assert not worse
    assert back < 60


@pytest.mark.slow
def test_eight_jobs_of_two_owners_share_two_cores_while_the_service_is_killed():
    words = [sys.executable, FOLDER / "load.py", "--time", "4", "--kills", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
