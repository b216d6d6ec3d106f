"""The time of a call, on the wall and on the processor.

A virtual machine's clock of processor time may stand still for longer than a small call takes, and a rate
over zero seconds is none: such a call is made again until the clock has moved.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Spent(NamedTuple):
    """Seconds of one call, both above zero."""

    wall: float
    busy: float


def spent(call: Callable[[S], T], given: Callable[[], S]) -> tuple[Spent, T]:
    """The seconds of a call, and what it returned.

    Args:
        call: what is timed; if it is made again, the mean of all calls counts.
        given: makes its argument anew for each call, in time that does not count.
    """
    calls, wall, busy = 0, 0.0, 0.0
    while wall <= 0.0 or busy <= 0.0:
        argument = given()
        began, used = time.perf_counter(), time.process_time()
        made = call(argument)
        wall, busy = wall + time.perf_counter() - began, busy + time.process_time() - used
        calls += 1
    return Spent(wall / calls, busy / calls), made
