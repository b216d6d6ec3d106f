import errno
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.files import write_atomically
from evo.fronts.front import Front, FrontError, Member
from evo.islands.archive import archive, first_fronts, non_dominated, thresholds
from evo.islands.pool import Pool
from evo.programs.batch import Batch
from evo.programs.program import parse

fixed = settings(max_examples=200, deadline=None, derandomize=True, database=None)
rows = st.lists(
    st.tuples(
        st.integers(1, 6),  # ops
        st.sampled_from([0.0, 1e-9, 0.25, 0.5, 1.0, 2.0, 1e300]),  # error
        st.integers(1, 8),  # behaviour
        st.integers(1, 50),  # key
    ),
    max_size=30,
)


def pool_of(found):
    n = len(found)
    columns = list(zip(*found, strict=True)) if found else [[]] * 4
    batch = Batch.of([parse("v1 = c1 + x")] * n, [[float(i)] for i in range(n)], 4)
    return Pool(
        batch,
        np.zeros((n, 4)),
        np.array(columns[0], np.int64),
        np.array(columns[1], float),
        np.arange(n, dtype=float),
        np.array(columns[3], np.uint64),
        np.array(columns[2], np.uint64),
        np.zeros(n),
    )


def pairs(pool):
    return list(zip(pool.cost.tolist(), pool.error.tolist(), strict=True))


def dominates(a, b):
    """By definition: nowhere worse and somewhere better."""
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@fixed
@given(rows)
def test_the_front_is_what_nothing_dominates(found):
    everything = pairs(pool_of(found))
    front = pairs(non_dominated(pool_of(found)))
    assert front == sorted({a for a in everything if not any(dominates(b, a) for b in everything)})


@fixed
@given(rows)
def test_a_front_is_its_own_front_and_more_ops_mean_less_error(found):
    front = non_dominated(pool_of(found))
    assert pairs(non_dominated(front)) == pairs(front)
    assert (np.diff(front.cost) > 0).all()
    assert (np.diff(front.error) < 0).all()


@fixed
@given(rows, rows)
def test_the_front_of_a_union_is_the_front_of_the_fronts(one, two):
    whole = non_dominated(Pool.concatenate([pool_of(one), pool_of(two)]))
    parts = non_dominated(Pool.concatenate([non_dominated(pool_of(one)), non_dominated(pool_of(two))]))
    assert pairs(whole) == pairs(parts)


@fixed
@given(rows, st.integers(1, 4))
def test_the_archive_keeps_the_best_of_every_ops_with_distinct_behaviour(found, per_ops):
    kept = archive(pool_of(found), per_ops)
    assert len(set(kept.behaviour.tolist())) == len(kept)
    best = {}  # by definition: of each behaviour the cheapest, then the most exact
    for ops, error, behaviour, _ in found:
        best[behaviour] = min(best.get(behaviour, (99, 0.0)), (ops, error))
    expected = [
        pair for ops in range(1, 7) for pair in sorted(p for p in best.values() if p[0] == ops)[:per_ops]
    ]
    assert pairs(kept) == expected


@fixed
@given(rows, st.integers(1, 4))
def test_the_archive_never_loses_the_front_unless_a_behaviour_is_cheaper_elsewhere(found, per_ops):
    distinct = [(ops, error, n, key) for n, (ops, error, _, key) in enumerate(found)]
    pool = pool_of(distinct)
    assert pairs(non_dominated(archive(pool, per_ops))) == pairs(non_dominated(pool))


@fixed
@given(rows, st.integers(1, 4))
def test_archiving_again_changes_nothing_and_the_order_of_rows_does_not_matter(found, per_ops):
    kept = archive(pool_of(found), per_ops)
    again = archive(kept, per_ops)
    backwards = archive(pool_of(found[::-1]), per_ops)
    for other in (again, backwards):
        assert pairs(other) == pairs(kept)
        np.testing.assert_array_equal(other.behaviour, kept.behaviour)
        np.testing.assert_array_equal(other.fingerprint, kept.fingerprint)


