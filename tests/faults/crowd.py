"""Two hundred clients, one request a second each, and two hundred streams of events, beside four searches.

python tests/faults/crowd.py [--clients N] [--seconds S] [--cores N]

Prints requests, errors, median and 99th percentile of their times [s], events, and the programs that the
searches fitted with and without the crowd. Ends with code 1 after an error.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent))

from services import Service, running

ARRIVAL = 10.0
"""Within which all have come [s]."""
PATHS = ("/jobs", "/jobs/{id}", "/jobs/{id}/front", "/queue", "/targets")
"""What clients ask, in turns."""


class Crowd:
    """What the clients saw."""

    def __init__(self, url: str, ids: list[str]) -> None:
        self.url, self.ids = url, ids
        self.times: list[float] = []
        self.errors: list[str] = []
        self.events = 0

    async def run(self, clients: int, seconds: float) -> None:
        """So many clients and as many streams, for a time."""
        limits = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=limits) as session:
            end = time.monotonic() + seconds
            tasks = [self._client(session, end) for _ in range(clients)]
            tasks += [
                self._stream(session, end, id) for _, id in zip(range(clients), itertools.cycle(self.ids))
            ]
            await asyncio.gather(*tasks)

    async def _client(self, session: aiohttp.ClientSession, end: float) -> None:
        await asyncio.sleep(ARRIVAL * random.random())
        while time.monotonic() < end:
            id = random.choice(self.ids)
            path = random.choice(PATHS).format(id=id)
            began = time.monotonic()
            try:
                async with session.get(f"{self.url}/api/v1{path}") as answer:
                    await answer.read()
                    if answer.status != 200:
                        self.errors.append(f"{answer.status} {path}")
            except (aiohttp.ClientError, TimeoutError) as error:
                self.errors.append(f"{type(error).__name__} {path}")
            self.times.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, 1 - self.times[-1]))

    async def _stream(self, session: aiohttp.ClientSession, end: float, id: str) -> None:
        await asyncio.sleep(ARRIVAL * random.random())
        try:
            async with session.get(f"{self.url}/api/v1/jobs/{id}/events", timeout=None) as answer:
                while (left := end - time.monotonic()) > 0:
                    try:
                        line = await asyncio.wait_for(answer.content.readline(), left)
                    except TimeoutError:
                        return
                    except ValueError:  # a line longer than the client's buffer
                        continue
                    self.events += line.startswith(b"event")
        except aiohttp.ClientError as error:
            self.errors.append(f"{type(error).__name__} events")


def fitted(service: Service, ids: list[str]) -> int:
    """Programs that finished searches fitted."""
    found = 0
    for id in ids:
        lines = (service.search(id) / "records.jsonl").read_text().splitlines()
        found += json.loads(lines[-1])["final"]["final/evaluations"]
    return found


def searched(folder: Path, cores: int, seconds: float, clients: int) -> tuple[int, Crowd]:
    """Four searches, with a crowd beside them."""
    folder.mkdir()
    with running(folder / "data", cores=cores) as service:
        ids = [service.submit(time=seconds, seed=i) for i in range(4)]
        service.wait(ids[-1], "running", "succeeded")
        crowd = Crowd(service.url, ids)
        asyncio.run(crowd.run(clients, 0.9 * seconds))
        for id in ids:
            service.wait(id, "succeeded")
        return fitted(service, ids), crowd


def main() -> None:
    """The numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, _ = searched(Path(folder) / "alone", asked.cores, asked.seconds, 0)
        beside, crowd = searched(Path(folder) / "beside", asked.cores, asked.seconds, asked.clients)
    times = sorted(crowd.times)
    print(f"{len(times)} requests, {len(crowd.errors)} errors {sorted(set(crowd.errors))[:5]}")
    print(f"median {times[len(times) // 2]:.3f} s, 99 % within {times[len(times) * 99 // 100]:.3f} s")
    print(f"{crowd.events} events in {asked.clients} streams")
    print(f"programs fitted: {alone} alone, {beside} beside the crowd: {beside / alone:.2f}")
    sys.exit(1 if crowd.errors else 0)


if __name__ == "__main__":
    main()
