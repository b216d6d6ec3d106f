"""What the README tells a user to type works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_python_example_runs(in_tmp):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shorter = example.replace('time="20s"', 'time="3s"')
    assert shorter != example
    done = subprocess.run(
        [sys.executable, "-c", shorter], cwd=in_tmp, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "x" in done.stdout


def test_every_option_and_command_of_the_readme_exists():
    from typer.testing import CliRunner

    from evo.cli import app

    for line in re.findall(r"evonum (.*)", README):
        command = line.split()[0].strip("`")
        options = re.findall(r"(--[a-z-]+)", line.split("#")[0])
        words = line.split()[:2] if command == "bench" else [command]
        shown = CliRunner().invoke(app, [*(w.strip("`") for w in words), "--help"])
        assert shown.exit_code == 0, line
        for option in options:
            assert option in shown.output, (command, option)
