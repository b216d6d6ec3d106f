"""Connections that are slow or never end: each is closed, and the service answers the others meanwhile."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection

import pytest

from evo.service import guard
from evo.service.guard import Guard
from evo.service.problems import ProblemError
from evo.service.settings import Settings

SERVER = """
import socket, sys
from evo.service import listening

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

listening.IDLE_S = float(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
listening.answer(app, listener, lambda: print(listener.getsockname()[1], flush=True))
"""


@contextlib.contextmanager
def served(idle: float) -> Iterator[int]:
    """A server's port; connections may be idle for so long [s]."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(idle)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def answers(port: int) -> bool:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"ok"


def is_refused(connection: socket.socket, parts: Iterable[bytes]) -> bool:
    """Whether the other side closes before all of it is sent."""
    try:
        for part in parts:
            connection.sendall(part)
    except ConnectionError:
        return True
    return False


def closed(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"]
)
def test_a_connection_that_says_no_more_is_closed(sent):
    with served(0.5) as port, socket.create_connection(("127.0.0.1", port), 60) as silent:
        silent.sendall(sent)
        assert answers(port)
        got = closed(silent)
    assert got.endswith(b"ok") == (b"\r\n\r\n" in sent)


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
def test_endless_addresses_and_headers_are_refused(begin):
    more = b"a: b\r\n" * 8000 if begin.endswith(b"\n") else b"a" * (1 << 16)
    with served(600) as port, socket.create_connection(("127.0.0.1", port), 60) as endless:
        assert is_refused(endless, (begin, *[more] * 1000))
        assert answers(port)


def test_many_requests_of_one_connection_have_no_end_together():
    with served(600) as port, contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for _ in range(40):
            connection.request("POST", "/", body=b"x" * (1 << 16), headers={"x": "y" * 1000})
            assert connection.getresponse().read() == b"ok"


def test_a_body_that_does_not_come_is_told_so(monkeypatch, tmp_path):
    async def receive():
        await asyncio.sleep(3600)

    monkeypatch.setattr(guard, "BODY_S", 0.01)
    with pytest.raises(ProblemError) as refused:
        asyncio.run(Guard(None, None, Settings(tmp_path))._received(receive))
    assert refused.value.status == 408