@fixed
@given(rows, st.integers(1, 3))
def test_thresholds_are_what_a_newcomer_must_beat(found, per_ops):
    distinct = [(ops, error, n, key) for n, (ops, error, _, key) in enumerate(found)]
    kept = archive(pool_of(distinct), per_ops)
    limits = thresholds(kept, per_ops, 8)
    assert len(limits) == 9
    for ops in range(1, 9):
        errors = sorted(error for o, error, *_ in distinct if o == ops)
        assert limits[ops] == (errors[per_ops - 1] if len(errors) >= per_ops else np.inf)


def test_a_pool_keeps_rows_together():
    pool = pool_of([(3, 0.5, 1, 7), (1, 1.0, 2, 8), (2, 0.25, 3, 9)])
    front = non_dominated(pool)
    assert pairs(front) == [(1, 1.0), (2, 0.25)]
    assert front.fingerprint.tolist() == [8, 9]
    assert front.batch.constants[:, 0].tolist() == front.worst_x.tolist() == [1.0, 2.0]


def test_no_candidates_have_no_front_and_no_archive():
    empty = Pool.empty(4)
    assert len(non_dominated(empty)) == len(archive(empty, 3)) == 0
    assert np.isinf(thresholds(empty, 1, 3)).all()


# The front as data.


def member(ops, error, **changes):
    text = "\n".join(["v1 = c1 / x", *(f"v{i + 1} = x + v{i}" for i in range(1, ops))])
    shown = parse(text).formula()
    base = Member(ops, "exp2", ("0", "1"), "relative", shown, text, ("0.1",), error, None, None, 0.5, 1.25)
    return replace(base, **changes)


FRONT = Front((member(2, 1e-2), member(4, 1e-5, polished_error=9.5e-6, proved_bound=1e-5), member(7, 3e-9)))


def test_best_by_ops_is_the_most_exact_and_by_error_the_cheapest():
    assert [FRONT.best(ops=n).ops for n in (2, 3, 4, 6, 7, 100)] == [2, 2, 4, 4, 7, 7]
    assert [FRONT.best(error=e).ops for e in (1, 1e-2, 9e-3, 1e-5, 1e-6, 3e-9)] == [2, 2, 4, 4, 7, 7]


@pytest.mark.parametrize("condition", [{"ops": 1}, {"error": 1e-12}])
def test_no_such_member_is_an_error_that_names_what_there_is(condition):
    with pytest.raises(FrontError, match=r"2 ops 1.00e-02, 4 ops 1.00e-05, 7 ops 3.00e-09"):
        FRONT.best(**condition)
    with pytest.raises(FrontError, match="no members"):
        Front(()).best(**condition)


@pytest.mark.parametrize("condition", [{}, {"ops": 3, "error": 0.1}])
def test_best_takes_exactly_one_condition(condition):
    with pytest.raises(FrontError, match="one of the two"):
        FRONT.best(**condition)


def test_what_gains_less_than_a_thousandth_is_not_visible_unless_it_reaches_what_is_sought():
    members = (
        member(2, 0.1),
        member(3, 0.09995),
        member(4, 0.0999),
        member(5, 0.05),
        member(6, 0.05 * 0.9995),
    )
    front = Front(members)
    assert [m.ops for m in front.visible()] == [2, 5]
    assert [m.ops for m in front.visible(sought=0.09996)] == [2, 3, 5]
    assert [m.ops for m in front.visible(sought=1e-3)] == [2, 5]
    floats = Front(tuple(replace(m, dtype="float32") for m in members))
    assert floats.visible() == floats


def test_a_front_is_a_sequence_and_a_member_a_function():
    assert len(FRONT) == 3
    assert [m.ops for m in FRONT] == [2, 4, 7]
    assert FRONT[-1] is FRONT.members[2]
    np.testing.assert_array_equal(FRONT[0]([0.5, 2]), [0.5 + 0.1 / 0.5, 2 + 0.1 / 2])
    assert FRONT[0].code.ops == 2


numbers = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


@fixed
@given(
    st.lists(st.tuples(st.integers(1, 99), numbers, st.none() | numbers, st.text(max_size=20)), max_size=5)
)
def test_json_round_trips(found):
    front = Front(
        tuple(member(o, e, proved_bound=b, target=t, constants=(t, "1e-3")) for o, e, b, t in found)
    )
    assert Front.from_objects(json.loads(front.to_json())) == front


