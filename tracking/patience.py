"""A limit on how long something is waited for that cannot be interrupted, such as a server that drips bytes.

A time-out of a connection is for each read: of a server that sends a byte now and then no request ever ends.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What the call returns or raises; it runs in a thread, which is left behind if it takes longer.

    Raises:
        TimeoutError: it does.
    """
    result: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:  # it is the caller's
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"there is no whole answer after {seconds:.0f} s")
    if raised:
        raise raised[0]
    return result[0]
