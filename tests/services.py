"""A service for tests: a process of its own in a folder of its own, asked over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

SPEC = {
    "target": "exp2", "max_ops": 3, "islands": 2, "offspring": 256, "parents": 64, "epoch": 3, "niche": 8,
    "cache_entries": 1 << 14,
}  # fmt: skip
"""A search whose generations take milliseconds; with a time of a second it is a small job."""
PROGRAM = """
import json, sys
from pathlib import Path
from types import MappingProxyType
from evo.service.serve import serve
from evo.service.settings import Settings
entries = json.loads(sys.argv[1])
serve(Settings(**{**entries, "data": Path(entries["data"])}), lambda url: print(url, flush=True))
"""
QUICK = {"port": 0, "cores": 2, "pause": 0.2, "look": 0.1, "helpers": 1}


class Service:
    """A running service; see `running`."""

    def __init__(self, data: Path, environment: Mapping[str, str], **settings: Any) -> None:
        self.data, self._settings = data, {**QUICK, "data": str(data), **settings}
        self._environment = {**os.environ, "EVONUM_TOKEN": "", **environment}
        self.process: subprocess.Popen[str] | None = None
        self.begin()

    def begin(self) -> None:
        """Starts it, and waits until it takes requests."""
        self.log = open(self.data.parent / f"{self.data.name}.log", "a")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(self._settings)],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=self._environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, (self.data.parent / f"{self.data.name}.log").read_text()
        self._settings["port"] = int(self.url.rpartition(":")[2])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Ends the service's process; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return code

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
        """An answer, whatever its status."""
        headers = {**more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return requests.request(method, self.url + path, headers=headers, timeout=60, **more)

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of a path under /api/v1."""
        answer = self.ask("GET", f"/api/v1{path}", **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, token: str | None = None, cores: int = 1, **entries: Any) -> str:
        """A job's id."""
        asked = {"spec": {**SPEC, "time": 1, **entries}, "cores": cores}
        answer = self.ask("POST", "/api/v1/jobs", token, json=asked)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def wait(self, id: str, *states: str, seconds: float = 120, token: str | None = None) -> dict[str, Any]:
        """The job once it is in one of these states."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.get(f"/jobs/{id}", token=token))
            return found["state"] in states

        until(there, seconds, lambda: f"{found}\n{self.ask('GET', f'/api/v1/jobs/{id}/log', token).text}")
        return found

    def search(self, id: str) -> Path:
        """The directory of a job's search."""
        return self.data / "jobs" / id / "search"


def until(condition: Callable[[], Any], seconds: float = 60, what: Callable[[], str] = str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it took more than {seconds} s: {what()}"
        time.sleep(0.05)


@contextmanager
def running(
    data: Path, environment: Mapping[str, str] = MappingProxyType({}), **settings: Any
) -> Iterator[Service]:
    """A service, ended at the end with the processes of its jobs; with variables besides this process's."""
    service = Service(data, environment, **settings)
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill(signal.SIGTERM)
        for pid in processes_of(data):
            os.kill(pid, signal.SIGKILL)


def processes_of(data: Path) -> list[int]:
    """Processes whose words or folder are in a service's folder, the service itself apart."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
                if f"{data}/jobs/".encode() in words or str(data) in os.readlink(entry / "cwd"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def events(service: Service, id: str, last: str = "", token: str | None = None) -> Iterator[dict[str, Any]]:
    """A job's server-sent events: id, event, data."""
    headers = {"Last-Event-ID": last} if last else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = f"{service.url}/api/v1/jobs/{id}/events"
    with requests.get(url, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        found: dict[str, Any] = {}
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("retry"):
                continue
            name, _, value = line.partition(": ")
            if line and name:
                found[name] = json.loads(value) if name == "data" else value
            elif "event" in found:
                yield found
                found = {}