def test_save_and_load_round_trip(tmp_path):
    FRONT.save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json") == FRONT
    first = json.loads((tmp_path / "front.json").read_text())[0]
    floats = ("dtype", "full", "way", "core", "given", "require", "cost")
    assert list(first) == [*(n for n in Member.__dataclass_fields__ if n not in floats), "version"]
    assert first["interval"] == ["0", "1"]


def test_further_keys_of_a_member_are_ignored():
    objects = json.loads(FRONT.to_json())
    assert Front.from_objects([{**o, "note": 1} for o in objects]) == FRONT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "No front at .*: No such file"),
        (b"", "is not JSON"),
        (b"[{]", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{}", "array of objects"),
        (b"[1]", "array of objects"),
        (b"[{}]", "lacks constants, formula"),
        (
            json.dumps([{**json.loads(FRONT.to_json())[0], "sampled_error": -1}]).encode(),
            "sampled_error is a number, not below 0, got '-1'",
        ),
        (
            FRONT.to_json().replace('"proved_bound": null', '"proved_bound": -2.5').encode(),
            "or null, not below 0",
        ),
        (FRONT.to_json().replace('"metric"', '"metrik"').encode(), "lacks metric"),
        (json.dumps([{**json.loads(FRONT.to_json())[0], "interval": 5}]).encode(), "interval is an array"),
        (
            json.dumps([{**json.loads(FRONT.to_json())[0], "constants": None}]).encode(),
            "constants is an array",
        ),
    ],
)
def test_what_is_no_front_is_an_error_of_one_line_with_the_path(tmp_path, data, message):
    path = tmp_path / "front.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FrontError, match=message) as caught:
        Front.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_front(tmp_path):
    with pytest.raises(FrontError, match="No front at"):
        Front.load(tmp_path)


# Whole or not at all.


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod", "fdopen"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, function):
    path = tmp_path / "front.json"
    FRONT.save(path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left"):
        Front(()).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["front.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_leaves_no_scratch_file(tmp_path, monkeypatch, error):
    def stop(*_):
        raise error

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(error):
        write_atomically(tmp_path / "state", b"new")
    assert os.listdir(tmp_path) == []


def test_the_new_file_is_on_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    write_atomically(tmp_path / "state", b"new")
    assert calls == ["fsync", "replace", "fsync"]
    assert (tmp_path / "state").read_bytes() == b"new"


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "state", b"new")


def fronts_by_definition(ops, error):
    """Rows of each front: those that no row left over dominates; of equal rows, one after another."""

    def beats(a, b):
        equal = (ops[a], error[a]) == (ops[b], error[b])
        return a < b if equal else ops[a] <= ops[b] and error[a] <= error[b]

    left, fronts = list(range(len(ops))), []
    while left:
        best = [row for row in left if not any(map(beats, left, [row] * len(left)))]
        fronts.append(best)
        left = [row for row in left if row not in best]
    return fronts


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=30), st.data())
def test_the_first_fronts_are_those_of_the_definition(rows, data):
    ops, error = np.array([o for o, _ in rows]), np.array([float(e) for _, e in rows])
    wanted = data.draw(st.integers(1, len(rows)))
    whole, last = first_fronts(ops, error, wanted)
    expected = fronts_by_definition(ops, error)
    count = next(n for n in range(len(expected)) if sum(map(len, expected[: n + 1])) >= wanted)
    assert sorted(whole.tolist()) == sorted(row for front in expected[:count] for row in front)
    assert last.tolist() == expected[count]


def test_the_formula_of_a_loaded_member_is_its_program_whatever_the_file_says(tmp_path):
    Front((replace(FRONT[0], formula="x"),)).save(tmp_path / "front.json")
    loaded = Front.load(tmp_path / "front.json")[0]
    assert loaded.formula == loaded.code.formula() != "x"


def test_a_front_says_its_version_older_files_are_read_and_newer_ones_refused(tmp_path):
    path = tmp_path / "front.json"
    FRONT.save(path)
    objects = json.loads(path.read_text())
    assert [o.pop("version") for o in objects] == [1, 1, 1]
    assert Front.from_objects(objects) == FRONT
    with pytest.raises(FrontError, match="version is 1: newer files take a newer evonum, got '2'"):
        Front.from_objects([{**objects[0], "version": 2}])
