"""A quick answer whether anything listens at an address, where Ray itself would wait for a minute."""

import socket

from evo.runs.workers.contract import WorkersError


def knock(address: str) -> None:
    """Returns where something listens at HOST:PORT (or ray://HOST:PORT).

    Raises:
        WorkersError: nothing answers within 3 s, or the address is none.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkersError(
            f"No Ray cluster answers at {address!r} ({reason}). Expected HOST:PORT of `ray start --head`."
        ) from None
