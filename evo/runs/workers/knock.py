"""Addresses of clusters, and a quick answer whether anything listens there: Ray would wait for a minute."""

import re
import socket

from evo.errors import EvonumError
from evo.runs.workers.contract import WorkersError

NAMES = ("auto", "local")
"""Addresses that Ray knows by name: a cluster of this machine that runs already, or one of its own."""
_HOST_PORT = re.compile(r"(?:ray://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


class AddressError(EvonumError, ValueError):
    """A text that is no address of a cluster."""


def check_address(address: str) -> None:
    """Refuses what is no address, before anything is looked for there.

    Raises:
        AddressError: neither a name of `NAMES` nor HOST:PORT; says what is expected.
    """
    found = _HOST_PORT.fullmatch(address)
    if address not in NAMES and not (found and 0 < int(found[2]) < 1 << 16):
        raise AddressError(
            f"--address {address[:80]!r} is none of a Ray cluster: give HOST:PORT, such as 10.0.0.7:6379, as"
            " `ray start --head` prints it, or auto for the one that runs here; without it this machine"
            " searches alone."
        )


def knock(address: str, asked: str | None = None) -> None:
    """Returns where something listens at HOST:PORT (or ray://HOST:PORT).

    Args:
        address: where.
        asked: the user's word for it, if it is another one.

    Raises:
        WorkersError: nothing answers within 3 s.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        stands = f", which {asked!r} stands for ($RAY_ADDRESS, or the last one started here)" if asked else ""
        raise WorkersError(
            f"No Ray cluster answers at {address!r}{stands} ({reason}): start one there by `ray start"
            " --head`, or leave out --address to search on this machine alone."
        ) from None
