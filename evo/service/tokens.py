"""Tokens: who may do what, and how much. The store has their digests only.

A token is `evo_ID_SECRET`; the secret has 256 bits from the system, so that one pass of SHA-256 is enough.
"""

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evo.errors import EvonumError
from evo.service.store import Store

SCOPES: Mapping[str, str] = {
    "read": "see jobs, fronts and formulas",
    "submit": "submit jobs, and stop, resume and delete one's own",
    "admin": "the same with everybody's",
}
LOCAL = "local"
"""The owner of what comes from this machine without a token."""
MAX_JOBS, MAX_CORES = 100, 4096
"""Jobs that have not ended, and cores at a time, of a token that says nothing else."""


class TokenError(EvonumError, ValueError):
    """A token that cannot be made or revoked; one line says why."""


@dataclass(frozen=True)
class Access:
    """What a request may do.

    Attributes:
        owner: whose jobs it submits.
        scopes: of `SCOPES`.
        max_jobs: of the owner that have not ended.
        max_cores: at a time.
    """

    owner: str
    scopes: frozenset[str]
    max_jobs: int = MAX_JOBS
    max_cores: int = MAX_CORES


@dataclass(frozen=True)
class Token:
    """A token as it is listed: all but its secret."""

    id: str
    owner: str
    scopes: tuple[str, ...]
    max_jobs: int
    max_cores: int
    created: float
    ends: float | None
    revoked: float | None


EVERYTHING = Access(LOCAL, frozenset(SCOPES))


def create(
    store: Store,
    owner: str,
    scopes: Iterable[str] = ("read", "submit"),
    max_jobs: int = MAX_JOBS,
    max_cores: int = MAX_CORES,
    days: float | None = None,
) -> str:
    """A new token, which nobody can show again.

    Raises:
        TokenError: no name of an owner, or an unknown scope.
    """
    asked = sorted(set(scopes))
    if unknown := [scope for scope in asked if scope not in SCOPES]:
        raise TokenError(f"scopes: there are {', '.join(SCOPES)}, not {unknown[0][:40]!r}")
    if not (owner.isprintable() and owner.replace("-", "").replace("_", "").replace(".", "").isalnum()):
        raise TokenError(f"owner: letters, digits, '-', '_' and '.', got {owner[:40]!r}")
    if len(owner) > 64:
        raise TokenError(f"owner: at most 64 characters, got {len(owner)}")
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    now = time.time()
    ends = None if days is None else now + 86400 * days
    with store.writing() as base:
        base.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (id, owner, _digest(secret), " ".join(asked), max_jobs, max_cores, now, ends),
        )
    return f"evo_{id}_{secret}"


def revoke(store: Store, id: str) -> None:
    """Ends a token, named by its id.

    Raises:
        TokenError: there is none that is still good.
    """
    with store.writing() as base:
        done = base.execute(
            "UPDATE tokens SET revoked = ? WHERE id = ? AND revoked IS NULL",
            (time.time(), id.encode("utf-8", "replace").decode()),
        )
        if not done.rowcount:
            raise TokenError(f"There is no token {id[:40]!r} to revoke; evonum token list shows them.")


def listed(store: Store) -> list[Token]:
    """All tokens, the oldest first."""
    return [_token(row) for row in store.read("SELECT * FROM tokens ORDER BY created, id")]


def find(store: Store, text: str) -> Access | None:
    """What a token allows; None if it is none, or not any more."""
    kind, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    is_id = kind == "evo" and id.isascii() and id.isalnum()
    rows = store.read("SELECT * FROM tokens WHERE id = ?", id) if is_id else []
    held = rows[0]["digest"] if rows else _digest("")
    if not hmac.compare_digest(held, _digest(secret)) or not rows:
        return None
    token = _token(rows[0])
    if token.revoked is not None or (token.ends is not None and token.ends < time.time()):
        return None
    return Access(token.owner, frozenset(token.scopes), token.max_jobs, token.max_cores)


def core_limits(store: Store) -> dict[str, int]:
    """Of owners, the cores at a time that the most generous of their tokens allows."""
    most: dict[str, int] = {}
    for token in listed(store):
        if token.revoked is None:
            most[token.owner] = max(most.get(token.owner, 0), token.max_cores)
    return most


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: sqlite3.Row) -> Token:
    kept = {name: row[name] for name in Token.__dataclass_fields__}
    return Token(**{**kept, "scopes": tuple(row["scopes"].split())})
