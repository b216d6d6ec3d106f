"""A row added to the op table, and nothing else: the tests over ops pass with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONTRACT = ("test_ops.py", "test_steps.py", "test_model.py")
FURTHER = (
    *("test_native.py", "test_program.py", "test_fingerprint.py", "test_vary.py", "test_clearing.py"),
    *("test_taylor.py", "test_rounding.py", "test_exports.py", "test_exports_bits.py", "test_backends.py"),
)


def passes_with_an_added_op(*files):
    """Runs these tests in a process of their own, with tests/added_op.py.

    A generated file is left out: `make generate` is what makes it follow the table.
    """
    deselected = ["-k", "not test_the_file_that_models_carry_is_made_of_the_op_table_of_now"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "added_op", "-m", "not slow", *deselected, *files],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    return run.stdout


def test_a_row_is_all_that_an_op_needs():
    passes_with_an_added_op(*CONTRACT)


def test_the_added_op_is_among_those_asked():
    listed = passes_with_an_added_op("--collect-only", "test_ops.py")
    assert "test_every_kind_of_number_knows_every_op[balls-under]" in listed
    assert "test_a_pole_inside_the_interval_is_found_by_measure_polish_and_proof[under]" in listed


@pytest.mark.slow
def test_every_backend_fingerprint_and_export_knows_an_added_op():
    passes_with_an_added_op(*FURTHER)
