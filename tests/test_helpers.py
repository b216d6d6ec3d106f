"""The service's helpers: a clock for each question that other processes do not move."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from evo.service.helpers import Helpers
from evo.service.problems import ProblemError
from evo.service.processes import processor_time

TARGET = {"target": "exp2", "interval": None, "metric": None}


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    """One, which has answered."""
    with closing(Helpers(1, 60.0)) as made:
        made.ask("check_target", **TARGET, points=2)
        yield made


def test_a_question_that_works_for_too_long_makes_no_sense(helpers):
    with pytest.raises(ProblemError) as refused:
        helpers.ask("baselines", patience=0.1, **TARGET, max_ops=14, ops=None)
    assert refused.value.status == 422
    assert helpers.ask("check_target", **TARGET, points=2)["x"], "another helper took its place"


def test_a_helper_that_gets_no_processor_says_nothing_about_the_question(helpers):
    pid = helpers._all[0]._process.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProblemError) as refused:
        helpers.ask("check_target", patience=0.1, **TARGET, points=2)
    assert refused.value.status == 503
    assert refused.value.headers["Retry-After"]
    assert processor_time(pid) == 0, "it is gone"
    assert helpers.ask("check_target", **TARGET, points=2)["x"], "another helper took its place"
