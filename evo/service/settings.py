"""How a service is set up."""

import os
from dataclasses import dataclass
from pathlib import Path

from evo import api
from evo.errors import EvonumError

MARK = "evonum-api"
"""A header of every answer, by which the client knows that a service answers and not somebody else."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 8765
HERE = f"http://{LOOPBACK[0]}:{PORT}"


class SettingsError(EvonumError, ValueError):
    """A service that cannot be set up so; one line says why."""


def make_folder(data: Path) -> None:
    """Makes the folder of a service, if it is missing, for this user alone.

    Raises:
        SettingsError: it is none, or a folder of something else, whose mode and content stay as they are.
        OSError: it cannot be made.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SettingsError(f"--data {data} is no folder; name a new one, or that of a service.") from None
    names = os.listdir(data)
    if names and not any(name.startswith("service.") for name in names):
        raise SettingsError(
            f"--data {data} is a folder of other things (such as {names[0]}): name a new one, or a service's."
        )
    data.chmod(0o700)


@dataclass(frozen=True)
class Settings:
    """How a service is set up.

    Attributes:
        data: folder of the store and of all jobs.
        host, port: where it listens.
        cores: that jobs share.
        cluster: of Ray, HOST:PORT, on which jobs run; None: they are processes of this machine.
        names: hosts, besides its own, that a request may be for: those of a proxy.
        tokens: whether every request needs a token; always so where others can reach it.
        max_time: largest time of a search [s].
        max_body: of a request [bytes].
        tracking_uri: of the MLflow store that gets what jobs record; None: it stays in their directories.
        tries: times in a row that a job is resumed without getting further.
        pause: before the first resumption [s]; each further one waits twice as long.
        grace: between the request to stop and the end by force [s].
        look: between two looks at the jobs [s].
        half_life: after which core seconds of the past count half [s].
        helpers: processes for checks, exports and proofs.
        patience: of a request for a free one [s], and for its answer [s of processor time].
    """

    data: Path
    host: str = LOOPBACK[0]
    port: int = PORT
    cores: int = len(os.sched_getaffinity(0))
    cluster: str | None = None
    names: tuple[str, ...] = ()
    tokens: bool = False
    max_time: float = 24 * 3600.0
    max_body: int = 1 << 16
    tracking_uri: str | None = None
    tries: int = 6
    pause: float = 1.0
    grace: float = 120.0
    look: float = 0.25
    half_life: float = 3600.0
    helpers: int = 2
    patience: float = 20.0

    @property
    def needs_tokens(self) -> bool:
        """Whether a request without a token is refused."""
        return self.tokens or self.host not in LOOPBACK or bool(self.names)

    @property
    def mlflow(self) -> str | None:
        """Where a browser finds MLflow; None if its store is no server."""
        return api.dashboard_of(self.tracking_uri)

    @property
    def jobs(self) -> Path:
        """The folder of the jobs' folders."""
        return self.data / "jobs"

    def folder(self, id: str) -> Path:
        """Of a job."""
        return self.jobs / id

    def search(self, id: str) -> Path:
        """The directory of a job's search."""
        return self.jobs / id / "search"

    def log(self, id: str) -> Path:
        """What a job's processes said."""
        return self.jobs / id / "log.txt"
