"""A client of a service: what `submit`, `jobs`, `best` and the other commands ask over HTTP."""

import os
from typing import Any

import requests

from evo import api
from evo.errors import EvonumError
from evo.service.settings import HERE, MARK

TOKEN = "EVONUM_TOKEN"
"""The variable with the token: a command's words are for everybody to see."""
PATIENCE = 150.0
"""For an answer [s]: an export may ask every float32."""


class RefusedError(EvonumError):
    """The service says that the request makes no sense, or is not allowed; its own words."""


class AwayError(EvonumError, OSError):
    """No service answers, or it cannot do this now."""

    kind = "machine"


class Client:
    """Requests to one service.

    Args:
        url: such as http://127.0.0.1:8765
        token: $EVONUM_TOKEN by default; None: without one.

    Raises:
        RefusedError: the token is none.
    """

    def __init__(self, url: str = HERE, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no password of another file
        if shown := (token or os.environ.get(TOKEN, "")).strip():
            if not (shown.isascii() and shown.isprintable()):
                raise RefusedError(f"${TOKEN} is no token, as evonum token create prints them.")
            self._session.headers["Authorization"] = f"Bearer {shown}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """An answer with a status below 400.

        Args:
            path: after /api/v1.
            more: of `requests.request`: params, json, headers.

        Raises:
            RefusedError, AwayError: one line with the reason.
        """
        place = f"{self.url}/api/v1{path}"
        try:
            answer = api.within(
                PATIENCE, lambda: self._session.request(method, place, timeout=PATIENCE, **more)
            )
        except TimeoutError as error:
            raise AwayError(f"{self.url}: {error}.") from None
        except UnicodeError:
            raise RefusedError("What is asked for is no text: it has bytes that are no UTF-8.") from None
        except (requests.RequestException, ValueError) as error:
            if isinstance(error, requests.ConnectionError | requests.Timeout):
                raise AwayError(f"No service answers at {self.url}: begin one with evonum serve.") from None
            what = f"{self.url!r} is no address of a service"
            if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema):
                raise RefusedError(f"{what}: it begins with http:// or https://.") from None
            raise RefusedError(f"{what}: {error}") from None
        if answer.status_code >= 400:
            kind = AwayError if answer.status_code >= 500 or answer.status_code == 429 else RefusedError
            raise kind(_detail(answer))
        if MARK not in answer.headers:
            raise RefusedError(_foreign(answer))
        return answer

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a path."""
        given = {name: value for name, value in params.items() if value is not None}
        return self.ask("GET", path, params=given).json()


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return _foreign(answer)


def _foreign(answer: requests.Response) -> str:
    return f"{answer.url} answers {answer.status_code} {answer.reason}, as no service of evonum does."
