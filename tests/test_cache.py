import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.kernels.cache import Cache, Entries
from evo.kernels.layout import WAYS

fixed = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def entries(keys, check=1, ops=5, scores=0.5):
    n = len(keys)
    return Entries(
        np.array(keys, np.uint64),
        np.array(np.broadcast_to(check, n), np.uint32),
        np.array(np.broadcast_to(ops, n), np.uint8),
        np.array(np.broadcast_to(scores, n), np.float32),
    )


def in_bucket(n, entries, bucket=1):
    """Keys of one bucket."""
    return [bucket + (i + 1) * (entries // WAYS) for i in range(n)]


def ops_of(cache, key):
    return int(cache.ops[np.flatnonzero(cache.key == key)[0]])


@pytest.mark.parametrize("n", [-4, 0, 1, 2, 3, 5, 12, 1000])
def test_entries_must_be_a_power_of_two(n):
    with pytest.raises(ValueError, match=f"power of two of entries, at least {WAYS}, not {n}"):
        Cache.empty(n)


def test_an_empty_cache_knows_nothing():
    cache = Cache.empty(64)
    assert cache.used == 0
    assert np.isnan(cache.scores(np.array([1, 2, 2**64 - 1], np.uint64))).all()


def test_a_cache_is_bounded_and_what_it_holds_is_right():
    cache = Cache.empty(64)
    keys = np.random.default_rng(0).integers(1, 2**64, 1000, dtype=np.uint64)
    number = np.arange(1000)
    cache.merge(entries(keys, check=number, ops=number % 200, scores=number))
    assert cache.used == 64
    assert len(np.unique(cache.key)) == 64
    scores = cache.scores(keys)
    held = np.flatnonzero(~np.isnan(scores))
    assert len(held) == 64
    np.testing.assert_array_equal(scores[held], held)
    order = np.argsort(keys[held])
    by_key = np.argsort(cache.key)
    np.testing.assert_array_equal(cache.check[by_key], held[order])
    np.testing.assert_array_equal(cache.ops[by_key], held[order] % 200)
    np.testing.assert_array_equal(cache.score[by_key], held[order])


def test_the_oldest_of_a_full_bucket_leaves_and_other_buckets_stay():
    cache = Cache.empty(32)
    keys, other = in_bucket(WAYS + 1, 32), in_bucket(WAYS, 32, bucket=2)
    cache.merge(entries(other))
    cache.merge(entries(keys[:WAYS]))
    assert not np.isnan(cache.scores(np.array(keys[:WAYS], np.uint64))).any()
    cache.merge(entries(keys[WAYS:]))
    known = ~np.isnan(cache.scores(np.array(keys + other, np.uint64)))
    assert known.tolist() == [False, *[True] * (2 * WAYS)]


def test_merging_keeps_fewest_ops_and_best_score():
    cache = Cache.empty(4)
    for ops, score, fewest, best in [
        (7, np.nan, 7, np.nan),
        (9, 0.5, 7, 0.5),
        (6, np.nan, 6, 0.5),
        (8, 0.25, 6, 0.25),
        (3, 0.75, 3, 0.25),
        (4, np.inf, 3, 0.25),
    ]:
        cache.merge(entries([11], ops=ops, scores=score))
        assert ops_of(cache, 11) == fewest
        np.testing.assert_equal(cache.scores(np.array([11], np.uint64))[0], np.float32(best))
    assert cache.used == 1


finds = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 20), st.sampled_from([np.nan, np.inf, 0.0, 0.5, 1.0, 2.0])),
    max_size=40,
)


@fixed
@given(finds)
def test_the_cache_is_a_dictionary_while_no_bucket_is_full(found):
    cache, known = Cache.empty(256), {}
    for key, ops, score in found:
        cache.merge(entries([key], ops=ops, scores=score))
        old_ops, old = known.get(key, (ops, np.nan))
        known[key] = (min(ops, old_ops), np.fmin(score, old))  # fmin: NaN only if both are
    assert cache.used == len(known)
    for key, (ops, score) in known.items():
        assert ops_of(cache, key) == ops
        np.testing.assert_equal(cache.scores(np.array([key], np.uint64))[0], np.float32(score))


@fixed
@given(finds, st.randoms(use_true_random=False))
def test_the_order_of_news_does_not_change_what_is_known(found, random):
    shuffled = random.sample(found, len(found))
    caches = [Cache.empty(256) for _ in range(2)]
    for cache, news in zip(caches, (found, shuffled), strict=True):
        for key, ops, score in news:
            cache.merge(entries([key], ops=ops, scores=score))
    keys = np.arange(1, 41, dtype=np.uint64)
    np.testing.assert_array_equal(*(cache.scores(keys) for cache in caches))


def test_merging_at_once_equals_merging_one_by_one():
    rng = np.random.default_rng(1)
    keys = rng.integers(1, 200, 500).tolist()
    ops, scores = rng.integers(1, 30, 500), rng.random(500)
    one, many = Cache.empty(64), Cache.empty(64)
    many.merge(entries(keys, ops=ops, scores=scores))
    for key, n, score in zip(keys, ops, scores, strict=True):
        one.merge(entries([key], ops=n, scores=score))
    for name in ("key", "check", "ops", "score"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_a_copy_is_independent():
    cache = Cache.empty(16)
    cache.merge(entries([1, 2, 3]))
    copy = cache.copy()
    copy.merge(entries([1, 4], scores=0.125))
    cache.merge(entries([5]))
    assert copy.scores(np.array([1, 4, 5], np.uint64)).tolist()[:2] == [0.125, 0.125]
    assert (cache.used, copy.used) == (4, 4)
    assert cache.scores(np.array([1], np.uint64))[0] == 0.5
    assert np.isnan(copy.scores(np.array([5], np.uint64))[0])


def test_no_entries_change_nothing():
    cache = Cache.empty(4)
    cache.merge(entries([]))
    assert cache.used == 0
    assert len(cache.scores(np.array([], np.uint64))) == 0
