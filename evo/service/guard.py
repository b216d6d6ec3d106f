"""What a request passes before anything else looks at it: host, origin, size, token. Plain ASGI.

A browser on another page may send requests here, but not with this service's name as `Host` (names that an
attacker points at this machine), nor with this page's `Origin`. The page's cookie is same-site and not for
scripts.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from evo.service.problems import ProblemError
from evo.service.settings import LOOPBACK, MARK, Settings
from evo.service.store import Store, StoreError
from evo.service.tokens import EVERYTHING, Access, find

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

COOKIE = "evonum"
BODY_S = 30
"""Time that a body may take [s]; it has 64 KiB at most (`Settings.max_body`)."""
OPEN = ("/healthz", "/readyz", "/api/v1/session", "/openapi.json")
"""Paths without a token; so are the files of the page."""
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    MARK: "1",
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}
"""Of every answer."""
_FIXED = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
_UNKEPT = (*_FIXED, (b"cache-control", b"no-store"))
"""The same for all but the page."""


class Guard:
    """Refuses, or passes a request on with `scope["state"]["access"]`."""

    def __init__(self, app: App, store: Store, settings: Settings) -> None:
        self._app, self._store, self._settings = app, store, settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        begun = False

        async def sends(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                fixed = _FIXED if is_page(scope["path"]) else _UNKEPT
                message["headers"] = [*message.get("headers", ()), *fixed]
            await send(message)

        try:
            self._check(scope, headers)
            whole = receive if scope["method"] in SAFE else await self._received(receive)
            await self._app(scope, whole, sends)
        except (ProblemError, StoreError) as error:
            if begun:
                raise
            refused = error if isinstance(error, ProblemError) else ProblemError(503, str(error))
            await _answer(refused, scope["path"], sends)

    def _check(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if _name(host) not in (*LOOPBACK, self._settings.host, *self._settings.names):
            raise ProblemError(
                421, f"No service of the name {host[:60]!r} is here; evonum serve --name adds it."
            )
        origin = headers.get("origin")
        if scope["method"] not in SAFE and (
            headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
            or (origin is not None and origin.partition("://")[2] != host)
        ):
            raise ProblemError(403, f"Pages of {str(origin)[:60]} may not change anything here.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or len(length) > 18 or int(length) > self._settings.max_body:
            raise self._too_large()
        access = self._access(headers, required=scope["path"] not in OPEN and not is_page(scope["path"]))
        scope.setdefault("state", {})["access"] = access

    def _access(self, headers: Mapping[str, str], required: bool) -> Access | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind and kind.lower() != "bearer":
            raise _unknown("Authorization: only Bearer tokens are known.")
        shown = token.strip() or _cookie(headers.get("cookie", ""))
        if shown and (access := find(self._store, shown)) is not None:
            return access
        if kind and required:
            raise _unknown("The token is unknown, revoked or over; evonum token list shows them.")
        if not self._settings.needs_tokens:
            return EVERYTHING
        if required:
            raise _unknown(
                "A token is needed, as evonum token create prints it: commands take it from $EVONUM_TOKEN, "
                "requests send Authorization: Bearer TOKEN."
            )
        return None

    async def _received(self, receive: Receive) -> Receive:
        """The body, read before anything is done with it: a length may be missing, or a lie."""
        body, more = b"", True
        try:
            async with asyncio.timeout(BODY_S):
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._settings.max_body:
                        raise self._too_large()
        except TimeoutError:
            headers = {"Connection": "close"}
            raise ProblemError(408, f"The body did not come within {BODY_S} s.", headers=headers) from None
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receives() -> Message:
            return first.pop() if first else await receive()

        return receives

    def _too_large(self) -> ProblemError:
        return ProblemError(413, f"A request has at most {self._settings.max_body} bytes.")


def _unknown(text: str) -> ProblemError:
    return ProblemError(401, text, headers={"WWW-Authenticate": "Bearer"})


def _name(host: str) -> str:
    """A host without its port."""
    return host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0].lower()


def is_page(path: str) -> bool:
    """Whether a path is a file of the page, which is for everybody."""
    return not path.startswith("/api/") and path not in (*OPEN, "/metrics")


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


async def _answer(refused: ProblemError, path: str, send: Send) -> None:
    body = json.dumps(refused.to_object(path)).encode()
    headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        **refused.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": refused.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
