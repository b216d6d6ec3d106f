"""Two hundred clients, one request a second each, and two hundred streams of events, beside four searches.

setsid --wait python tests/faults/crowd.py [--clients N] [--streams N] [--seconds S] [--cores N] [--rounds N]
    [--nice N]

The clients are tasks of this process, each with a connection that it keeps, and this process goes before the
service where it may: times are then those of the service, not of a client that waits for a processor.
Times with and without the crowd take turns while the same searches go on. On a machine with other work,
--nice -10 (as root) puts all of it, clients, service and searches, before that.

How many programs a search fits in a time says more of the machine's other work than of the crowd. It is a
product of two numbers that say little of it: the programs fitted in a second of the searches' processor time
(beside the crowd, against the mean of the times before and after), and the searches' share of what they, the
service and the clients had. Prints what is kept of each, and of the whole machine; and what the crowd costs
the service, for each request and event of the time. Ends with code 1 after an error.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))

from evo.service.launcher import COMMAND
from evo.service.processes import of_directory, step_back
from faults import table
from services import Service, running, until

ARRIVAL = 10.0
"""Within which all have come [s]."""
PATIENCE = 30.0
"""With an answer [s]."""
FIRST = -5
"""How much the clients go before the service: a niceness."""
WARM = 60.0
"""Until the searches fit at a steady rate [s]."""
SEARCH = {"max_ops": 10, "cache_entries": 1 << 20}
"""Where new programs do not become rare within minutes."""
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

    @property
    def served(self) -> int:
        """Requests that were answered and events that came."""
        return len(self.times) + self.events

    async def run(self, clients: int, streams: int, seconds: float) -> None:
        """So many clients and streams, for a time."""
        end = time.monotonic() + seconds
        tasks = [self._client(end) for _ in range(clients)]
        tasks += [self._stream(end, id) for _, id in zip(range(streams), itertools.cycle(self.ids))]
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


class Clocks(NamedTuple):
    """What was used and done up to a moment.

    Attributes:
        searches, service, clients: processor time [s].
        fitted: programs, as the searches last recorded.
    """

    searches: float
    service: float
    clients: float
    fitted: float

    def since(self, before: "Clocks") -> "Clocks":
        """Of the time between two moments."""
        return Clocks(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def rate(self) -> float:
        """Programs fitted in a second of the searches' processor time."""
        return self.fitted / self.searches

    @property
    def share(self) -> float:
        """Of the processor time of searches and service, what the searches have."""
        return self.searches / (self.searches + self.service)

    @property
    def share_of_all(self) -> float:
        """Of that of the clients, too."""
        return self.searches / (self.searches + self.service + self.clients)


def clocks(service: Service, ids: list[str]) -> Clocks:
    """As they are now."""
    found = [of_directory(service.search(id), COMMAND) for id in ids]
    searches = sum(used(process.pid) for process in found if process is not None)
    return Clocks(
        searches, used(service.process.pid), used(os.getpid()), sum(fitted(service, i) for i in ids)
    )


def fitted(service: Service, id: str) -> float:
    """Programs that a search fitted, as last recorded."""
    values = (record["values"]["search/evaluations"] for record in table.metrics(service.search(id)))
    return max(values, default=0.0)


def used(pid: int) -> float:
    """Processor time of a process [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def visited(service: Service, ids: list[str], asked: argparse.Namespace) -> tuple[Clocks, Crowd, int]:
    """A crowd for a time from when all have come.

    Returns:
        What was used and done in that time, what the crowd saw, and the requests and events of that time.
    """
    crowd = Crowd(service.url, ids)
    there = asyncio.create_task(crowd.run(asked.clients, asked.streams, ARRIVAL + asked.seconds + 1))
    await asyncio.sleep(ARRIVAL)
    before, served = clocks(service, ids), crowd.served
    await asyncio.sleep(asked.seconds)
    spent, served = clocks(service, ids).since(before), crowd.served - served
    await there
    return spent, crowd, served


def alone(service: Service, ids: list[str], seconds: float) -> Clocks:
    """What was used and done in a time without a crowd."""
    before = clocks(service, ids)
    time.sleep(seconds)
    return clocks(service, ids).since(before)


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
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0)
    asked = parser.parse_args()
    if asked.nice:
        step_back(os.getpid(), asked.nice)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", cores=asked.cores, look=0.25) as service,
        raised(),
    ):
        until(lambda: service.ask("GET", "/readyz").status_code == 200)
        ids = [service.submit(time=3600, seed=i, **SEARCH) for i in range(4)]
        until(lambda: all(fitted(service, id) for id in ids), 300)
        time.sleep(WARM)
        errors = compare(service, ids, asked)
    sys.exit(1 if errors else 0)


def row(name: str, had: Clocks) -> Clocks:
    """Prints what was had in a time."""
    values = f"{had.rate:,.0f} | {had.searches:.1f} | {had.service:.1f} | {had.clients:.1f}"
    print(f"| {name} | {values} |", flush=True)
    return had


def compare(service: Service, ids: list[str], asked: argparse.Namespace) -> int:
    """Prints the numbers of so many pairs of times; how many errors there were."""
    kept, errors, seconds = [], 0, asked.seconds
    print("| | programs in a second of searches | searches [s] | service [s] | clients [s] |")
    print("|---|---|---|---|---|")
    before = row("alone", alone(service, ids, seconds))
    for _ in range(asked.rounds):
        busy, crowd, served = uvloop.run(visited(service, ids, asked))
        row("beside", busy)
        after = row("alone", alone(service, ids, seconds))
        rate, share = (before.rate + after.rate) / 2, (before.share + after.share) / 2
        more = busy.service - (before.service + after.service) / 2
        whole = 1 - more / (seconds * len(os.sched_getaffinity(0)))
        kept.append((busy.rate / rate, busy.share / share, busy.share_of_all / share, whole))
        errors, before = errors + len(crowd.errors), after
        print(
            f"{len(crowd.times)} requests, {len(crowd.errors)} errors {sorted(set(crowd.errors))[:5]}, "
            f"{late(crowd.times)}, {crowd.events} events; the service took {1000 * more / served:.3f} ms of "
            f"processor for each of {served} requests and events", flush=True,
        )  # fmt: skip
    names = ("programs in a second of searches", "share", "share, clients counted", "processors")
    for name, values in zip(names, zip(*kept, strict=True), strict=True):
        print(f"kept, {name}: {statistics.median(values):.3f} of {min(values):.3f} to {max(values):.3f}")
    return errors


def late(times: list[float]) -> str:
    """How late answers were, in words."""
    if not times:
        return "nothing late"
    ordered = sorted(times)
    return f"median {statistics.median(ordered):.3f} s, 99 % within {ordered[len(ordered) * 99 // 100]:.3f} s"


if __name__ == "__main__":
    main()
