"""What the README tells a user to type works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "budget",
    [
        'time="1s", workers="serial", record=False',
        pytest.param('time="3s"', marks=pytest.mark.slow),  # with Ray and MLflow, as it stands
    ],
)
def test_the_python_example_runs(in_tmp, budget):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shorter = example.replace('time="20s"', budget)
    assert shorter != example
    done = subprocess.run(
        [sys.executable, "-c", shorter], cwd=in_tmp, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "x" in done.stdout


def test_the_export_example_compiles_with_one_line_in_an_empty_folder(in_tmp):
    """Its own commands, in an empty folder beside nothing but what they write."""
    blocks = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
    (export,) = [text for _, text in blocks if "--name fast_exp2" in text]
    (main,) = [text for kind, text in blocks if kind == "c"]
    (compile_,) = [text for _, text in blocks if "main.c -o main" in text]
    words = export.replace("experiments/", f"{ROOT}/experiments/").split()
    subprocess.run([sys.executable, "-m", "evo", *words[1:]], check=True, timeout=120, capture_output=True)
    (in_tmp / "main.c").write_text(main)
    printed = ""
    for line in compile_.strip().splitlines():
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        printed += done.stdout
    values = [float.fromhex(text) for text in re.findall(r"= (\S+)", printed)]
    assert abs(values[0] - 2**0.5) < 2**-23
    assert abs(values[1] - 2**-140.25) <= 2**-149
    assert values[2] == float("inf")
    assert printed.endswith("passed\n")


def test_every_option_and_command_of_the_readme_exists():
    from typer.testing import CliRunner

    from evo.cli.app import app

    for line in re.findall(r"[/`]evonum (.*)", README):
        command = line.split()[0].strip("`")
        options = re.findall(r"(--[a-z-]+)", line.split("#")[0])
        words = line.split()[:2] if command in ("bench", "token") else [command]
        shown = CliRunner().invoke(app, [*(w.strip("`") for w in words), "--help"])
        assert shown.exit_code == 0, line
        for option in options:
            assert option in shown.output, (command, option)
