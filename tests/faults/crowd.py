"""Two hundred clients, one request a second each, and two hundred streams of events, beside four searches.

setsid --wait python tests/faults/crowd.py [--clients N] [--seconds S] [--cores N] [--rounds N] [--nice N]

The clients are tasks of this process, each with a connection that it keeps, and this process goes before the
service where it may: times are then those of the service, not of a client that waits for a processor.
Searches alone and beside the crowd take turns. On a machine with other work, --nice -10 (as root) puts all
of it, clients, service and searches, before that.

Prints requests, errors, median and 99th percentile of their times [s], events, processor time, and the
programs that the searches fitted with and without the crowd. Ends with code 1 after an error.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))

from evo.service.processes import step_back
from services import Service, running, until

ARRIVAL = 10.0
"""Within which all have come [s]."""
PATIENCE = 30.0
"""With an answer [s]."""
FIRST = -5
"""How much the clients go before the service: a niceness."""
PATHS = ("/jobs", "/jobs/{id}", "/jobs/{id}/front", "/queue", "/targets")
"""What clients ask, in turns."""


class Connection(asyncio.Protocol):
    """A client's connection to the service: a request at a time, or a stream whose events are counted."""

    def __init__(self, crowd: "Crowd", streams: bool = False) -> None:
        self.crowd, self.streams = crowd, streams
        self.got, self.answered = bytearray(), asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The service is there."""
        self.transport = transport

    def ask(self, path: str) -> "asyncio.Future[int]":
        """Sends a request; its future is the answer's status."""
        self.answered = asyncio.get_running_loop().create_future()
        self.got.clear()
        self.transport.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: {self.crowd.host}\r\n\r\n".encode())
        return self.answered

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        if self.streams and self.answered.done():
            self.crowd.events += data.count(b"event: ")
            return
        self.got += data
        head, ended, body = bytes(self.got).partition(b"\r\n\r\n")
        if ended and not self.answered.done():
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if self.streams or len(body) >= int(length):
                self.crowd.events += body.count(b"event: ") if self.streams else 0
                self.answered.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """The service hung up."""
        if not self.answered.done():
            self.answered.set_exception(error or ConnectionError("hung up"))
        elif self.streams and not self.crowd.over:
            self.crowd.errors.append("a stream ended")


class Crowd:
    """What the clients saw."""

    def __init__(self, url: str, ids: list[str]) -> None:
        self.ids, self.host = ids, urlsplit(url).netloc
        self.times: list[float] = []
        self.errors: list[str] = []
        self.events, self.over = 0, False

    async def run(self, clients: int, seconds: float) -> None:
        """So many clients and as many streams, for a time."""
        end = time.monotonic() + seconds
        tasks = [self._client(end) for _ in range(clients)]
        tasks += [self._stream(end, id) for _, id in zip(range(clients), itertools.cycle(self.ids))]
        await asyncio.gather(*tasks)

    async def _connected(self, streams: bool = False) -> Connection:
        host, _, port = self.host.partition(":")
        _, made = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self, streams), host, int(port)
        )
        return made

    async def _client(self, end: float) -> None:
        await asyncio.sleep(ARRIVAL * random.random())
        connection = await self._connected()
        while (began := time.monotonic()) < end:
            path = random.choice(PATHS).format(id=random.choice(self.ids))
            try:
                status = await asyncio.wait_for(connection.ask(path), PATIENCE)
                if status != 200:
                    self.errors.append(f"{status} {path}")
            except (OSError, TimeoutError) as error:
                self.errors.append(f"{type(error).__name__} {path}")
                connection = await self._connected()
            self.times.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, 1 - self.times[-1]))
        connection.transport.close()

    async def _stream(self, end: float, id: str) -> None:
        await asyncio.sleep(ARRIVAL * random.random())
        connection = await self._connected(streams=True)
        status = await connection.ask(f"/jobs/{id}/events")
        if status != 200:
            self.errors.append(f"{status} events")
        await asyncio.sleep(end - time.monotonic())
        self.over = True
        connection.transport.close()


def fitted(service: Service, ids: list[str]) -> int:
    """Programs that finished searches fitted."""
    found = 0
    for id in ids:
        lines = (service.search(id) / "records.jsonl").read_text().splitlines()
        found += json.loads(lines[-1])["final"]["final/evaluations"]
    return found


def used(pid: int) -> float:
    """Processor time of a process [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def searched(folder: Path, cores: int, seconds: float, clients: int) -> tuple[int, Crowd, float, float]:
    """Four searches, with a crowd beside them.

    Returns:
        The programs that they fitted, what the crowd saw, processor time of the service and of the crowd [s].
    """
    folder.mkdir()
    with running(folder / "data", cores=cores, look=0.25) as service, raised():
        until(lambda: service.ask("GET", "/readyz").status_code == 200)
        ids = [service.submit(time=seconds, seed=i) for i in range(4)]
        service.wait(ids[-1], "running", "succeeded")
        crowd = Crowd(service.url, ids)
        before = used(service.process.pid), used(os.getpid())
        if clients:
            uvloop.run(crowd.run(clients, 0.97 * seconds))
        else:
            time.sleep(0.97 * seconds)
        spent = used(service.process.pid) - before[0], used(os.getpid()) - before[1]
        for id in ids:
            service.wait(id, "succeeded")
        return fitted(service, ids), crowd, *spent


@contextmanager
def raised() -> Iterator[None]:
    """This process goes before those that it started already, where it may."""
    here = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, here + FIRST)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, here)


def main() -> None:
    """The numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0)
    asked = parser.parse_args()
    if asked.nice:
        step_back(os.getpid(), asked.nice)
    errors, shares = 0, []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            alone, *_ = searched(Path(folder) / "alone", asked.cores, asked.seconds, 0)
            beside, crowd, service, client = searched(
                Path(folder) / "beside", asked.cores, asked.seconds, asked.clients
            )
        times, errors = sorted(crowd.times), errors + len(crowd.errors)
        shares.append(beside / alone)
        print(f"{len(times)} requests, {len(crowd.errors)} errors {sorted(set(crowd.errors))[:5]}")
        print(f"median {times[len(times) // 2]:.3f} s, 99 % within {times[len(times) * 99 // 100]:.3f} s")
        print(f"{crowd.events} events in {asked.clients} streams")
        print(f"processor time: service {service:.1f} s, clients {client:.1f} s of {asked.seconds:g} s")
        print(f"programs fitted: {alone} alone, {beside} beside the crowd: {beside / alone:.2f}", flush=True)
    print(f"share of programs, median of {asked.rounds}: {sorted(shares)[asked.rounds // 2]:.2f}")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
