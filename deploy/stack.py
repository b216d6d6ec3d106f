"""What a team runs, as plain processes: PostgreSQL, MLflow with accounts, a Ray head, the service.

`make stack` starts all of it and ends it with Ctrl-C; tests/test_stack.py uses it, and compose.yaml has the
same parts as containers. However this process ends, kill -9 included, they end with it. Passwords stand in
one file that only its owner reads, and in environments; no address, command or log has one.
"""

import argparse
import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tracking.kept import Kept

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Debian's; the last one is the newest."""
PORTS = {"postgres": 5433, "mlflow": 5000, "ray": 6379, "dashboard": 8265, "service": 8765}
PARTS = ("postgres", "mlflow", "ray", "service")
START_S = 180.0
LOCAL = "127.0.0.1"
AUTH = Path(__file__).with_name("auth.ini")


class Stack:
    """The running parts; a context that ends them, the last one first.

    Args:
        folder: of data, logs and credentials; where this is root, others must be able to enter it: PostgreSQL
            runs as its own user then.
        ports: where not `PORTS`; 0 for a free one.
    """

    def __init__(self, folder: Path, ports: Mapping[str, int] | None = None) -> None:
        """Nothing is started yet."""
        self.folder = folder.absolute()
        self.ports = {name: port or _free() for name, port in {**PORTS, **(ports or {})}.items()}
        self.secrets: dict[str, str] = {}
        self._stack = ExitStack()
        self._running: dict[str, Kept] = {}

    def __enter__(self) -> "Stack":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.secrets = _secrets(self.folder / "credentials.json")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def mlflow(self) -> str:
        """The tracking server's address."""
        return f"http://{LOCAL}:{self.ports['mlflow']}"

    def start(self, part: str) -> None:
        """Starts one of `PARTS`, and waits until it answers.

        Raises:
            RuntimeError: it ended, or does not answer.
        """
        getattr(self, f"_start_{part}")()

    def account(self, user: str = "admin") -> dict[str, str]:
        """The environment of a program that delivers as this user."""
        said = {"MLFLOW_TRACKING_URI": self.mlflow, "MLFLOW_TRACKING_USERNAME": user}
        return {**said, "MLFLOW_TRACKING_PASSWORD": self.secrets[user]}

    def add_user(self, user: str) -> None:
        """Makes an account in MLflow."""
        self.secrets[user] = secrets.token_urlsafe(16)
        self.ask("users/create", {"username": user, "password": self.secrets[user]})

    def ask(self, path: str, body: Mapping[str, object]) -> dict[str, object]:
        """MLflow's answer to its administrator."""
        pair = base64.b64encode(f"admin:{self.secrets['admin']}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {pair}"}
        request = urllib.request.Request(
            f"{self.mlflow}/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def stop_postgres(self) -> None:
        """Ends PostgreSQL at once, whoever is connected."""
        number = int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGINT)
        self._running["postgres"].wait()

    def stop(self, part: str) -> None:
        """Ends a part."""
        self._running[part].end()
        self._running[part].wait()

    def _start_postgres(self) -> None:
        data = self.folder / "postgres"
        if not (data / "PG_VERSION").exists():
            self._make_database(data)
        words = ["-D", str(data), "-p", str(self.ports["postgres"]), "-h", LOCAL, "-k", str(data)]
        self._run("postgres", [*_as_postgres(), str(_binary("postgres")), *words])
        ready = [str(_binary("pg_isready")), "-q", "-h", LOCAL, "-p", str(self.ports["postgres"])]
        self._wait("postgres", lambda: subprocess.run(ready, check=False).returncode == 0)
        for name in ("mlflow", "accounts"):
            made = [str(_binary("createdb")), "-h", LOCAL, "-p", str(self.ports["postgres"]), "-U", "mlflow"]
            subprocess.run([*made, name], env=self._database(), stderr=subprocess.DEVNULL, check=False)

    def _make_database(self, data: Path) -> None:
        data.mkdir()
        word = self.folder / "word"
        word.write_text(self.secrets["database"])
        word.chmod(0o600)
        if os.getuid() == 0:
            for path in (data, word):
                shutil.chown(path, "postgres", "postgres")
        make = [str(_binary("initdb")), "-D", str(data), "-U", "mlflow", "-E", "UTF8", "--locale", "C.UTF-8"]
        make += ["-A", "scram-sha-256", "--pwfile", str(word)]
        try:
            with open(self.folder / "postgres.log", "a") as log:
                subprocess.run([*_as_postgres(), *make], stdout=log, stderr=log, cwd="/", check=True)
        finally:
            word.unlink()

    def _start_mlflow(self) -> None:
        here = f"@{LOCAL}:{self.ports['postgres']}/"
        (self.folder / "auth.ini").write_text(AUTH.read_text().replace("@postgres/", here))
        settings = {
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.secrets["admin"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self.secrets["pages"],
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        store = f"postgresql+psycopg://mlflow@{LOCAL}:{self.ports['postgres']}/mlflow"
        words = ["--app-name", "basic-auth", "--workers", "1", "--host", LOCAL]
        words += ["--port", str(self.ports["mlflow"]), "--backend-store-uri", store]
        words += ["--artifacts-destination", (self.folder / "artifacts").as_uri()]
        self._run("mlflow", [sys.executable, "-m", "mlflow", "server", *words], self._database() | settings)
        self._wait("mlflow", self._has_store)

    def _has_store(self) -> bool:
        """Whether the server reaches its database: its `/health` does not say."""
        try:
            return bool(self.ask("experiments/search", {"max_results": 1}))
        except (OSError, ValueError):
            return False

    def _start_ray(self) -> None:
        token = self.folder / "ray-token"
        token.write_text(self.secrets["ray"])
        token.chmod(0o600)
        words = ["--head", "--block", "--node-ip-address", LOCAL, "--port", str(self.ports["ray"])]
        words += ["--dashboard-host", LOCAL, "--dashboard-port", str(self.ports["dashboard"])]
        words += ["--object-store-memory", "200000000", "--temp-dir", str(self.folder / "ray")]
        command = [str(Path(sys.executable).with_name("ray")), "start", *words, "--disable-usage-stats"]
        self._run("ray", command, self.ray())
        self._wait("ray", lambda: _listens(self.ports["ray"]))

    def ray(self) -> dict[str, str]:
        """The environment of whatever may use the cluster."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.folder / "ray-token")}

    def _start_service(self) -> None:
        """On the cluster; it delivers to MLflow for everybody."""
        words = ["--data", str(self.folder / "service"), "--port", str(self.ports["service"])]
        words += ["--ray", f"{LOCAL}:{self.ports['ray']}"]
        self._run("service", [sys.executable, "-m", "evo", "serve", *words], self.account() | self.ray())
        self._wait("service", lambda: _listens(self.ports["service"]))

    def _database(self) -> dict[str, str]:
        return {"PGPASSWORD": self.secrets["database"]}

    def _run(self, part: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        log = self._stack.enter_context((self.folder / f"{part}.log").open("a"))
        self._running[part] = Kept(command, {**os.environ, **(env or {})}, log)
        self._stack.enter_context(self._running[part])

    def _wait(self, part: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while not answers():
            if self._running[part].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{part} does not answer; see {self.folder / part}.log")
            time.sleep(0.2)


def _secrets(path: Path) -> dict[str, str]:
    """Those of a folder, made once."""
    if not path.exists():
        made = {name: secrets.token_urlsafe(16) for name in ("admin", "database", "pages", "ray")}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            json.dump(made, file, indent=1)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def _binary(name: str) -> Path:
    if not POSTGRES:
        raise RuntimeError("PostgreSQL is missing: make postgresql")
    return POSTGRES[-1] / name


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to be root."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    return user if os.getuid() == 0 else []


def _free() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOCAL, port)) == 0


def main() -> None:
    """Runs the stack until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("stack"))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with Stack(parser.parse_args().folder) as stack:
        for part in PARTS:
            print(f"{part} ...", flush=True)
            stack.start(part)
        print(f"service   http://{LOCAL}:{stack.ports['service']}")
        print(f"MLflow    {stack.mlflow}, as admin; its password is in {stack.folder}/credentials.json")
        print(f"Ray       {LOCAL}:{stack.ports['ray']}, RAY_AUTH_TOKEN_PATH={stack.folder}/ray-token")
        print("Ctrl-C ends all of it.", flush=True)
        while all(part.poll() is None for part in stack._running.values()):
            time.sleep(1)
        ended = [name for name, part in stack._running.items() if part.poll() is not None]
        sys.exit(f"{', '.join(ended)} ended; see the logs in {stack.folder}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
