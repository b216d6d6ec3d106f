"""Debian's Docker for a test: a daemon of its own, in a folder of its own, and the base images that a machine
without a registry lacks, made of Debian's packages.

Runs as root, with the packages docker.io, docker-compose and debootstrap (make docker). No bridge and no rule
of the machine is changed: containers of one network see each other all the same.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NEEDED = ("dockerd", "docker", "docker-compose", "debootstrap")
BEGINS_S = 120.0
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
POSTGRES = r"""#!/bin/sh
# Of the image postgres:15, what compose.yaml asks for.
set -eu
data=/var/lib/postgresql/data/base
if [ "$(id -u)" = 0 ]; then
    chown postgres /var/lib/postgresql/data /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0"
fi
if [ ! -d $data ]; then
    initdb --pgdata=$data.new --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --encoding=UTF8 --auth-host=scram-sha-256 --auth-local=trust
    echo "host all all all scram-sha-256" >> $data.new/pg_hba.conf
    pg_ctl --pgdata=$data.new --wait --options="-c listen_addresses= -k /run/postgresql" start
    createdb --host=/run/postgresql --username="$POSTGRES_USER" "$POSTGRES_USER"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        psql --host=/run/postgresql --username="$POSTGRES_USER" --file="$file"
    done
    pg_ctl --pgdata=$data.new --wait stop
    mv $data.new $data
fi
exec postgres -D $data -c listen_addresses='*' -k /run/postgresql
"""
IMAGES = {
    "python:3.11-slim": "FROM debian:bookworm\nRUN ln -s python3 /usr/bin/python\n",
    "postgres:15": (
        "FROM debian:bookworm\n"
        "RUN apt-get update && apt-get install --yes --no-install-recommends postgresql\n"
        "ENV PATH=/usr/lib/postgresql/15/bin:$PATH\n"
        "COPY entry /usr/local/bin/entry\n"
        'ENTRYPOINT ["/usr/local/bin/entry"]\n'
    ),
}
"""By their names in a registry: how they are made."""


class Docker:
    """A daemon; see `docker`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **os.environ, "DOCKER_HOST": f"unix://{folder}/socket", "DOCKER_BUILDKIT": "0",
            "COMPOSE_PROJECT_NAME": "evonum",
        }  # fmt: skip

    def ask(self, *words: str, cwd: Path | None = None) -> str:
        """What a command says, `docker` or `docker-compose`; what it complains of if it fails."""
        done = subprocess.run(
            words, cwd=cwd, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    def make_bases(self) -> None:
        """Makes the images of `IMAGES`."""
        root = self.folder / "debian"
        packages = "python3,python3-venv,python3-pip,ca-certificates"
        words = ["--variant=minbase", f"--include={packages}", "bookworm", str(root)]
        self.ask("debootstrap", *words)
        inside = root / CERTIFICATES.relative_to("/")
        inside.write_bytes(CERTIFICATES.read_bytes())  # of a machine behind a proxy
        archive = self.folder / "debian.tar"
        self.ask("tar", "--create", "--file", str(archive), "--directory", str(root), ".")
        self.ask(
            "docker", "import", "--change", f"ENV PIP_CERT={CERTIFICATES}", str(archive), "debian:bookworm"
        )
        for name, how in IMAGES.items():
            place = self.folder / name.partition(":")[0]
            place.mkdir()
            (place / "Dockerfile").write_text(how)
            (place / "entry").write_text(POSTGRES)
            (place / "entry").chmod(0o755)
            self.build(name, place)

    def build(self, name: str, place: Path) -> None:
        """Builds the image of a folder's Dockerfile."""
        self.ask("docker", "build", "--network", "host", "--tag", name, ".", cwd=place)

    def health(self, container: str) -> str:
        """What a container's check found last."""
        return self.ask("docker", "inspect", "--format", "{{.State.Health.Status}}", container)


@contextmanager
def docker(folder: Path) -> Iterator[Docker]:
    """A daemon whose data lie in a folder, until the end."""
    made = Docker(folder)
    words = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/pid", "--host", f"unix://{folder}/socket", "--bridge", "none",
        "--iptables=false", "--ip-forward=false", "--ip-masq=false",
    ]  # fmt: skip
    with open(folder / "dockerd.log", "w") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + BEGINS_S
        while True:
            with suppress(AssertionError):
                made.ask("docker", "info")
                break
            lives = daemon.poll() is None and time.monotonic() < deadline
            assert lives, (folder / "dockerd.log").read_text()
            time.sleep(0.2)
        yield made
    finally:
        daemon.terminate()
        daemon.wait(120)
        release(folder)


def release(folder: Path) -> None:
    """Unmounts all in a folder, the last first: what is deleted next is this folder, and no /proc in it."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed(mounted):
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", place], check=True)
