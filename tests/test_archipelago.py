"""Who hears what from whom: by numbers alone, whatever order epochs end in, and nothing is kept for long."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.islands.epoch import Finished, Outcome
from evo.islands.pool import Pool
from evo.programs.batch import Batch
from evo.runs.archipelago import SLACK, Archipelago, steps

EPOCH = 4


def one(island: int, epoch: int) -> Pool:
    """A pool whose only row says who sent it, and when."""
    return replace(
        Pool.empty(3),
        batch=Batch.empty(1, 3),
        low=np.zeros((1, 3)),
        cost=np.array([island]),
        error=np.array([float(epoch)]),
        worst_x=np.zeros(1),
        fingerprint=np.ones(1, np.uint64),
        behaviour=np.ones(1, np.uint64),
        seconds=np.zeros(1),
    )


def finished(task, generation: int) -> Finished:
    outcome = Outcome(
        task.island, task.epoch, generation, one(task.island, task.epoch), {"fitted": generation}, 7, {}
    )
    return Finished(outcome, ("state", task.island, task.epoch), ("found", task.island, task.epoch))


def played(islands: int, generations: int, choose) -> tuple[dict, Archipelago, int]:
    """Runs all epochs, `choose` says which of the running ones ends next.

    Returns:
        What each epoch of each island was given, the archipelago, and most news kept at a time.
    """
    them = Archipelago(islands, EPOCH, generations, 3)
    given_to, under_way, most = {}, [], 0
    while True:
        for i in them.ready():
            task, handle, known = them.start(i, None)
            told = list(zip(task.immigrants.cost.tolist(), task.immigrants.error.tolist(), strict=True))
            given_to[i, task.epoch] = (task.generations, told, handle, known)
            under_way.append(task)
        if not under_way:
            return given_to, them, most
        task = under_way.pop(choose(len(under_way)))
        them.finish(finished(task, them.islands[task.island].generation + task.generations))
        most = max(most, max(len(island.history) for island in them.islands))


def test_sources_are_powers_of_two_behind():
    for lengths in (1, 2):
        assert [steps(n, lengths) for n in (1, 2, 3, 8, 9)] == [(), (1,), (1, 2), (1, 2, 4), (1, 2, 4, 8)]
    assert [steps(n, 3) for n in (1, 2, 3, 4, 13)] == [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 6, 12)]
    assert Archipelago(8, EPOCH, None, 3).sources(0) == [7, 6, 4]


@pytest.mark.parametrize("lengths", [1, 2, 3, 4])
@pytest.mark.parametrize("islands", [2, 3, 5, 16, 33, 256])
def test_news_reach_every_island_in_about_the_logarithm_of_their_number(islands, lengths):
    """Islands at home, one of each turn of the lengths, pass them on; the stretched ones do not."""
    them = Archipelago(islands, EPOCH, None, 3, lengths)
    for origin in range(min(islands, lengths)):
        knowing, rounds = {origin}, 0
        while len(knowing) < islands:
            telling = {i for i in knowing if i == origin or i % lengths == 0}
            knowing |= {i for i in range(islands) if telling & {*them.sources(i)}}
            rounds += 1
            assert rounds <= (islands - 1).bit_length() + 1


@given(st.integers(1, 9), st.randoms(use_true_random=False))
def test_what_an_island_is_given_does_not_depend_on_who_was_faster(islands, random):
    expected, _, _ = played(islands, 13, lambda n: 0)
    got, them, most = played(islands, 13, lambda n: random.randrange(n))
    assert got == expected
    for (i, epoch), (_, told, handle, known) in got.items():
        heard = [(s, epoch - SLACK) for s in them.sources(i)] if epoch >= SLACK else []
        assert told == heard
        assert known == [("found", *who) for who in heard]
        assert handle == (("state", i, epoch - 1) if epoch else None)
    assert them.counts["fitted"] == 13 * islands
    assert most <= SLACK * (1 + (islands - 1).bit_length())


def test_the_generations_of_all_epochs_are_the_budget():
    given_to, them, _ = played(3, 13, lambda n: n - 1)
    assert [given_to[1, epoch][0] for epoch in range(4)] == [1, EPOCH, EPOCH, EPOCH]
    assert {island.generation for island in them.islands} == {13}
    assert not them.running


def test_an_island_that_ended_in_fewer_epochs_holds_up_nobody():
    """Epochs that a time budget cut short are more in number: those of the others end before."""
    them = Archipelago(2, EPOCH, 9, 3)
    them.islands[0].epochs, them.islands[0].generation = 3, 9
    them.islands[1].epochs, them.islands[1].generation = 6, 5
    assert them.ready() == [1]
    task, _, known = them.start(1, None)
    assert (task.generations, len(task.immigrants), known) == (4, 0, [])


def test_fewer_generations_than_are_done_leave_nothing_to_run():
    them = Archipelago(2, EPOCH, 5, 3)
    for island in them.islands:
        island.epochs, island.generation = 3, 9
    assert them.ready() == []


def test_islands_that_are_behind_come_first():
    them = Archipelago(2, EPOCH, None, 3)
    them.finish(finished(them.start(0, None)[0], 1))
    assert them.ready() == [1, 0]


def test_what_was_withdrawn_is_ready_again():
    them = Archipelago(2, EPOCH, None, 3)
    assert them.ready() == [0, 1]
    them.start(0, None)
    assert (them.ready(), them.running) == ([1], 1)
    them.withdraw(0)
    them.withdraw(1)
    assert (them.ready(), them.running) == ([0, 1], 0)
