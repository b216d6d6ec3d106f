"""The experiment under XLA at few inputs: what it says of errors, lengths and times is of the right shape."""

import pytest

import xla


def test_errors_are_those_of_the_library_and_nothing_is_missing():
    worst, at, wrong = xla.part_errors("exp2", 1.0, 0, 1 << 32, 65_537)
    assert 0.5 < worst < 1
    assert abs(at) < 130
    assert wrong == 0


def test_an_error_is_seen(monkeypatch):
    monkeypatch.setattr(xla, "ours", lambda *_: lambda x: xla_exp2(x) * (1 + 2.0**-20))
    worst, _, _ = xla.part_errors("exp2", 1.0, 0, 1 << 32, 1_000_003)
    assert 8 < worst < 17


def xla_exp2(x):
    from evo.library import jax as fast

    return fast.exp2(x)


def test_lengths_and_fusions_are_counted():
    row = xla.lengths("exp2", 6, 1.0)
    assert {str(length) for length in xla.LENGTHS} < set(row)
    assert row["fused"] == [0, 1 << 16]


def test_contestants_race_in_turns():
    rows = xla.raced("exp2", {"6": xla.ours("exp2", 1.0)}, rounds=2)
    assert [row["name"] for row in rows] == ["6", "numpy"]
    assert {"loop_median", "loop_p10", "long_median", "long_p10"} < set(rows[0])


@pytest.mark.parametrize("function", sorted(xla.NUMPY))
def test_numpy_has_every_opponent(function):
    assert callable(xla.NUMPY[function])
