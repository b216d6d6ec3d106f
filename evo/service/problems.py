"""What the service refuses, as problem details (RFC 9457): one class, one table of titles."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from evo.errors import EvonumError

TITLES: Mapping[int, str] = {
    400: "The request makes no sense",
    401: "A token is needed",
    403: "The token does not allow this",
    404: "There is no such thing",
    405: "That cannot be done with it",
    408: "The request did not come to its end",
    409: "The job is in another state",
    413: "The request is too large",
    415: "The request is no JSON",
    421: "This service has another name",
    422: "The request cannot be done as it stands",
    429: "Too many at a time",
    500: "A fault of the service",
    503: "The service is busy or not ready",
}
"""By status."""


class ProblemError(EvonumError):
    """A request that is refused.

    Attributes:
        status: a key of `TITLES`.
        entry: of the request that is wrong, if it is one.
        headers: of the answer.
    """

    def __init__(
        self, status: int, detail: str, entry: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.entry, self.headers = status, entry, dict(headers or {})

    def to_object(self, instance: str) -> dict[str, Any]:
        """As JSON has it.

        Args:
            instance: path of the request.
        """
        return problem(self.status, str(self), instance, self.entry)


class ProblemObject(BaseModel):
    """Problem details as JSON has them."""

    type: str
    title: str
    status: int
    detail: str = Field(description="One line: value, place, what to do.")
    instance: str = Field(description="The request's path.")
    entry: str | None = Field(None, description="Of the request, if one is wrong.")


def problem(status: int, detail: str, instance: str, entry: str | None = None) -> dict[str, Any]:
    """Problem details; `detail` is one line."""
    found = {
        "type": "about:blank",
        "title": TITLES.get(status, "The request was refused"),
        "status": status,
        "detail": " ".join(detail.split())[:2000].encode("utf-8", "backslashreplace").decode(),
        "instance": instance,
    }
    return found if entry is None else {**found, "entry": entry}
