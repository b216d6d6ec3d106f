"""The image built and the compose file up in Debian's Docker: every part healthy, searches through them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from daemon import NEEDED, Docker, docker

PROJECT = Path(__file__).parent.parent
PARTS = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
MISSING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"without {', '.join(MISSING)}: make docker"),
    pytest.mark.skipif(os.geteuid() != 0, reason="dockerd runs as root"),
]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Docker]:
    """Docker with the image, built."""
    folder = Path(tempfile.mkdtemp(prefix="evonum-docker-", dir="/tmp"))
    with docker(folder) as made:
        made.make_bases()
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files, secrets made, and the compose file with free ports of this machine."""
    copy = tmp_path_factory.mktemp("source")
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, listed):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)
    subprocess.run(["make", "secrets"], cwd=copy, check=True)
    text = (copy / "compose.yaml").read_text()
    for part in PARTS.values():
        for port in part.get("ports", ()):
            host, _, inner = port.rsplit(":", 2)
            text = text.replace(port, f"{host}:{free_port()}:{inner}")
    (copy / "compose.yaml").write_text(text)
    return copy


def free_port() -> int:
    """Of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def up(daemon: Docker, source: Path) -> Iterator[Docker]:
    """The compose file's parts, begun."""
    daemon.build("evonum", source)
    daemon.ask("docker-compose", "up", "--detach", cwd=source)
    yield daemon
    daemon.ask("docker-compose", "down", "--volumes", "--timeout", "20", cwd=source)


def inside(daemon: Docker, source: Path, part: str, *words: str) -> str:
    """What a command says in the container of a part."""
    return daemon.ask("docker-compose", "exec", "-T", part, *words, cwd=source)


def wait_for(condition, seconds: float, what) -> None:
    """Waits for a fact."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(1)


def test_every_part_becomes_healthy(up, source):
    """By the health checks of the compose file and of the image, as Docker runs them."""
    found: dict[str, str] = {}

    def all_are() -> bool:
        for part in PARTS:
            found[part] = up.health(up.ask("docker-compose", "ps", "--quiet", part, cwd=source))
        return set(found.values()) == {"healthy"}

    wait_for(all_are, 600, lambda: f"{found}: {up.ask('docker-compose', 'logs', '--tail', '40', cwd=source)}")
    print(found)


def test_a_search_through_the_service_is_recorded_in_mlflow_over_postgresql(up, source):
    token = inside(up, source, "service", "evonum", "token", "create", "ann", "--data", "/data/service")
    port = up.ask("docker-compose", "port", "service", "8765", cwd=source).rpartition(":")[2]
    server = f"http://localhost:{port}"
    account = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{server}/api/v1/jobs", timeout=60).status_code == 401
    words = ["submit", "exp2", "--interval", "0", "1", "--max-ops", "4", "--time", "5s", "--server", server]
    subprocess.run(
        [sys.executable, "-m", "evo", *words], env={**os.environ, "EVONUM_TOKEN": token}, check=True
    )
    (job,) = requests.get(f"{server}/api/v1/jobs", headers=account, timeout=60).json()["jobs"]
    place = f"/data/service/jobs/{job['id']}/search"

    def is_delivered() -> bool:
        told = requests.get(f"{server}/api/v1/jobs/{job['id']}", headers=account, timeout=60).json()
        assert told["state"] not in ("failed", "stopped"), told
        return told["state"] == "succeeded" and told["run"] is not None and json.loads(
            inside(up, source, "service", "cat", f"{place}/mlflow.json")
        )["ended"]  # fmt: skip

    wait_for(is_delivered, 600, lambda: up.ask("docker-compose", "logs", "service", "mlflow", cwd=source))
    query = "select status from runs"
    runs = ("psql", "--host=/run/postgresql", "--username=mlflow", "--tuples-only", "--command", query)
    assert inside(up, source, "postgres", *runs) == "FINISHED"
    code = inside(up, source, "service", "evonum", "export", place, "--ops", "3", "--to", "c")
    assert "double" in code


def test_a_search_on_the_cluster_runs(up, source):
    words = ("exp2", "--interval", "0", "1", "--max-ops", "4", "--time", "5s", "--out", "/data/spread")
    told = inside(
        up, source, "worker", "evonum", "search", *words, "--address", "head:6379", "--no-record", "--json"
    )
    assert json.loads(told), told


def test_the_image_alone_runs_read_only_as_an_ordinary_user(up):
    run = ("docker", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp")
    assert up.ask(*run, "--entrypoint", "id", "evonum", "--user") == "10001"
    assert "gcc" not in up.ask(*run, "--entrypoint", "ls", "evonum", "/usr/bin").split()
    words = ("search", "exp2", "--workers", "serial", "--no-record", "--max-ops", "3", "--time", "3s")
    told = up.ask(*run, "--volume", "alone:/data", "evonum", *words, "--out", "first", "--json")
    assert json.loads(told), told
    exported = up.ask(*run, "--volume", "alone:/data", "evonum", "export", "first", "--ops", "3", "--to", "c")
    assert "double" in exported
