"""Connections: uvicorn's server, with an end to what is slow or endless before a request is whole.

A body is the guard's (evo/service/guard.py), which knows its size and its time.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

ENDS = (signal.SIGINT, signal.SIGTERM)
LAST_S = 2
"""How long open answers may take when the service ends [s]: streams are resumed elsewhere."""
IDLE_S = 30
"""Time that a connection may take to its first request, to the next one, and for its headers [s]."""
MOST_HEAD = 1 << 20
"""Bytes of an address and headers that are taken; a read may bring a quarter of it at once."""


def answer(app: Any, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answers requests until a signal."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Without the signal's second life, which would end the process before its folder is closed."""
            before = {number: signal.signal(number, self.handle_exit) for number in ENDS}
            yield
            for number, handler in before.items():
                signal.signal(number, handler)

    class Protocol(HttpToolsProtocol):
        """With a limit to the bytes and the time of what comes before a body."""

        _head = 0
        _waits: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            self._head += len(data)
            super().data_received(data)
            if self._waits is None:
                self._head = 0
            elif self._head > MOST_HEAD and not self.transport.is_closing():
                self.send_400_response("The address and the headers are too long.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._wait()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if self._waits is None:
                self._waits = self.loop.call_later(IDLE_S, self.transport.close)

        def _stop_waiting(self) -> None:
            self._head = 0
            if self._waits is not None:
                self._waits.cancel()
                self._waits = None

    config = uvicorn.Config(
        app, http=Protocol, log_config=None, access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=LAST_S, timeout_keep_alive=IDLE_S, proxy_headers=False,
    )  # fmt: skip
    Server(config).run(sockets=[listener])
