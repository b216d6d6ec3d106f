"""Writes beside the search: one at a time, and nothing that goes wrong in them is lost."""

import threading
import time

import pytest

from evo.runs.saver import Saver


def test_one_write_at_a_time_in_a_thread_of_its_own():
    saver, go, threads = Saver(0.0), threading.Event(), []

    def write():
        threads.append(threading.current_thread())
        go.wait(10)

    assert saver.due()  # no time is asked for
    saver.begin(write)
    assert not saver.due()
    go.set()
    saver.wait()
    assert threads != [threading.current_thread()]
    saver.close()


def test_the_next_write_waits_its_time():
    saver = Saver(1000.0)
    assert not saver.due()
    saver.begin(lambda: None)
    saver.wait()
    assert not saver.due()
    saver.close()


def test_what_a_write_raises_is_raised_by_the_next_question():
    saver = Saver(0.0)

    def fails():
        raise OSError("full")

    saver.begin(fails)
    with pytest.raises(OSError, match="full"):
        for _ in iter(saver.due, True):
            pass
    saver.begin(fails)
    with pytest.raises(OSError, match="full"):
        saver.wait()
    saver.begin(fails)
    saver.close()


def test_no_rest_follows_what_wrote_nothing():
    for answer, rests in ((None, True), (False, False)):
        saver = Saver(0.0)
        saver.begin(lambda answer=answer: time.sleep(0.5) or answer)
        saver.wait()
        assert saver.due() is not rests
        saver.close()
