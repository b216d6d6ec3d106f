"""The files of a deployment, without a container."""

import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text())


def test_the_compose_file_is_one():
    words = ["--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_has_a_read_only_root_and_no_secret_in_its_words():
    for name, part in COMPOSE["services"].items():
        assert part["read_only"] is True, name
        for variable, value in part.get("environment", {}).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), name
            assert not variable.endswith("TOKEN") or value.startswith("/run/secrets/"), name
    used = {secret for part in COMPOSE["services"].values() for secret in part.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


def test_the_image_has_an_ordinary_user_and_what_evonum_needs_is_a_layer_of_its_own():
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    install = next(n for n, line in enumerate(lines) if "--requirement needs.txt" in line)
    code = next(n for n, line in enumerate(lines) if line == "COPY . .")
    assert install < code
    assert lines.index("USER evonum") > max(n for n, line in enumerate(lines) if line.startswith("RUN"))
